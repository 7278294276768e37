/** KILL: which session it is for. */
import type { Kill } from '../../src/sql/scan.ts'
import type { Execution } from './execution.ts'
import type { MysqlState } from './state.ts'

/** Names a thread of the server to other flows, whose KILLs name it. */
export const threadKey = (threadId: number): string => `mysql-thread:${threadId}`

/**
 * COM_PROCESS_KILL, KILL: whom it is for. The thread may be gone before the reply, so it is told at once.
 */
export const tellKill = (
  state: MysqlState,
  execution: Execution,
  { scope, threadId: named, self, user }: Kill,
): void => {
  const { link } = state.context
  const threadId = self ? execution.who.backend_pid : named
  const target = threadId === undefined ? undefined : link.find(threadKey(threadId))
  state.emit({
    event: 'cancel',
    at: execution.at,
    who: execution.who,
    stmt_seq: execution.seq,
    cancel_scope: scope,
    ...(threadId === undefined ? {} : { target_backend_pid: threadId }),
    ...(user === undefined ? {} : { target_username: user }),
    ...(target === undefined ? {} : { target_conn_id: target }),
  })
}
