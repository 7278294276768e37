/**
 * Copies bytes and shows each chunk to the observer, behind having sent it. Never parses. Back-pressure:
 * who sends to a peer that does not take it is not read from. Half-close is kept: what ends is the one
 * direction.
 */
import type { Direction, FlowObserver } from '../flow.ts'
import type { Clock } from './clock.ts'
import type { Gather } from './gather.ts'
import { giveBack, type Inlet, writeOff } from './inlet.ts'

/** Bytes received so far, from each side. */
export interface Counts {
  frontend: number
  backend: number
}

export interface PipeOptions {
  readonly observer: FlowObserver
  readonly clock: Clock
  readonly counts: Counts
  /** chunks are shown later, some at a time; absent: at once */
  readonly gather?: Gather | undefined
}

/** What a connection does with each of its lanes. */
export type AnyLane = Pick<Lane, 'end' | 'drained' | 'close'>

/** One direction of a connection; of frontend bytes only where nothing waits for the log. */
export class Lane {
  readonly #from: Direction
  readonly #source: Inlet
  readonly #target: Inlet
  readonly #options: PipeOptions
  /** buffers whose chunks are being written, oldest first */
  readonly #lent: Buffer[] = []

  constructor(from: Direction, source: Inlet, target: Inlet, options: PipeOptions) {
    this.#from = from
    this.#source = source
    this.#target = target
    this.#options = options
    source.onChunk = this.#take
  }

  readonly #take = (chunk: Buffer, loan: Buffer | undefined): boolean => {
    const { observer, clock, counts, gather } = this.#options
    const at = clock.now()
    counts[this.#from] += chunk.length
    const more = this.#write(chunk, loan)
    if (gather !== undefined && loan === undefined) gather.add(observer, this.#from, chunk, at)
    else {
      gather?.show()
      observer.chunk(this.#from, chunk, at)
    }
    return more
  }

  /** The source has sent its last byte: the target is told, behind all that it still has to be sent. */
  end(): void {
    this.#target.socket.end()
  }

  /** The target takes bytes again. */
  drained(): void {
    this.#source.resume()
  }

  /** Both sockets are closed. What was not written by now may be looked at by a late callback still. */
  close(): void {
    writeOff(this.#lent.length)
    this.#lent.length = 0
  }

  #write(chunk: Buffer, loan: Buffer | undefined): boolean {
    if (!loan) return this.#target.socket.write(chunk)
    this.#lent.push(loan)
    return this.#target.socket.write(chunk, this.#written)
  }

  readonly #written = (): void => {
    const loan = this.#lent.shift()
    if (loan) giveBack(loan)
  }
}
