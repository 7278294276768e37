/**
 * Clients that try to make an executed statement miss its record, or a record name what was not executed.
 */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { PgSession } from '../../../dumpers/pg/session.ts'
import type { Bytes } from '../../../src/flow.ts'
import { LIMITS, ofKind, openContext } from '../../support/canonical.ts'
import { randomBytes, seededRandom } from '../../support/chunks.ts'
import {
  answered,
  asked,
  b,
  briefs,
  done,
  f,
  failure,
  fatal,
  hold,
  LOGIN,
  ran,
  repeat,
  sent,
  statementsOf,
  type Turn,
  talk,
} from '../../support/conversation.ts'
import { tries } from '../../support/fuzz.ts'
import { cstring, int16, int32, loggedIn, message, untyped } from '../../support/pg-wire.ts'

const EMPTY = Buffer.alloc(0)
const STARTUP = f.startup({ user: 'alice', database: 'shop' })

describe('59 to 64', () => {
  test('case 59: messages before the statement in the same segment', () => {
    const events = statementsOf([
      sent(f.sync(), f.flush(), f.sync(), f.query('DROP TABLE a')),
      answered(b.readyForQuery(), b.readyForQuery(), done('DROP TABLE')),
    ])
    expect(events).toMatchObject([{ text: 'DROP TABLE a', outcome: 'success', command_tag: 'DROP TABLE' }])
  })

  test('case 60: a statement in pieces of 1, 3 and 10 bytes', () => {
    const query = 'DROP TABLE customers /* in pieces */'
    for (const size of [1, 3, 10]) {
      const pieces: Bytes[] = []
      const bytes = f.query(query)
      for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size))
      const events = talk([...pieces.map((piece) => sent(piece)), answered(done('DROP TABLE'))])
      expect(events).toMatchObject([
        { event: 'statement', text: query, outcome: 'success', who: { username: 'alice' } },
      ])
    }
  })

  test('case 61: a long statement whose middle looks like a Query', () => {
    const inner = f.query('DROP TABLE a')
    const text = Buffer.concat([Buffer.from('SELECT $$'), inner.subarray(0, -1), Buffer.from('$$')])
    const quoted = text.toString('latin1').replaceAll('\0', ' ')
    const long = `${quoted}${' '.repeat(17 * 1024 * 1024)}${quoted}`
    const events = statementsOf([
      sent(f.query(long)),
      answered(b.rowDescription(['?']), b.dataRow(['1']), done('SELECT 1')),
      ...asked('SELECT 2', 'SELECT 0'),
    ])
    expect(events).toHaveLength(2)
    expect(events[0]).toMatchObject({ outcome: 'success', command_tag: 'SELECT 1' })
    expect(events[0]).toMatchObject({ text: { truncated: { bytes: long.length } } })
    expect(events[1]).toMatchObject({ text: 'SELECT 2' })
  })

  test('case 62: Parse, Bind, Execute, Sync in one segment, all values with their positions', () => {
    const events = talk([
      sent(
        f.parse('INSERT INTO t VALUES ($1, $2, $3)'),
        f.bind({ values: ['x', null, 'z'] }),
        f.execute(),
        f.sync(),
      ),
      answered(ran('INSERT 0 1'), b.readyForQuery()),
    ])
    expect(events).toMatchObject([
      { event: 'prepare', text: 'INSERT INTO t VALUES ($1, $2, $3)', outcome: 'success' },
      { event: 'statement', values: ['x', null, 'z'], outcome: 'success', rows_affected: 1 },
    ])
  })

  test('case 63: a Bind with one format code for two parameters', () => {
    const events = statementsOf([
      sent(
        f.parse('SELECT $1, $2', '', [23, 23]),
        f.bind({ formats: [1], values: [int32(7), int32(-8)] }),
        f.execute(),
        f.sync(),
      ),
      answered(ran('SELECT 0'), b.readyForQuery()),
    ])
    expect(events).toMatchObject([{ values: ['7', '-8'] }])
  })

  test.each([
    ['after the word user', cstring('user')],
    ['inside the word user', Buffer.from('use')],
    ['inside its value', Buffer.concat([cstring('user'), Buffer.from('ali')])],
    ['before its end', Buffer.concat([cstring('user'), cstring('alice')])],
  ])('case 63: a startup message cut %s', (_, parameters) => {
    const events = hold([
      sent(untyped(Buffer.concat([int32(196608), parameters])), f.query('DROP TABLE a')),
      answered(fatal('08P01', 'invalid startup packet layout')),
    ])
    expect(events).toMatchObject([{ event: 'session.auth', outcome: 'error', error_code: '08P01' }])
  })

  test('case 64: well-framed random bytes before a log-in that is refused', () => {
    const random = seededRandom(64)
    const noise = repeat(200, () =>
      message(
        String.fromCharCode(32 + Math.floor(random() * 90)),
        randomBytes(random, Math.floor(random() * 40)),
      ),
    )
    const events = hold([
      sent(STARTUP),
      answered(b.authentication(3)),
      sent(f.query('DROP TABLE a'), noise),
      answered(fatal('28P01', 'expected password response')),
    ])
    expect(ofKind(events, 'statement')).toEqual([])
    expect(ofKind(events, 'prepare')).toEqual([])
    expect(ofKind(events, 'session.auth')).toMatchObject([{ outcome: 'error', error_code: '28P01' }])
  })

  test('case 64: a password was asked for and none was sent, so nothing can have run', () => {
    const events = hold([
      sent(STARTUP),
      answered(b.authentication(5, int32(1))),
      sent(f.query('DROP TABLE a')),
    ])
    expect(events).toMatchObject([{ event: 'session.auth', outcome: 'unknown' }])
  })
})

describe('a log-in that nobody saw decided', () => {
  test('its statements may have run', () => {
    const events = hold([sent(STARTUP, f.query('DROP TABLE a'))])
    expect(events).toMatchObject([
      { event: 'session.auth', outcome: 'unknown' },
      { event: 'statement', text: 'DROP TABLE a', outcome: 'unknown' },
    ])
  })

  test('a password was sent along', () => {
    const events = hold([
      sent(STARTUP),
      answered(b.authentication(3)),
      sent(f.password('secret'), f.query('DROP TABLE a')),
    ])
    expect(briefs(events)).toEqual(['unknown DROP TABLE a'])
  })

  test('a million of them are told by number', () => {
    const events = hold([
      sent(
        STARTUP,
        repeat(20_000, () => f.query('SELECT 1')),
      ),
    ])
    expect(ofKind(events, 'statement').length).toBeLessThan(1000)
    expect(ofKind(events, 'gap')).toMatchObject([{ gap_reason: 'overflow', direction: '->' }])
  })
})

test('Startup and Query in one segment: it runs, it is recorded', () => {
  const events = hold([
    sent(STARTUP, f.query('DROP TABLE a'), f.terminate()),
    answered(loggedIn(), done('DROP TABLE')),
  ])
  expect(events).toMatchObject([
    { event: 'session.auth', outcome: 'success' },
    { event: 'statement', text: 'DROP TABLE a', outcome: 'success', who: { username: 'alice' } },
  ])
})

describe('Terminate amid copied data', () => {
  const copying = (version: string): Turn[] => [
    answered(b.parameterStatus('server_version', version)),
    sent(f.query('COPY t FROM STDIN')),
    answered(b.copyInResponse()),
    sent(f.copyData('1\n'), f.terminate(), f.query('DROP TABLE a')),
    answered(failure('08P01', 'unexpected message type 0x58 during COPY from stdin'), b.readyForQuery()),
    answered(done('DROP TABLE')),
  ]

  test.each(['9.6.24', '13.4'])('a server of version %s takes it for data, and reads on', (version) => {
    expect(briefs(talk(copying(version)))).toEqual([
      'error COPY t FROM STDIN',
      'unknown DROP TABLE a after_copy_failure',
    ])
  })

  test('a server of version 14 does not', () => {
    expect(briefs(talk(copying('14.0')))).toEqual(['error COPY t FROM STDIN'])
  })

  test('sent along with the log-in, to a server of which nothing is known', () => {
    const events = hold([
      sent(STARTUP, f.query('COPY t FROM STDIN'), f.terminate(), f.query('DROP TABLE a')),
    ])
    expect(briefs(events)).toEqual(['unknown COPY t FROM STDIN', 'unknown DROP TABLE a'])
  })
})

test('20 malformed Binds, then a SELECT', () => {
  const broken = message('B', Buffer.concat([cstring(''), cstring('s'), int16(1), int16(9), int16(3)]))
  const bindsOf = repeat(20, () => Buffer.concat([broken, f.sync()]))
  const events = statementsOf([
    sent(f.parse('DELETE FROM a'), f.parse('DELETE FROM b', 's'), f.sync()),
    answered(b.parseComplete(), b.parseComplete(), b.readyForQuery()),
    sent(bindsOf, f.query('SELECT 1')),
    answered(
      repeat(20, () => Buffer.concat([failure('08P01'), b.readyForQuery()])),
      done('SELECT 0'),
    ),
  ])
  expect(events).toHaveLength(21)
  for (const record of events.slice(0, 20)) {
    expect(record).toMatchObject({ malformed: true, outcome: 'error', error_code: '08P01', stmt_name: 's' })
    expect(record.body_hex).toMatch(/^\\x[0-9a-f]+$/)
    expect(record.text).toBeUndefined()
  }
  expect(events[20]).toMatchObject({ text: 'SELECT 1', outcome: 'success' })
})

test('a malformed Bind that the server takes all the same shows what ran', () => {
  const trailing = message('B', Buffer.concat([cstring(''), cstring('s'), int32(0), int16(0), int16(0)]))
  const events = statementsOf([
    sent(f.parse('SELECT 1'), f.parse('DELETE FROM b', 's'), trailing, f.execute(), f.sync()),
    answered(
      b.parseComplete(),
      b.parseComplete(),
      b.bindComplete(),
      b.commandComplete('DELETE 3'),
      b.readyForQuery(),
    ),
  ])
  expect(events).toMatchObject([
    { text: 'DELETE FROM b', malformed: true, outcome: 'success', rows_affected: 3 },
  ])
})

test('very many Parse names, then an EXECUTE of the first', () => {
  const budget = { limit: 1 << 30, used: 0 }
  const limits = { ...LIMITS, maxStatements: 100 }
  const session = new PgSession(openContext({ limits, budget }))
  const feed = (...turns: readonly Turn[]) =>
    turns.flatMap((turn) => [...session.feed(turn.from, 'bytes' in turn ? turn.bytes : EMPTY, 1)])
  feed(
    ...LOGIN,
    sent(f.parse('DELETE FROM a', 'first'), f.sync()),
    answered(b.parseComplete(), b.readyForQuery()),
  )
  const replies = Buffer.concat([repeat(1000, () => b.parseComplete()), b.readyForQuery()])
  for (let from = 0; from < tries(300_000); from += 1000) {
    feed(
      sent(
        repeat(1000, (index) => f.parse('SELECT 1', `s${from + index}`)),
        f.sync(),
      ),
      answered(replies),
    )
  }
  expect(budget.used).toBeLessThan(1_000_000)
  const events = feed(
    sent(f.bind({ statement: 'first' }), f.execute(), f.sync()),
    answered(b.bindComplete(), done('DELETE 7')),
    ...asked('EXECUTE first', 'DELETE 0'),
  )
  expect(events).toMatchObject([
    { stmt_name: 'first', reason: 'text_unknown', command_tag: 'DELETE 7', outcome: 'success' },
    { text: { text: 'EXECUTE first' }, outcome: 'success' },
  ])
  for (const event of events) expect((event as { executed?: unknown }).executed).toBeUndefined()
}, 60_000)

test('an evicted text is named by the number of its prepare record', () => {
  const events = talk(
    [
      sent(
        ...['a', 'b', 'c'].map((name) => f.parse(`DELETE FROM ${name}`, name)),
        f.bind({ statement: 'a' }),
        f.execute(),
        f.sync(),
      ),
      answered(
        repeat(3, () => b.parseComplete()),
        b.bindComplete(),
        done('DELETE 1'),
      ),
    ],
    { maxStatements: 2 },
  )
  const prepare = ofKind(events, 'prepare').find(({ stmt_name }) => stmt_name === 'a')
  expect(ofKind(events, 'statement')).toMatchObject([{ stmt_name: 'a', prepare_seq: prepare?.stmt_seq }])
})

test('200 Bind and Execute without Sync, then a hang', () => {
  const events = talk([
    sent(f.parse('DELETE FROM t WHERE i = $1', 's'), f.sync()),
    answered(b.parseComplete(), b.readyForQuery()),
    sent(
      repeat(200, (index) =>
        Buffer.concat([f.bind({ statement: 's', values: [String(index)] }), f.execute()]),
      ),
    ),
    answered(repeat(150, () => Buffer.concat([b.bindComplete(), b.commandComplete('DELETE 1')]))),
  ])
  const records = ofKind(events, 'statement')
  expect(records).toHaveLength(200)
  records.forEach((record, index) => {
    expect(record).toMatchObject({
      text: 'DELETE FROM t WHERE i = $1',
      values: [String(index)],
      outcome: index < 150 ? 'success' : 'unknown',
    })
  })
})

describe('a Parse of an existing name with another text', () => {
  const first = f.parse('SELECT 1', 's')
  const second = f.parse('DROP TABLE a', 's')
  const run = Buffer.concat([f.bind({ statement: 's' }), f.execute()])

  test('then its execution: the old text runs', () => {
    const events = talk([
      sent(first, f.sync(), second, f.sync(), run, f.sync()),
      answered(b.parseComplete(), b.readyForQuery(), failure('42P05'), b.readyForQuery()),
      answered(b.bindComplete(), b.dataRow(['1']), done('SELECT 1')),
    ])
    expect(ofKind(events, 'prepare')).toMatchObject([
      { text: 'SELECT 1', outcome: 'success' },
      { text: 'DROP TABLE a', outcome: 'error', error_code: '42P05' },
    ])
    expect(briefs(events)).toEqual(['success SELECT 1 [s]'])
  })

  test('executed in the same series: nothing runs', () => {
    const events = talk([
      sent(first, f.sync(), second, run, f.sync(), run, f.sync()),
      answered(b.parseComplete(), b.readyForQuery(), failure('42P05'), b.readyForQuery()),
      answered(b.bindComplete(), b.dataRow(['1']), done('SELECT 1')),
    ])
    expect(briefs(events)).toEqual(['skipped DROP TABLE a [s]', 'success SELECT 1 [s]'])
  })
})

test('16 MiB of comment, then DROP: the tail shows it', () => {
  const text = `/*${'x'.repeat(16 * 1024 * 1024)}*/ DROP TABLE a`
  const [record] = statementsOf([sent(f.query(text)), answered(done('DROP TABLE'))])
  const kept = record?.text as { text: string; truncated: { bytes: number; sha256: string; tail: string } }
  expect(kept.text).toBe(text.slice(0, 1024 * 1024))
  expect(kept.truncated.bytes).toBe(text.length)
  expect(kept.truncated.sha256).toBe(createHash('sha256').update(text).digest('hex'))
  expect(kept.truncated.tail).toBe(text.slice(-65_536))
  expect(record).toMatchObject({ command_tag: 'DROP TABLE', outcome: 'success' })
})

test('a long body that ends with its first NUL is malformed behind it', () => {
  const body = Buffer.concat([
    cstring('SELECT 1'),
    Buffer.alloc(3 * 1024 * 1024, 'DROP TABLE a;'),
    cstring(''),
  ])
  const [record] = statementsOf([sent(message('Q', body)), answered(failure('08P01'), b.readyForQuery())])
  expect(record).toMatchObject({ malformed: true, outcome: 'error', error_code: '08P01' })
  expect(record?.text).toBeUndefined()
})

test('case 51: what forges lines in a log reaches the event as it was sent', () => {
  const text = 'SELECT 1 -- \n{"event":"statement"}\r\n\u2028\u2029\ttime:1\x1b[2J","query":"'
  expect(statementsOf([sent(f.query(text)), answered(done('SELECT 0'))])).toMatchObject([{ text }])
})
