/** Until when something may take: looked at now and then, so no connection needs a timer of its own. */
import type { Clock } from './clock.ts'

export const NEVER = Number.POSITIVE_INFINITY

/** The deadlines of one connection, by the clock that never steps. */
export class Deadlines {
  readonly #clock: Clock
  readonly #watch: () => void
  dial = NEVER
  login = NEVER
  /** how long what waits for the log may wait */
  block = NEVER
  /** how long the client may take to leave */
  leave = NEVER

  /** `watch` is called for what is to be looked at. */
  constructor(clock: Clock, watch: () => void) {
    this.#clock = clock
    this.#watch = watch
  }

  /** Is there anything to look at? */
  get isAny(): boolean {
    return Math.min(this.dial, this.login, this.block, this.leave) < NEVER
  }

  /** So many milliseconds from now; 0 is without end. */
  set(which: 'dial' | 'login' | 'block', milliseconds: number): void {
    if (milliseconds === 0) return
    this[which] = this.#clock.steady() + milliseconds
    this.#watch()
  }

  /** The client may take no longer than that, or than was said before. */
  leaveIn(milliseconds: number): void {
    this.leave = Math.min(this.leave, this.#clock.steady() + milliseconds)
    this.#watch()
  }
}
