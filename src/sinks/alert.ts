/**
 * Runs `alertHook`, a program of the user's, when something is wrong with the audit: at once for the first
 * of a kind, then once a minute at most, with what came meanwhile told together. One run at a time; what
 * waits is bounded: one sentence and a count for each kind.
 */
import { SinkError } from '../errors.ts'
import { type Clock, SYSTEM_CLOCK } from './clock.ts'
import { messageOf } from './file-options.ts'
import { runHook } from './hook.ts'

/**
 * `space`: little is left on the log's file system; `loss`: records were dropped; `block`: the log cannot be
 * written; `gap`: traffic was not decoded.
 */
export type AlertKind = 'space' | 'loss' | 'block' | 'gap'

export interface AlertOptions {
  /** path of a program; its arguments are the kind and a sentence */
  readonly program: string
  /** 0 is without end: a program that hangs lets none follow */
  readonly timeoutMs: number
  /** told of each run that failed */
  readonly onProblem: (error: SinkError) => void
  readonly clock?: Clock
}

/** How long a kind rests after a run of it began. */
const REST_MS = 60_000
/** How long a stop waits for what is to be told. */
const GRACE_MS = 5000

interface Waiting {
  sentence: string
  count: number
}

export class Alerts {
  readonly #options: AlertOptions
  readonly #clock: Clock
  readonly #stop = new AbortController()
  /** in the order in which they came */
  readonly #waiting = new Map<AlertKind, Waiting>()
  /** what ends the rest of each kind */
  readonly #resting = new Map<AlertKind, () => void>()
  #running: Promise<void> | undefined
  #isClosing = false

  constructor(options: AlertOptions) {
    this.#options = options
    this.#clock = options.clock ?? SYSTEM_CLOCK
  }

  /** Never throws, and returns at once. Of several that wait the newest sentence is told. */
  tell(kind: AlertKind, sentence: string): void {
    if (this.#isClosing) return
    const waiting = this.#waiting.get(kind)
    if (waiting === undefined) this.#waiting.set(kind, { sentence, count: 1 })
    else {
      waiting.sentence = sentence
      waiting.count++
    }
    this.#go()
  }

  /** Tells what waits, without any rest between, for a while; then a run is killed. Never rejects. */
  async close(): Promise<void> {
    this.#isClosing = true
    for (const cancel of this.#resting.values()) cancel()
    this.#resting.clear()
    const timer = setTimeout(() => this.#stop.abort(), GRACE_MS)
    this.#go()
    while (this.#running !== undefined) await this.#running
    clearTimeout(timer)
  }

  #go(): void {
    if (this.#running !== undefined || this.#next() === undefined) return
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      this.#go()
    })
  }

  #next(): AlertKind | undefined {
    if (this.#stop.signal.aborted) return undefined
    for (const kind of this.#waiting.keys()) if (!this.#resting.has(kind)) return kind
    return undefined
  }

  async #run(): Promise<void> {
    const { program, timeoutMs, onProblem } = this.#options
    const { signal } = this.#stop
    for (let kind = this.#next(); kind !== undefined; kind = this.#next()) {
      const { sentence, count } = this.#waiting.get(kind) as Waiting
      this.#waiting.delete(kind)
      this.#rest(kind)
      const told = count === 1 ? sentence : `${sentence} (the latest of ${count} since the last alert)`
      try {
        await runHook({ program, timeoutMs, signal }, kind, told)
      } catch (error) {
        onProblem(new SinkError('hook', `alert ${kind}: ${messageOf(error)}`, { cause: error }))
      }
    }
  }

  #rest(kind: AlertKind): void {
    if (this.#isClosing) return
    const wake = (): void => {
      this.#resting.delete(kind)
      this.#go()
    }
    this.#resting.set(kind, this.#clock.after(REST_MS, wake))
  }
}
