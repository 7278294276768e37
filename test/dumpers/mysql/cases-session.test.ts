/** Files, a change of user, database and character set: what a session is by now. */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { CLIENT_COMPRESS, COM } from '../../../dumpers/mysql/capabilities.ts'
import { ofKind, type Plain, whoOf } from '../../support/canonical.ts'
import {
  answered,
  asked,
  b,
  briefs,
  f,
  hold,
  loginOf,
  MODERN,
  packets,
  prepared,
  replied,
  resultSet,
  sent,
  statementsOf,
  type Turn,
  talk,
} from '../../support/my-conversation.ts'
import { command, compressed, longParam } from '../../support/my-wire.ts'

const ready = (id = 1, params = 1, text = 'select ?'): readonly Turn[] => [
  sent(f.prepare(text)),
  replied(...prepared(id, params, ['a'])),
]

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
  // a frame for each packet
  const wrapped = (from: 'frontend' | 'backend', ...bytes: Buffer[]): Turn => ({
    from,
    bytes: Buffer.concat(bytes.map((piece) => compressed(0, piece))),
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

  test.each([
    ['random bytes like a query', '\x03\x9b\x01secret'],
    ['random bytes like a statement', '\x16\x02(\xffsecret'],
    ['random bytes like a database', '\x02secret'],
    ['random bytes like a user', '\x11secret\0\0\0'],
    ['random bytes like an execution', '\x17\x01secret'],
    ['a password', 'secret\0'],
  ])(
    'what may be an answer is not shown where nobody saw what became of the log-in: %s',
    (_what, answer) => {
      const events = hold([
        ...login,
        wrapped(
          'frontend',
          f.changeUser({ user: 'bob' }),
          f.authResponse(2, Buffer.from(answer, 'latin1')),
          command(COM.QUERY, '/* x */ (select 1)', 3),
          command(0x42, 'what is this', 0),
        ),
      ])
      expect(ofKind(events, 'change_user')).toMatchObject([{ outcome: 'unknown', new_username: 'bob' }])
      expect(briefs(events)).toEqual([
        'unknown may_be_secret',
        'unknown /* x */ (select 1)',
        'unknown COM_0x42',
      ])
      expect(JSON.stringify(events)).not.toMatch(/secret(?!")|736563726574|COM_0x73/)
    },
  )
})

describe('the database and the character set', () => {
  test.each([
    ['drop database gone', 'shop'],
    ['create or replace database gone; select 1', 'shop'],
    ['drop schema if exists `SHOP`', undefined],
    ['call housekeeping()', undefined],
    ["execute immediate concat('drop database sh', 'op')", undefined],
  ])('of %s, which drops a database, %s is left', (text, database) => {
    const events = talk([...asked(text, { status: 2 | 256 }), ...asked('select 1')])
    expect(whoOf(ofKind(events, 'statement').at(-1)).database).toBe(database)
  })

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

  test('of a set that is computed or a default, which is not known, and of a collation', () => {
    const sets = [
      ['set names latin1', 'latin1'],
      ["set character_set_client = concat('la', 'tin1')", undefined],
      ['set character_set_client = 8', 'latin1'],
      ['set names default', undefined],
      ["execute immediate 'set names gbk'", 'gbk'],
      ['set @x = 1', 'gbk'],
    ] as const
    const records = statementsOf(sets.flatMap(([text]) => [...asked(text), ...asked('select 1')]))
    const after = records.filter(({ text }) => text === 'select 1').map((record) => record.character_set)
    expect(after).toEqual(sets.map(([, charset]) => charset))
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

  test('are found where MariaDB reads double quotes as names', () => {
    const text = 'select 1 as "a\\"; use `b`; -- "'
    const ran = (status: number): readonly Turn[] => [
      ...asked('set sql_mode = "x"', { status }),
      sent(f.query(text)),
      replied(...resultSet(['a'], [], { status: status | 8 }), b.ok({ status })),
      ...asked('select 1', { status }),
    ]
    expect(databases(talk(ran(2 | 0x8000))).at(-1)).toBe('b')
    expect(databases(talk(ran(2))).at(-1)).toBe('shop')
  })

  test('of a PREPARE that fails: the name is gone', () => {
    const records = statementsOf([
      ...asked("prepare s from 'select 1'"),
      sent(f.query("prepare s from 'selec'")),
      replied(b.err(1064, 'syntax')),
      sent(f.query('execute s')),
      replied(b.err(1243, 'Unknown')),
    ])
    expect(records.map(({ executed, reason }) => executed ?? reason)).toEqual([
      ...[undefined, undefined, 'text_unknown'],
    ])
  })

  test("SQL's EXECUTE says so where nobody knows what it runs", () => {
    const records = statementsOf([
      ...asked("prepare s from 'select 1'"),
      ...asked('prepare s from @text'),
      ...asked('execute s'),
      ...asked('execute immediate concat(@a, @b)'),
      ...asked("prepare s from 'select 2'; execute s"),
    ])
    expect(records.map(({ executed, reason }) => executed ?? reason)).toEqual([
      ...[undefined, undefined, 'text_unknown', 'text_unknown'],
      'select 2',
    ])
  })
})
