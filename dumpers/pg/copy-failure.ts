/**
 * A COPY IN that failed. While it copies the server reads and ignores Sync; once it has failed it does not.
 * So of a Sync amid the data nobody can tell whether it counted: it has its ReadyForQuery, before any other
 * reply, or none. One behind CopyDone or CopyFail always counts, and so does one that comes after the error.
 */

import { giveUp } from './abandon.ts'
import type { Command } from './commands.ts'
import type { PgState } from './state.ts'

/** SQLSTATE protocol_violation: servers before version 14 take a command for data, and say so. */
const PROTOCOL_VIOLATION = '08P01'

/** First version that ends a session at anything amid copied data that is no part of it. */
const STRICT_VERSION = 14

/**
 * Terminate amid copied data is an error to servers before version 14, as any other message is: they read
 * on.
 */
export const mayTakeForData = ({ queue, identity }: PgState): boolean => {
  const version = Number.parseInt(identity.who.server_version ?? '', 10)
  return queue.head !== undefined && !(version >= STRICT_VERSION)
}

const isPlainSync = ({ kind, malformed }: Command): boolean => kind === 'Sync' && !malformed

/** Takes out the data, up to its end; tells how many Syncs were amid it, and whether its end was there. */
const dropCopied = ({ queue }: PgState): { readonly syncs: number; readonly ended: boolean } => {
  let syncs = 0
  let ended = false
  for (let head = queue.head; head !== undefined; queue.shift(), head = queue.head) {
    if (isPlainSync(head)) {
      if (ended) break
      syncs++
    } else if (head.kind === 'CopyEnd') ended = true
    else if (head.kind !== 'CopyData') break
  }
  return { syncs, ended }
}

/** The COPY of a simple query failed and its ReadyForQuery came: what follows its data runs. */
export const leaveSimpleCopy = (state: PgState, sqlstate: string | undefined): void => {
  const { ended } = dropCopied(state)
  const next = state.queue.head
  if (next === undefined || ended) return
  // did the server take it for data? does an error of its own come?
  if (sqlstate === PROTOCOL_VIOLATION || next.kind === 'Flush' || next.kind === 'Sync')
    giveUp(state, 'after_copy_failure')
}

/** The COPY of an Execute failed; true when what the server skips is dealt with. */
export const leaveExtendedCopy = (state: PgState): boolean => {
  if (dropCopied(state).syncs === 0) return false
  const next = state.queue.head
  if (next === undefined) state.afterCopy = true
  else if (!isPlainSync(next)) giveUp(state, 'after_copy_failure')
  return true
}
