/** Scripted conversations with a PostgreSQL session: what each side says, and what the audit makes of it. */
import { expect } from 'vitest'
import { PgSession } from '../../dumpers/pg/session.ts'
import type { Bytes } from '../../src/flow.ts'
import type { SessionContext, SessionLimits } from '../../src/session.ts'
import { answered, converse, ofKind, openContext, type Plain, sent, type Turn } from './canonical.ts'
import { seededRandom, splitEvery, splitRandomly } from './chunks.ts'
import { backend, frontend, loggedIn } from './pg-wire.ts'

export { answered, sent, type Turn } from './canonical.ts'
export { backend as b, frontend as f } from './pg-wire.ts'

export type Options = Partial<Omit<SessionContext, 'limits'>> & { readonly limits?: Partial<SessionLimits> }

/** The log-in of user `alice` into `shop`, who is trusted. */
export const LOGIN: readonly Turn[] = [
  sent(frontend.startup({ user: 'alice', database: 'shop' })),
  answered(loggedIn()),
]

/** Byte by byte only as long as it takes no time. */
const MAX_BYTEWISE = 200_000
const SEEDS = [1, 2, 3, 4, 5]

/**
 * All events of a conversation that is held whole (one chunk a turn), byte by byte, and at places that seeds
 * decide: the same ones each time, or the test fails.
 */
export const hold = (turns: readonly Turn[], options: () => Options = () => ({})): Plain[] => {
  const run = (split?: (bytes: Bytes) => readonly Bytes[]) =>
    converse(new PgSession(openContext(options())), turns, split)
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

/** An ErrorResponse of severity ERROR. */
export const failure = (code: string, text = 'it failed'): Bytes =>
  backend.error({ S: 'ERROR', V: 'ERROR', C: code, M: text })

/** An ErrorResponse that ends the session. */
export const fatal = (code: string, text = 'it is over'): Bytes =>
  backend.error({ S: 'FATAL', V: 'FATAL', C: code, M: text })

/** Reply to a simple query without rows. */
export const done = (tag: string, status: 'I' | 'T' | 'E' = 'I'): Bytes =>
  Buffer.concat([backend.commandComplete(tag), backend.readyForQuery(status)])

/** A simple query and its reply. */
export const asked = (text: string, tag: string, status: 'I' | 'T' | 'E' = 'I'): readonly Turn[] => [
  sent(frontend.query(text)),
  answered(done(tag, status)),
]

/** Parse, Bind, Execute of the unnamed statement and portal. */
export const unnamed = (text: string): Bytes =>
  Buffer.concat([frontend.parse(text), frontend.bind(), frontend.execute()])

/** ParseComplete, BindComplete, CommandComplete. */
export const ran = (tag: string): Bytes =>
  Buffer.concat([backend.parseComplete(), backend.bindComplete(), backend.commandComplete(tag)])

/** A record in few words: its outcome, its text, and what it says of that text when there is none. */
export const brief = (record: Plain): string => {
  const { outcome, text, stmt_name, reason, malformed } = record
  const what = typeof text === 'string' ? text : text === undefined ? '?' : (text as Plain).text
  return [outcome, what, stmt_name && `[${stmt_name}]`, reason, malformed && 'malformed']
    .filter((part) => part !== undefined && part !== false)
    .join(' ')
}

export const briefs = (events: readonly Plain[]): string[] => ofKind(events, 'statement').map(brief)

/** One after the other. */
export const repeat = (count: number, make: (index: number) => Bytes): Bytes =>
  Buffer.concat(Array.from({ length: count }, (_, index) => make(index)))
