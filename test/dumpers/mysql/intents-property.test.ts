/**
 * Whatever a client sends, and however it is cut: each statement was told of before its last byte could reach
 * the server, and nothing else about the session is different for it.
 */
import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CLIENT_COMPRESS } from '../../../dumpers/mysql/capabilities.ts'
import { MysqlSession } from '../../../dumpers/mysql/session.ts'
import { LAST_STATEMENT } from '../../../dumpers/mysql/statements.ts'
import type { AuditEvent, Intent, Statement } from '../../../src/event.ts'
import type { Bytes, Direction } from '../../../src/flow.ts'
import type { SessionLimits } from '../../../src/session.ts'
import { canonical, openContext, type Plain, type Turn } from '../../support/canonical.ts'
import { seededRandom, splitEvery, splitRandomly } from '../../support/chunks.ts'
import { patience, runs } from '../../support/fuzz.ts'
import { LOGIN, loginOf, MODERN, packets } from '../../support/my-conversation.ts'
import { backend, compressed, frontend, prepared, resultSet, stringParam } from '../../support/my-wire.ts'
import { readConversations } from '../../support/pcap.ts'

const TIMEOUT = patience(60_000)

const FOLDER = new URL('../../captures/', import.meta.url).pathname
const PORT = 4555
const RECORDED: Turn[][] = readdirSync(FOLDER)
  .filter((file) => /^my_(?!ed_).*\.pcap$/.test(file))
  .flatMap((file) => readConversations(`${FOLDER}${file}`, PORT))
  .map(({ pieces }) => pieces.map(({ from, bytes }) => ({ from, bytes })))

interface Fed {
  readonly from: Direction | 'end'
  readonly events: readonly AuditEvent[]
}

type Split = (bytes: Bytes) => readonly Bytes[]
const WHOLE: Split = (bytes) => [bytes]

/** What each chunk gave; all of a turn has the same time, and is sent on at once. */
const feed = (turns: readonly Turn[], split: Split, intents: boolean, limits: Partial<SessionLimits>) => {
  const session = new MysqlSession(openContext({ intents, limits }))
  const fed: Fed[] = []
  let now = 1
  for (const turn of turns) {
    now++
    if ('lost' in turn) {
      fed.push({ from: turn.from, events: session.gap(turn.from, turn.lost, now) })
      continue
    }
    for (const chunk of split(turn.bytes)) {
      fed.push({ from: turn.from, events: session.feed(turn.from, chunk, now) })
      if (turn.from === 'frontend') session.sent(now)
    }
  }
  fed.push({ from: 'end', events: session.close(now + 1) })
  return fed
}

const isIntent = ({ event }: AuditEvent): boolean => event === 'intent' || event === 'intent.over'

/** The records, without what hangs on the order of numbers and on the wait. */
const recordsOf = (fed: readonly Fed[], numbered: boolean): Plain[] =>
  fed
    .flatMap(({ events }) => events)
    .filter((event) => !isIntent(event))
    .map((event) => {
      const { gate_wait_us, ...plain } = canonical(event)
      if (numbered) return plain
      const { stmt_seq, prepare_seq, ...rest } = plain
      return rest
    })

const intentsOf = (events: readonly AuditEvent[]): Intent[] =>
  events.filter((event): event is Intent => event.event === 'intent')

/** The texts that a statement may have by what was foretold: a number, and what is as yet without one. */
const textOf = ({ text }: Statement): string | undefined => text?.hex ?? text?.text

/** Is every statement foretold (which one is the last prepared may turn out otherwise) by a frontend chunk, and every token settled? */
const expectForetold = (fed: readonly Fed[], isLossy: boolean): void => {
  const open = new Set<number>()
  const told = new Map<number, Statement>()
  const loose: Statement[] = []
  for (const { from, events } of fed) {
    for (const { token, statement } of intentsOf(events)) {
      expect(statement === undefined).toBe(token === 0)
      if (statement === undefined) continue
      expect(statement).toMatchObject({ outcome: 'unknown', recovered: true, event: 'statement' })
      expect(open.has(token)).toBe(false)
      open.add(token)
      if (token > 0) expect(statement.stmt_seq).toBe(token)
      if (token > 0 && from !== 'frontend')
        expect(loose.some(({ stmt_seq }) => stmt_seq === token)).toBe(true)
      // those of a log-in were told before, and are told again once they are numbered
      if (token < 0 && from === 'frontend') loose.push(statement)
      else told.set(token, statement)
    }
    for (const event of events) {
      if (event.event === 'intent.over') expect(open.delete(event.token)).toBe(true)
      if (event.event !== 'statement') continue
      open.delete(event.stmt_seq)
      const before = told.get(event.stmt_seq)
      if (isLossy) continue
      const same = (one: Statement) =>
        one.reason === 'may_be_secret' ||
        one.stmt_id === LAST_STATEMENT ||
        (one.protocol === 'binary' && event.protocol === 'binary' && one.executed !== undefined) ||
        one.character_set !== event.character_set ||
        textOf(one) === textOf(event) ||
        (event.reason === 'text_unknown' && one.stmt_id === event.stmt_id)
      if (before === undefined && !loose.some(same))
        expect.fail(`not foretold: ${JSON.stringify(canonical(event))}`)
      if (
        before !== undefined &&
        before.stmt_id !== LAST_STATEMENT &&
        before.character_set === event.character_set &&
        event.reason === undefined
      )
        expect(textOf(before) ?? textOf(event)).toBe(textOf(event))
    }
  }
  expect([...open]).toEqual([])
}

const expectNoHoles = (fed: readonly Fed[]): void => {
  const numbers = fed
    .flatMap(({ events }) => events)
    .flatMap((event) => (event.event === 'statement' || event.event === 'prepare' ? [event.stmt_seq] : []))
  const sorted = [...numbers].sort((one, other) => one - other)
  expect(sorted).toEqual(sorted.map((_, index) => index + 1))
}

const hold = (turns: readonly Turn[], seed: number, limits: Partial<SessionLimits> = {}): void => {
  const isLossy = turns.some((turn) => 'lost' in turn)
  const fed = feed(turns, WHOLE, true, limits)
  expect(recordsOf(fed, false)).toEqual(recordsOf(feed(turns, WHOLE, false, limits), false))
  expectForetold(fed, isLossy)
  if (!isLossy) expectNoHoles(fed)
  const random = seededRandom(seed)
  const cut = feed(turns, (bytes) => splitRandomly(bytes, random), true, limits)
  const plain = (given: readonly Fed[]) =>
    given.flatMap(({ events }) => events).map((event) => canonical(event))
  expectForetold(cut, isLossy)
  // behind lost bytes a session goes by whole chunks
  if (!isLossy) expect(plain(cut)).toEqual(plain(fed))
}

const SMALL: SessionLimits = { maxQueryBytes: 2000, maxValueBytes: 50, maxStatements: 5, maxQueue: 8 }

describe('recorded conversations', { timeout: TIMEOUT }, () => {
  test('are the same with intents, whose numbers are those of the records', () => {
    expect(RECORDED.length).toBeGreaterThan(9)
    for (const turns of RECORDED) {
      hold(turns, turns.length)
      expect(recordsOf(feed(turns, WHOLE, true, {}), true)).toEqual(
        recordsOf(feed(turns, WHOLE, false, {}), true),
      )
      expectForetold(
        feed(turns, (bytes) => splitEvery(bytes, 1), true, {}),
        false,
      )
    }
  })

  test('with replies that come later than they did', () => {
    fc.assert(
      fc.property(fc.nat({ max: RECORDED.length - 1 }), fc.nat({ max: 99_999 }), (number, seed) => {
        const turns = [...RECORDED[number]!]
        const random = seededRandom(seed)
        for (let at = 0; at + 1 < turns.length; at++) {
          const [one, other] = [turns[at]!, turns[at + 1]!]
          if (one.from !== 'backend' || other.from !== 'frontend' || random() < 0.5) continue
          turns[at] = other
          turns[at + 1] = one
        }
        hold(turns, seed, number % 2 === 0 ? SMALL : {})
      }),
      runs(100),
    )
  })
})

const id = fc.constantFrom(0, 1, 2, 3, 0xffffffff)
const sql = fc.constantFrom(
  ...['select 1', '', 'begin', 'commit', 'select ?', "prepare s from 'select 5'", 'execute s', 'use d'],
  ...[
    'set names latin1',
    'kill 5',
    'call p()',
    `select '${'x'.repeat(3000)}'`,
    "select '\xe9'",
    'xa start 1',
  ],
)
const commandPacket: fc.Arbitrary<Bytes> = fc.oneof(
  sql.map((text) => frontend.query(Buffer.from(text, 'latin1'))),
  sql.map((text) => frontend.prepare(text)),
  fc
    .tuple(id, fc.array(fc.constantFrom('a', 'b'.repeat(100), null), { maxLength: 2 }), fc.boolean())
    .map(([statement, values, types]) =>
      frontend.execute(
        statement,
        values.map((value) => stringParam(value)),
        { types, flags: types ? 0 : 1 },
      ),
    ),
  fc.tuple(id, fc.nat({ max: 2 })).map(([one, param]) => frontend.sendLongData(one, param, 'long')),
  id.map(frontend.close),
  id.map(frontend.reset),
  id.map((statement) => frontend.fetch(statement, 2)),
  fc.constantFrom(frontend.ping(), frontend.statistics(), frontend.resetConnection(), frontend.quit()),
  fc.constantFrom(frontend.initDb('d'), frontend.changeUser({ user: 'bob' }), frontend.processKill(4)),
  fc.constantFrom(frontend.binlogDump(4, 'x'), frontend.fieldList('t'), frontend.fileData(2, 'a,b')),
  fc.constantFrom(frontend.fileData(0, ''), frontend.fileData(3, ''), frontend.authResponse(3)),
)
const status = fc.constantFrom(2, 3, 2 | 8, 2 | 64, 2 | 128)
const row = Buffer.from('\x01a')
const replyPacket: fc.Arbitrary<Bytes> = fc
  .oneof(
    status.map((flags) => [backend.ok({ status: flags })]),
    status.map((flags) => resultSet(['a'], [row], { status: flags })),
    fc.tuple(id, fc.nat({ max: 2 })).map(([statement, params]) => prepared(statement, params, ['a'])),
    fc.constantFrom([backend.err(1064, 'no')], [backend.localInfile('f')], [backend.authSwitch()]),
    fc.constant([backend.ok({ changes: [['variable', 'character_set_client', 'latin1']] })]),
  )
  .map((payloads) => packets(1, ...payloads))

const turn: fc.Arbitrary<Turn> = fc.oneof(
  { weight: 6, arbitrary: commandPacket.map((bytes): Turn => ({ from: 'frontend', bytes })) },
  { weight: 4, arbitrary: replyPacket.map((bytes): Turn => ({ from: 'backend', bytes })) },
)
const limits = fc.constantFrom<Partial<SessionLimits>>({}, SMALL, { maxQueue: 2 })
const seeds = fc.nat({ max: 99_999 })

describe('commands in any order', { timeout: TIMEOUT }, () => {
  test('behind the log-in', () => {
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 30 }), seeds, limits, (turns, seed, kept) => {
        hold([...LOGIN, ...turns], seed, kept)
      }),
      runs(500),
    )
  })

  test('before the log-in is decided', () => {
    fc.assert(
      fc.property(
        fc.array(commandPacket, { maxLength: 10 }),
        fc.array(turn, { maxLength: 15 }),
        fc.constantFrom(backend.ok(), backend.err(1045, 'no')),
        seeds,
        (early, turns, decision, seed) => {
          const [greeting, response] = LOGIN as [Turn, Turn]
          const sent = early.map((bytes): Turn => ({ from: 'frontend', bytes }))
          hold(
            [greeting, response, ...sent, { from: 'backend', bytes: packets(2, decision) }, ...turns],
            seed,
          )
        },
      ),
      runs(200),
    )
  })

  test('compressed, several to a frame', () => {
    const login = loginOf({ flags: MODERN | CLIENT_COMPRESS })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(turn, fc.constantFrom(1, 20, 16_000_000)), { maxLength: 25 }),
        seeds,
        limits,
        (pairs, seed, kept) => {
          const framed = pairs.map(([one, size], index): Turn => {
            const { bytes } = one as { readonly bytes: Bytes }
            return { from: one.from, bytes: compressed(index & 3, bytes, size) }
          })
          hold([...login, ...framed], seed, kept)
        },
      ),
      runs(200),
    )
  })

  test('with bytes lost', () => {
    const lost = fc
      .tuple(fc.constantFrom<Direction>('frontend', 'backend'), fc.integer({ min: 1, max: 40 }))
      .map(([from, bytes]): Turn => ({ from, lost: bytes }))
    const any = fc.oneof({ weight: 8, arbitrary: turn }, { weight: 1, arbitrary: lost })
    fc.assert(
      fc.property(fc.array(any, { maxLength: 40 }), seeds, (turns, seed) => {
        hold([...LOGIN, ...turns], seed)
      }),
      runs(300),
    )
  })
})
