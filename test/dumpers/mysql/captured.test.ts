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
import type { Bytes } from '../../../src/flow.ts'
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

/** Events of each connection, by its client; of the packets that `isLeft` leaves. */
const read = (
  name: string,
  isLeft: (packet: Bytes, index: number) => boolean = () => true,
): Map<string, Plain[]> => {
  const clients = new Map<string, Plain[]>()
  const { file, server_port: port } = readExpected(name)
  let index = 0
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
    records.feed(readFileSync(`${FOLDER}${file}`), (record) => {
      if (isLeft(record.bytes.subarray(record.start, record.end), index++)) run.record(record)
    })
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

describe('my_std_base, changed', () => {
  const { connections } = readExpected('my_std_base')
  const indexOf = (text: string): number => {
    let found = -1
    read('my_std_base', (packet, index) => {
      if (found < 0 && packet.includes(text)) found = index
      return true
    })
    return found
  }

  test('without its log-ins: all statements, values and outcomes, behind a gap', () => {
    const first = indexOf('\x03select 1')
    const clients = read('my_std_base', (_, index) => index >= first)
    for (const { client, statements } of connections) {
      const events = clients.get(client) ?? []
      expect(ofKind(events, 'gap')).toMatchObject([{ gap_reason: 'mid-stream' }])
      expect(ofKind(events, 'session.auth')).toEqual([])
      const wanted = statements.filter(({ kind }) => RECORDED.has(kind))
      const records = events.filter(isRecord)
      expect(records.map(({ event }) => event)).toEqual(wanted.map(({ kind }) => KINDS[kind]!.event))
      for (const [index, one] of wanted.entries())
        expectDegraded(records[index]!, { ...one, after_gap: true })
    }
  })

  test.each(
    connections[0]!.statements
      .filter(({ kind }) => RECORDED.has(kind))
      .map(({ kind, text = '', stmt_id: id = 0 }, index) => ({ kind, text, id, index })),
  )('without $kind $text ($index): all others', ({ index }) => {
    const wanted = connections[0]!.statements.filter(({ kind }) => RECORDED.has(kind))
    const left = wanted.filter((_, place) => place !== index)
    const isCommand = (packet: Bytes): boolean => commandOf(packet, 58672) !== undefined
    let commands = -1
    // the first is the log-in
    const events =
      read('my_std_base', (packet) => !isCommand(packet) || commands++ !== index).get('127.0.0.1:58672') ??
      []
    expect(ofKind(events, 'gap')).toMatchObject([{ gap_reason: 'lost', direction: '->' }])
    const records = events.filter(isRecord)
    expect(records.map(({ event }) => event)).toEqual(left.map(({ kind }) => KINDS[kind]!.event))
    for (const [place, one] of left.entries()) {
      const isPrepared = one.kind === 'stmt_execute' && wanted[index]!.stmt_id === one.stmt_id
      const degraded = { ...one, ...(place >= index ? { after_gap: true } : {}) }
      if (isPrepared && place >= index) expect(records[place]).toMatchObject({ stmt_id: one.stmt_id })
      else expectDegraded(records[place]!, degraded)
    }
  })
})

/** What a packet on Ethernet and IPv4 brings of the client that has this port, if anything. */
const commandOf = (packet: Bytes, port: number): Bytes | undefined => {
  const tcp = packet.subarray(14 + (packet[14]! & 15) * 4)
  const length = packet.readUInt16BE(16) - (packet[14]! & 15) * 4 - (tcp[12]! >> 4) * 4
  return tcp.readUInt16BE(0) === port && length > 0 ? tcp.subarray((tcp[12]! >> 4) * 4) : undefined
}
