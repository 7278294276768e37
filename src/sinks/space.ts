/**
 * Looks from time to time how much room is left where the log is, and tells when it is little and when it is
 * enough again. A file system that hangs holds up one thread of the pool, never the event loop.
 */
import { statfs } from 'node:fs/promises'
import { type Clock, SYSTEM_CLOCK } from './clock.ts'

/** Bytes that an ordinary user may still write where the directory is. */
export type AskSpace = (dir: string) => Promise<number>

export interface SpaceOptions {
  readonly dir: string
  /** bytes; less is little */
  readonly least: number
  /** told once when `free` bytes are little, with `isLittle`, and once when they are no more */
  readonly onChange: (isLittle: boolean, free: number) => void
  /** told when the file system cannot be asked, or has not answered since the last look; each time */
  readonly onProblem: (error: Error) => void
  readonly clock?: Clock
  readonly ask?: AskSpace
}

const LOOK_MS = 10_000
/** It is enough again with so much more than the least: else what hovers around it would tell for ever. */
const ENOUGH = 1.1

const askSpace: AskSpace = async (dir) => {
  const { bavail, bsize } = await statfs(dir)
  return bavail * bsize
}

export class SpaceWatch {
  readonly #options: SpaceOptions
  readonly #clock: Clock
  #isLittle = false
  #isAsking = false
  #isAgain = false
  #isStopped = false
  #cancel: () => void = () => undefined

  /** Looks at once, and every ten seconds. */
  constructor(options: SpaceOptions) {
    this.#options = options
    this.#clock = options.clock ?? SYSTEM_CLOCK
    this.#beat()
  }

  /** Looks now: something could not be written. One question at a time is with the system. */
  look(): void {
    if (this.#isAsking) this.#isAgain = true
    else if (!this.#isStopped) void this.#ask()
  }

  /** Nothing is told after this. An open question is not waited for. */
  stop(): void {
    this.#isStopped = true
    this.#cancel()
  }

  #beat(): void {
    if (this.#isAsking) this.#options.onProblem(new Error(`${this.#options.dir}: the file system hangs`))
    this.look()
    this.#cancel = this.#clock.after(LOOK_MS, () => this.#beat())
  }

  async #ask(): Promise<void> {
    this.#isAsking = true
    try {
      const free = await (this.#options.ask ?? askSpace)(this.#options.dir)
      if (!this.#isStopped) this.#judge(free)
    } catch (error) {
      if (!this.#isStopped)
        this.#options.onProblem(error instanceof Error ? error : new Error(String(error)))
    }
    this.#isAsking = false
    const isAgain = this.#isAgain
    this.#isAgain = false
    if (isAgain) this.look()
  }

  #judge(free: number): void {
    const { least, onChange } = this.#options
    const isLittle = free < (this.#isLittle ? least * ENOUGH : least)
    if (isLittle === this.#isLittle) return
    this.#isLittle = isLittle
    onChange(isLittle, free)
  }
}
