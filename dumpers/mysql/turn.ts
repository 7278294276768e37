/** Whose turn it is: the queue's head is what the server runs, and what it answers. */
import { begin } from './begin.ts'
import { COM } from './capabilities.ts'
import { type Command, isStreamed, isUnanswered } from './commands.ts'
import type { Execution } from './execution.ts'
import type { UnitResults } from './reply-units.ts'
import type { MysqlState } from './state.ts'

/** What the next payload of the backend is. */
export const FIRST = 0
export const COLUMNS = 1
export const COLUMNS_END = 2
export const ROWS = 3
export const DEFINITIONS = 4

/** Where the reply to the head is. */
export class ReplyState {
  phase = FIRST
  /** payloads of the phase that have yet to come */
  left = 0
  /** status flags of a row of OUT parameters, told by the end of its columns */
  outParams = 0
  /** the result at hand may be one of a bulk execution's counts */
  units: UnitResults | undefined = undefined
  /** whose rows come */
  target: Execution | undefined = undefined
  /** the backend's framer, which tells rows in a row */
  framer: { rows: boolean } = { rows: false }

  enter(phase: number): void {
    this.phase = phase
    this.outParams = 0
    if (phase === FIRST) this.units = undefined
    this.framer.rows = phase === ROWS && this.units === undefined
  }
}

/** The head has been begun: what its reply looks like. */
export const expectReply = (reply: ReplyState, command: Command): void => {
  reply.target = command.execution
  reply.enter(isStreamed(command.code) ? ROWS : FIRST)
}

/** Takes out the head, and begins the commands behind it up to the first that is answered. */
export const nextTurn = (state: MysqlState, reply: ReplyState): void => {
  const { queue } = state
  queue.shift()
  reply.target = undefined
  reply.enter(FIRST)
  for (let head = queue.head; head !== undefined; head = queue.head) {
    const { body } = head
    head.body = undefined
    if (body === undefined) begin(state, head)
    else begin(state, head, { bytes: body, start: 0, end: body.length })
    if (head.code === COM.QUIT) {
      state.ended = true
      state.intents?.dropped()
      queue.clear()
      return
    }
    if (!isUnanswered(head.code)) {
      state.pipelines = true
      expectReply(reply, head)
      return
    }
    queue.shift()
  }
  state.rounds++
}
