/** Lost bytes at session level: what is known is told, what is not is never guessed. */
import { describe, expect, test } from 'vitest'
import { PgSession } from '../../../dumpers/pg/session.ts'
import {
  answered,
  converse,
  ofKind,
  openContext,
  type Plain,
  sent,
  type Turn,
} from '../../support/canonical.ts'
import { backend, frontend, loggedIn, message } from '../../support/pg-wire.ts'

const LOGIN: Turn[] = [sent(frontend.startup({ user: 'u' })), answered(loggedIn())]
const lost = (from: 'frontend' | 'backend', bytes: number): Turn => ({ from, lost: bytes })
const run = (...turns: Turn[]): Plain[] => converse(new PgSession(openContext()), turns)
const outcomes = (events: Plain[]): unknown[] =>
  ofKind(events, 'statement').map(({ text, outcome }) => [text, outcome])

test('within rows do no harm', () => {
  const row = backend.dataRow(['x'.repeat(1000)])
  const events = run(
    ...LOGIN,
    sent(frontend.query('select x')),
    answered(backend.rowDescription(['x']), row.subarray(0, 100)),
    lost('backend', 800),
    answered(row.subarray(900), backend.commandComplete('SELECT 1'), backend.readyForQuery()),
  )
  expect(outcomes(events)).toEqual([['select x', 'success']])
  expect(ofKind(events, 'gap')).toEqual([])
})

test('to the end of a body of which nothing is kept leave the command in its place', () => {
  const sync = message('S', 'x'.repeat(100))
  const events = run(
    ...LOGIN,
    sent(frontend.parse('select 1'), frontend.bind(), frontend.execute(), sync.subarray(0, 50)),
    lost('frontend', 55),
    sent(frontend.query('select 2')),
    answered(backend.parseComplete(), backend.bindComplete(), backend.commandComplete('SELECT 0')),
    answered(backend.readyForQuery(), backend.commandComplete('SELECT 0'), backend.readyForQuery()),
  )
  expect(outcomes(events)).toEqual([
    ['select 1', 'success'],
    ['select 2', 'success'],
  ])
})

test('within the followed rest of a long text: its hash would be wrong, so it is a gap', () => {
  const query = frontend.query(`select ${'x'.repeat(2_000_000)}`)
  const events = run(
    ...LOGIN,
    sent(query.subarray(0, 1_500_000)),
    lost('frontend', 100),
    sent(query.subarray(1_500_100)),
    answered(backend.commandComplete('SELECT 1'), backend.readyForQuery()),
  )
  expect(ofKind(events, 'statement')).toEqual([])
  expect(ofKind(events, 'gap')).toMatchObject([{ gap_reason: 'lost', direction: '->', gap_bytes: 100 }])
})

test('of no bytes are none', () => {
  const events = run(...LOGIN, lost('frontend', 0), sent(frontend.query('select 1')))
  expect(outcomes(events)).toEqual([['select 1', 'unknown']])
  expect(ofKind(events, 'gap')).toEqual([])
})

test('in a command: it and what follows are not told, what came before is', () => {
  const session = new PgSession(openContext())
  const events = converse(session, [
    ...LOGIN,
    sent(frontend.query('select 1'), frontend.query('select 2').subarray(0, 9)),
    lost('frontend', 3),
    sent(Buffer.from(' from t\0'), frontend.query('select 3')),
    answered(backend.commandComplete('SELECT 1'), backend.readyForQuery()),
    answered(backend.commandComplete('SELECT 2'), backend.readyForQuery()),
  ])
  expect(outcomes(events)).toEqual([['select 1', 'success']])
  expect(ofKind(events, 'gap')).toMatchObject([{ gap_reason: 'lost', direction: '->' }])
  expect(session.totals.undecodedIn).toBe(3 + 8 + frontend.query('select 3').length)
})

describe('while the answer to a request for encryption is awaited', () => {
  test('what was held does not join what follows', () => {
    const startup = frontend.startup({ user: 'u' })
    const events = run(
      sent(frontend.sslRequest(), startup, frontend.query('select 1').subarray(0, 12)),
      lost('frontend', 10),
      sent(Buffer.from('; drop table t\0')),
      answered(Buffer.from('N'), loggedIn()),
      answered(backend.commandComplete('SELECT 1'), backend.readyForQuery()),
    )
    expect(events.map(({ event, gap_reason }) => [event, gap_reason])).toEqual([['gap', 'lost']])
  })

  test('more than is held is an overflow, and nothing behind it is read from its middle', () => {
    const events = run(
      sent(frontend.sslRequest()),
      sent(Buffer.alloc(65_537)),
      answered(Buffer.from('N')),
      sent(frontend.startup({ user: 'forged' }), frontend.query('drop table forged')),
      answered(loggedIn(), backend.commandComplete('DROP TABLE'), backend.readyForQuery()),
    )
    expect(events.map(({ event, gap_reason }) => [event, gap_reason])).toEqual([['gap', 'overflow']])
  })
})

describe('of the server', () => {
  const commands = Array.from({ length: 50 }, (_, i) => frontend.query(`select ${i}`))

  test('statements are told as they come, since no reply will settle them', () => {
    const session = new PgSession(openContext({ limits: { maxQueue: 4 } }))
    const events = converse(session, [
      ...LOGIN,
      sent(frontend.query('select before')),
      lost('backend', 100),
      sent(...commands),
      answered(backend.commandComplete('SELECT 1'), backend.readyForQuery()),
      sent(frontend.parse('select $1', 's'), frontend.bind({ statement: 's', values: ['v'] })),
      sent(frontend.execute(), frontend.sync(), frontend.query('select last')),
    ])
    expect(ofKind(events, 'gap')).toMatchObject([{ gap_reason: 'lost', direction: '<-', gap_bytes: 100 }])
    expect(outcomes(events)).toEqual([
      ['select before', 'unknown'],
      ...commands.map((_, i) => [`select ${i}`, 'unknown']),
      // of a name that meant nothing before: it means this text now, or still nothing
      ['select $1', 'unknown'],
      ['select last', 'unknown'],
    ])
  })

  test('a length that makes no sense loses no statement either', () => {
    const session = new PgSession(openContext({ limits: { maxQueue: 4 } }))
    const events = converse(session, [...LOGIN, answered(message('C', '', -1)), sent(...commands)])
    expect(outcomes(events)).toHaveLength(commands.length)
    expect(outcomes(events)[49]).toEqual(['select 49', 'unknown'])
  })
})
