/**
 * The gate where no journal is kept: the records of a chunk are written before it goes on (`detail =
 * "message"`, whose lines are the whole record), or nothing but a stuck output holds it (an audit on the
 * standard output alone).
 */
import type { FlowIntents, Intents } from '../event.ts'
import { GO, type LogGate, type Wait } from '../flow.ts'
import type { Clock } from './clock.ts'

export interface OutputGateOptions {
  /** writes what waits, as far as possible; resolves when it is on stable storage, if that is asked */
  readonly flush: () => Promise<void> | undefined
  /** the output cannot be written, or its reader has fallen behind */
  readonly isStuck: () => boolean
  readonly onFailure: 'block' | 'continue'
  /** told once when somebody begins to wait for a stuck output, and once when all go on */
  readonly onHeld?: () => void
  readonly onReleased?: () => void
  readonly clock: Clock
}

/** How often a stuck output is looked at. */
const LOOK_MS = 50

/** Those who wait for the same flush. */
class Batch implements Wait {
  readonly kind = 'wait'
  readonly from = 0
  #callbacks: (() => void)[] = []
  #isReady = false

  whenReady(callback: () => void): void {
    if (this.#isReady) callback()
    else this.#callbacks.push(callback)
  }

  release(): void {
    this.#isReady = true
    const callbacks = this.#callbacks
    this.#callbacks = []
    for (const callback of callbacks) callback()
  }
}

export class OutputGate implements Intents, LogGate {
  readonly #options: OutputGateOptions
  /** of the turn at hand, and those of earlier ones that are stuck */
  #batch: Batch | undefined
  #stuck: Batch[] = []
  #cancelLook: (() => void) | undefined

  constructor(options: OutputGateOptions) {
    this.#options = options
  }

  get isBlocked(): boolean {
    return this.#options.onFailure === 'block' && this.#options.isStuck()
  }

  open(): FlowIntents {
    let hasTaken = false
    return {
      take: () => {
        hasTaken = true
      },
      settled: () => {},
      ticket: () => {
        if (!hasTaken) return GO
        hasTaken = false
        this.#batch ??= new Batch()
        return this.#batch
      },
      close: () => {},
    }
  }

  settle(): void {
    const batch = this.#batch
    if (batch === undefined) return
    this.#batch = undefined
    const flushed = this.#options.flush()
    if (flushed === undefined) this.#release(batch)
    else
      void flushed.then(
        () => this.#release(batch),
        () => this.#release(batch),
      )
  }

  /** Looks no more; who waits still waits for ever. */
  close(): void {
    this.#cancelLook?.()
  }

  #release(batch: Batch): void {
    if (this.#stuck.length === 0 && !this.isBlocked) {
      batch.release()
      return
    }
    if (this.#stuck.length === 0) this.#options.onHeld?.()
    this.#stuck.push(batch)
    this.#look()
  }

  #look(): void {
    this.#cancelLook ??= this.#options.clock.after(LOOK_MS, () => {
      this.#cancelLook = undefined
      if (this.isBlocked) {
        this.#look()
        return
      }
      const batches = this.#stuck
      this.#stuck = []
      this.#options.onReleased?.()
      for (const batch of batches) batch.release()
    })
  }
}
