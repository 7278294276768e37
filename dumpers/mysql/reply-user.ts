/** The reply to COM_CHANGE_USER: a dialogue as at the log-in. */
import type { Bytes } from '../../src/flow.ts'
import type { Command } from './commands.ts'
import { decodeOk } from './decode.ts'
import { decodeAuthSwitch } from './decode-login.ts'
import { HEAD } from './packets.ts'
import type { MysqlState } from './state.ts'
import { onChanges, onStatus, tellChangeUser } from './track.ts'
import { nextTurn, type ReplyState } from './turn.ts'

/** AuthMoreData of caching_sha2_password that nothing answers: OK follows. */
const FAST_AUTH_SUCCESS = 3

/** COM_CHANGE_USER: the dialogue that proves who the client is. */
export const onAuthentication = (
  state: MysqlState,
  reply: ReplyState,
  head: Command,
  first: number,
  bytes: Bytes,
  start: number,
  end: number,
): void => {
  if (first !== HEAD.OK && !(first === HEAD.AUTH_MORE_DATA && bytes[start + 1] === FAST_AUTH_SUCCESS))
    askForAnswer(state, head)
  if (first === HEAD.EOF || first === HEAD.AUTH_NEXT_FACTOR) {
    head.method = decodeAuthSwitch(state.cursor.reset(bytes, start, end)).plugin
  } else if (first === HEAD.OK) {
    const ok = decodeOk(state.cursor.reset(bytes, start, end), state.capabilities)
    head.method ??= head.user?.method
    tellChangeUser(state, head, 'success')
    onStatus(state, head, ok.status)
    onChanges(state, ok.changes)
    nextTurn(state, reply)
  }
}

/** The client is to send a packet more; where ids say nothing it may be taken for a command already. */
const askForAnswer = ({ compressed, queue, intents }: MysqlState, head: Command): void => {
  if (!compressed) return
  const answer = queue.takeSecond()
  intents?.taken(answer)
  if (answer === undefined) head.owed++
}
