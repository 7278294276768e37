/**
 * Recorded conversations as `querytap read` takes them: through the program's own reader, whole and changed.
 * Each gives the statements, values and outcomes that its client was seen to send.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { mysql } from '../../../dumpers/mysql/index.ts'
import { openRecords } from '../../../src/capture/records.ts'
import { CaptureRun } from '../../../src/commands/capture-run.ts'
import type { CaptureError } from '../../../src/errors.ts'
import { silentLog } from '../../../src/log.ts'
import { canonical, ofKind, type Plain } from '../../support/canonical.ts'
import {
  type ExpectedStatement,
  expectLogin,
  expectRecord,
  isRecord,
  KINDS,
  RECORDED,
  readExpected,
} from '../../support/my-foretold.ts'

const FOLDER = new URL('../../captures/', import.meta.url).pathname
const NAMES = readdirSync(FOLDER)
  .filter((file) => /^my_.*\.pcap$/.test(file))
  .map((file) => file.slice(0, -'.pcap'.length))
/** of those that miss something: how many gaps their records tell */
const GAPS: Readonly<Record<string, number>> = { my_ed_snap96: 24 }
const DAMAGED = 'my_ed_cutfile'

/** Events of each connection, by its client. */
const read = (name: string): Map<string, Plain[]> => {
  const clients = new Map<string, Plain[]>()
  const { file, server_port: port } = readExpected(name)
  const run = new CaptureRun({
    config: loadConfig({ env: {}, candidates: [] }),
    subject: { dumper: mysql, targets: [{ port }], targetText: String(port) },
    sink: {
      emit: (flow, event) => {
        const client = flow?.src_addr ?? ''
        clients.set(client, [...(clients.get(client) ?? []), canonical(event)])
      },
    },
    log: silentLog,
  })
  const records = openRecords()
  try {
    records.feed(readFileSync(`${FOLDER}${file}`), run.record)
    records.end()
  } catch (error) {
    expect([name, (error as CaptureError).name]).toEqual([DAMAGED, 'CaptureError'])
  }
  run.end()
  return clients
}

const expectDegraded = (record: Plain, wanted: ExpectedStatement): void => {
  expect(record.after_gap === true).toBe(wanted.after_gap === true)
  if (record.malformed) {
    expect(wanted.partial).toBe(true)
    if (wanted.kind !== 'stmt_execute') expect(record.text).toBeUndefined()
    return
  }
  if (wanted.outcome !== 'lost' && !wanted.undecodable_params) {
    expectRecord(record, wanted)
    return
  }
  expect(record).toMatchObject(KINDS[wanted.kind]!)
  if (wanted.outcome === 'lost') expect(record.outcome).toBe('unknown')
  else expect(record.rows_returned ?? record.rows_affected).toBe(wanted.rows)
  if (wanted.text !== undefined) expect(record.text).toBe(wanted.text)
  if (wanted.kind === 'stmt_execute') expect(record.stmt_id).toBe(wanted.stmt_id)
}

test('the changed captures are there', () => {
  expect(NAMES.filter((name) => name.startsWith('my_ed_')).length).toBeGreaterThanOrEqual(4)
})

describe.each(NAMES)('%s', (name) => {
  const { connections } = readExpected(name)
  const clients = read(name)

  test('holds the connections of its clients', () => {
    expect([...clients.keys()].sort()).toEqual(connections.map(({ client }) => client).sort())
  })

  test.each(connections)('$client: log-in, statements, values, outcomes', (connection) => {
    const events = clients.get(connection.client) ?? []
    expectLogin(events, connection)
    const records = events.filter(isRecord)
    const sent = connection.statements.filter(({ kind }) => RECORDED.has(kind))
    const wanted = records.length === 0 ? sent.filter(({ optional }) => !optional) : sent
    expect(records.map(({ event }) => event)).toEqual(wanted.map(({ kind }) => KINDS[kind]!.event))
    for (const [index, one] of wanted.entries()) expectDegraded(records[index]!, one)
  })

  test('tells what is missing, and nothing else', () => {
    const gaps = [...clients.values()].flatMap((events) => ofKind(events, 'gap'))
    expect(gaps.filter(({ gap_reason: reason }) => reason !== 'lost')).toEqual([])
    expect(gaps).toHaveLength(GAPS[name] ?? 0)
  })
})
