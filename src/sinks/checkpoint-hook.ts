/**
 * Hands seals to a program of the user's, which takes them where whoever owns this machine cannot change
 * them. One run at a time; while it lasts only the newest seal waits, for each vouches for those before it.
 */
import { SinkError } from '../errors.ts'
import type { Checkpoint } from '../event.ts'
import { runHook } from './hook.ts'

export interface CheckpointHookOptions {
  /** path of a program; its arguments are seal, signature (empty without a key), and path of the file */
  readonly program: string
  /** 0 is without end */
  readonly timeoutMs: number
  readonly onProblem: (error: SinkError) => void
}

/** How long a stop waits for the last seal to be handed over. */
const GRACE_MS = 5000

type Args = readonly [seal: string, signature: string, path: string]

export class CheckpointHook {
  readonly #options: CheckpointHookOptions
  readonly #stop = new AbortController()
  #waiting: Args | undefined
  #running: Promise<void> | undefined

  constructor(options: CheckpointHookOptions) {
    this.#options = options
  }

  /** This checkpoint is in the file at `path`. Never throws. */
  readonly tell = ({ seal, signature }: Checkpoint, path: string): void => {
    this.#waiting = [seal, signature, path]
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  /** Resolves when the last seal was handed over, or after a while. Never rejects. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.#stop.abort(), GRACE_MS)
    await this.#running
    clearTimeout(timer)
  }

  async #run(): Promise<void> {
    const { program, timeoutMs, onProblem } = this.#options
    const { signal } = this.#stop
    while (this.#waiting !== undefined && !signal.aborted) {
      const args = this.#waiting
      this.#waiting = undefined
      try {
        await runHook({ program, timeoutMs, signal }, ...args)
      } catch (error) {
        // without the seal: a log that does not repeat itself would take each for another failure
        onProblem(new SinkError('hook', `checkpoint: ${messageOf(error)}`, { cause: error }))
      }
    }
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
