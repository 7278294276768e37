/** How much a session may keep, and what it tells the process it holds. */
import type { PgState } from './state.ts'

/** Kept of a text, and of all that is queued, before the log-in or when the process is short of memory. */
const SHORT_TEXT = 4096
const LOGIN_TEXT = 65_536
const SHORT_QUEUE = 262_144
/** The queue may hold this many times `maxQueryBytes`. */
const QUEUE_FACTOR = 8

export class Memory {
  readonly #state: PgState
  #told = 0

  constructor(state: PgState) {
    this.#state = state
  }

  /** Less is kept before the log-in, and when the process is over its budget. */
  limit(loggedIn: boolean): void {
    const { context, limits } = this.#state
    const scarce = context.budget !== undefined && context.budget.used > context.budget.limit
    this.#state.textLimit = scarce ? SHORT_TEXT : loggedIn ? limits.maxQueryBytes : LOGIN_TEXT
    this.#state.queueLimit =
      loggedIn && !scarce ? Math.max(limits.maxQueryBytes * QUEUE_FACTOR, SHORT_QUEUE) : SHORT_QUEUE
  }

  /** Tells the process what is held: `outside` bytes by the framers, and what the state keeps. */
  account(outside: number): void {
    const { context, queue, prepared, meant, portals } = this.#state
    if (context.budget === undefined) return
    const arrived = this.#state.arrivals?.bytes ?? 0
    const held = outside + arrived + queue.cost + prepared.bytes + meant.bytes + portals.bytes
    context.budget.used += held - this.#told
    this.#told = held
  }

  /** The session is over and holds nothing. */
  release(): void {
    const { budget } = this.#state.context
    if (budget !== undefined) budget.used -= this.#told
    this.#told = 0
  }
}
