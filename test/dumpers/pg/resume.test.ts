/** Going on behind lost bytes: where messages begin again, and what may be said of what follows. */
import { describe, expect, test } from 'vitest'
import { PgSession } from '../../../dumpers/pg/session.ts'
import type { Bytes } from '../../../src/flow.ts'
import {
  answered,
  canonical,
  converse,
  ofKind,
  openContext,
  type Plain,
  sent,
  type Turn,
} from '../../support/canonical.ts'
import { backend, frontend, loggedIn, message } from '../../support/pg-wire.ts'

const LOGIN: Turn[] = [sent(frontend.startup({ user: 'u' })), answered(loggedIn())]
const lost = (from: 'frontend' | 'backend', bytes = 100): Turn => ({ from, lost: bytes })
const run = (...turns: Turn[]): Plain[] => converse(new PgSession(openContext()), turns)
const told = (events: Plain[]): unknown[] =>
  ofKind(events, 'statement').map(({ text, outcome, after_gap }) => [text, outcome, after_gap === true])
const done = (tag = 'SELECT 1'): Bytes =>
  Buffer.concat([backend.commandComplete(tag), backend.readyForQuery()])
const query = (sql: string, tag?: string): Turn[] => [sent(frontend.query(sql)), answered(done(tag))]

describe('a lost query', () => {
  test('costs no other: what follows is marked', () => {
    const events = run(
      ...LOGIN,
      ...query('select 1'),
      lost('frontend'),
      answered(done()),
      ...query('select 3'),
    )
    expect(told(events)).toEqual([
      ['select 1', 'success', false],
      ['select 3', 'success', true],
    ])
    expect(ofKind(events, 'gap')).toMatchObject([{ gap_reason: 'lost', direction: '->', gap_bytes: 100 }])
    expect(events.map(({ stmt_seq }) => stmt_seq).filter(Boolean)).toEqual([1, 2])
  })

  test('whose loss is noticed late costs no other either', () => {
    const events = run(...LOGIN, answered(done()), lost('frontend'), ...query('select 3'))
    expect(told(events)).toEqual([['select 3', 'success', true]])
  })

  test('of several segments: their rest does not read as messages', () => {
    const long = frontend.query(`select '${'x'.repeat(3000)}'`)
    const events = run(
      ...LOGIN,
      lost('frontend', 1000),
      sent(long.subarray(1000, 2000)),
      sent(long.subarray(2000)),
      answered(done()),
      ...query('select 3'),
    )
    expect(told(events)).toEqual([['select 3', 'success', true]])
  })

  test('may be followed by one of several segments', () => {
    const long = frontend.query(`select '${'x'.repeat(3000)}'`)
    const events = run(
      ...LOGIN,
      lost('frontend'),
      answered(done()),
      sent(long.subarray(0, 3)),
      sent(long.subarray(3, 2000)),
      sent(long.subarray(2000)),
      answered(done()),
    )
    expect(told(events)).toEqual([[`select '${'x'.repeat(3000)}'`, 'success', true]])
  })

  test('amid a pipeline: a reply that belongs to a lost one is given to none', () => {
    const events = run(
      ...LOGIN,
      lost('frontend'),
      sent(frontend.query('select 2')),
      answered(done(), done('SELECT 7')),
      ...query('select 3'),
    )
    expect(told(events)).toEqual([['select 3', 'success', true]])
  })

  test('leaves names as they were, unless a reply says that one was dropped', () => {
    const prepare: Turn[] = [
      sent(frontend.parse('select $1', 's'), frontend.sync()),
      answered(backend.parseComplete(), backend.readyForQuery()),
    ]
    const execute: Turn[] = [
      sent(frontend.bind({ statement: 's', values: ['v'] }), frontend.execute(), frontend.sync()),
      answered(backend.bindComplete(), done()),
    ]
    const behind = (...replies: Bytes[]): unknown =>
      told(run(...LOGIN, ...prepare, lost('frontend'), answered(...replies), ...execute))
    expect(behind(done('INSERT 0 1'))).toEqual([['select $1', 'success', true]])
    expect(behind(backend.parseComplete(), backend.readyForQuery())).toEqual([
      ['select $1', 'success', true],
    ])
    expect(behind(done('DEALLOCATE'))).toEqual([[undefined, 'success', true]])
    expect(behind(message('3'), backend.readyForQuery())).toEqual([[undefined, 'success', true]])
  })

  test('of the unnamed statement: a Bind does not get the text of the one before', () => {
    const events = run(
      ...LOGIN,
      sent(frontend.parse('select 1'), frontend.sync()),
      answered(backend.parseComplete(), backend.readyForQuery()),
      lost('frontend'),
      answered(backend.parseComplete(), backend.readyForQuery()),
      sent(frontend.bind(), frontend.execute(), frontend.sync()),
      answered(backend.bindComplete(), done()),
    )
    expect(told(events)).toEqual([[undefined, 'success', true]])
  })
})

describe('no statement is told that was not sent', () => {
  test('though a value looks like one, to its last byte', () => {
    const forged = Buffer.concat([frontend.query('drop table t')])
    const events = run(
      ...LOGIN,
      lost('frontend'),
      answered(done()),
      lost('frontend'),
      sent(forged),
      sent(Buffer.from('rest of the value\0\0')),
      answered(backend.parseComplete(), backend.bindComplete(), done('INSERT 0 1')),
    )
    expect(told(events)).toEqual([])
  })

  test('though the reply is that of a query, when its tag is of another verb', () => {
    const forged = frontend.query('delete from t')
    const events = run(...LOGIN, lost('frontend'), sent(forged), answered(done('INSERT 0 1')))
    expect(told(events)).toEqual([])
  })

  test('and none whose reply never came', () => {
    const events = run(...LOGIN, lost('frontend'), sent(frontend.query('select 1')))
    expect(told(events)).toEqual([])
  })

  test('nor in copied data', () => {
    const events = run(
      ...LOGIN,
      sent(frontend.query('copy t from stdin')),
      answered(message('G', '\0\0\0')),
      sent(message('d', '1\n').subarray(0, 5)),
      lost('frontend'),
      sent(frontend.query('drop table t')),
      sent(message('c')),
      answered(done('COPY 3')),
      ...query('select 1'),
    )
    expect(told(events)).toEqual([
      ['copy t from stdin', 'success', false],
      ['select 1', 'success', true],
    ])
  })

  test('though the server seems to answer, when the client speaks another protocol', () => {
    const events = run(
      ...LOGIN,
      lost('frontend'),
      sent(Buffer.from('GET / HTTP/1.1\r\n\r\n')),
      answered(done()),
    )
    expect(told(events)).toEqual([])
  })
})

describe('lost replies', () => {
  test('cost the outcomes that they told, and no statement', () => {
    const events = run(
      ...LOGIN,
      sent(frontend.query('select 1')),
      lost('backend'),
      ...query('select 2'),
      ...query('select 3'),
    )
    expect(told(events)).toEqual([
      ['select 1', 'unknown', false],
      ['select 2', 'success', true],
      ['select 3', 'success', true],
    ])
  })

  test('in the middle of rows: the rest of them is no reply of what follows', () => {
    const rows = Buffer.concat(Array.from({ length: 9 }, () => backend.dataRow(['x'.repeat(200)])))
    const events = run(
      ...LOGIN,
      sent(frontend.query('select 1')),
      answered(backend.rowDescription(['x']), Buffer.from('D')),
      lost('backend', 304),
      answered(rows.subarray(305), done()),
      ...query('select 2'),
    )
    expect(told(events)).toEqual([
      ['select 1', 'unknown', false],
      ['select 2', 'success', true],
    ])
  })

  test('of a pipeline: no outcome is that of another statement', () => {
    const events = run(
      ...LOGIN,
      sent(frontend.query('select 1'), frontend.query('select 2'), frontend.query('insert into t')),
      lost('backend'),
      sent(frontend.query('select 4')),
      answered(done(), done('INSERT 0 1'), done('SELECT 4')),
      ...query('select 5'),
    )
    expect(told(events).map((record) => (record as unknown[]).slice(0, 2))).toEqual([
      ['select 1', 'unknown'],
      ['select 2', 'unknown'],
      ['insert into t', 'unknown'],
      ['select 4', 'unknown'],
      ['select 5', 'success'],
    ])
  })

  test('of a Parse: a name that was known before is not trusted with another text', () => {
    const parse = (sql: string): Turn => sent(frontend.parse(sql, 's'), frontend.sync())
    const events = run(
      ...LOGIN,
      parse('select 1'),
      answered(backend.parseComplete(), backend.readyForQuery()),
      parse('select 2'),
      lost('backend'),
      sent(frontend.bind({ statement: 's' }), frontend.execute(), frontend.sync()),
      answered(backend.bindComplete(), done()),
      sent(frontend.terminate()),
    )
    expect(told(events)).toEqual([[undefined, 'success', true]])
  })
})

describe('case 52: a flow that begins in its middle', () => {
  const midway = (...turns: Turn[]): Plain[] => {
    const session = new PgSession(openContext())
    const first = session.midStream(1).map((event) => canonical(event))
    return [...first, ...converse(session, turns)]
  }

  test('says so once, and tells what can be told', () => {
    const events = midway(...query('select 1'), ...query('select 2'), sent(frontend.terminate()))
    expect(ofKind(events, 'gap')).toMatchObject([{ gap_reason: 'mid-stream' }])
    expect(ofKind(events, 'session.auth')).toEqual([])
    expect(told(events)).toEqual([
      ['select 1', 'success', true],
      ['select 2', 'success', true],
    ])
  })

  test('within rows: it waits for the next statement', () => {
    const row = backend.dataRow(['x'.repeat(300)])
    const events = midway(answered(row.subarray(100), row, done()), ...query('select 2'))
    expect(told(events)).toEqual([['select 2', 'success', true]])
  })

  test('values of a statement whose Parse nobody saw go without a text', () => {
    const events = midway(
      sent(frontend.bind({ statement: 's', values: ['a', null] }), frontend.execute(), frontend.sync()),
      answered(backend.bindComplete(), done()),
    )
    expect(ofKind(events, 'statement')).toMatchObject([
      { stmt_name: 's', values: ['a', null], outcome: 'success', reason: 'text_unknown', after_gap: true },
    ])
    expect(told(events)).toEqual([[undefined, 'success', true]])
  })

  test('more losses are counted, not told again and again', () => {
    const session = new PgSession(openContext())
    const events = session.midStream(1).map((event) => canonical(event))
    for (let i = 2; i < 100; i++) {
      session.feed('frontend', Buffer.from('garbage'), i)
      events.push(...session.gap('frontend', 10, i).map((event) => canonical(event)))
    }
    expect(events).toHaveLength(1)
    expect(session.totals.undecodedIn).toBe(98 * 17)
  })

  test('that looks like TLS is said to, once', () => {
    const record = Buffer.from('1703030020', 'hex')
    const chunk = Buffer.concat([record, Buffer.alloc(32, 7)])
    const events = midway(sent(chunk), answered(chunk), sent(chunk), answered(chunk))
    expect(ofKind(events, 'gap').map(({ gap_reason }) => gap_reason)).toEqual(['mid-stream', 'tls'])
    expect(events).toHaveLength(2)
  })

  test('case 57: another protocol is no statement, whatever it sends', () => {
    const events = midway(
      sent(Buffer.from('GET / HTTP/1.1\r\n\r\n')),
      answered(Buffer.from('HTTP/1.1 200 OK')),
    )
    expect(events).toMatchObject([{ gap_reason: 'mid-stream' }])
  })
})

describe('case 54: packets that a snap length cut', () => {
  const KEPT = 30
  /** each segment with its end missing */
  const cut = (turns: readonly Turn[]): Turn[] =>
    turns.flatMap((turn) => {
      if ('lost' in turn || turn.bytes.length <= KEPT) return [turn]
      const { from, bytes } = turn
      return [{ from, bytes: bytes.subarray(0, KEPT) }, lost(from, bytes.length - KEPT)]
    })
  const rows = (tag: string): Turn =>
    answered(backend.rowDescription(['a', 'b']), backend.dataRow(['1', '2']), done(tag))

  test('statements that were captured whole are told, though their outcomes are lost', () => {
    const events = run(
      ...cut([
        ...LOGIN,
        sent(frontend.query('select 1')),
        rows('SELECT 1'),
        sent(frontend.query(`select '${'x'.repeat(100)}'`)),
        rows('SELECT 1'),
        sent(frontend.query('select 3')),
        rows('SELECT 1'),
        sent(frontend.query(`select '${'x'.repeat(100)}'`)),
        rows('SELECT 1'),
        sent(frontend.query('select * from nothing')),
        answered(backend.error({ S: 'ERROR', C: '42P01', M: 'relation "nothing" does not exist' })),
        sent(frontend.query('update t set a = 1')),
        answered(done('UPDATE 1')),
        sent(frontend.terminate()),
      ]),
    )
    expect(told(events)).toEqual([
      ['select 1', 'unknown', true],
      ['select 3', 'unknown', true],
      ['select * from nothing', 'unknown', true],
      ['update t set a = 1', 'success', true],
    ])
  })

  test('a row that is cut loses nothing', () => {
    const events = run(
      ...LOGIN,
      ...cut([sent(frontend.query('select 1')), answered(backend.dataRow(['x'.repeat(100)]))]),
      answered(done()),
    )
    expect(told(events)).toEqual([['select 1', 'success', false]])
  })
})

test('a query that was lost behind one that was answered costs that one nothing', () => {
  const events = run(
    ...LOGIN,
    lost('frontend'),
    answered(done()),
    ...query('select 2'),
    lost('frontend'),
    answered(done()),
    ...query('select 4'),
  )
  expect(told(events)).toEqual([
    ['select 2', 'success', true],
    ['select 4', 'success', true],
  ])
})

test('copied data that looks like a query is none, though both sides were lost', () => {
  const session = new PgSession(openContext())
  session.midStream(1)
  const events = converse(session, [
    sent(frontend.query('drop table t')),
    sent(frontend.copyData('more'), frontend.copyDone()),
    answered(done('COPY 3')),
    sent(frontend.query('drop table t')),
    answered(done('COPY 3')),
    ...query('select 1'),
  ])
  expect(told(events)).toEqual([['select 1', 'success', true]])
  const wrong = [frontend.query('drop table t'), frontend.copyData('more'), frontend.copyDone()]
  const bytes = Buffer.concat([...wrong, frontend.query('drop table t')]).length
  expect(session.totals.undecodedIn).toBe(bytes)
})

test('a session in recovery keeps little, whatever comes', () => {
  const budget = { limit: 1 << 20, used: 0 }
  const session = new PgSession(openContext({ budget }))
  session.midStream(1)
  const header = frontend.query('x'.repeat(300_000)).subarray(0, 5)
  session.feed('frontend', header, 2)
  for (let i = 3; i < 1000; i++) {
    session.feed('frontend', Buffer.alloc(1000, 120), i)
    expect(budget.used).toBeLessThan(600_000)
  }
  session.close(1000)
  expect(budget.used).toBe(0)
})
