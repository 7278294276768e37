/** ErrorResponse: what failed, what the server skips because of it, and what it never runs. */
import type { ServerError } from '../../src/event.ts'
import type { Bytes } from '../../src/flow.ts'
import { splitStatements } from '../../src/sql/scan.ts'
import { abandon } from './abandon.ts'
import { type Command, isUnsent } from './commands.ts'
import { leaveExtendedCopy } from './copy-failure.ts'
import { decodeErrorResponse } from './decode.ts'
import { resolveExecute } from './effects.ts'
import type { Execution } from './execution.ts'
import { countSent, executionOf, runner } from './replies.ts'
import type { PgState } from './state.ts'

const FATAL = new Set(['FATAL', 'PANIC'])

/** ErrorResponse, once logged in. Answers the error. */
export const onErrorResponse = (state: PgState, bytes: Bytes, start: number, end: number): ServerError => {
  const error = decodeErrorResponse(state.cursor.reset(bytes, start, end), (text) =>
    state.decoding.text(text),
  )
  const fatal = FATAL.has(error.error_severity ?? '')
  if ((!state.skipping && !state.uncertain) || fatal) {
    state.txn.failed(error)
    settleError(state, error)
  }
  if (fatal) endAll(state)
  return error
}

const settleError = (state: PgState, error: ServerError): void => {
  const { queue } = state
  while (queue.head?.kind === 'CopyData' || queue.head?.kind === 'CopyEnd') queue.shift()
  const head = queue.head
  switch (head?.kind) {
    case undefined:
      return
    case 'Sync':
      state.release()
      return
    case 'Query':
    case 'FunctionCall': {
      const execution = runner(state)
      if (execution === undefined) return
      resolveExecute(state, execution, execution.tags?.length ?? (execution.tag === undefined ? 0 : 1))
      failExecution(state, execution, error)
      state.copyIn = false
      return
    }
    case 'Parse':
      if (head.prepared !== undefined) state.meant.set(head.prepared)
      // the old one is gone before the new text is looked at
      if (head.statement === '') state.prepared.delete('')
      state.writePrepare(head, 'error', error)
      break
    case 'Bind':
      if (head.execution !== undefined) {
        state.bindTo(head, head.execution)
        failExecution(state, head.execution, error)
        state.skipPortal(head.portal)
        state.write(head.execution, head.execution.settled, state.now)
      }
      break
    case 'Execute': {
      const execution = executionOf(state, head)
      execution.fetches = (execution.fetches ?? 0) + 1
      resolveExecute(state, execution, 0)
      failExecution(state, execution, error)
      state.write(execution, execution.settled, state.now)
      break
    }
  }
  skipToSync(state)
}

const failExecution = (state: PgState, execution: Execution, error: ServerError): void => {
  state.touch(execution)
  const { head } = state.queue
  if (execution.copyDirection === 'in' && head !== undefined) countSent(execution, head)
  execution.error = error
  execution.ended = state.now
}

/** After an error in an extended series the server ignores all until Sync. */
const skipToSync = (state: PgState): void => {
  const { queue } = state
  const copying = state.copyIn
  state.copyIn = false
  state.target = undefined
  queue.shift()
  if (copying && leaveExtendedCopy(state)) return
  for (; queue.head !== undefined && queue.head.kind !== 'Sync'; queue.shift())
    abandon(state, queue.head, 'skipped')
  if (queue.head === undefined) state.skipping = true
  else state.forgetSkipped()
}

/** FATAL: the server runs nothing more. */
const endAll = (state: PgState): void => {
  const { queue } = state
  state.ended = true
  state.release()
  const head = queue.head
  if (head?.execution?.error !== undefined) {
    state.write(head.execution, head.execution.settled, state.now)
    queue.shift()
  }
  for (let next = queue.head; next !== undefined; queue.shift(), next = queue.head)
    abandon(state, next, 'skipped')
}

/** The session ended: unanswered commands end as unknown, unless what came of them tells more. */
export const closeCommands = (state: PgState): void => {
  const { queue, now } = state
  state.release()
  let pending = false
  for (let head = queue.head; head !== undefined; queue.shift(), head = queue.head) {
    const { execution } = head
    if (execution !== undefined && state.copyIn) countSent(execution, head)
    state.copyIn = false
    if (isUnsent(head)) {
      dropUnsent(state, head)
      continue
    }
    pending ||= head.kind === 'Query' || head.kind === 'Execute' || head.kind === 'Sync'
    if (execution !== undefined && (execution.error !== undefined || everyTagCame(execution))) {
      state.write(execution, execution.settled, execution.ended)
    } else abandon(state, head, 'unknown')
  }
  state.closePortals(true)
  state.txn.closed(pending, now, state.identity.who)
  state.flushTransactions()
}

/** A command that the server will never see. A portal that was bound is told of as it stands. */
const dropUnsent = (state: PgState, command: Command): void => {
  if (command.reserved !== undefined) {
    command.reserved.reason = 'not_forwarded'
    state.write(command.reserved, 'skipped', state.now)
  } else if (command.kind !== 'Execute') abandon(state, command, 'skipped', 'not_forwarded')
}

/** Each statement of a Query has its tag, though its ReadyForQuery is missing. */
const everyTagCame = ({ protocol, text, tag, tags }: Execution): boolean =>
  protocol === 'simple' &&
  text !== undefined &&
  text.truncated === undefined &&
  tag !== undefined &&
  splitStatements(text.text, text).length === (tags?.length ?? 1)
