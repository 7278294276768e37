/**
 * Copies bytes both ways and shows each chunk to the observer. Never parses. Back-pressure: who sends to a
 * peer that does not take it is not read from. Half-close is kept: what ends is the one direction.
 */
import { type Direction, type FlowObserver, GO, type LogGate } from '../flow.ts'
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
  /**
   * frontend chunks are shown before they are sent, and wait when the observer answers so (guarantees
   * `written` and `synced`); otherwise they are sent first, and no answer is waited for
   */
  readonly gate?: LogGate | undefined
  /** chunks that wait for nothing are shown later, some at a time; absent: at once */
  readonly gather?: Gather | undefined
}

/** One direction of a connection. */
export class Lane {
  readonly #from: Direction
  readonly #source: Inlet
  readonly #target: Inlet
  readonly #options: PipeOptions
  /** buffers whose chunks are being written, oldest first */
  readonly #lent: Buffer[] = []
  /** a chunk that waits for the observer's word; nothing behind it is read meanwhile */
  #held = false
  #ending = false

  constructor(from: Direction, source: Inlet, target: Inlet, options: PipeOptions) {
    this.#from = from
    this.#source = source
    this.#target = target
    this.#options = options
    source.onChunk = options.gate && from === 'frontend' ? this.showFirst : this.writeFirst
  }

  readonly writeFirst = (chunk: Buffer, loan: Buffer | undefined): boolean => {
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

  readonly showFirst = (chunk: Buffer, loan: Buffer | undefined): boolean => {
    const { observer, clock, counts, gate } = this.#options
    counts[this.#from] += chunk.length
    const ticket = observer.chunk(this.#from, chunk, clock.now())
    gate?.settle()
    if (ticket === GO || ticket.kind === 'refuse') return this.#write(chunk, loan)
    this.#held = true
    ticket.whenReady(() => {
      this.#held = false
      const more = this.#write(chunk, loan)
      if (this.#ending) this.#target.socket.end()
      else if (more) this.#source.resume()
    })
    return false
  }

  /** The source has sent its last byte: the target is told, behind all that it still has to be sent. */
  end(): void {
    this.#ending = true
    if (!this.#held) this.#target.socket.end()
  }

  /** The target takes bytes again. */
  drained(): void {
    if (!this.#held) this.#source.resume()
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
