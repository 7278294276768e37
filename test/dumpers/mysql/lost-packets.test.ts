/**
 * Captures with packets lost, repeated and out of order, through the program's own reader: no statement is
 * told that was not sent, whatever is missing.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { mysql } from '../../../dumpers/mysql/index.ts'
import type { CaptureRecord } from '../../../src/capture/records.ts'
import { CaptureRun } from '../../../src/commands/capture-run.ts'
import { silentLog } from '../../../src/log.ts'
import { canonical, type Plain } from '../../support/canonical.ts'
import { recordsOf } from '../../support/captured.ts'
import { seededRandom } from '../../support/chunks.ts'
import { isPartOf } from '../../support/my-foretold.ts'

const FOLDER = new URL('../../captures/', import.meta.url).pathname
const NAMES = readdirSync(FOLDER).filter((file) => /^my_(?!ed_).*\.pcap$/.test(file))
/** LOSS_FACTOR=20 tries twenty times as much. */
const SEEDS = 12 * Number(process.env.LOSS_FACTOR ?? 1)
const CONFIG = loadConfig({ env: {}, candidates: [] })

const read = (packets: readonly CaptureRecord[]): Map<string, Plain[]> => {
  const clients = new Map<string, Plain[]>()
  const run = new CaptureRun({
    config: CONFIG,
    subject: { dumper: mysql, targets: [{ port: 4555 }], targetText: '4555' },
    sink: {
      emit: (flow, event) => {
        const events = clients.get(flow?.src_addr ?? '') ?? []
        clients.set(flow?.src_addr ?? '', [...events, canonical(event)])
      },
    },
    log: silentLog,
  })
  for (const packet of packets) run.record(packet)
  run.end()
  return clients
}

const isRecord = ({ event }: Plain): boolean => event === 'statement' || event === 'prepare'
const essence = ({ event, protocol, command, text, values, rows, outcome }: Plain): string =>
  JSON.stringify([event, protocol, command, text, values, rows, outcome])

/** Is the record one of those that the whole capture gives, its outcome the same or not known? */
const isTrue = (record: Plain, whole: readonly Plain[]): boolean =>
  whole.some((one) => isPartOf(record, one))

describe.each(NAMES)('%s', (name) => {
  const packets = recordsOf(readFileSync(`${FOLDER}${name}`))
  const whole = read(packets)

  test.each([0.02, 0.1, 0.4])('with %d of its packets lost', (share) => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = seededRandom(seed)
      const left = packets.filter(() => random() >= share)
      for (const [client, events] of read(left)) {
        const truth = (whole.get(client) ?? []).filter(isRecord)
        const records = events.filter(isRecord)
        for (const record of records)
          expect(isTrue(record, truth), `seed ${seed}: ${JSON.stringify(record)}`).toBe(true)
        expect(records.length, `seed ${seed}`).toBeLessThanOrEqual(truth.length)
      }
    }
  })

  test('repeated and out of order, within reason, gives the same', () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = seededRandom(seed)
      const shuffled = packets
        .flatMap((packet) => (random() < 0.2 ? [packet, packet] : [packet]))
        .map((packet, index) => ({ packet, place: index + random() * 4 }))
        .sort((one, other) => one.place - other.place)
        .map(({ packet }) => packet)
      const found = read(shuffled)
      for (const [client, events] of whole) {
        const records = (found.get(client) ?? []).filter(isRecord).map((record) => essence(record))
        expect(records, `seed ${seed}`).toEqual(events.filter(isRecord).map((record) => essence(record)))
      }
    }
  })
})
