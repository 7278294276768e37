import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import type { GeneralLogEntry } from './my-log.ts'
import { compareWithMyServer } from './my-oracle.ts'
import type { AuditRecord } from './records.ts'

const THREAD = 17
const line = (command: string, text = ''): GeneralLogEntry => {
  const bytes = Buffer.from(text)
  return { thread: THREAD, command, text, bytes }
}
const connect = line('Connect', 'root@127.0.0.1 on shop using TCP/IP')

let seq = 0
const record = (keys: Partial<AuditRecord>): AuditRecord => ({
  event: 'statement',
  conn_id: 'c1',
  backend_pid: THREAD,
  log_seq: ++seq,
  ...(keys.event !== 'change_user' && { stmt_seq: seq }),
  outcome: 'success',
  ...keys,
})
const login = (keys: Partial<AuditRecord> = {}) =>
  record({ event: 'session.auth', username: 'root', database: 'shop', ...keys })
const query = (text: string, keys: Partial<AuditRecord> = {}) =>
  record({ protocol: 'text', query: text, ...keys })
const prepare = (text: string, keys: Partial<AuditRecord> = {}) =>
  record({ event: 'prepare', query: text, ...keys })
const execute = (text: string, bind_values: (string | null)[], keys: Partial<AuditRecord> = {}) =>
  record({ protocol: 'binary', query: text, bind_values, ...keys })
const command = (name: string, keys: Partial<AuditRecord> = {}) =>
  record({ protocol: 'command', command: name, ...keys })

const findings = (entries: GeneralLogEntry[], records: AuditRecord[]) =>
  compareWithMyServer(entries, records).findings

test('equal logs have no findings, and are counted', () => {
  const entries = [
    connect,
    line('Query', "SELECT 1; SELECT 'a\nb'"),
    line('Prepare', 'SELECT ?, ?'),
    line('Long Data'),
    line('Execute', "SELECT 7, 'it\\'s'"),
    line('Execute', 'SELECT NULL, NULL'),
    line('Reset stmt'),
    line('Close stmt'),
    line('Init DB', 'other'),
    line('Field List', 't %'),
    line('Change user', 'guest@127.0.0.1 on  using TCP/IP'),
    line('Quit'),
  ]
  const records = [
    login(),
    query("SELECT 1; SELECT 'a\nb'"),
    prepare('SELECT ?, ?'),
    execute('SELECT ?, ?', ['7', "it's"]),
    execute('SELECT ?, ?', [null, null]),
    command('COM_INIT_DB', { query: 'other' }),
    command('COM_FIELD_LIST'),
    record({ event: 'change_user', new_username: 'guest' }),
  ]
  const { findings, matched, values } = compareWithMyServer(entries, [...records].reverse())
  expect(findings).toEqual([])
  expect(matched).toEqual({ query: 1, prepare: 1, execute: 2, bulk: 0, command: 3 })
  expect(values).toBe(4)
})

test.each<[string, GeneralLogEntry[], AuditRecord[]]>([
  ['a missing record', [line('Query', 'A'), line('Query', 'B')], [query('A')]],
  ['an invented record', [line('Query', 'A')], [query('A'), query('B')]],
  ['another text', [line('Query', 'A')], [query('a')]],
  ['two records in the wrong order', [line('Query', 'A'), line('Query', 'B')], [query('B'), query('A')]],
  ['a skipped record that was executed', [line('Query', 'A')], [query('A', { outcome: 'skipped' })]],
  ['another protocol', [line('Query', 'A')], [execute('A', [])]],
  ['another value', [line('Execute', 'A 1')], [execute('A ?', ['2'])]],
  ['a value that is not NULL', [line('Execute', 'A NULL')], [execute('A ?', [''])]],
  ['a value too few', [line('Execute', 'A 1, 2')], [execute('A ?, ?', ['1'])]],
  ['an Execute of another text', [line('Execute', 'A 1')], [execute('B ?', ['1'])]],
  ['a missing Prepare', [line('Prepare', 'A')], []],
  ['an invented Prepare', [], [prepare('A')]],
  ['a missing Execute', [line('Prepare', 'A ?'), line('Execute', 'A 1')], [prepare('A ?')]],
  ['a missing command', [line('Init DB', 'a')], []],
  ['another command', [line('Init DB', 'a')], [command('COM_FIELD_LIST')]],
  ['another database', [line('Init DB', 'a')], [command('COM_INIT_DB', { query: 'b' })]],
  ['an invented command', [], [command('COM_PROCESS_KILL')]],
  ['a change of user without a record', [line('Change user', 'a@h on ')], []],
  ['another user', [line('Change user', 'a@h on ')], [record({ event: 'change_user', new_username: 'b' })]],
  ['an error that did not keep it from being logged', [], [query('A', { outcome: 'error' })]],
])('finds %s', (_, entries, records) => {
  expect(findings(entries, records)).toHaveLength(1)
})

test('finds an unaudited session, and another log-in', () => {
  expect(findings([connect, line('Query', 'A')], [])).toHaveLength(2)
  expect(findings([connect, line('Quit')], [])).toHaveLength(1)
  expect(findings([connect], [login({ username: 'other' })])).toHaveLength(1)
  expect(findings([connect], [login({ database: 'other' })])).toHaveLength(1)
})

test('what failed before it was logged needs no line; what failed later has one', () => {
  const failed = { outcome: 'error', error_number: 1064 }
  expect(findings([], [prepare('A', failed), execute('A', [], failed)])).toEqual([])
  expect(findings([], [command('COM_INIT_DB', failed), command('COM_RESET_CONNECTION')])).toEqual([])
  expect(findings([line('Execute', 'A')], [execute('A', [], failed)])).toEqual([])
})

test('SQL-level PREPARE and EXECUTE add lines that need no record, no other text does', () => {
  const added = [line('Prepare', 'SELECT ?'), line('Execute', 'SELECT 1')]
  expect(findings([line('Query', 'EXECUTE s'), ...added], [query('EXECUTE s')])).toEqual([])
  expect(findings([line('Query', 'SELECT 1'), ...added], [query('SELECT 1')])).toHaveLength(1)
  const own = [query('EXECUTE s'), prepare('SELECT ?'), execute('SELECT ?', ['1'])]
  expect(findings([line('Query', 'EXECUTE s'), ...added], own)).toEqual([])
})

test('a bulk execute is one line, or one for each row, with its question marks', () => {
  const rows = [['1'], ['2'], ['3']] as unknown as string[]
  const bulk = (keys = {}) => record({ protocol: 'bulk', query: 'A ?', bind_values: rows, ...keys })
  const times = (count: number) => Array.from({ length: count }, () => line('Execute', 'A ?'))
  expect(findings(times(1), [bulk()])).toEqual([])
  expect(findings(times(3), [bulk()])).toEqual([])
  expect(findings(times(2), [bulk(), bulk()])).toEqual([])
  expect(findings(times(4), [bulk()])).toHaveLength(1)
  expect(findings([], [bulk()])).toHaveLength(1)
  expect(findings(times(1), [bulk({ query: 'B ?' })])).toHaveLength(1)
})

test('errors are compared where the server keeps a log of them', () => {
  const error = (number: number) => ({ thread: THREAD, number, message: '' })
  const compare = (told: number[], logged: number[]) => {
    const records = told.map((error_number) => query('A', { outcome: 'error', error_number }))
    const lines = told.map(() => line('Query', 'A'))
    return compareWithMyServer(lines, records, { errors: logged.map(error) }).findings
  }
  expect(compare([1064, 1146], [1146, 1064])).toEqual([])
  expect(compare([1064], [])).toHaveLength(1)
  expect(compare([1064], [1064, 1064])).toHaveLength(1)
  expect(compare([1064], [1146])).toHaveLength(2)
  expect(compare([], [1160])).toEqual([])
  expect(compare([1213], [1213, 1213])).toEqual([])
  const called = compareWithMyServer([line('Query', 'CALL p()')], [query('CALL p()')], {
    errors: [error(1146)],
  })
  expect(called.findings).toEqual([])
})

test('an execute that opens a cursor may be missing in the log of MySQL 5.6', () => {
  const records = [execute('A', [], { fetches: 2 })]
  expect(compareWithMyServer([], records, { hidesCursors: true }).findings).toEqual([])
  expect(compareWithMyServer([], records).findings).toHaveLength(1)
  expect(compareWithMyServer([], [execute('A', [])], { hidesCursors: true }).findings).toHaveLength(1)
})

test('a cursor is told late, and stands where it was sent', () => {
  const entries = [
    line('Execute', 'A'),
    line('Query', 'B'),
    line('Change user', 'c@h on '),
    line('Query', 'D'),
  ]
  const cursor = execute('A', [], { fetches: 1 })
  const others = [query('B'), record({ event: 'change_user', new_username: 'c' }), query('D')]
  expect(findings(entries, [...others, { ...cursor, log_seq: ++seq }])).toEqual([])
  expect(findings(entries, [...others, { ...cursor, stmt_seq: ++seq }])).toHaveLength(1)
})

test('an execute of which the reply to its prepare was never seen stands for any', () => {
  const nameless = record({ protocol: 'binary', outcome: 'unknown', reason: 'text_unknown' })
  expect(findings([line('Execute', 'A')], [nameless])).toEqual([])
  expect(findings([line('Query', 'A')], [nameless])).toHaveLength(1)
  expect(findings([line('Execute', 'A')], [{ ...nameless, outcome: 'success' }])).toHaveLength(1)
})

test('blanks around a text, and semicolons behind it, are not logged', () => {
  expect(findings([line('Query', 'A')], [query(' \nA ; ')])).toEqual([])
  expect(findings([line('Query', 'A')], [query(';A')])).toHaveLength(1)
})

test('masks stand for what is behind them, truncated texts for what follows', () => {
  const entries = [line('Query', "SET PASSWORD = 'x' END")]
  expect(findings(entries, [query('SET PASSWORD = <redacted> END')])).toEqual([])
  expect(findings(entries, [query('SET PASSWORD = <redacted> AND')])).toHaveLength(1)
  const text = 'SELECT 1 /* long */'
  const cut = {
    query_truncated: true,
    query_len: text.length,
    query_sha256: createHash('sha256').update(text).digest('hex'),
  }
  expect(findings([line('Query', text)], [query('SELECT', cut)])).toEqual([])
  expect(findings([line('Query', text)], [query('SELECT', { ...cut, query_len: 3 })])).toHaveLength(1)
  expect(findings([line('Query', `${text} `)], [query('SELECT', cut)])).toHaveLength(1)
})

test('a value that was too long to be kept is known by its head, length and hash', () => {
  const entries = [line('Execute', "A 'abc'")]
  const cut = (bytes: number, sha256: string) =>
    findings(entries, [execute('A ?', ['a'], { bind_value_lens: [bytes], bind_value_sha256s: [sha256] })])
  const hash = createHash('sha256').update('abc').digest('hex')
  expect(cut(3, hash)).toEqual([])
  expect(cut(4, hash)).toHaveLength(1)
  expect(cut(3, hash.replace('b', 'c'))).toHaveLength(1)
})

test("texts are compared in the bytes of the connection's character set", () => {
  const bytes = Buffer.from([0xe9])
  const entry = { thread: THREAD, command: 'Query', text: bytes.toString(), bytes }
  expect(findings([entry], [query('é', { character_set: 'latin1' })])).toEqual([])
  expect(findings([entry], [query('é', { character_set: 'utf8mb4' })])).toHaveLength(1)
  expect(findings([entry], [query('�', { query_hex: '\\xe9' })])).toEqual([])
})
