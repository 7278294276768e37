/** What waited before it was sent on, and what never was; what a client is told whose session is ended. */
import { describe, expect, test } from 'vitest'
import { PgSession } from '../../../dumpers/pg/session.ts'
import type { Bytes } from '../../../src/flow.ts'
import { openContext, type Plain } from '../../support/canonical.ts'
import type { Step } from '../../support/changes.ts'
import {
  answered,
  b,
  done,
  f,
  fatal,
  LOGIN,
  ran,
  repeat,
  sent,
  type Turn,
} from '../../support/conversation.ts'
import { feedsOf } from '../../support/pg-intents.ts'

const ready = b.readyForQuery()

describe('sent, and not sent', () => {
  /** A number: so many of the last bytes were not sent. */
  type Steps = readonly (Bytes | 'sent' | number | 'server')[]

  /** What the session gives, a step being 100 us. */
  const timed = (steps: Steps, reply: Bytes) => {
    const session = new PgSession(openContext({ intents: true }))
    for (const turn of LOGIN) if ('bytes' in turn) session.feed(turn.from, turn.bytes, 1)
    const events: Plain[] = []
    let now = 1000
    for (const one of steps) {
      now += 100
      if (one === 'sent') session.sent(now)
      else if (typeof one === 'number') session.sent(now, one)
      else if (one === 'server') events.push(...(session.feed('backend', reply, now) as unknown as Plain[]))
      else session.feed('frontend', one, now)
    }
    events.push(...(session.close(now + 100) as unknown as Plain[]))
    return events.filter(({ event }) => event === 'statement' || event === 'prepare')
  }

  test('what a statement waited is not its duration', () => {
    const [record] = timed([f.query('select 1'), 'sent', 'server'], done('SELECT 1'))
    expect(record).toMatchObject({ at: 1100, gate_wait_us: 100, duration_us: 100, first_response_us: 100 })
  })

  test('a Bind and its Execute that are sent apart: the Execute counts', () => {
    const reply = Buffer.concat([ran('SELECT 1'), ready])
    const [prepare, record] = timed(
      [f.parse('x'), f.bind(), 'sent', f.execute(), f.sync(), 'sent', 'server'],
      reply,
    )
    expect(prepare).toMatchObject({ event: 'prepare', at: 1100, duration_us: 400 })
    expect(record).toMatchObject({ at: 1400, gate_wait_us: 200, duration_us: 100 })
  })

  const query = f.query('b')
  test.each<[string, Steps, Plain[]]>([
    [
      'a chunk behind another',
      [f.query('a'), query, query.length],
      [{ outcome: 'unknown' }, { outcome: 'skipped', reason: 'not_forwarded' }],
    ],
    [
      'the rest of a chunk',
      [
        ...[f.parse('a'), f.bind(), f.flush(), 'sent', 'server'],
        ...[Buffer.concat([f.execute(), f.sync(), query]), query.length],
      ] as Steps,
      [
        { event: 'prepare', outcome: 'success' },
        { outcome: 'unknown', text: { text: 'a' } },
        { outcome: 'skipped', reason: 'not_forwarded' },
      ],
    ],
    [
      'a Query',
      [f.query('a'), 'sent', f.query('b')],
      [{ outcome: 'unknown' }, { outcome: 'skipped', reason: 'not_forwarded' }],
    ],
    [
      'a Parse and a Bind',
      [f.parse('a'), f.bind(), f.execute()],
      [
        { event: 'prepare', outcome: 'skipped' },
        { outcome: 'skipped', reason: 'not_forwarded', text: { text: 'a' } },
      ],
    ],
    [
      'an Execute of a cursor',
      [f.execute('c')],
      [{ outcome: 'skipped', reason: 'not_forwarded', portal_name: 'c' }],
    ],
    [
      'a FunctionCall',
      [f.functionCall(1, [])],
      [{ outcome: 'skipped', reason: 'not_forwarded', protocol: 'function' }],
    ],
    [
      'an Execute of a portal that was bound: the Bind ran',
      [f.parse('a'), f.bind(), f.flush(), 'sent', 'server', f.execute()],
      [
        { event: 'prepare', outcome: 'success' },
        { outcome: 'success', fetches: 0 },
      ],
    ],
  ])('%s that was not sent when it ended never ran', (_, steps, wanted) => {
    expect(timed(steps, Buffer.concat([b.parseComplete(), b.bindComplete()]))).toMatchObject(wanted)
  })

  test('chunks that are sent apart have waited for so long each', () => {
    const records = timed([f.query('a'), query, query.length, 'sent', 'server', 'server'], done('SELECT 1'))
    expect(records).toMatchObject([
      { at: 1100, gate_wait_us: 200, duration_us: 200 },
      { at: 1200, gate_wait_us: 200, duration_us: 200 },
    ])
  })

  test('many chunks', () => {
    const chunks = Array.from({ length: 300 }, () => query)
    const outcomes = (steps: Steps) => timed(steps, ready).map(({ outcome }) => outcome)
    expect(outcomes([...chunks, 'sent'])).toEqual(Array(300).fill('unknown'))
    expect(new Set(outcomes([...chunks, query.length]).slice(0, 90))).toEqual(new Set(['unknown']))
    expect(outcomes([...chunks, query.length]).at(-1)).toBe('skipped')
  })

  test('of a full queue too', () => {
    const session = new PgSession(openContext({ intents: true, limits: { maxQueue: 2 } }))
    for (const turn of LOGIN) if ('bytes' in turn) session.feed(turn.from, turn.bytes, 1)
    session.feed(
      'frontend',
      repeat(4, () => f.query('a')),
      2,
    )
    session.sent(3)
    session.feed(
      'frontend',
      repeat(2, () => f.query('b')),
      4,
    )
    const outcomes = session
      .close(5)
      .flatMap((event) => (event.event === 'statement' ? [event.outcome] : []))
    expect(outcomes).toEqual([...Array(4).fill('unknown'), 'skipped', 'skipped'])
  })

  test('what waits is not told of as running', () => {
    const session = new PgSession(openContext({ intents: true }))
    for (const turn of LOGIN) if ('bytes' in turn) session.feed(turn.from, turn.bytes, 1)
    session.feed('frontend', f.query('a'), 2)
    expect(session.stillOpen(10)).toEqual([])
    session.sent(3)
    expect(session.stillOpen(10)).toMatchObject([{ event: 'statement.open' }])
  })
})

describe('refusal', () => {
  const why = { reason: 'log_blocked', message: 'the audit log cannot be written' }
  const startup = sent(f.startup({ user: 'u' }))
  const query = sent(f.query('a'))
  const FATAL = b.error({ S: 'FATAL', V: 'FATAL', C: '58030', M: why.message })
  const half = (bytes: Bytes) => answered(bytes.subarray(0, 3))

  test.each<[string, readonly Turn[], boolean]>([
    ['before the log-in', [startup], true],
    ['amid the log-in', [startup, answered(b.authentication(10, Buffer.from('SCRAM-SHA-256\0\0')))], true],
    ['logged in', LOGIN, true],
    ['a statement waits', [...LOGIN, query], true],
    ['between two rows', [...LOGIN, query, answered(b.rowDescription(['a']), b.dataRow(['1']))], true],
    ['within a row', [...LOGIN, query, half(b.dataRow(['1']))], false],
    [
      'behind that row',
      [...LOGIN, query, half(b.dataRow(['1'])), answered(b.dataRow(['1']).subarray(3))],
      true,
    ],
    ['the client made no sense', [...LOGIN, sent(Buffer.from('5180000000', 'hex'))], true],
    ['the server made no sense', [...LOGIN, answered(Buffer.from('5a7fffffff', 'hex'))], false],
    ['the server has ended it', [...LOGIN, query, answered(fatal('57P01'))], false],
    ['the log-in was refused', [startup, answered(fatal('28P01'))], false],
    ['an answer about TLS is awaited', [sent(f.sslRequest())], false],
    ['TLS was refused', [sent(f.sslRequest()), answered(Buffer.from('N'))], true],
    ['it is encrypted', [sent(f.sslRequest()), answered(Buffer.from('S'))], false],
    ['it cancels another', [sent(f.cancelRequest(1, Buffer.alloc(4)))], false],
  ])('%s: %#', (_, turns, isTold) => {
    const session = new PgSession(openContext({ intents: true }))
    for (const turn of turns) if ('bytes' in turn) session.feed(turn.from, turn.bytes, 1)
    expect(session.refusal(why)).toEqual(isTold ? FATAL : undefined)
  })

  test('of what cannot be decoded it is a protocol violation', () => {
    const session = new PgSession(openContext({ intents: true }))
    for (const turn of LOGIN) if ('bytes' in turn) session.feed(turn.from, turn.bytes, 1)
    expect(session.refusal({ reason: 'undecodable', message: 'no' })?.toString()).toContain('C08P01\0Mno\0')
  })
})

test.each<[string, readonly Bytes[], number]>([
  ['the first of all', [f.query('a')], 0],
  [
    'behind what starts nothing',
    [f.sync(), f.closePortal('p'), f.query('a'), f.query('b')],
    f.sync().length + f.closePortal('p').length,
  ],
  [
    'behind copied data',
    [f.copyData(Buffer.alloc(100)), f.copyDone(), f.parse('a')],
    f.copyData(Buffer.alloc(100)).length + f.copyDone().length,
  ],
  ['nothing', [f.sync()], 0],
])('heldFrom: %s', (_, messages, wanted) => {
  const feeds = feedsOf([...(LOGIN as Step[]), sent(...messages)], { intents: true })
  expect(feeds.at(-2)!.heldFrom).toBe(wanted)
})

test('heldFrom: of a message that began in an earlier chunk it is 0', () => {
  const bytes = Buffer.concat([f.sync(), f.query('a')])
  const feeds = feedsOf([...(LOGIN as Step[]), sent(bytes.subarray(0, 7)), sent(bytes.subarray(7))], {
    intents: true,
  })
  expect(feeds.slice(2, 4).map(({ heldFrom, events }) => [heldFrom, events.length])).toEqual([
    [0, 0],
    [0, 1],
  ])
})
