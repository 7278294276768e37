/** A MySQL session that tells of commands before they are sent on, and what it tells in few words. */
import { CLIENT_COMPRESS } from '../../dumpers/mysql/capabilities.ts'
import { MysqlSession } from '../../dumpers/mysql/session.ts'
import type { AuditEvent, Intent } from '../../src/event.ts'
import type { Bytes, Direction } from '../../src/flow.ts'
import type { SessionLimits } from '../../src/session.ts'
import { canonical, openContext, type Plain, type Turn } from './canonical.ts'
import { LOGIN, loginOf, MODERN } from './my-conversation.ts'

/** A log-in behind which packets are wrapped in frames. */
export const COMPRESSED = loginOf({ flags: MODERN | CLIENT_COMPRESS })

/** A packet of the greatest length, behind which another one goes on. */
export const WHOLE = 0xff_ffff
export const whole = (payload: Bytes): Bytes => Buffer.concat([Buffer.from([255, 255, 255, 0]), payload])

/** A session behind that log-in, whose clock goes by one for each chunk. */
export const open = (login: readonly Turn[] = LOGIN, limits: Partial<SessionLimits> = {}) => {
  const session = new MysqlSession(openContext({ intents: true, limits }))
  let now = 0
  const feed = (from: Direction, bytes: Bytes) => session.feed(from, bytes, ++now)
  for (const turn of login) if ('bytes' in turn) feed(turn.from, turn.bytes)
  return {
    session,
    client: (...bytes: readonly Bytes[]) => feed('frontend', Buffer.concat(bytes)),
    server: (...bytes: readonly Bytes[]) => feed('backend', Buffer.concat(bytes)),
    sent: (at = now) => session.sent(at),
    close: () => session.close(++now),
    tick: (by: number) => {
      now += by
    },
  }
}

/** The intents among events. */
export const intentsIn = (events: readonly AuditEvent[]): Intent[] =>
  events.filter((event): event is Intent => event.event === 'intent')

/** An intent in few words: its token, number, what it runs. */
export const brief = ({ token, statement }: Intent): string => {
  if (statement === undefined) return `${token}`
  const { stmt_seq, text, command: name, values, rows, reason, malformed } = canonical(statement)
  const parts = [token, `#${stmt_seq ?? '?'}`, name, typeof text === 'string' ? text : undefined]
  return [
    ...parts,
    values && JSON.stringify(values),
    rows && JSON.stringify(rows),
    reason,
    malformed && 'malformed',
  ]
    .filter((part) => part !== undefined && part !== false)
    .join(' ')
}
/** The intents among events, in few words. */
export const briefs = (events: readonly AuditEvent[]): string[] => intentsIn(events).map(brief)
/** What kinds of events these are. */
export const kinds = (events: readonly AuditEvent[]): string[] => events.map(({ event }) => event)
/** The tokens that are over. */
export const overs = (events: readonly AuditEvent[]): number[] =>
  events.flatMap((event) => (event.event === 'intent.over' ? [event.token] : []))
/** The statement records among events. */
export const recordsIn = (events: readonly AuditEvent[]): Plain[] =>
  events.filter(({ event }) => event === 'statement').map((event) => canonical(event))
