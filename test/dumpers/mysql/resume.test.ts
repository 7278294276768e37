/** Going on behind lost bytes: where packets begin again, and what may be said of what follows. */
import { describe, expect, test } from 'vitest'
import {
  CLIENT_COMPRESS,
  CLIENT_DEPRECATE_EOF,
  CLIENT_QUERY_ATTRIBUTES,
} from '../../../dumpers/mysql/capabilities.ts'
import { LAST_STATEMENT } from '../../../dumpers/mysql/statements.ts'
import { ofKind, type Turn } from '../../support/canonical.ts'
import {
  answered,
  asked,
  b,
  f,
  LOGIN,
  loginOf,
  MODERN,
  packets,
  prepared,
  replied,
  resultSet,
  sent,
} from '../../support/my-conversation.ts'
import { executed, lost, midway, rows, run, told } from '../../support/my-lossy.ts'
import { compressed, longParam, stringParam } from '../../support/my-wire.ts'

describe('a lost command', () => {
  test('costs no other: what follows is marked', () => {
    const events = run(...LOGIN, ...asked('select 1'), lost('frontend'), replied(b.ok()), ...asked('do 3'))
    expect(told(events)).toEqual([
      ['select 1', 'success', false],
      ['do 3', 'success', true],
    ])
    expect(ofKind(events, 'gap')).toMatchObject([{ gap_reason: 'lost', direction: '->', gap_bytes: 100 }])
    expect(events.map(({ stmt_seq }) => stmt_seq).filter(Boolean)).toEqual([1, 2])
  })

  test('may be followed by one of several segments', () => {
    const long = f.query(`select '${'x'.repeat(3000)}'`)
    const parts = [long.subarray(0, 3), long.subarray(3, 2000), long.subarray(2000)].map((part) =>
      sent(part),
    )
    const events = run(...LOGIN, lost('frontend'), replied(b.ok()), ...parts, replied(b.ok()))
    expect(told(events)).toEqual([[`select '${'x'.repeat(3000)}'`, 'success', true]])
  })

  test('of several segments: its rest does not read as a command', () => {
    const long = f.query(`select '${'x'.repeat(3000)}'`)
    const events = run(
      ...LOGIN,
      lost('frontend', 1000),
      sent(long.subarray(1000, 2000)),
      sent(long.subarray(2000)),
      replied(b.ok()),
      ...asked('do 3'),
    )
    expect(told(events)).toEqual([['do 3', 'success', true]])
  })

  test('whose reply comes behind the next command gives it to none', () => {
    const events = run(
      ...LOGIN,
      lost('frontend'),
      sent(f.query('do 2')),
      replied(b.ok({ affected: 7 })),
      replied(b.ok({ affected: 8 })),
      ...asked('do 3'),
    )
    expect(told(events)).toEqual([['do 3', 'success', true]])
  })

  test('what looks like a command amid a file is none', () => {
    const load = f.query("load data local infile 'a' into table t")
    const events = run(
      ...LOGIN,
      sent(load),
      replied(b.localInfile('a')),
      lost('frontend', 50),
      sent(f.query('drop table t')),
      answered(packets(9, b.ok({ affected: 2 }))),
      ...asked('do 3'),
    )
    expect(told(events)).toEqual([
      [load.toString('utf8', 5), 'success', false],
      ['do 3', 'success', true],
    ])
    const [file] = ofKind(events, 'local_infile')
    expect(file).toMatchObject({ infile_name: 'a', infile_bytes: 50 })
    expect(file).not.toHaveProperty('infile_sha256')
  })
})

describe('bytes lost within a command', () => {
  test.each([
    ['its end', 20],
    ['its middle', 10],
  ])('cost its text and not its place: %s', (_, bytes) => {
    const query = f.query("delete from t where name = 'somebody'")
    const behind = query.subarray(15 + bytes)
    const more = behind.length > 0 ? [sent(behind)] : []
    const events = run(
      ...LOGIN,
      sent(query.subarray(0, 15)),
      lost('frontend', bytes),
      ...more,
      replied(b.ok({ affected: 3 })),
      ...asked('do 3'),
    )
    const [holed, next] = ofKind(events, 'statement')
    expect(holed).toMatchObject({ outcome: 'success', rows_affected: 3, malformed: true, after_gap: true })
    expect(holed!.body_hex).toBe(`\\x${Buffer.from('delete fro').toString('hex')}`)
    expect(holed).not.toHaveProperty('text')
    expect(next).toMatchObject({ text: 'do 3', stmt_seq: 2, outcome: 'success' })
  })

  test('an execution keeps its statement, and has no values', () => {
    const execute = f.execute(1, [longParam(7), stringParam('abc')])
    const again = f.execute(1, [longParam(8), stringParam('def')], { types: false })
    const events = run(
      ...LOGIN,
      sent(f.prepare('select ?, ?')),
      replied(...prepared(1, 2, ['a'])),
      sent(execute.subarray(0, 16)),
      lost('frontend', execute.length - 16),
      executed(),
      sent(again),
      executed(),
    )
    expect(ofKind(events, 'statement')).toMatchObject([
      { text: 'select ?, ?', stmt_id: 1, malformed: true },
      { text: 'select ?, ?', stmt_id: 1 },
    ])
    for (const record of ofKind(events, 'statement')) expect(record).not.toHaveProperty('values')
  })

  test('a file is counted, and has no hash', () => {
    const piece = f.fileData(2, 'x'.repeat(100))
    const events = run(
      ...LOGIN,
      sent(f.query("load data local infile 'a' into table t")),
      replied(b.localInfile('a')),
      sent(piece.subarray(0, 20)),
      lost('frontend', 84),
      sent(f.fileData(3, '')),
      answered(packets(4, b.ok())),
    )
    expect(ofKind(events, 'local_infile')).toMatchObject([{ infile_bytes: 100 }])
    expect(ofKind(events, 'local_infile')[0]).not.toHaveProperty('infile_sha256')
  })
})

describe('lost replies', () => {
  test('to a PREPARE: an execution of the last one prepared is not given the text of the one before', () => {
    const execute = f.execute(LAST_STATEMENT, [longParam(4)])
    const events = run(
      ...LOGIN,
      sent(f.prepare('select ?')),
      replied(...prepared(1, 1, ['a'])),
      sent(f.prepare('delete ?'), execute),
      lost('backend', 40),
    )
    const [, second, execution] = events.filter(({ stmt_seq }) => stmt_seq !== undefined)
    expect(second).toMatchObject({ event: 'prepare', text: 'delete ?', outcome: 'unknown' })
    expect(execution).toMatchObject({ event: 'statement', outcome: 'unknown', stmt_seq: 3 })
    expect(execution).not.toHaveProperty('text', 'select ?')
  })

  test('leave the outcome unknown, and cost no other', () => {
    const events = run(...LOGIN, sent(f.query('do 1')), lost('backend'), ...asked('do 2'), ...asked('do 3'))
    expect(told(events)).toEqual([
      ['do 1', 'unknown', false],
      ['do 2', 'success', true],
      ['do 3', 'success', true],
    ])
  })

  test('whose rest is no reply to the next command', () => {
    const reply = packets(1, ...resultSet(['a'], [b.textRow(['1'])]))
    const events = run(
      ...LOGIN,
      sent(f.query('do 1')),
      lost('backend', 40),
      sent(f.query('do 2')),
      answered(reply.subarray(40)),
      ...asked('do 3'),
    )
    expect(told(events)).toEqual([
      ['do 1', 'unknown', false],
      ['do 2', 'unknown', true],
      ['do 3', 'success', true],
    ])
  })

  test('packets of a file that nobody saw asked for are no commands', () => {
    const file = Array.from({ length: 300 }, (_, n) => f.fileData((n + 2) & 0xff, '\x03drop table t'))
    const events = run(
      ...LOGIN,
      sent(f.query("load data local infile 'a' into table t")),
      lost('backend', 20),
      ...file.map((piece) => sent(piece)),
      sent(f.fileData((file.length + 2) & 0xff, '')),
      answered(packets((file.length + 3) & 0xff, b.ok())),
      ...asked('do 3'),
    )
    expect(told(events)).toEqual([
      ["load data local infile 'a' into table t", 'unknown', false],
      ['do 3', 'success', true],
    ])
    expect(ofKind(events, 'gap')).toHaveLength(1)
  })

  test('of USE and SET NAMES leave database and character set unknown', () => {
    const events = run(
      ...loginOf({ collation: 8 }),
      sent(f.query('set names utf8mb4; use other')),
      lost('backend'),
      ...asked("select 'é'"),
    )
    const [before, behind] = ofKind(events, 'statement')
    expect(before).toMatchObject({ character_set: 'latin1', who: { database: 'shop' } })
    expect(behind).toMatchObject({ text: "select 'é'" })
    expect(behind).not.toHaveProperty('character_set')
    expect(behind!.who).not.toHaveProperty('database')
  })

  test('a reply that began as it should shows that its command was sent', () => {
    const reply = packets(1, ...resultSet(['a'], [b.textRow(['1'])]))
    const events = run(
      ...LOGIN,
      lost('frontend'),
      lost('backend'),
      sent(f.query('select 1')),
      answered(reply.subarray(0, 20)),
      lost('backend', reply.length - 20),
      ...asked('do 3'),
    )
    expect(told(events)).toEqual([
      ['select 1', 'unknown', true],
      ['do 3', 'success', true],
    ])
  })
})

describe('what was known of a prepared statement', () => {
  const ready = [sent(f.prepare('select ?')), replied(...prepared(1, 1, ['a']))]
  const first = [sent(f.execute(1, [longParam(7)])), executed()]
  const again = [sent(f.execute(1, [longParam(8)], { types: false })), executed()]
  const valuesOf = (...turns: Turn[]): unknown[] =>
    ofKind(run(...LOGIN, ...ready, ...first, ...turns), 'statement').map(({ text, values }) => [
      text,
      values,
    ])

  test('holds behind a lost command whose reply no execution of it has', () => {
    expect(valuesOf(lost('frontend'), replied(b.ok()), ...again)).toEqual([
      ['select ?', ['7']],
      ['select ?', ['8']],
    ])
  })

  test('its types are not known where an execution of it may be lost', () => {
    expect(valuesOf(lost('frontend'), executed(), ...again)).toEqual([
      ['select ?', ['7']],
      ['select ?', undefined],
    ])
  })

  test('values are not known where long data may be lost', () => {
    const text = [sent(f.execute(1, [stringParam(null)])), executed()]
    expect(valuesOf(lost('frontend', 40), ...text)).toEqual([
      ['select ?', ['7']],
      ['select ?', undefined],
    ])
  })

  test('one that nobody saw has its id, and neither text nor values', () => {
    const events = midway(
      sent(f.query('do 1')),
      replied(b.ok()),
      sent(f.execute(9, [longParam(7)])),
      executed(),
    )
    const [, record] = ofKind(events, 'statement')
    expect(record).toMatchObject({ stmt_id: 9, outcome: 'success', rows_returned: 1 })
    expect(record).not.toHaveProperty('text')
    expect(record).not.toHaveProperty('values')
  })
})

describe('a compressed connection', () => {
  const flags = MODERN | CLIENT_COMPRESS
  const wrapped = (text: string): readonly Turn[] => [
    sent(compressed(0, f.query(text))),
    answered(compressed(1, packets(1, b.ok()))),
  ]

  test.each(['frontend', 'backend'] as const)('goes on at a frame: %s', (side) => {
    const login = loginOf({ flags }, { flags })
    const events = run(...login, ...wrapped('do 1'), lost(side), ...wrapped('do 2'), ...wrapped('do 3'))
    expect(told(events)).toEqual([
      ['do 1', 'success', false],
      ['do 2', 'success', true],
      ['do 3', 'success', true],
    ])
  })

  test.each(['frontend', 'backend'] as const)(
    'a frame that is broken amid a trial ends it: %s lost',
    (side) => {
      const login = loginOf({ flags }, { flags })
      const broken = compressed(1, packets(1, b.err(1064, 'x'.repeat(200))))
      expect(broken[7]).toBe(0x78)
      broken.fill(0xff, 7, 20)
      const events = run(
        ...login,
        ...wrapped('do 1'),
        lost(side),
        sent(compressed(0, f.query('do 2'))),
        answered(broken),
        ...wrapped('do 3'),
      )
      // `do 2` is sure only where the client's bytes are not the lost ones
      const second = side === 'backend' ? [['do 2', 'unknown', true]] : []
      expect(told(events)).toEqual([['do 1', 'success', false], ...second, ['do 3', 'success', true]])
    },
  )
})

test('query attributes, agreed on, stay so behind lost bytes', () => {
  const flags = MODERN | CLIENT_QUERY_ATTRIBUTES | CLIENT_DEPRECATE_EOF
  const events = run(
    ...loginOf({ flags }, { flags }),
    lost('frontend'),
    sent(f.queryWithAttributes('select 1')),
    rows(true),
  )
  expect(told(events)).toEqual([['select 1', 'success', true]])
})
