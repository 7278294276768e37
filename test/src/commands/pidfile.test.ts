import { spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { takePidfile } from '../../../src/commands/pidfile.ts'

let directory: string
let path: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'querytap-test-'))
  path = join(directory, 'proxy.pid')
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const OWN = `${process.pid}\n`

test('holds the process id until it is released', () => {
  const pidfile = takePidfile(path, false)
  expect(readFileSync(path, 'utf8')).toBe(OWN)
  expect(readdirSync(directory)).toEqual(['proxy.pid'])
  pidfile.release()
  expect(existsSync(path)).toBe(false)
})

test.each([
  ['of a dead process', () => `${spawnSync(process.execPath, ['-e', '']).pid}\n`],
  ['of our own number, as a restarted container has it', () => OWN],
  ['that is empty', () => ''],
  ['with nonsense', () => 'none\n'],
])('a file %s is replaced', (_what, text) => {
  writeFileSync(path, text())
  takePidfile(path, false)
  expect(readFileSync(path, 'utf8')).toBe(OWN)
})

test('a live one refuses the start, a successor takes it over', () => {
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  try {
    writeFileSync(path, `${other.pid}\n`)
    expect(() => takePidfile(path, false)).toThrow(`pidfile ${path}: process ${other.pid} is running`)
    takePidfile(path, true)
    expect(readFileSync(path, 'utf8')).toBe(OWN)
  } finally {
    other.kill('SIGKILL')
  }
})

test('a number that went to a younger process is stale', () => {
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  try {
    writeFileSync(path, `${other.pid}\n`)
    const anHourAgo = Date.now() / 1000 - 3600
    utimesSync(path, anHourAgo, anHourAgo)
    takePidfile(path, false)
    expect(readFileSync(path, 'utf8')).toBe(OWN)
  } finally {
    other.kill('SIGKILL')
  }
})

test("a successor's file is left alone", () => {
  const pidfile = takePidfile(path, false)
  writeFileSync(path, '1\n')
  pidfile.release()
  expect(readFileSync(path, 'utf8')).toBe('1\n')
})

test('a file that cannot be written is an error of the environment', () => {
  expect(() => takePidfile(join(directory, 'missing', 'proxy.pid'), false)).toThrow(/pidfile .*: ENOENT/)
})
