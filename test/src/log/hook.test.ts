import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createHook } from '../../../src/log/hook.ts'

let directory = ''
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'querytap-hook-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

const program = (name: string, body: string): string => {
  const path = join(directory, name)
  writeFileSync(path, `#!/bin/sh\n${body}\n`)
  chmodSync(path, 0o700)
  return path
}

const failures = async (hook: string, timeoutMs = 10_000): Promise<string[]> => {
  const told: string[] = []
  await createHook({ hook, timeoutMs, onFailure: (reason) => told.push(reason) })('/a', '/b')
  return told
}

test('runs come one after the other', async () => {
  const out = join(directory, 'out')
  const hook = program('slow', `echo "begin $1" >> ${out}; sleep 0.05; echo "end $1" >> ${out}`)
  const run = createHook({ hook, timeoutMs: 10_000, onFailure: () => expect.unreachable() })
  await Promise.all([run('1', '2'), run('2', '3')])
  expect(readFileSync(out, 'utf8')).toBe('begin 1\nend 1\nbegin 2\nend 2\n')
})

test.each<[string, () => Promise<string[]>, string]>([
  ['a code', () => failures(program('fails', 'exit 3')), 'it ended with code 3'],
  ['no program', () => failures(join(directory, 'none')), 'ENOENT'],
  ['too slow', () => failures(program('hangs', 'exec sleep 60'), 50), 'it took longer than 50 ms'],
])('a failure is told and thrown nowhere: %s', async (_, run, reason) => {
  expect(await run()).toEqual([reason])
})
