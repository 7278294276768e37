import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SinkError } from '../../../src/errors.ts'
import type { Checkpoint } from '../../../src/event.ts'
import { CheckpointHook } from '../../../src/sinks/checkpoint-hook.ts'

let dir: string
let problems: SinkError[]
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'querytap-hook-'))
  problems = []
})
afterEach(() => rmSync(dir, { recursive: true }))

const hookOf = (script: string, timeoutMs = 10_000): CheckpointHook => {
  const program = join(dir, 'hook.sh')
  writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return new CheckpointHook({ program, timeoutMs, onProblem: (error) => problems.push(error) })
}

const checkpoint = (seal: string, signature = ''): Checkpoint => ({ seal, signature, line: Buffer.of() })

describe('the checkpoint hook', () => {
  it('is given seal, signature and file', async () => {
    const out = join(dir, 'out')
    const hook = hookOf(`printf '%s|' "$@" > ${out}`)
    hook.tell(checkpoint('aa', 'bb'), '/log/dump.log; rm -rf /')
    await hook.close()
    expect(readFileSync(out, 'utf8')).toBe('aa|bb|/log/dump.log; rm -rf /|')
  })

  it('runs once at a time; the newest seal waits, the last is not lost', async () => {
    const [out, gate] = [join(dir, 'out'), join(dir, 'gate')]
    const hook = hookOf(`while [ ! -e ${gate} ]; do sleep 0.01; done; echo "$1" >> ${out}`)
    for (const seal of ['one', 'two', 'three', 'four']) hook.tell(checkpoint(seal), 'file')
    expect(existsSync(out)).toBe(false)
    writeFileSync(gate, '')
    await hook.close()
    expect(readFileSync(out, 'utf8')).toBe('one\nfour\n')
    expect(problems).toEqual([])
  })

  it('that fails is told, and told of the next seal all the same', async () => {
    const out = join(dir, 'out')
    const hook = hookOf(`echo "$1" >> ${out}; [ "$1" = two ]`)
    hook.tell(checkpoint('one'), 'file')
    hook.tell(checkpoint('two'), 'file')
    await hook.close()
    expect(readFileSync(out, 'utf8')).toBe('one\ntwo\n')
    expect(problems.map(({ code, message }) => [code, message])).toEqual([
      ['hook', expect.stringMatching(/^checkpoint: hook .* exited with 1$/)],
    ])
  })

  it('that hangs is ended', async () => {
    const hook = hookOf('sleep 60', 100)
    hook.tell(checkpoint('one'), 'file')
    await hook.close()
    expect(problems[0]?.message).toContain('took longer than 100 ms')
  })
})
