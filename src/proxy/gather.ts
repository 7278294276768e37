/**
 * Shows chunks to their observers some at a time, behind having sent them. Decoding one chunk between two
 * passages through the kernel finds neither its code nor its data in the processor's caches, and takes
 * three times as long as the second of a row.
 */
import type { Bytes, Direction, FlowObserver, Micros } from '../flow.ts'

/** So many chunks are shown at once, sooner if time is up. */
const MOST_CHUNKS = 128
/** A longer chunk is shown at once, behind those that wait: its own cost is the greater part. */
export const MOST_BYTES = 4096
/** A chunk waits no longer for others, in milliseconds. */
const WAIT_MS = 4

/** Who is shown chunks: an observer, or who stands before one. */
export type Viewer = Pick<FlowObserver, 'chunk'>

/** Calls back after so many milliseconds; does not keep the process alive. One call at a time waits. */
export type Wake = (callback: () => void, milliseconds: number) => void

/** One timer, armed again and again. */
const systemWake = (): Wake => {
  let timer: NodeJS.Timeout | undefined
  return (callback, milliseconds) => {
    if (timer === undefined) timer = setTimeout(callback, milliseconds).unref()
    else timer.refresh()
  }
}

/** Chunks of all connections of the process that wait to be shown, in the order in which they came. */
export class Gather {
  readonly #observers: Viewer[] = []
  readonly #sides: Direction[] = []
  readonly #chunks: (Bytes | undefined)[] = []
  readonly #times: Micros[] = []
  #count = 0
  #isWaking = false
  readonly #wake: Wake

  constructor(wake: Wake = systemWake()) {
    this.#wake = wake
  }

  /** The chunk must stay as it is: it is the receiver's, and on loan from nobody. */
  add(observer: Viewer, from: Direction, chunk: Bytes, at: Micros): void {
    if (chunk.length > MOST_BYTES) {
      this.show()
      observer.chunk(from, chunk, at)
      return
    }
    const place = this.#count++
    this.#observers[place] = observer
    this.#sides[place] = from
    this.#chunks[place] = chunk
    this.#times[place] = at
    if (this.#count >= MOST_CHUNKS) this.show()
    else if (!this.#isWaking) {
      this.#isWaking = true
      this.#wake(this.#woken, WAIT_MS)
    }
  }

  /** Shows what waits, now: before an observer is told anything else. */
  show(): void {
    const count = this.#count
    this.#count = 0
    for (let i = 0; i < count; i++) {
      const chunk = this.#chunks[i] as Bytes
      this.#chunks[i] = undefined
      const observer = this.#observers[i] as Viewer
      observer.chunk(this.#sides[i] as Direction, chunk, this.#times[i] as Micros)
    }
  }

  readonly #woken = (): void => {
    this.#isWaking = false
    this.show()
  }
}
