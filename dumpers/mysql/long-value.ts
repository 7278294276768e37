/** A value that is followed as it passes: its first bytes, its length and its hash. */
import { createHash, type Hash } from 'node:crypto'
import type { Bytes } from '../../src/flow.ts'

/** Room for a first piece: long data comes in pieces of some kilobytes. */
const FIRST_ROOM = 1024

export class LongValue {
  readonly #max: number
  #head: Bytes = EMPTY
  #headBytes = 0
  #hash: Hash | undefined
  #sha256: string | undefined
  /** bytes that came, kept or not */
  length = 0

  /** `max`: bytes of it that are kept. */
  constructor(max: number) {
    this.#max = max
  }

  /** its first bytes */
  get head(): Bytes {
    return this.#head.subarray(0, this.#headBytes)
  }

  /**
   * Bytes of `bytes[start … end)`, borrowed, of which no more than `room` are kept; answers how many more
   * are held now.
   */
  add(bytes: Bytes, start: number, end: number, room = Number.POSITIVE_INFINITY): number {
    if (end <= start) return 0
    const isCut = this.#hash !== undefined
    const keep = isCut ? 0 : Math.min(end - start, this.#max - this.#headBytes, room)
    if (!isCut && keep < end - start) this.#hash = createHash('sha256').update(this.head)
    this.#hash?.update(bytes.subarray(start, end))
    this.length += end - start
    if (keep <= 0) return 0
    this.#grow(this.#headBytes + keep)
    this.#headBytes += bytes.copy(this.#head, this.#headBytes, start, start + keep)
    return keep
  }

  /** SHA-256 of the whole, when more came than is kept. */
  get sha256(): string | undefined {
    return this.#sha256 ?? this.#hash?.copy().digest('hex')
  }

  /** No more will come: a hash that goes on costs ten times what its result does. */
  close(): void {
    this.#sha256 = this.#hash?.digest('hex')
    this.#hash = undefined
  }

  #grow(wanted: number): void {
    if (wanted <= this.#head.length) return
    const room = Math.min(this.#max, Math.max(wanted, 2 * this.#head.length, FIRST_ROOM))
    const grown = Buffer.allocUnsafeSlow(room)
    this.#head.copy(grown, 0, 0, this.#headBytes)
    this.#head = grown
  }
}

const EMPTY: Bytes = Buffer.alloc(0)
