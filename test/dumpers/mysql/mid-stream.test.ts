/** Connections of which nobody saw the log-in: what they agreed on is found out by what is sent. */
import { describe, expect, test } from 'vitest'
import { MysqlSession } from '../../../dumpers/mysql/session.ts'
import type { AuditEvent } from '../../../src/event.ts'
import { canonical, ofKind, openContext } from '../../support/canonical.ts'
import {
  answered,
  asked,
  b,
  f,
  loginOf,
  NO_EOF,
  packets,
  prepared,
  replied,
  resultSet,
  sent,
} from '../../support/my-conversation.ts'
import { executed, flagsOf, lost, midway, rows, run, told } from '../../support/my-lossy.ts'
import { compressed, longParam, stringParam } from '../../support/my-wire.ts'

describe('a connection of which nobody saw the log-in', () => {
  test.each([
    ['EOF', false],
    ['OK in its place', true],
  ])('finds out what ends columns and rows: %s', (_, deprecated) => {
    const events = midway(
      sent(f.query('select 1')),
      rows(deprecated),
      sent(f.prepare('select ?')),
      replied(...prepared(1, 1, ['a'], { flags: flagsOf(deprecated) })),
      sent(f.execute(1, [longParam(5)])),
      executed(deprecated),
      sent(f.query('select * from t')),
      replied(...resultSet(['a'], [], { flags: flagsOf(deprecated) })),
      ...asked('do 1'),
    )
    expect(events[0]).toMatchObject({ event: 'gap', gap_reason: 'mid-stream' })
    expect(ofKind(events, 'gap')).toHaveLength(1)
    expect(
      ofKind(events, 'statement').map(({ text, values, outcome, rows_returned: count }) => [
        ...[text, values, outcome, count],
      ]),
    ).toEqual([
      ['select 1', undefined, 'success', 1],
      ['select ?', ['5'], 'success', 1],
      ['select * from t', undefined, 'success', 0],
      ['do 1', undefined, 'success', undefined],
    ])
  })

  test.each([
    ['EOF', false],
    ['OK in its place', true],
  ])('a prepare comes first, of parameters alone: %s', (_, deprecated) => {
    const events = midway(
      sent(f.prepare('delete from t where a = ?')),
      replied(...prepared(1, 1, [], { flags: flagsOf(deprecated) })),
      ...asked('do 1'),
      sent(f.execute(1, [longParam(5)])),
      replied(b.ok({ affected: 2 })),
      ...asked('do 2'),
    )
    expect(ofKind(events, 'prepare')).toMatchObject([{ stmt_id: 1, outcome: 'success' }])
    expect(ofKind(events, 'statement')).toMatchObject([
      { text: 'do 1' },
      { text: 'delete from t where a = ?', values: ['5'], rows_affected: 2 },
      { text: 'do 2' },
    ])
  })

  test('whether query attributes are among the values is told by those that can have one form only', () => {
    const ready = [sent(f.prepare('select ?, ?')), replied(...prepared(1, 2, ['a']))]
    const first = [sent(f.execute(1, [longParam(5), stringParam('a')])), executed()]
    const [record] = ofKind(midway(...ready, ...first), 'statement')
    expect(record).toMatchObject({ text: 'select ?, ?', values: ['5', 'a'] })
  })

  test('values are not told before it is known whether query attributes are among them', () => {
    const ready = [sent(f.prepare('select ?')), replied(...prepared(1, 1, ['a']))]
    const first = [sent(f.execute(1, [longParam(5)], { types: false })), executed()]
    const events = midway(
      ...ready,
      ...first,
      ...asked('do 1'),
      sent(f.execute(1, [longParam(6)])),
      executed(),
    )
    expect(ofKind(events, 'statement').map(({ values }) => values)).toEqual([undefined, undefined, ['6']])
  })

  test('query attributes are no part of a text', () => {
    const queryAttributes = true
    const events = midway(
      sent(f.queryWithAttributes('select 1')),
      rows(),
      sent(f.prepare('select ?')),
      replied(...prepared(1, 1, ['a'])),
      sent(f.execute(1, [longParam(5)], { queryAttributes, flags: 8 })),
      executed(),
      sent(f.queryWithAttributes('select 2', [stringParam('v', 'n')])),
      rows(),
    )
    expect(ofKind(events, 'statement')).toMatchObject([
      { text: 'select 1' },
      { text: 'select ?', values: ['5'] },
      { text: 'select 2', query_attributes: '{"n":"v"}' },
    ])
  })

  test('whose packets are compressed', () => {
    const long = `select '${'x'.repeat(500)}'`
    const events = midway(
      sent(compressed(0, f.query('do 1'))),
      answered(compressed(1, packets(1, b.ok()))),
      sent(compressed(0, f.query(long))),
      answered(compressed(1, packets(1, ...resultSet(['a'], [b.textRow(['1'])])))),
    )
    expect(told(events)).toEqual([
      ['do 1', 'success', true],
      [long, 'success', true],
    ])
  })

  test('whose client never waits for an answer: nobody knows what a reply answers', () => {
    const session = new MysqlSession(openContext())
    session.midStream(1)
    const given: AuditEvent[] = [...session.feed('frontend', f.query('do 0'), 2)]
    for (let n = 1; n <= 300; n++) {
      given.push(...session.feed('frontend', f.query(`do ${n}`), 2 * n + 1))
      given.push(...session.feed('backend', packets(1, b.ok()), 2 * n + 2))
    }
    expect(given.length).toBeGreaterThan(250)
    given.push(...session.close(1000))
    const outcomes = ofKind(
      given.map((event) => canonical(event)),
      'statement',
    ).map((one) => one.outcome)
    expect(outcomes).toEqual(Array(301).fill('unknown'))
  })

  test('begins within a packet', () => {
    const query = f.query('select 1 from t')
    const events = midway(
      answered(Buffer.from('st of a row\x05\0\0\x07\xfe\0\0\x02\0', 'latin1')),
      sent(query.subarray(7)),
      rows(),
      ...asked('do 3'),
    )
    expect(told(events)).toEqual([['do 3', 'success', true]])
  })

  test('says once that it looks like TLS', () => {
    const record = Buffer.concat([Buffer.from([0x17, 3, 3, 0, 100]), Buffer.alloc(100, 0x5a)])
    const events = midway(sent(record), answered(record), sent(record))
    expect(events).toMatchObject([
      { gap_reason: 'mid-stream' },
      { gap_reason: 'tls', detail: 'looks like TLS' },
    ])
  })

  test('another protocol gives no records', () => {
    const get = Buffer.from('GET / HTTP/1.1\r\nHost: example.org\r\n\r\n')
    const events = midway(sent(get), answered(Buffer.from('HTTP/1.1 200 OK\r\n\r\n')), sent(get))
    expect(events).toMatchObject([{ gap_reason: 'mid-stream' }])
  })
})

describe('a log-in of which bytes are lost', () => {
  test.each([
    ['the greeting', 0],
    ['the client’s answer', 1],
    ['the outcome', 2],
  ])('%s: what follows is read', (_, place) => {
    const turns = loginOf({ flags: NO_EOF }).map((turn, index) =>
      index === place && 'bytes' in turn ? lost(turn.from, turn.bytes.length) : turn,
    )
    const events = run(...turns, sent(f.query('select 1')), rows(true), ...asked('do 3'))
    expect(told(events)).toEqual([
      ['select 1', 'success', true],
      ['do 3', 'success', true],
    ])
    expect(ofKind(events, 'session.auth').map(({ outcome }) => outcome)).toEqual(
      place === 2 ? ['unknown'] : [],
    )
  })
})
