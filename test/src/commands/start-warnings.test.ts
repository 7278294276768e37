import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { warnAtStart } from '../../../src/commands/start-warnings.ts'
import { type LogFields, silentLog } from '../../../src/log.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'querytap-warnings-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const told = (options: string, toStdout = false): [string, unknown][] => {
  const file = join(dir, 'querytap.toml')
  writeFileSync(file, `[dumpLog]\n${options}`)
  const lines: [string, unknown][] = []
  const warn = (fields: LogFields, message: string) => void lines.push([message, fields.option])
  warnAtStart(loadConfig({ file, env: {} }), toStdout, { ...silentLog, warn })
  return lines
}

it('tells of hooks that cannot be run', () => {
  const [fine, plain] = [join(dir, 'fine'), join(dir, 'plain')]
  writeFileSync(fine, '', { mode: 0o755 })
  writeFileSync(plain, '', { mode: 0o644 })
  expect(told(`alertHook = "${dir}/none"\nrotationHook = "${plain}"\ncheckpointHook = "${fine}"`)).toEqual([
    ['a hook cannot be run', 'dumpLog.rotationHook'],
    ['a hook cannot be run', 'dumpLog.alertHook'],
  ])
  expect(told('alertHook = "in-path"')).toEqual([])
})

it('tells that there is no audit', () => {
  const message = 'no audit is written: neither to a file nor to the standard output'
  expect(told('enable = false')).toEqual([[message, undefined]])
  expect(told('enable = false', true)).toEqual([])
})
