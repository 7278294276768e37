import { expect, test } from 'vitest'
import { compareWithServer, type OracleEntry, parseParameters } from './oracle.ts'
import type { AuditRecord } from './records.ts'

const PID = 4711
const line = (message: string, detail?: string): OracleEntry => ({
  pid: PID,
  error_severity: 'LOG',
  message,
  ...(detail && { detail }),
})
const failure = (state_code: string): OracleEntry => ({ pid: PID, error_severity: 'ERROR', state_code })

let seq = 0
const record = (keys: Partial<AuditRecord>): AuditRecord => ({
  event: 'statement',
  conn_id: 'c1',
  backend_pid: PID,
  stmt_seq: ++seq,
  protocol: 'simple',
  outcome: 'success',
  ...keys,
})
const simple = (query: string, keys: Partial<AuditRecord> = {}) => record({ query, ...keys })
const extended = (query: string, keys: Partial<AuditRecord> = {}) =>
  record({ query, protocol: 'extended', ...keys })

const findings = (entries: OracleEntry[], records: AuditRecord[]) =>
  compareWithServer(entries, records).findings

test('parameters are read as the server quotes them', () => {
  const detail = "parameters: $1 = 'it''s, $2 = NULL', $2 = NULL, $3 = '', $4 = '''', $5 = 'a\nb'"
  expect(parseParameters(detail)).toEqual(["it's, $2 = NULL", null, '', "'", 'a\nb'])
  expect(parseParameters(undefined)).toEqual([])
  expect(parseParameters('prepare: PREPARE a AS SELECT 1')).toEqual([])
})

test('equal logs have no findings, and are counted', () => {
  const entries = [
    line('statement: SELECT 1; SELECT 2'),
    line('execute <unnamed>: SELECT $1', "parameters: $1 = 'a'"),
    line('execute s/p: SELECT $1', 'parameters: $1 = NULL'),
    line('fastpath function call: "lo_creat" (OID 957)'),
  ]
  const records = [
    simple('SELECT 1; SELECT 2'),
    extended('SELECT $1', { bind_values: ['a'] }),
    extended('SELECT $1', { stmt_name: 's', portal_name: 'p', bind_values: [null] }),
    record({ protocol: 'function', function_oid: 957 }),
  ]
  const { findings, inDoubt, matched } = compareWithServer(entries, [...records].reverse())
  expect(findings).toEqual([])
  expect(inDoubt).toEqual([])
  expect(matched).toEqual({ statement: 1, execute: 2, fastpath: 1 })
})

test.each<[string, OracleEntry[], AuditRecord[]]>([
  ['a missing record', [line('statement: A'), line('statement: B')], [simple('A')]],
  ['an invented record', [line('statement: A')], [simple('A'), simple('B')]],
  ['another text', [line('statement: A')], [simple('a')]],
  [
    'two records in the wrong order',
    [line('statement: A'), line('statement: B')],
    [simple('B'), simple('A')],
  ],
  ['a skipped record that was executed', [line('statement: A')], [simple('A', { outcome: 'skipped' })]],
  ['another statement name', [line('execute s: A')], [extended('A', { stmt_name: 't' })]],
  ['the wrong protocol', [line('statement: A')], [extended('A')]],
  ['an Execute too few', [line('execute s: A')], [extended('A', { stmt_name: 's', fetches: 2 })]],
  ['an unaudited session', [line('statement: A')], []],
  ['an error that was not told', [line('statement: A'), failure('22012')], [simple('A')]],
  ['an invented error', [line('statement: A')], [simple('A', { outcome: 'error', error_code: '22012' })]],
])('finds %s', (_, entries, records) => {
  expect(findings(entries, records)).toHaveLength(1)
})

test("a transaction's end may repeat an error, or be the only one to tell it", () => {
  const entries = [line('statement: A'), failure('22012'), line('statement: B'), failure('23503')]
  const failed = simple('A', { outcome: 'error', error_code: '22012' })
  const end = (error_code: string) => record({ event: 'txn.end', error_code })
  expect(findings(entries, [failed, end('22012'), simple('B'), end('23503')])).toEqual([])
  expect(findings(entries, [failed, end('22012'), simple('B')])).toHaveLength(1)
})

test('fetches add to the record of their portal', () => {
  const entries = [
    line('execute s/p: A'),
    line('execute s/q: A'),
    line('execute fetch from s/p: A'),
    line('execute fetch from s/p: A'),
  ]
  const p = extended('A', { stmt_name: 's', portal_name: 'p', fetches: 3 })
  const q = extended('A', { stmt_name: 's', portal_name: 'q' })
  expect(findings(entries, [p, q])).toEqual([])
  expect(findings(entries, [{ ...p, fetches: 2 }, q])).toHaveLength(1)
})

test('a portal that is executed again before it gave a row is one record', () => {
  const entries = [line('execute s: A'), line('execute s: A')]
  expect(findings(entries, [extended('A', { stmt_name: 's', fetches: 2 })])).toEqual([])
})

test('what failed before execution or was skipped needs no line, wherever its twin stands', () => {
  const entries = [line('statement: A'), failure('42601')]
  const failed = simple('A', { outcome: 'error', error_code: '42601' })
  const skipped = extended('A', { outcome: 'skipped' })
  expect(findings(entries, [failed, skipped, simple('A')])).toEqual([])
  expect(findings(entries, [simple('A'), skipped, { ...failed, stmt_seq: ++seq }])).toEqual([])
})

test('an empty text is logged in a simple message only', () => {
  expect(findings([line('statement: ;')], [simple(';'), extended('')])).toEqual([])
})

test('masks stand for what is behind them', () => {
  const entries = [line("statement: ALTER ROLE a PASSWORD 'x' LOGIN")]
  expect(findings(entries, [simple('ALTER ROLE a PASSWORD <redacted> LOGIN')])).toEqual([])
  expect(findings(entries, [simple('ALTER ROLE b PASSWORD <redacted> LOGIN')])).toHaveLength(1)
})

test('a value that was too long to be kept is known by its head, length and hash', () => {
  const entries = [line('execute <unnamed>: A', "parameters: $1 = 'abc', $2 = '1'")]
  const doubts = (bytes: number, sha256: string) => {
    const lengths = { bind_value_lens: [bytes, 1], bind_value_sha256s: [sha256, null] }
    return compareWithServer(entries, [extended('A', { bind_values: ['a', '1'], ...lengths })]).inDoubt
  }
  const hash = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  expect(doubts(3, hash)).toEqual([])
  expect(doubts(4, hash)).toHaveLength(1)
  expect(doubts(3, hash.replace('b', 'c'))).toHaveLength(1)
})

test('values that are spelt otherwise are left to the server to judge', () => {
  const entries = [line('execute <unnamed>: A', "parameters: $1 = 't', $2 = '1'")]
  const { findings, inDoubt } = compareWithServer(entries, [extended('A', { bind_values: ['true', '1'] })])
  expect(findings).toEqual([])
  expect(inDoubt).toEqual([{ query: 'A', sent: ['true', '1'], logged: ['t', '1'], types: [] }])
})
