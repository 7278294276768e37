/** Scripted conversations with a MySQL session: what each side says, and what the audit makes of it. */
import { expect } from 'vitest'
import {
  CLIENT_CONNECT_ATTRS,
  CLIENT_DEPRECATE_EOF,
  CLIENT_MULTI_STATEMENTS,
  CLIENT_SESSION_TRACK,
} from '../../dumpers/mysql/capabilities.ts'
import { MysqlSession } from '../../dumpers/mysql/session.ts'
import type { Bytes } from '../../src/flow.ts'
import type { SessionContext, SessionLimits } from '../../src/session.ts'
import { answered, converse, ofKind, openContext, type Plain, sent, type Turn } from './canonical.ts'
import { seededRandom, splitEvery, splitRandomly } from './chunks.ts'
import {
  backend,
  CLIENT_DEFAULT,
  frontend,
  type GreetingOptions,
  packets,
  type ResponseOptions,
} from './my-wire.ts'

export { answered, sent, type Turn } from './canonical.ts'
export { backend as b, frontend as f, packets, prepared, resultSet } from './my-wire.ts'

export type Options = Partial<Omit<SessionContext, 'limits'>> & { readonly limits?: Partial<SessionLimits> }

/** What the client of a conversation asks for unless told otherwise: as drivers of today do. */
export const MODERN = CLIENT_DEFAULT | CLIENT_MULTI_STATEMENTS | CLIENT_SESSION_TRACK | CLIENT_CONNECT_ATTRS
/** The same, and OK in the place of EOF. */
export const NO_EOF = MODERN | CLIENT_DEPRECATE_EOF

/** The log-in of user `alice` into `shop`, who needs no password. */
export const loginOf = (
  response: ResponseOptions = {},
  greeting: GreetingOptions = {},
): readonly Turn[] => [
  answered(packets(0, backend.greeting(greeting))),
  sent(frontend.response41({ user: 'alice', database: 'shop', flags: MODERN, ...response })),
  answered(packets(2, backend.ok())),
]

export const LOGIN: readonly Turn[] = loginOf()

/** Byte by byte only as long as it takes no time. */
const MAX_BYTEWISE = 200_000
const SEEDS = [1, 2, 3, 4, 5]

/**
 * All events of a conversation that is held whole (one chunk a turn), byte by byte, and at places that seeds
 * decide: the same ones each time, or the test fails.
 */
export const hold = (turns: readonly Turn[], options: () => Options = () => ({})): Plain[] => {
  const run = (split?: (bytes: Bytes) => readonly Bytes[]) =>
    converse(new MysqlSession(openContext(options())), turns, split)
  const whole = run()
  const length = turns.reduce((sum, turn) => sum + ('bytes' in turn ? turn.bytes.length : 0), 0)
  if (length <= MAX_BYTEWISE)
    expect(
      run((bytes) => splitEvery(bytes, 1)),
      'byte by byte',
    ).toEqual(whole)
  for (const seed of SEEDS) {
    const random = seededRandom(seed)
    expect(
      run((bytes) => splitRandomly(bytes, random)),
      `split by seed ${seed}`,
    ).toEqual(whole)
  }
  return whole
}

/** The events of a conversation behind the log-in of `alice`; that of the log-in itself is left out. */
export const talk = (turns: readonly Turn[], limits: Partial<SessionLimits> = {}): Plain[] =>
  hold([...LOGIN, ...turns], () => ({ limits })).slice(1)

/** The statement records of a conversation behind the log-in of `alice`. */
export const statementsOf = (turns: readonly Turn[], limits: Partial<SessionLimits> = {}): Plain[] =>
  ofKind(talk(turns, limits), 'statement')

/** What the server answers: payloads, numbered from 1 on. */
export const replied = (...payloads: readonly Bytes[]): Turn => answered(packets(1, ...payloads))

/** A query, and an OK. */
export const asked = (text: string, ok: Parameters<typeof backend.ok>[0] = {}): readonly Turn[] => [
  sent(frontend.query(text)),
  replied(backend.ok(ok)),
]

/** A record in few words: its outcome, its text, its values, and what is said of it when there is none. */
export const brief = (record: Plain): string => {
  const { outcome, text, command, values, reason, malformed } = record
  const what = typeof text === 'string' ? text : text === undefined ? '' : (text as Plain).text
  const shown = values === undefined ? undefined : JSON.stringify(values)
  return [outcome, command, what, shown, reason, malformed && 'malformed']
    .filter((part) => part !== undefined && part !== false && part !== '')
    .join(' ')
}

export const briefs = (events: readonly Plain[]): string[] => ofKind(events, 'statement').map(brief)
