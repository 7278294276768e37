/** The reply to COM_STMT_PREPARE: its first payload, then definitions of parameters and columns. */
import type { Bytes } from '../../src/flow.ts'
import { CLIENT_DEPRECATE_EOF, has } from './capabilities.ts'
import type { Command } from './commands.ts'
import { decodePrepareOk } from './decode.ts'
import type { MysqlState } from './state.ts'
import { DEFINITIONS, nextTurn, type ReplyState } from './turn.ts'

/** COM_STMT_PREPARE_OK: the statement is there from now on. */
export const onPrepared = (
  state: MysqlState,
  reply: ReplyState,
  head: Command,
  bytes: Bytes,
  start: number,
  end: number,
): void => {
  const { capabilities } = state
  const ok = decodePrepareOk(state.cursor.reset(bytes, start, end), capabilities)
  head.stmtId = ok.id
  if (head.preparing !== undefined)
    state.prepared.set(ok.id, head.preparing.text, ok.params, ok.columns, head.preparing.seq)
  const ends = has(capabilities, CLIENT_DEPRECATE_EOF) ? 0 : 1
  const parts = (ok.params > 0 ? ok.params + ends : 0) + (ok.columns > 0 ? ok.columns + ends : 0)
  reply.left = ok.metadataFollows ? parts : 0
  if (reply.left > 0) reply.enter(DEFINITIONS)
  else settlePrepare(state, reply, head)
}

/** All definitions came. */
export const settlePrepare = (state: MysqlState, reply: ReplyState, head: Command): void => {
  state.writePrepare(head, head.stmtId, 'success')
  nextTurn(state, reply)
}
