/** The state of an output that cannot be written: retries with growing pauses, and who is told, once. */
import { SinkError } from '../errors.ts'
import type { Clock } from './clock.ts'

const FIRST_RETRY_MS = 100
const LAST_RETRY_MS = 5000
/** A trouble that comes back within this time is told again when it lasts longer. */
const QUIET_MS = 10_000

export interface TroubleOptions {
  readonly clock: Clock
  readonly retry: () => void
  readonly onTrouble: (error: SinkError) => void
  readonly onRecovered: (lost: number) => void
}

export class Trouble {
  readonly #options: TroubleOptions
  #cancel: (() => void) | undefined
  #delayMs = FIRST_RETRY_MS
  #lost = 0
  #isTold = false
  #quietUntilMs = Number.NEGATIVE_INFINITY

  constructor(options: TroubleOptions) {
    this.#options = options
  }

  get isOn(): boolean {
    return this.#cancel !== undefined
  }

  /** An attempt failed: the next follows later. */
  on(error: SinkError): void {
    const { clock, retry, onTrouble } = this.#options
    this.#cancel?.()
    this.#cancel = clock.after(this.#delayMs, retry)
    this.#delayMs = Math.min(this.#delayMs * 2, LAST_RETRY_MS)
    if (this.#isTold || clock.nowMs() < this.#quietUntilMs) return
    this.#isTold = true
    this.#quietUntilMs = clock.nowMs() + QUIET_MS
    onTrouble(error)
  }

  /** So many records were dropped. Told at once for the first of them, whatever was told before. */
  lose(records: number): void {
    if (records === 0) return
    if (this.#lost === 0) {
      this.#isTold = true
      this.#options.onTrouble(
        new SinkError('full', 'the buffer is full: the oldest waiting records are dropped'),
      )
    }
    this.#lost += records
  }

  /** Everything was written. Answers whether it was on. */
  over(): boolean {
    if (!this.isOn) return false
    const [isTold, lost] = [this.#isTold, this.#lost]
    this.end()
    if (isTold) this.#options.onRecovered(lost)
    return true
  }

  /** No more retries. */
  end(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#delayMs = FIRST_RETRY_MS
    this.#lost = 0
    this.#isTold = false
  }
}
