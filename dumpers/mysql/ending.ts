/** Commands that no reply settles: the connection ended, or its replies are lost. */
import type { Outcome } from '../../src/event.ts'
import type { Micros } from '../../src/flow.ts'
import { begin } from './begin.ts'
import { COM } from './capabilities.ts'
import { type Command, isUnanswered } from './commands.ts'
import { tellFiles } from './files.ts'
import type { MysqlState } from './state.ts'
import { tellChangeUser } from './track.ts'
import { ranUnseen } from './unseen.ts'

/**
 * Errors behind which the server closes the connection: ER_SERVER_SHUTDOWN, ER_NORMAL_SHUTDOWN,
 * ER_ABORTING_CONNECTION, the ER_NET_… ones, ER_NEW_ABORTING_CONNECTION, ER_CONNECTION_KILLED (MariaDB),
 * ER_CLIENT_INTERACTION_TIMEOUT (MySQL).
 */
export const FATAL: ReadonlySet<number> = new Set([
  1053, 1077, 1152, 1153, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 1927, 4031,
])

/** Records a command of which nobody knows what came of it, or that the server never came to. */
export const abandon = (state: MysqlState, command: Command, outcome: Outcome, reason?: string): void => {
  const { execution, code } = command
  if (reason === 'replies_lost') ranUnseen(state, command)
  if (command.files !== undefined) tellFiles(state, command)
  if (execution !== undefined) {
    if (reason !== undefined) execution.reason ??= reason
    state.write(execution, outcome, state.now)
  } else if (code === COM.STMT_PREPARE) state.writePrepare(command, undefined, outcome)
  else if (code === COM.CHANGE_USER) {
    tellChangeUser(state, command, outcome === 'skipped' ? 'skipped' : 'unknown')
    state.mayBeAnswers = state.compressed
  }
}

/** Commands that were fed and never sent on did not run. */
const isUnsent = ({ intents }: MysqlState, { sent }: Command): boolean =>
  intents !== undefined && sent === 0

/** The server never came to see it. */
const skip = (state: MysqlState, command: Command): void => {
  const { execution } = command
  // rows that were not fetched: the statement that they are of ran
  if (execution !== undefined && state.cursors.get(command.stmtId) === execution) return
  if (execution !== undefined) execution.reason = 'not_forwarded'
  abandon(state, command, 'skipped')
}

/** Begins and abandons all that is queued; `isEnd`: nothing more will be sent on. */
const abandonAll = (state: MysqlState, outcome: Outcome, reason?: string, isEnd = false): void => {
  const { queue } = state
  for (let head = queue.head; head !== undefined; queue.shift(), head = queue.head) {
    if (!head.begun) {
      const { body } = head
      if (body === undefined) begin(state, head)
      else begin(state, head, { bytes: body, start: 0, end: body.length })
    }
    if (isUnanswered(head.code)) continue
    if (isEnd && isUnsent(state, head)) skip(state, head)
    else abandon(state, head, outcome, reason)
  }
}

/** From here on nobody can tell which reply belongs to which command. */
export const giveUp = (state: MysqlState, reason: string): void => {
  state.uncertain ??= reason
  abandonAll(state, 'unknown', reason)
}

/**
 * The session ended, or is decoded no more: unanswered commands end as unknown; an open transaction was
 * rolled back. `isEnd`: commands that were not sent on never will be.
 */
export const closeCommands = (state: MysqlState, isEnd = false): void => {
  const { head } = state.queue
  const pending = head !== undefined && !(isEnd && isUnsent(state, head))
  abandonAll(state, 'unknown', undefined, isEnd)
  state.closeCursors('connection_closed')
  state.txn.closed(pending ? 'unknown' : 'rolled_back', state.now, state.identity.who, 'connection_closed')
  state.flush()
}

/** Tells of a statement that runs since before `since`, once. */
export const tellOpen = (state: MysqlState, since: Micros): void => {
  const { head } = state.queue
  const execution = head?.begun ? head.execution : undefined
  if (head === undefined || execution === undefined || isUnsent(state, head)) return
  if ((head.sent || head.at) > since) return
  if (state.trial === undefined) state.writeOpen(execution)
}
