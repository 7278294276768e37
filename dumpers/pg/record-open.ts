/** Tells of what still runs. */
import type { Micros } from '../../src/flow.ts'
import { isUnsent } from './commands.ts'
import type { PgState } from './state.ts'

/** Gives the `statement.open` of the command at the queue's head, if it was sent and came before `since`. */
export const openHead = (state: PgState, since: Micros): void => {
  const { head } = state.queue
  if (head === undefined || head.at > since || isUnsent(head)) return
  const portal = head.kind === 'Execute' ? state.portals.get(head.portal) : undefined
  const execution = head.execution ?? portal?.execution
  if (execution === undefined) return
  if (execution.fetches === 0) {
    execution.at = head.at
    execution.batch = head.batch
  }
  state.writeOpen(execution)
}
