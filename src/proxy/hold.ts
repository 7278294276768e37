/** What becomes of a connection whose words wait for the log: it is counted, and given a time to wait. */
import type { Refusal, Wait } from '../flow.ts'
import type { ListenerContext } from './context.ts'
import type { Deadlines } from './deadlines.ts'
import type { Keeper } from './gate.ts'
import { LOG_BLOCKED } from './verdict.ts'

export class Hold implements Keeper {
  readonly #context: ListenerContext
  readonly #by: Deadlines
  /** ends the session, with the observer's words */
  readonly refused: (refusal: Refusal) => void
  #wait: Wait | undefined

  constructor(context: ListenerContext, by: Deadlines, refused: (refusal: Refusal) => void) {
    this.#context = context
    this.#by = by
    this.refused = refused
  }

  held(wait: Wait): void {
    const { held, options } = this.#context
    this.#wait = wait
    held.now++
    held.total++
    this.#by.set('block', options.blockTimeout ?? 0)
  }

  released(): void {
    this.#wait = undefined
    this.#context.held.now--
    this.#by.block = Number.POSITIVE_INFINITY
  }

  /** It has waited for as long as it may. */
  timedOut(): void {
    if (this.#wait?.isForReplies === true) {
      this.#by.set('block', this.#context.options.blockTimeout ?? 0)
      return
    }
    this.#context.held.timedOut++
    this.refused(LOG_BLOCKED)
  }
}
