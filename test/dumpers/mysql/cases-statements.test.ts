/** Prepared statements, cursors, long data, bulk executions; files; a user's change. */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { CLIENT_COMPRESS, COM, TYPE } from '../../../dumpers/mysql/capabilities.ts'
import { ofKind, type Plain, whoOf } from '../../support/canonical.ts'
import {
  answered,
  asked,
  b,
  brief,
  briefs,
  f,
  hold,
  loginOf,
  MODERN,
  NO_EOF,
  packets,
  prepared,
  replied,
  resultSet,
  sent,
  statementsOf,
  type Turn,
  talk,
} from '../../support/my-conversation.ts'
import { command, compressed, lenencString, longParam, stringParam } from '../../support/my-wire.ts'

const CURSOR = 2 | 64
const LAST_ROW = 2 | 128
const OUT_PARAMS = 2 | 8 | 4096
const row = b.binaryRow([lenencString('v')])
const ready = (id = 1, params = 1, text = 'select ?'): readonly Turn[] => [
  sent(f.prepare(text)),
  replied(...prepared(id, params, ['a'])),
]

describe('a prepared statement', () => {
  test('is told, and run with its values and the types of before', () => {
    const events = talk([
      ...ready(7, 2, 'select ?, ?'),
      sent(f.execute(7, [stringParam('it'), longParam(5)])),
      replied(...resultSet(['a'], [row])),
      sent(f.execute(7, [stringParam('again'), longParam(-6)], { types: false })),
      replied(...resultSet(['a'], [row, row])),
    ])
    expect(events).toMatchObject([
      { event: 'prepare', stmt_seq: 1, stmt_id: 7, text: 'select ?, ?', outcome: 'success' },
      {
        stmt_seq: 2,
        stmt_id: 7,
        protocol: 'binary',
        text: 'select ?, ?',
        values: ['it', '5'],
        rows_returned: 1,
      },
      { stmt_seq: 3, values: ['again', '-6'], rows_returned: 2 },
    ])
  })

  test('with NULL and the empty text', () => {
    expect(
      statementsOf([
        ...ready(1, 2),
        sent(f.execute(1, [stringParam(null), stringParam('')])),
        replied(b.ok()),
      ]),
    ).toMatchObject([{ values: [null, ''] }])
  })

  test('that fails to be prepared', () => {
    expect(talk([sent(f.prepare('selec')), replied(b.err(1064, 'syntax', '42000'))])).toMatchObject([
      { event: 'prepare', outcome: 'error', error_number: 1064, text: 'selec' },
    ])
  })

  test('is gone when it is closed, and by a reset of the connection', () => {
    const run: readonly Turn[] = [sent(f.execute(1, [longParam(1)])), replied(b.err(1243, 'Unknown'))]
    const records = statementsOf([
      ...ready(),
      sent(f.close(1)),
      ...run,
      ...ready(),
      sent(f.resetConnection()),
      replied(b.ok()),
      ...run,
    ])
    expect(records.map(brief)).toEqual([
      'error text_unknown',
      'success COM_RESET_CONNECTION',
      'error text_unknown',
    ])
  })

  test('prepared and run in one go, by the id of the last', () => {
    const records = statementsOf([
      sent(f.prepare('insert ?'), f.execute(0xffffffff, [longParam(4)]), f.query('select 1')),
      replied(...prepared(12, 1, [])),
      replied(b.ok({ affected: 1 })),
      replied(b.ok()),
    ])
    expect(records.map(brief)).toEqual(['success insert ? ["4"]', 'success select 1'])
    expect(records[0]).toMatchObject({ stmt_id: 12 })
  })

  test('that failed to be prepared, and is run by the id of the last', () => {
    const events = talk([
      sent(f.prepare('inser ?'), f.execute(0xffffffff, [longParam(4)])),
      replied(b.err(1064, 'syntax')),
      replied(b.err(1243, 'Unknown prepared statement handler')),
    ])
    expect(events).toMatchObject([
      { event: 'prepare', outcome: 'error' },
      { event: 'statement', outcome: 'error', reason: 'text_unknown' },
    ])
  })

  test('with long data, once', () => {
    const events = talk([
      ...ready(1, 1),
      sent(f.sendLongData(1, 0, 'long '), f.sendLongData(1, 0, 'data'), f.execute(1, [stringParam(null)])),
      replied(b.ok()),
      sent(f.execute(1, [stringParam('short')])),
      replied(b.ok()),
      sent(f.sendLongData(1, 0, 'x'), f.reset(1)),
      replied(b.ok()),
      sent(f.execute(1, [stringParam('other')])),
      replied(b.ok()),
    ])
    expect(briefs(events)).toEqual([
      'success select ? ["long data"]',
      'success select ? ["short"]',
      'success select ? ["other"]',
    ])
  })

  test('that begins, ends, renames: as its text would', () => {
    const run = (id: number, status: number): readonly Turn[] => [
      sent(f.execute(id)),
      replied(b.ok({ status })),
    ]
    const events = talk([
      ...ready(1, 0, 'BEGIN'),
      ...ready(2, 0, 'COMMIT'),
      ...ready(3, 0, 'SET NAMES latin1'),
      ...run(1, 3),
      ...run(2, 2),
      ...run(3, 2),
      ...asked('select 1'),
    ])
    expect(ofKind(events, 'txn.end')).toMatchObject([{ txn_outcome: 'committed' }])
    expect(ofKind(events, 'statement').map(({ character_set }) => character_set)).toEqual([
      ...['utf8mb4', 'utf8mb4', 'utf8mb4'],
      'latin1',
    ])
  })

  test('with OUT parameters', () => {
    const records = statementsOf([
      ...ready(),
      sent(f.execute(1, [longParam(1)])),
      replied(...resultSet(['a'], [row], { status: OUT_PARAMS }), b.ok()),
    ])
    expect(records).toMatchObject([{ results: ['OUT 1', 'OK 0'], rows_returned: 1 }])
  })

  test('too short to name one keeps its place', () => {
    const records = statementsOf([
      sent(command(COM.STMT_EXECUTE, 'ab'), f.query('select 1')),
      replied(b.err(1243, 'Unknown')),
      replied(b.ok()),
    ])
    expect(records).toMatchObject([
      { malformed: true, body_hex: '\\x6162', outcome: 'error' },
      { text: 'select 1', outcome: 'success' },
    ])
  })

  test('longer than what is kept: the value has its length and hash', () => {
    const long = 'y'.repeat(100_000)
    const [record] = statementsOf([...ready(), sent(f.execute(1, [stringParam(long)])), replied(b.ok())], {
      maxQueryBytes: 4096,
      maxValueBytes: 16,
    })
    expect(record).toMatchObject({ values: ['y'.repeat(16)], longValues: { lengths: [100_000] } })
  })
})

describe.each([
  ['with EOF', MODERN],
  ['without EOF', NO_EOF],
])('a cursor, %s', (_, flags) => {
  const [count, column, end] = resultSet(['a'], [], { status: CURSOR, flags })
  const opened = (id: number): readonly Turn[] => [
    ...loginOf({ flags }),
    sent(f.prepare('select ?')),
    replied(...prepared(id, 1, ['a'], { flags })),
    sent(f.execute(id, [longParam(1)], { flags: 1 })),
    replied(count!, column!, end!),
  ]
  const fetched = (id: number, count: number, status: number): readonly Turn[] => [
    sent(f.fetch(id, 2)),
    replied(...Array.from({ length: count }, () => row), resultSet([], [], { status, flags }).at(-1)!),
  ]

  test('is one record, its rows summed', () => {
    const events = hold([...opened(3), ...fetched(3, 2, CURSOR), ...fetched(3, 1, LAST_ROW)])
    expect(events.slice(2)).toMatchObject([
      { event: 'statement.open', stmt_seq: 2 },
      { event: 'statement', stmt_seq: 2, rows_returned: 3, fetches: 2, outcome: 'success', values: ['1'] },
    ])
  })

  test('is recorded when it is closed, and when the connection ends', () => {
    const closed = hold([...opened(3), ...fetched(3, 2, CURSOR), sent(f.close(3)), ...asked('select 1')])
    expect(ofKind(closed, 'statement')).toMatchObject([
      { rows_returned: 2, fetches: 1, reason: 'cursor_closed' },
      { text: 'select 1' },
    ])
    expect(ofKind(hold(opened(3)), 'statement')).toMatchObject([
      { fetches: 0, reason: 'connection_closed' },
    ])
  })

  test('that fails amid its rows', () => {
    const events = hold([...opened(3), sent(f.fetch(3, 5)), replied(row, b.err(1317, 'interrupted'))])
    expect(ofKind(events, 'statement')).toMatchObject([
      { rows_returned: 1, outcome: 'cancelled', fetches: 1 },
    ])
  })

  test('that is not there', () => {
    const events = hold([...loginOf({ flags }), sent(f.fetch(9, 5)), replied(b.err(1243, 'Unknown'))])
    expect(ofKind(events, 'statement')).toMatchObject([
      { command: 'COM_STMT_FETCH', stmt_id: 9, outcome: 'error' },
    ])
  })
})

test('a bulk execution has the values of each row', () => {
  const login = loginOf({ mariadb: 0x1d })
  const events = hold([
    ...login,
    sent(f.prepare('insert ?')),
    replied(...prepared(2, 1, [])),
    sent(f.bulkExecute(2, [TYPE.VAR_STRING], [[lenencString('a')], ['null'], [lenencString('c')]])),
    replied(b.ok({ affected: 3 })),
  ])
  expect(ofKind(events, 'statement')).toMatchObject([
    { protocol: 'bulk', text: 'insert ?', rows: [['a'], [null], ['c']], rows_affected: 3 },
  ])
})

describe('LOAD DATA LOCAL INFILE', () => {
  const load = f.query("load data local infile 'a.csv' into table t")

  test('has the name that the server asked for, and what the client sent', () => {
    const events = talk([
      sent(load),
      replied(b.localInfile('/etc/passwd')),
      sent(f.fileData(2, '\x03drop table t'), f.fileData(3, 'more'), f.fileData(4, '')),
      answered(packets(5, b.ok({ affected: 2 }))),
      ...asked('select 1'),
    ])
    expect(events).toMatchObject([
      {
        event: 'local_infile',
        stmt_seq: 1,
        infile_name: '/etc/passwd',
        infile_bytes: 17,
        infile_sha256: createHash('sha256').update('\x03drop table tmore').digest('hex'),
      },
      { event: 'statement', rows_affected: 2 },
      { event: 'statement', text: 'select 1' },
    ])
  })

  test('a client that refuses sends nothing', () => {
    const events = talk([
      sent(load),
      replied(b.localInfile('a.csv')),
      sent(f.fileData(2, '')),
      answered(packets(3, b.err(1148, 'refused'))),
    ])
    expect(events[0]).toMatchObject({ event: 'local_infile', infile_bytes: 0 })
    expect(events[0]).not.toHaveProperty('infile_sha256')
  })

  test('a file whose packets come round to the id of a command', () => {
    const pieces = Array.from({ length: 300 }, (_, index) => f.fileData((index + 2) & 255, '\x03drop'))
    const events = talk([
      sent(load),
      replied(b.localInfile('a.csv')),
      sent(...pieces, f.fileData(302 & 255, '')),
      answered(packets(303 & 255, b.ok())),
    ])
    expect(events).toMatchObject([{ infile_bytes: 1500 }, { event: 'statement' }])
  })

  test('a file that is sent before it is asked for', () => {
    const pieces = Array.from({ length: 300 }, (_, index) => f.fileData((index + 2) & 255, '\x03drop'))
    const events = talk([
      sent(load, ...pieces, f.fileData(302 & 255, ''), f.query('select 1')),
      replied(b.localInfile('a.csv')),
      answered(packets(303 & 255, b.ok())),
      replied(b.ok()),
    ])
    expect(events).toMatchObject([{ infile_bytes: 1500 }, { event: 'statement' }, { text: 'select 1' }])
  })
})

describe('COM_CHANGE_USER', () => {
  test('is a log-in anew', () => {
    const events = talk([
      ...ready(1),
      ...asked('begin', { status: 3 }),
      sent(f.changeUser({ user: 'bob', database: 'other', collation: 8, attrs: { program_name: 'two' } })),
      replied(b.authSwitch('ed25519')),
      sent(f.authResponse(2, '\x03the secret')),
      answered(packets(3, b.ok())),
      sent(f.query(Buffer.from('select "\xe9"', 'latin1')), f.execute(1, [longParam(1)])),
      replied(b.ok()),
      replied(b.err(1243, 'Unknown')),
    ])
    expect(ofKind(events, 'change_user')).toMatchObject([
      {
        outcome: 'success',
        new_username: 'bob',
        new_database: 'other',
        previous_username: 'alice',
        auth_method: 'ed25519',
        character_set: 'latin1',
      },
    ])
    expect(ofKind(events, 'txn.end')).toMatchObject([{ txn_outcome: 'rolled_back', reason: 'change_user' }])
    expect(briefs(events)).toEqual(['success begin', 'success select "é"', 'error text_unknown'])
    const last = ofKind(events, 'statement').at(-1)
    expect(whoOf(last)).toMatchObject({ username: 'bob', database: 'other', application_name: 'two' })
    expect(JSON.stringify(events)).not.toContain('secret')
  })

  test('that fails leaves the user who was there', () => {
    const events = talk([
      sent(f.changeUser({ user: 'bob' })),
      replied(b.err(1045, 'Access denied')),
      ...asked('select 1'),
    ])
    expect(events).toMatchObject([
      { event: 'change_user', outcome: 'error', new_username: 'bob', error_number: 1045 },
      { event: 'statement', who: { username: 'alice' } },
    ])
  })

  test('keeps the connection compressed', () => {
    const flags = MODERN | CLIENT_COMPRESS
    const wrapped = (from: 'frontend' | 'backend', ...bytes: Buffer[]): Turn => ({
      from,
      bytes: compressed(0, Buffer.concat(bytes)),
    })
    const events = hold([
      ...loginOf({ flags }),
      wrapped('frontend', f.changeUser({ user: 'bob' })),
      wrapped('backend', packets(1, b.ok())),
      wrapped('frontend', f.query('select 1'), command(COM.QUERY, 'drop table t', 9)),
      wrapped('backend', packets(1, b.ok()), packets(1, b.ok())),
    ])
    expect(briefs(events)).toEqual(['success select 1', 'success drop table t'])
  })
})

describe('a compressed connection, where ids say nothing', () => {
  const login = loginOf({ flags: MODERN | CLIENT_COMPRESS })
  const wrapped = (from: 'frontend' | 'backend', ...bytes: Buffer[]): Turn => ({
    from,
    bytes: compressed(0, Buffer.concat(bytes)),
  })

  test('a file that is sent before it is asked for is no command', () => {
    const events = hold([
      ...login,
      wrapped(
        'frontend',
        f.query('load'),
        f.fileData(2, '\x03drop table t'),
        f.fileData(3, ''),
        f.query('select 1'),
      ),
      wrapped('backend', packets(1, b.localInfile('a.csv'))),
      wrapped('backend', packets(4, b.ok({ affected: 1 }))),
      wrapped('backend', packets(1, b.ok())),
    ])
    expect(events.slice(1)).toMatchObject([
      { event: 'local_infile', infile_bytes: 13 },
      { text: 'load', rows_affected: 1 },
      { text: 'select 1', outcome: 'success' },
    ])
  })

  test.each([[true], [false]])(
    'an answer of COM_CHANGE_USER is none, what follows is one (early: %s)',
    (early) => {
      const answers = [f.authResponse(2, '\x03a secret'), command(COM.QUERY, 'drop table t', 3)]
      const events = hold([
        ...login,
        wrapped('frontend', f.changeUser({ user: 'bob' }), ...(early ? answers : [])),
        wrapped('backend', packets(1, b.authSwitch())),
        ...(early ? [] : [wrapped('frontend', ...answers)]),
        wrapped('backend', packets(3, b.ok()), packets(1, b.ok())),
      ])
      expect(ofKind(events, 'change_user')).toMatchObject([{ outcome: 'success', new_username: 'bob' }])
      expect(briefs(events)).toEqual(['success drop table t'])
      expect(JSON.stringify(events)).not.toContain('secret')
    },
  )
})

describe('the database and the character set', () => {
  const databases = (events: readonly Plain[]) =>
    ofKind(events, 'statement').map((record) => whoOf(record).database)

  test('change when the reply says so', () => {
    const events = talk([
      sent(f.initDb('nope')),
      replied(b.err(1049, 'Unknown database')),
      ...asked('use `a b`'),
      ...asked('select 1'),
      ...asked('select 2', { changes: [['schema', 'tracked']] }),
      ...asked('drop database tracked', { status: 2 | 256 }),
      ...asked('select 3'),
    ])
    expect(databases(events)).toEqual(['shop', 'shop', 'a b', 'a b', 'tracked', undefined])
  })

  test('of SET NAMES and of the session tracker', () => {
    const latin = f.query(Buffer.from('select "\xe9"', 'latin1'))
    const records = statementsOf([
      ...asked('set names latin1'),
      sent(latin),
      replied(b.ok()),
      ...asked('select 1', { changes: [['variable', 'character_set_client', 'utf8mb4']] }),
      sent(latin),
      replied(b.ok()),
    ])
    expect(records[1]).toMatchObject({ text: 'select "é"', character_set: 'latin1' })
    expect(records[3]).toMatchObject({ text: { hex: '\\x73656c6563742022e922' }, character_set: 'utf8mb4' })
  })

  test("SQL's EXECUTE shows what it runs", () => {
    const records = statementsOf([
      ...asked("prepare s from 'select ?'"),
      ...asked('execute s using @a'),
      ...asked('deallocate prepare s'),
      sent(f.query('execute s')),
      replied(b.err(1243, 'Unknown')),
      ...asked("execute immediate 'drop table t'"),
    ])
    expect(records.map(({ executed }) => executed)).toEqual([
      undefined,
      'select ?',
      undefined,
      undefined,
      'drop table t',
    ])
  })
})
