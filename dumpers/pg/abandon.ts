/** Commands that have no reply of their own: skipped by the server, or nobody can tell what came of them. */
import type { Outcome } from '../../src/event.ts'
import type { Command } from './commands.ts'
import { Execution } from './execution.ts'
import type { PgState } from './state.ts'

/**
 * From here on nobody can tell which reply belongs to which command: what is sent is recorded, what came of
 * it is not known.
 */
export const giveUp = (state: PgState, reason: NonNullable<PgState['uncertain']>): void => {
  const { queue } = state
  state.uncertain ??= reason
  state.release()
  for (; queue.head !== undefined; queue.shift()) abandon(state, queue.head, 'unknown', reason)
}

/** Records a command that has no reply of its own: it was skipped, or whether it ran is not known. */
export const abandon = (state: PgState, command: Command, outcome: Outcome, reason?: string): void => {
  const { execution } = command
  if (execution !== undefined && reason !== undefined) execution.reason ??= reason
  switch (command.kind) {
    case 'Parse':
      if (command.prepared !== undefined) {
        if (reason === 'replies_lost') state.parsedUnseen(command.prepared)
        else state.meant.set(command.prepared)
      }
      state.writePrepare(command, outcome)
      return
    case 'Bind':
      if (execution === undefined) return
      state.bindTo(command, execution)
      if (reason === 'replies_lost') state.ranUnseen(execution.text)
      state.skipPortal(command.portal)
      state.write(execution, outcome, state.now)
      return
    case 'CloseStatement':
    case 'Close':
      if (reason !== 'replies_lost') return
      if (command.nameless || command.kind === 'Close') state.prepared.clear()
      else state.prepared.delete(command.statement)
      return
    case 'Execute':
      abandonExecute(state, command, outcome)
      return
    default:
      if (execution === undefined) return
      if (reason === 'replies_lost') state.ranUnseen(execution.text)
      state.write(execution, outcome, state.now)
  }
}

const abandonExecute = (state: PgState, command: Command, outcome: Outcome): void => {
  // its portal was closed while it ran, and its record given
  if (command.execution?.written) return
  if (state.skippedPortals.has(command.portal)) {
    state.unreserve(command)
    return
  }
  const portal = state.portals.get(command.portal)
  const bound = portal?.execution
  if (bound !== undefined) {
    state.unreserve(command)
    if (bound.fetches === 0 || outcome === 'unknown') state.write(bound, outcome, state.now)
    else state.closePortal(portal)
    return
  }
  const execution = command.reserved ?? new Execution(++state.seq, 'extended', command.at)
  execution.reason = undefined
  execution.batch = command.batch
  execution.stmtName = undefined
  execution.values = undefined
  execution.portalName = command.portal
  execution.text = portal?.text
  execution.malformed = command.malformed
  state.write(execution, outcome, state.now)
}
