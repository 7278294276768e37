/** Chunks that wait for the same write, and how long that may take. */
import type { Wait } from '../flow.ts'

/**
 * A file system that does not answer for so long, in milliseconds, is taken to hang: with `block` one that
 * is merely slow is waited for, with `continue` nobody is to notice.
 */
export const HANG_MS = { block: 5000, continue: 1000 } as const

export class Batch implements Wait {
  readonly kind = 'wait'
  readonly from = 0
  isReady = false
  #callbacks: (() => void)[] = []

  whenReady(callback: () => void): void {
    if (this.isReady) callback()
    else this.#callbacks.push(callback)
  }

  /** Calls all back that wait, and from now on whoever asks. */
  ready(): void {
    this.isReady = true
    const callbacks = this.#callbacks
    this.#callbacks = []
    for (const callback of callbacks) callback()
  }
}

/** A chunk of which only a part waits. */
export class PartWait implements Wait {
  readonly kind = 'wait'
  readonly from: number
  readonly #batch: Batch

  constructor(from: number, batch: Batch) {
    this.from = from
    this.#batch = batch
  }

  whenReady(callback: () => void): void {
    this.#batch.whenReady(callback)
  }
}
