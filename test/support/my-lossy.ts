/** Conversations with a MySQL session of which a part is lost, or was never seen. */
import { CLIENT_DEPRECATE_EOF } from '../../dumpers/mysql/capabilities.ts'
import { MysqlSession } from '../../dumpers/mysql/session.ts'
import { canonical, converse, ofKind, openContext, type Plain, type Turn } from './canonical.ts'
import { b, replied, resultSet } from './my-conversation.ts'

export const lost = (from: 'frontend' | 'backend', bytes = 100): Turn => ({ from, lost: bytes })
export const run = (...turns: Turn[]): Plain[] => converse(new MysqlSession(openContext()), turns)
export const told = (events: Plain[]): unknown[] =>
  ofKind(events, 'statement').map(({ text, outcome, after_gap }) => [text, outcome, after_gap === true])
export const flagsOf = (deprecated: boolean): number => (deprecated ? CLIENT_DEPRECATE_EOF : 0)
export const rows = (deprecated = false): Turn =>
  replied(...resultSet(['a'], [b.textRow(['1'])], { flags: flagsOf(deprecated) }))
export const executed = (deprecated = false): Turn =>
  replied(...resultSet(['a'], [b.binaryRow([Buffer.from([1])])], { flags: flagsOf(deprecated) }))

/** All events of a connection of which only the end was captured. */
export const midway = (...turns: Turn[]): Plain[] => {
  const session = new MysqlSession(openContext())
  const began = session.midStream(1).map((event) => canonical(event))
  return [...began, ...converse(session, turns)]
}
