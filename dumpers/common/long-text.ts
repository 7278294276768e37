import { createHash, type Hash } from 'node:crypto'
import type { QueryText } from '../../src/event.ts'
import type { Bytes } from '../../src/flow.ts'
import { makeText, type TextForm } from './query-text.ts'
import type { TextDecoding } from './text-decoding.ts'

/** Bytes of the last part of a text that is kept beside its first `maxQueryBytes`. */
export const TAIL_BYTES = 65_536

/**
 * Follows a text longer than what is kept: its length, its hash and its last bytes. A text of the dialect
 * that ends its texts by a NUL ends there, whatever follows.
 */
export class LongText {
  readonly head: Bytes
  readonly #hash: Hash
  #sha256: string | undefined
  readonly #nulEnded: boolean
  #length: number
  #ended: boolean
  /** ring of the last TAIL_BYTES */
  readonly #tail: Bytes = Buffer.allocUnsafeSlow(TAIL_BYTES)
  #tailAt = 0
  #tailHave = 0

  /** `head`: the text's first bytes, borrowed and copied; the text may end within them. */
  constructor(head: Bytes, nulEnded: boolean) {
    this.#nulEnded = nulEnded
    const nul = nulEnded ? head.indexOf(0) : -1
    this.#ended = nul >= 0
    this.head = Buffer.from(this.#ended ? head.subarray(0, nul) : head)
    this.#hash = createHash('sha256').update(this.head)
    this.#length = this.head.length
  }

  add(bytes: Bytes, start: number, end: number): void {
    if (this.#ended) return
    const nul = this.#nulEnded ? bytes.indexOf(0, start) : -1
    const stop = nul >= 0 && nul < end ? nul : end
    this.#ended = stop < end
    this.#hash.update(bytes.subarray(start, stop))
    this.#length += stop - start
    for (let at = Math.max(start, stop - TAIL_BYTES); at < stop; ) {
      const count = Math.min(stop - at, TAIL_BYTES - this.#tailAt)
      bytes.copy(this.#tail, this.#tailAt, at, at + count)
      this.#tailAt = (this.#tailAt + count) % TAIL_BYTES
      this.#tailHave = Math.min(TAIL_BYTES, this.#tailHave + count)
      at += count
    }
  }

  /** The text as it is kept; whole when it ended within its head. May be asked for again. */
  finish(decoding: TextDecoding, form: TextForm): QueryText {
    const { head } = this
    const isWhole = this.#length === head.length
    if (!isWhole) this.#sha256 ??= this.#hash.digest('hex')
    const truncated =
      this.#sha256 === undefined
        ? undefined
        : { bytes: this.#length, sha256: this.#sha256, tail: decoding.text(this.#lastBytes()) }
    return makeText(head, 0, head.length, decoding, form, truncated)
  }

  #lastBytes(): Bytes {
    const tail = this.#tail
    if (this.#tailHave < TAIL_BYTES) return tail.subarray(0, this.#tailHave)
    return Buffer.concat([tail.subarray(this.#tailAt), tail.subarray(0, this.#tailAt)])
  }
}
