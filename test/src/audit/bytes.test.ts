import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Execution as MysqlExecution } from '../../../dumpers/mysql/execution.ts'
import { Execution } from '../../../dumpers/pg/execution.ts'
import { createEncoder } from '../../../src/audit/encode.ts'
import type {
  AuditEvent,
  BoundValues,
  FlowFacts,
  Line,
  Prepare,
  QueryText,
  Who,
} from '../../../src/event.ts'
import { runs } from '../../support/fuzz.ts'

const flow: FlowFacts = {
  conn_id: '01abc',
  listener: 'default',
  client_addr: '127.0.0.1:1',
  remote_addr: '[::1]:5432',
}
const who: Who = {
  dialect: 'postgresql',
  username: 'büro',
  database: 'a"b',
  is_superuser: false,
  backend_pid: 7,
}

const textOf = (text: string): QueryText => ({
  text,
  standardConformingStrings: true,
  dialect: 'postgresql',
})

const valuesOf = (texts: readonly (string | null)[], types: readonly string[]): BoundValues => ({
  count: texts.length,
  text: (index) => texts[index] ?? null,
  byteLength: (index) => texts[index]?.length ?? -1,
  type: (index) => types[index],
  sha256: () => undefined,
  typesKnown: types.length > 0,
})

/** What the encoder of lines writes, numbered. */
const lineOf = ({ head, tail }: Line, seq: number): string => `${head}${seq}${tail}\n`

const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constant('select 1 -- \u2028\u0000"\\\ud800'),
)
const maybe = <T>(from: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(from, { nil: undefined })
const seldom = <T>(from: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 15, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: from })
const count = maybe(fc.nat(Number.MAX_SAFE_INTEGER))

const anyStatement: fc.Arbitrary<AuditEvent> = fc
  .record({
    seq: fc.nat(),
    at: fc.integer({ min: 1_600_000_000_000_000, max: 4_000_000_000_000_000 }),
    took: fc.nat(10_000_000),
    text: maybe(anyText),
    executed: maybe(anyText),
    values: maybe(fc.array(fc.option(anyText), { maxLength: 40 })),
    types: fc.array(fc.constantFrom('int4', 'text'), { maxLength: 40 }),
    name: maybe(anyText),
    portal: maybe(anyText),
    tag: maybe(fc.constantFrom('SELECT 1', 'INSERT 0 3', 'BEGIN')),
    affected: count,
    rows: fc.nat(),
    fetches: count,
    txnSeq: count,
    outcome: fc.constantFrom('success', 'error', 'skipped', 'cancelled', 'unknown'),
    status: maybe(fc.constantFrom('I', 'T', 'E')),
    error: seldom(anyText),
    reason: seldom(anyText),
  })
  .map((shape) => {
    const execution = new Execution(shape.seq, 'extended', shape.at)
    execution.text = shape.text === undefined ? undefined : textOf(shape.text)
    execution.executed = shape.executed === undefined ? undefined : textOf(shape.executed)
    execution.values = shape.values === undefined ? undefined : valuesOf(shape.values, shape.types)
    execution.stmtName = shape.name
    execution.portalName = shape.portal
    execution.tag = shape.tag
    execution.rows = shape.rows
    execution.affected = shape.affected
    execution.fetches = shape.fetches
    execution.txnSeq = shape.txnSeq
    execution.first = shape.at + 3
    execution.error =
      shape.error === undefined ? undefined : { error_code: '42P01', error_message: shape.error }
    execution.reason = shape.reason
    const outcome = shape.outcome as 'success'
    return execution.event('statement', who, outcome, shape.at + shape.took, shape.status)
  })

const mysqlWho: Who = { dialect: 'mysql', username: 'büro', database: 'shop', backend_pid: 7 }

const anyMysqlStatement: fc.Arbitrary<AuditEvent> = fc
  .record({
    seq: fc.nat(),
    at: fc.integer({ min: 1_600_000_000_000_000, max: 4_000_000_000_000_000 }),
    protocol: fc.constantFrom('text', 'binary', 'command'),
    text: maybe(anyText),
    values: maybe(fc.array(fc.option(anyText), { maxLength: 40 })),
    types: fc.array(fc.constantFrom('LONG', 'VAR_STRING'), { maxLength: 40 }),
    id: maybe(fc.nat(0xffff_ffff)),
    command: maybe(fc.constantFrom('COM_INIT_DB', 'COM_SHUTDOWN')),
    affected: count,
    insertId: maybe(fc.oneof(fc.nat(Number.MAX_SAFE_INTEGER), fc.constant('18446744073709551615'))),
    warnings: maybe(fc.nat(65_535)),
    rows: fc.nat(),
    fetches: count,
    txnSeq: count,
    status: maybe(fc.constantFrom('I', 'T')),
    charset: maybe(fc.constantFrom('utf8mb4', 'latin1')),
    attributes: maybe(anyText.map((text) => JSON.stringify({ name: text }))),
    results: seldom(fc.array(fc.constantFrom('OK 1', 'ROWS 2'), { maxLength: 3 })),
    errno: seldom(fc.nat(9999)),
  })
  .map((shape) => {
    const execution = new MysqlExecution(shape.seq, shape.protocol as 'text', shape.at, mysqlWho)
    execution.text =
      shape.text === undefined ? undefined : { ...textOf(shape.text), dialect: 'mysql' as const }
    execution.values = shape.values === undefined ? undefined : valuesOf(shape.values, shape.types)
    execution.stmtId = shape.id
    execution.command = shape.command
    execution.affected = shape.affected
    execution.insertId = shape.insertId
    execution.warnings = shape.warnings
    execution.rows = shape.rows
    execution.fetches = shape.fetches
    execution.txnSeq = shape.txnSeq
    execution.txnStatus = shape.status
    execution.characterSet = shape.charset
    execution.attributes = shape.attributes
    execution.tags = shape.results
    execution.first = shape.at + 3
    execution.error = shape.errno === undefined ? undefined : { error_number: shape.errno }
    return execution.event('statement', 'success', shape.at + 5)
  })

const DIALECTS = [
  ['postgresql', anyStatement],
  ['mysql', anyMysqlStatement],
] as const

for (const [dialect, statements] of DIALECTS)
  for (const timezone of ['utc', 'local'] as const) {
    test(`writes what the encoder of lines writes, or leaves it alone (${dialect}, ${timezone})`, () => {
      const encoder = createEncoder({ format: 'json', host: 'db-host', timezone, bindValues: 'full' })
      const buffer = Buffer.alloc(65_536)
      let direct = 0
      fc.assert(
        fc.property(statements, fc.nat(), fc.nat(100), (event, seq, at) => {
          const end = encoder.direct?.encode(buffer, at, seq, flow, event) ?? -1
          if (end < 0) return
          direct++
          expect(buffer.toString('utf8', at, end)).toBe(lineOf(encoder.encode(flow, event), seq))
        }),
        { seed: 1, ...runs(2000) },
      )
      expect(direct).toBeGreaterThan(200)
    })
  }

test('writes prepare records', () => {
  const encoder = createEncoder({ format: 'json', host: 'h', timezone: 'utc', bindValues: 'full' })
  const event: Prepare = {
    event: 'prepare',
    at: 1_700_000_000_000_123,
    who,
    stmt_seq: 12,
    text: textOf('select $1::text'),
    stmt_name: 's1',
    outcome: 'success',
    duration_us: 10,
    malformed: undefined,
    body_hex: undefined,
  }
  const buffer = Buffer.alloc(65_536)
  const end = encoder.direct?.encode(buffer, 0, 99, flow, event) ?? -1
  expect(buffer.toString('utf8', 0, end)).toBe(lineOf(encoder.encode(flow, event), 99))
})

test('writes common records of MySQL: a query, an execute, a prepare', () => {
  const encoder = createEncoder({ format: 'json', host: 'h', timezone: 'utc', bindValues: 'full' })
  const at = 1_700_000_000_000_123
  const query = new MysqlExecution(1, 'text', at, mysqlWho)
  query.text = { ...textOf("insert into t values ('a')"), dialect: 'mysql' }
  query.affected = 1
  query.insertId = 4711
  query.warnings = 2
  query.characterSet = 'utf8mb4'
  query.attributes = '{"traceparent":"00-1"}'
  const execute = new MysqlExecution(2, 'binary', at, mysqlWho)
  execute.text = { ...textOf('select ?'), dialect: 'mysql' }
  execute.values = valuesOf(['1', null], ['LONG', 'NULL'])
  execute.stmtId = 3
  const prepare: Prepare = {
    event: 'prepare',
    at,
    who: mysqlWho,
    stmt_seq: 3,
    text: execute.text,
    stmt_id: 3,
    outcome: 'success',
    duration_us: 10,
  }
  const buffer = Buffer.alloc(65_536)
  const ended = [query, execute].map((execution) => execution.event('statement', 'success', at + 9))
  for (const event of [...ended, prepare]) {
    const end = encoder.direct?.encode(buffer, 0, 7, flow, event) ?? -1
    expect(buffer.toString('utf8', 0, Math.max(end, 0))).toBe(lineOf(encoder.encode(flow, event), 7))
  }
})

test('leaves alone what has no room, and what is masked by length', () => {
  const encoder = createEncoder({ format: 'json', host: 'h', timezone: 'utc', bindValues: 'full' })
  const execution = new Execution(1, 'simple', 1_700_000_000_000_000)
  execution.text = textOf('x'.repeat(4000))
  const event = execution.event('statement', who, 'success', 1_700_000_000_000_001, 'I')
  for (const room of [0, 100, 2047, 5000, 20_000]) {
    expect(encoder.direct?.encode(Buffer.alloc(room), 0, 1, flow, event)).toBe(-1)
  }
  expect(encoder.direct?.encode(Buffer.alloc(40_000), 0, 1, flow, event)).toBeGreaterThan(4000)
  expect(
    createEncoder({ format: 'json', host: 'h', timezone: 'utc', bindValues: 'length' }).direct,
  ).toBeUndefined()
})
