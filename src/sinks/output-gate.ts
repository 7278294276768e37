/**
 * The gate where no journal is kept: the records of a chunk are written before it goes on (`detail =
 * "message"`, whose lines are the whole record), or nothing but a stuck output holds it (an audit on the
 * standard output alone).
 */
import type { FlowIntents, Intents } from '../event.ts'
import { GO, type LogGate } from '../flow.ts'
import { Batch, HANG_MS } from './batch.ts'
import type { Clock } from './clock.ts'

export interface OutputGateOptions {
  /**
   * writes what waits, as far as possible; resolves when it is on stable storage, if that is asked, and
   * rejects when it cannot be brought there
   */
  readonly flush: () => Promise<void> | undefined
  /** the output cannot be written, or its reader has fallen behind */
  readonly isStuck: () => boolean
  readonly onFailure: 'block' | 'continue'
  /**
   * told once when somebody begins to wait for a stuck output, or when a flush failed or does not end (why),
   * and once when all go on
   */
  readonly onHeld?: (why: Error | undefined) => void
  readonly onReleased?: () => void
  readonly clock: Clock
}

/** How often a stuck output is looked at. */
const LOOK_MS = 50

const errorOf = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)))

export class OutputGate implements Intents, LogGate {
  readonly #options: OutputGateOptions
  readonly #blocks: boolean
  /** of the turn at hand; those that wait; those that the running flush is for */
  #batch: Batch | undefined
  #waiting: Batch[] = []
  #flushing: readonly Batch[] | undefined
  /** the last flush failed, or does not end */
  #isFailing = false
  #isTold = false
  #cancelLook: (() => void) | undefined

  constructor(options: OutputGateOptions) {
    this.#options = options
    this.#blocks = options.onFailure === 'block'
  }

  get isBlocked(): boolean {
    return this.#blocks && (this.#isFailing || this.#options.isStuck())
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
    if (this.#batch === undefined) return
    this.#waiting.push(this.#batch)
    this.#batch = undefined
    if (this.#flushing !== undefined) {
      if (this.#isFailing && !this.#blocks) this.#release()
    } else if (this.#cancelLook === undefined) this.#flush()
  }

  /** Looks no more; who waits still waits for ever. */
  close(): void {
    this.#cancelLook?.()
  }

  #flush(): void {
    const flushed = this.#options.flush()
    if (flushed === undefined) {
      this.#flushed(undefined)
      return
    }
    const batches = this.#waiting
    this.#waiting = []
    this.#flushing = batches
    const wait = this.#blocks ? HANG_MS.block : HANG_MS.continue
    const cancel = this.#options.clock.after(wait, () => {
      if (this.#flushing === batches) this.#hangs(new Error(`fdatasync has run for ${wait / 1000} s`))
    })
    const over = (error?: Error): void => {
      cancel()
      this.#flushing = undefined
      const behind = this.#waiting
      this.#waiting = batches
      this.#flushed(error)
      this.#waiting.push(...behind)
      if (this.#waiting.length > 0 && this.#cancelLook === undefined) this.#flush()
    }
    flushed.then(
      () => over(),
      (reason) => over(errorOf(reason)),
    )
  }

  /** Lets go what has waited, unless that was in vain. */
  #flushed(error: Error | undefined): void {
    this.#isFailing = error !== undefined
    if (error !== undefined || this.isBlocked) this.#held(error)
    else if (this.#isTold) {
      this.#isTold = false
      this.#options.onReleased?.()
    }
    if (this.isBlocked) this.#look()
    else this.#release()
  }

  #hangs(why: Error): void {
    this.#isFailing = true
    this.#held(why)
    if (this.#blocks) return
    for (const batch of this.#flushing ?? []) batch.ready()
    this.#release()
  }

  #held(why: Error | undefined): void {
    if (this.#isTold) return
    this.#isTold = true
    this.#options.onHeld?.(why)
  }

  #release(): void {
    for (const batch of this.#waiting.splice(0)) batch.ready()
  }

  #look(): void {
    this.#cancelLook ??= this.#options.clock.after(LOOK_MS, () => {
      this.#cancelLook = undefined
      if (this.#options.isStuck()) this.#look()
      else this.#flush()
    })
  }
}
