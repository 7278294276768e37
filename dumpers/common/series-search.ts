/** Looks for a place to go on behind lost bytes: chunks of a client that read as what a client sends. */
import type { Bytes } from '../../src/flow.ts'

/** Longest run of bytes that is looked at, and kept, before its last message or packet is complete. */
export const MAX_SERIES = 262_144

/**
 * What bytes look like: `whole` messages and nothing else; `partial`, whole ones and the beginning of
 * another; or `none`, nothing that a client that is logged in begins a chunk with.
 */
export type Series = 'whole' | 'partial' | 'none'

const NOTHING: Bytes = Buffer.alloc(0)

export class SeriesSearch {
  readonly #read: (bytes: Bytes) => Series
  readonly #skip: (bytes: number) => void
  #kept: Bytes = NOTHING

  /** `read` judges bytes from their first one on; `skip` counts those that are given up. */
  constructor(read: (bytes: Bytes) => Series, skip: (bytes: number) => void) {
    this.#read = read
    this.#skip = skip
  }

  /** bytes of memory held */
  get held(): number {
    return this.#kept.length
  }

  /** Does this chunk, or what came before together with it, read as a series? Answers that, borrowed. */
  look(chunk: Bytes): Bytes | undefined {
    let bytes = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk])
    let judged = this.#judge(bytes)
    if (judged === 'none' && this.#kept.length > 0) {
      this.drop()
      bytes = chunk
      judged = this.#judge(bytes)
    }
    if (judged === 'partial') {
      this.#kept = bytes === chunk ? Buffer.from(bytes) : bytes
      return undefined
    }
    this.#kept = NOTHING
    if (judged === 'whole') return bytes
    this.#skip(bytes.length)
    return undefined
  }

  /** Gives up what is kept. */
  drop(): void {
    if (this.#kept.length === 0) return
    this.#skip(this.#kept.length)
    this.#kept = NOTHING
  }

  #judge(bytes: Bytes): Series {
    return bytes.length > MAX_SERIES ? 'none' : this.#read(bytes)
  }
}
