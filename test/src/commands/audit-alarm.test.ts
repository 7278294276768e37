import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { openAuditAlarm } from '../../../src/commands/audit-alarm.ts'
import { openAuditLog } from '../../../src/commands/audit-log.ts'
import { SinkError } from '../../../src/errors.ts'
import type { AuditEvent, FlowFacts } from '../../../src/event.ts'
import { type Log, silentLog } from '../../../src/log.ts'

/** A program takes its time to start on a busy machine. */
const SOON = { timeout: 4000 }

let dir: string
let lines: string[]
let now: number
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'querytap-alarm-'))
  const out = join(dir, 'out')
  writeFileSync(join(dir, 'hook.sh'), `#!/bin/sh\necho "$1: $2" >> '${out}'\n`, { mode: 0o755 })
  lines = []
  now = 0
})
afterEach(() => rmSync(dir, { recursive: true }))

const told = (): string[] =>
  existsSync(join(dir, 'out'))
    ? readFileSync(join(dir, 'out'), 'utf8').replaceAll(dir, 'DIR').split('\n').slice(0, -1)
    : []

const log: Log = {
  ...silentLog,
  warn: (_, message) => lines.push(`warn ${message}`),
  error: (_, message) => lines.push(`error ${message}`),
  info: (_, message) => lines.push(`info ${message}`),
}
const options = () => ({
  ...{ dir, enable: true, spaceLeft: 0, hookTimeout: 10_000, alertHook: join(dir, 'hook.sh') },
})
const who = { dialect: 'mysql' }
const flow: FlowFacts = { conn_id: 'C1', client_addr: '10.0.0.1:1' }
const captured: FlowFacts = { conn_id: 'C2', src_addr: '10.0.0.2:1' }
const ignored = { emit: () => undefined }

describe('the audit alarm', () => {
  it('tells that an output cannot be written, what is lost, and after how long that is over', async () => {
    const alarm = openAuditAlarm(options(), log, log, () => now)
    const { onTrouble, onRecovered } = alarm.reports('file')
    onTrouble(new SinkError('write', 'dump.log: ENOSPC'))
    await expect
      .poll(told, SOON)
      .toEqual(['block: the audit log cannot be written (file): dump.log: ENOSPC'])
    now = 12_345
    onTrouble(new SinkError('full', 'the oldest are dropped'))
    await expect.poll(() => told()[1], SOON).toBe('loss: the oldest are dropped')
    onRecovered(7)
    await alarm.close()
    expect(told().slice(2).sort()).toEqual([
      'block: over after 12 s: the audit log is written again (file)',
      'loss: 7 records were lost (file)',
    ])
    expect(lines).toEqual([
      'error the audit log cannot be written',
      'error records of the audit are lost',
      'warn the audit log is written again',
    ])
  })

  it('tells each time that an output cannot be written, and can again', async () => {
    const quiet: Log = { ...silentLog }
    const alarm = openAuditAlarm({ ...options(), alertHook: '' }, quiet, log)
    const file = alarm.reports('file')
    file.onTrouble(new SinkError('write', 'dump.log: ENOSPC'))
    file.onTrouble(new SinkError('rotate', 'held back'))
    file.onRecovered(0)
    file.onRecovered(0)
    const stdout = alarm.reports('stdout')
    stdout.onTrouble(new SinkError('write', 'held back'))
    stdout.onRecovered(0)
    await alarm.close()
    expect(lines).toEqual(['error the audit log cannot be written', 'warn the audit log is written again'])
  })

  it('counts a journal that cannot be read as a loss', async () => {
    const alarm = openAuditAlarm(options(), log)
    const { onTrouble, onRecovered } = alarm.reports('file')
    onTrouble(new SinkError('journal', 'it is damaged'))
    onRecovered(0)
    await alarm.close()
    expect(told()).toEqual(['loss: it is damaged'])
  })

  it('leaves rotation and other hooks to the operational log', async () => {
    const alarm = openAuditAlarm(options(), log)
    const { onTrouble } = alarm.reports('file')
    onTrouble(new SinkError('rotate', 'hook exited with 1'))
    onTrouble(new SinkError('hook', 'checkpoint'))
    await alarm.close()
    expect([told(), lines.length]).toEqual([[], 2])
  })

  it('tells of traffic that is not decoded, not of captures that begin amid sessions', async () => {
    const alarm = openAuditAlarm(options(), log)
    const passed: AuditEvent[] = []
    const sink = alarm.watched({ emit: (_, event) => passed.push(event) })
    const gap = { event: 'gap', at: 1, who } as const
    sink.emit(captured, { ...gap, gap_reason: 'mid-stream' })
    sink.emit(flow, { ...gap, gap_reason: 'framing', gap_bytes: 9, detail: 'a length of 0' })
    await expect
      .poll(told, SOON)
      .toEqual([
        'gap: traffic is not audited on connection C1 of 10.0.0.1:1: framing, 9 bytes: a length of 0',
      ])
    sink.emit(undefined, { ...gap, gap_reason: 'lost', gap_packets: 3 })
    sink.emit(flow, { event: 'session.start', at: 1, who })
    await alarm.close()
    expect([told()[1], passed.length]).toEqual(['gap: traffic is not audited: lost, 3 packets', 4])
  })

  it('watches the space left from when it begins', async () => {
    const alarm = openAuditAlarm({ ...options(), spaceLeft: 2 ** 60 }, log)
    alarm.begin()
    await expect
      .poll(told, SOON)
      .toEqual([
        expect.stringMatching(
          /^space: less than 1048576TiB is left for the audit log in DIR: \d+\.\d MiB$/,
        ),
      ])
    await alarm.close()
    expect(lines).toEqual(['warn little space is left for the audit log'])
  })

  it('costs nothing where nobody is to be told', () => {
    const alarm = openAuditAlarm({ ...options(), alertHook: '' }, log)
    expect(alarm.watched(ignored)).toBe(ignored)
  })

  it('belongs to the audit log', async () => {
    const { dumpLog } = loadConfig({ env: {}, candidates: [] })
    const audit = openAuditLog({ ...dumpLog, ...options(), spaceLeft: 2 ** 60 }, false, log)
    audit.sink.emit(flow, { event: 'gap', at: 1, who, gap_reason: 'tls' })
    await audit.close()
    const kinds = told().map((line) => line.split(':')[0])
    expect(kinds.filter((kind) => kind !== 'space')).toEqual(['gap'])
  })
})
