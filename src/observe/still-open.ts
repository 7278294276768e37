/** The timer that says a statement is still running: a six-hour DELETE is on record while it runs. */
import type { Micros } from '../flow.ts'

export interface StillOpen {
  stillOpen(since: Micros): void
}

export interface StillOpenOptions {
  /** a statement that has run for so long is told, in milliseconds */
  readonly openAfter: number
  readonly now: () => Micros
  readonly setInterval: (callback: () => void, ms: number) => { unref?(): unknown }
  readonly clearInterval: (timer: never) => void
}

/** Asks each watched flow, often enough that a statement is told at most a quarter of `openAfter` late. */
export class StillOpenTimer {
  readonly #flows = new Set<StillOpen>()
  readonly #options: StillOpenOptions
  readonly #timer: { unref?(): unknown }

  constructor(options: StillOpenOptions) {
    this.#options = options
    this.#timer = options.setInterval(() => this.sweep(), Math.max(100, options.openAfter / 4))
    this.#timer.unref?.()
  }

  watch(flow: StillOpen): void {
    this.#flows.add(flow)
  }

  forget(flow: StillOpen): void {
    this.#flows.delete(flow)
  }

  sweep(): void {
    const since = this.#options.now() - this.#options.openAfter * 1000
    for (const flow of this.#flows) flow.stillOpen(since)
  }

  stop(): void {
    this.#options.clearInterval(this.#timer as never)
  }
}
