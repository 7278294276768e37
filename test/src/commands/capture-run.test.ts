/** Captures as `read` and `probe` work them off: ids, statements, the ones that run for long. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { openRecords } from '../../../src/capture/records.ts'
import { CaptureRun } from '../../../src/commands/capture-run.ts'
import { captureSubject } from '../../../src/commands/capture-targets.ts'
import { lossWords, nothingFound } from '../../../src/commands/capture-words.ts'
import type { AuditEvent, FlowFacts } from '../../../src/event.ts'
import type { Bytes } from '../../../src/flow.ts'
import { silentLog } from '../../../src/log.ts'
import { splitEvery } from '../../support/chunks.ts'

const FOLDER = new URL('../../captures/', import.meta.url).pathname

interface Emitted {
  readonly flow: FlowFacts | undefined
  readonly event: AuditEvent
}

const read = async (
  name: string,
  split: (bytes: Bytes) => Bytes[] = (bytes) => [bytes],
  openAfter?: number,
) => {
  const loaded = loadConfig({ env: {}, candidates: [] })
  const dumpLog = { ...loaded.dumpLog, openAfter: openAfter ?? loaded.dumpLog.openAfter }
  const config = { ...loaded, dumpLog, probe: { ...loaded.probe, target: '6555' } }
  const emitted: Emitted[] = []
  const run = new CaptureRun({
    config,
    subject: await captureSubject({ ...config, querytap: { ...config.querytap, dumper: 'pg' } }),
    sink: { emit: (flow, event) => emitted.push({ flow, event }) },
    log: silentLog,
  })
  const records = openRecords()
  for (const chunk of split(readFileSync(`${FOLDER}${name}.pcap`))) records.feed(chunk, run.record)
  records.end()
  run.end()
  return { run, emitted }
}

const kinds = (emitted: readonly Emitted[]): string[] => emitted.map(({ event }) => event.event)
const ids = (emitted: readonly Emitted[]): Set<string | undefined> =>
  new Set(emitted.map(({ flow }) => flow?.conn_id))

describe('a connection has an id', () => {
  test('of its own', async () => {
    const { emitted, run } = await read('pg_std_base')
    expect(ids(emitted).size).toBe(run.capture.counts.flows)
    for (const id of ids(emitted)) expect(id).toMatch(/^[0-9a-f]{26}$/)
  })

  test('that is the same however and however often the capture is read', async () => {
    const first = ids((await read('pg_std_base')).emitted)
    expect(ids((await read('pg_std_base', (bytes) => splitEvery(bytes, 7))).emitted)).toEqual(first)
    expect(ids((await read('pg_cancel')).emitted)).not.toEqual(first)
  })
})

test('statements are counted', async () => {
  const { run, emitted } = await read('pg_std_base')
  expect(run.statements).toBe(kinds(emitted).filter((kind) => kind === 'statement').length)
  expect(run.statements).toBeGreaterThan(10)
})

test("a statement that runs for long by the packets' time is told while it runs", async () => {
  expect(kinds((await read('pg_cancel')).emitted)).not.toContain('statement.open')
  expect(kinds((await read('pg_cancel', undefined, 20)).emitted)).toContain('statement.open')
})

test('a cancel names the connection that it cancels', async () => {
  const { emitted } = await read('pg_cancel')
  const targets = emitted.flatMap(({ event }) => (event.event === 'cancel' ? [event.target_conn_id] : []))
  expect(targets).toHaveLength(1)
  expect(ids(emitted)).toContain(targets[0])
})

test('what was lost, in words; nothing where nothing was', async () => {
  const { counts } = (await read('pg_std_base')).run.capture
  expect(lossWords(counts, 0)).toEqual([])
  expect(nothingFound(counts, '6555')).toBeUndefined()
  expect(lossWords({ ...counts, lost: 1234, broken: 1 }, 2)).toEqual([
    '2 packets were dropped before they were captured',
    '1,234 bytes of the traffic are missing (gap records)',
    '1 packet with broken or cut headers',
  ])
  expect(nothingFound({ ...counts, flows: 0 }, '5432')).toBe(
    `no connection to 5432 in ${counts.packets} packets`,
  )
})
