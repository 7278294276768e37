import { expect, it } from 'vitest'
import { createEncoder } from '../../../src/audit/encode.ts'
import { recodeRecord } from '../../../src/audit/recode.ts'
import type { BoundValues, FlowFacts, Statement, Who } from '../../../src/event.ts'

const facts: FlowFacts = { conn_id: 'c1', listener: 'main', client_addr: '127.0.0.1:4000' }
const who: Who = { dialect: 'postgresql', username: '42', application_name: 'tab\there', backend_pid: 77 }
const values: BoundValues = {
  count: 2,
  text: (index) => (index === 0 ? null : 'a "quoted"\n value'),
  byteLength: () => 4,
  type: () => 'int4',
  sha256: (index) => (index === 1 ? 'abc' : undefined),
  typesKnown: true,
}
const text = (query: string) =>
  ({ text: query, standardConformingStrings: true, dialect: 'postgresql' }) as const

const statement: Statement = {
  ...{ event: 'statement', at: 1_714_554_000_123_456, who: { ...who, is_superuser: true }, stmt_seq: 9 },
  ...{
    protocol: 'extended',
    values,
    stmt_name: '7',
    stmt_id: 7,
    prepare_seq: 3,
    function_oid: 1,
    txn_seq: 2,
  },
  text: { ...text('select\t1 -- \\ \u2028 é'), truncated: { bytes: 70, sha256: 'd0', tail: '1' } },
  executed: { ...text('x'), truncated: { bytes: 71, sha256: 'd1' } },
  ...{ malformed: true, after_gap: true, gate_wait_us: 5, txn_status: 'T', command_tags: ['a', 'b\tc'] },
  ...{ results: ['OK 1'], outcome: 'unknown', recovered: true },
}

const encoded = (format: 'json' | 'ltsv'): string => {
  const { head, tail } = createEncoder({ format, host: '1', timezone: 'utc', bindValues: 'full' }).encode(
    facts,
    statement,
  )
  return `${head}0${tail}`
}

it.each([
  ['json', 'ltsv'],
  ['ltsv', 'json'],
] as const)('%s becomes what would have been written as %s', (from, to) => {
  const record = Buffer.from(encoded(from))
  expect(recodeRecord(record, to).toString()).toBe(encoded(to))
  expect(recodeRecord(record, from)).toBe(record)
})
