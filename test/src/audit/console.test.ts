import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createConsoleEncoder, wantsColor } from '../../../src/audit/console.ts'
import { showText } from '../../../src/audit/console-text.ts'
import type { AuditEvent, BoundValues, Statement, Who } from '../../../src/event.ts'

const flow = { conn_id: 'c1', client_addr: '10.0.0.9:40000' }
const who = { dialect: 'postgresql', username: 'app', database: 'shop' }
const AT = Date.UTC(2024, 4, 1, 12, 3, 4) * 1000 + 125_000

const textOf = (text: string) => ({ text, standardConformingStrings: true, dialect: 'postgresql' as const })
const valuesOf = (texts: readonly (string | null)[]): BoundValues => ({
  count: texts.length,
  text: (i) => texts[i] ?? null,
  byteLength: (i) => texts[i]?.length ?? -1,
  type: () => undefined,
  sha256: () => undefined,
  typesKnown: false,
})
const statement = (more: Partial<Statement> = {}): Statement => ({
  event: 'statement',
  at: AT,
  who,
  stmt_seq: 1,
  protocol: 'simple',
  text: textOf('SELECT *\n  FROM orders'),
  outcome: 'success',
  rows_returned: 3,
  duration_us: 1234,
  ...more,
})

const shown = (event: AuditEvent, color = false, columns = 120): string =>
  createConsoleEncoder({ timezone: 'utc', bindValues: 'full', color, columns: () => columns }).encode(
    flow,
    event,
  ).head

describe('the console form', () => {
  it('shows time, user and database, outcome, duration, rows, query', () => {
    expect(shown(statement())).toBe(
      '12:03:04.125  app@shop           ✓    1.2 ms       3 rows  SELECT * FROM orders',
    )
  })

  it('shows values and the error on lines of their own, under the query', () => {
    const failed = statement({
      outcome: 'error',
      rows_returned: undefined,
      error_code: '42P01',
      error_message: 'relation "orders" does not exist',
      values: valuesOf(['42', null]),
    })
    const lines = shown(failed).split('\n')
    const column = lines[0]?.indexOf('SELECT') ?? 0
    expect(lines[0]).toContain('✗    1.2 ms        42P01  SELECT')
    expect(lines[1]).toBe(`${' '.repeat(column)}$1 = 42  $2 = NULL`)
    expect(lines[2]).toBe(`${' '.repeat(column)}relation "orders" does not exist`)
  })

  it('cuts the query to the width of the terminal', () => {
    const line = shown(statement({ text: textOf(`SELECT ${'x, '.repeat(1000)}`) }), false, 100)
    expect(line).toHaveLength(100)
    expect(line.endsWith('…')).toBe(true)
  })

  it('colours only when told to, and changes nothing else', () => {
    const colored = shown(statement(), true)
    expect(colored).not.toBe(shown(statement()))
    expect(stripVTControlCharacters(colored)).toBe(shown(statement()))
  })

  it.each<[string, AuditEvent, string]>([
    [
      'a connection',
      { event: 'session.start', at: AT, who: { dialect: 'postgresql' } },
      '→ connected from 10.0.0.9:40000',
    ],
    [
      'a log-in',
      { event: 'session.auth', at: AT, who, outcome: 'success', auth_method: 'md5' },
      'logged in (md5)',
    ],
    [
      'a command without rows',
      statement({ rows_returned: undefined, command_tag: 'BEGIN' }),
      '        BEGIN  SELECT',
    ],
    [
      'an update of nothing',
      statement({ rows_returned: undefined, command_tag: 'UPDATE 0' }),
      '   0 rows  SELECT',
    ],
    [
      'a transaction',
      { event: 'txn.end', at: AT, who, txn_seq: 1, txn_outcome: 'rolled_back' },
      'transaction rolled back',
    ],
    ['a gap', { event: 'gap', at: AT, who, gap_reason: 'tls' }, '! not decoded: tls'],
    ['a loss', { event: 'audit.loss', at: AT, fields: { lost_records: 7 } }, '! audit loss lost_records=7'],
    ['a broken message', statement({ text: undefined, malformed: true }), '(malformed message)'],
    ['a long one', { ...statement(), event: 'statement.open', duration_us: 3_605e6 }, '60 m 05 s'],
  ])('shows %s', (_, event, expected) => {
    expect(shown(event)).toContain(expected)
  })
})

describe('the console form of MySQL', () => {
  const me: Who = { dialect: 'mysql', username: 'app', database: 'shop' }
  const base = { at: AT, who: me }
  const mysql = (more: Partial<Statement>): Statement =>
    statement({ who: me, protocol: 'text', rows_returned: undefined, ...more })

  it.each<[string, AuditEvent, string]>([
    ['an empty result', mysql({ rows_returned: 0 }), '   0 rows  SELECT'],
    ['a statement without a result', mysql({ rows_affected: 0 }), `ms${' '.repeat(15)}SELECT`],
    [
      'an error, by its number',
      mysql({ outcome: 'error', error_number: 1146, error_code: '42S02' }),
      '   1146  SELECT',
    ],
    ['values', mysql({ protocol: 'binary', values: valuesOf(['7', null]) }), '?1 = 7  ?2 = NULL'],
    ['a row of a bulk', mysql({ protocol: 'bulk', rows: [valuesOf(['7'])] }), '1 set of values'],
    [
      'a command',
      mysql({ protocol: 'command', command: 'COM_SHUTDOWN', text: undefined }),
      '  COM_SHUTDOWN',
    ],
    [
      'a command with a text',
      mysql({ protocol: 'command', command: 'COM_INIT_DB', text: textOf('shop') }),
      '  COM_INIT_DB shop',
    ],
    [
      'a statement whose text is gone',
      mysql({ text: undefined, stmt_id: 3 }),
      '(text of prepared statement 3)',
    ],
    [
      'several results, warnings, attributes',
      mysql({ results: ['OK 1', 'ROWS 2'], warnings: 1, query_attributes: '{"a":"b"}' }),
      'results OK 1, ROWS 2; 1 warning; attributes {"a":"b"}',
    ],
    [
      'a change of user',
      { event: 'change_user', ...base, outcome: 'success', new_username: 'bob', new_database: 'shop' },
      'changed user to bob@shop',
    ],
    [
      'a refused one',
      {
        event: 'change_user',
        ...base,
        outcome: 'error',
        new_username: 'bob',
        error_number: 1045,
        error_message: 'Access denied',
      },
      '1045  change of user to bob refused',
    ],
    [
      'a local file',
      { event: 'local_infile', ...base, stmt_seq: 1, infile_name: '/etc/pass\nwd', infile_bytes: 12 },
      '! the server asked for the file /etc/pass wd: 12 B sent',
    ],
    [
      'a kill',
      { event: 'cancel', ...base, target_backend_pid: 7, cancel_scope: 'query' },
      '! kill query 7',
    ],
    [
      'a kill of a user',
      { event: 'cancel', ...base, target_username: 'bob', cancel_scope: 'connection' },
      '! kill connection user bob',
    ],
  ])('shows %s', (_, event, expected) => {
    expect(shown(event)).toContain(expected)
  })
})

describe('case 51: the console form', () => {
  it('lets no byte of the traffic move the cursor, colour, reorder or forge a line', () => {
    const nasty = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.constantFrom(
        '\x1b[2J\x1b[H',
        '\x9b31m',
        'a\r\nb',
        '\u202eabc',
        '\u2066x',
        '\x07',
        '\ud800',
        '\u{e0041}',
      ),
    )
    fc.assert(
      fc.property(nasty, (text) => {
        const event = statement({
          who: { dialect: 'postgresql', username: text, database: text },
          text: textOf(text),
          values: valuesOf([text]),
          error_message: text,
          error_code: text,
        })
        const lines = shown(event).split('\n')
        expect(lines).toHaveLength(text.trim() === '' && lines.length < 3 ? lines.length : 3)
        for (const line of lines)
          expect(line).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/u)
      }),
    )
  })

  it('shows what it escaped', () => {
    expect(showText('a\x1b[2Jb\u202ec', 80)).toBe('a\\x1b[2Jb\\u{202e}c')
  })
})

describe('wantsColor', () => {
  it.each([
    [{ isTTY: true }, {}, true],
    [{ isTTY: true }, { NO_COLOR: '1' }, false],
    [{ isTTY: true }, { NO_COLOR: '' }, true],
    [{ isTTY: true }, { TERM: 'dumb' }, false],
    [{}, {}, false],
  ])('%j with %j: %j', (stream, env, expected) => {
    expect(wantsColor(stream, env)).toBe(expected)
  })
})
