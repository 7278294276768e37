/**
 * Recorded conversations as `querytap read` takes them: through the program's own reader, whole and changed.
 * Each gives the statements, values and outcomes that its client was seen to send.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { pg } from '../../../dumpers/pg/index.ts'
import { openRecords } from '../../../src/capture/records.ts'
import { CaptureRun } from '../../../src/commands/capture-run.ts'
import { silentLog } from '../../../src/log.ts'
import { canonical, ofKind, type Plain } from '../../support/canonical.ts'
import { expectLogin, expectRecord, foretell, readExpected, recordsIn } from '../../support/pg-foretold.ts'

const FOLDER = new URL('../../captures/', import.meta.url).pathname
const NAMES = readdirSync(FOLDER)
  .filter((file) => /^pg_.*\.pcap$/.test(file))
  .map((file) => file.slice(0, -'.pcap'.length))
/** what is missing in those that miss something, as records tell it */
const GAPS: Readonly<Record<string, readonly Plain[]>> = {
  pg_ed_lost_query: [{ gap_reason: 'lost', direction: '->', gap_bytes: 59 }],
  pg_ed_mid_first: [{ gap_reason: 'mid-stream' }, { gap_reason: 'mid-stream' }],
}

/** Events of each connection, by its client. */
const read = (name: string): Map<string, Plain[]> => {
  const clients = new Map<string, Plain[]>()
  const { file, server_port: port } = readExpected(name)
  const run = new CaptureRun({
    config: loadConfig({ env: {}, candidates: [] }),
    subject: { dumper: pg, targets: [{ port }], targetText: String(port) },
    sink: {
      emit: (flow, event) => {
        const client = flow?.src_addr ?? ''
        clients.set(client, [...(clients.get(client) ?? []), canonical(event)])
      },
    },
    log: silentLog,
  })
  const records = openRecords()
  records.feed(readFileSync(`${FOLDER}${file}`), run.record)
  records.end()
  run.end()
  return clients
}

test('the changed captures are there', () => {
  expect(NAMES.filter((name) => name.startsWith('pg_ed_')).length).toBeGreaterThanOrEqual(4)
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
    const records = recordsIn(events)
    const foretold = foretell(connection.statements)
    expect(records.map(({ event, text }) => [event, text])).toEqual(
      foretold.map(({ event, text }, index) => [event, text ?? records[index]?.text]),
    )
    for (const [index, one] of foretold.entries()) expectRecord(records[index]!, one)
  })

  test('tells what is missing, and nothing else', () => {
    const gaps = [...clients.values()].flatMap((events) => ofKind(events, 'gap'))
    expect(gaps).toMatchObject(GAPS[name] ?? [])
    expect(gaps).toHaveLength(GAPS[name]?.length ?? 0)
  })
})
