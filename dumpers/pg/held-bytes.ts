/** Bytes of a client that are kept undecoded while the answer to an SSL or GSS request is awaited. */
import type { Bytes } from '../../src/flow.ts'

const MAX_HELD = 65_536
const NOTHING: Bytes = Buffer.alloc(0)

/** One buffer that grows with what has come. */
export class HeldBytes {
  #bytes: Bytes = NOTHING
  #length = 0

  get length(): number {
    return this.#length
  }

  /** False when it would be more than is kept. */
  add(chunk: Bytes): boolean {
    const need = this.#length + chunk.length
    if (need > MAX_HELD) return false
    if (this.#bytes.length < need) {
      const grown = Buffer.allocUnsafeSlow(Math.max(need, Math.min(MAX_HELD, 2 * this.#bytes.length)))
      this.#bytes.copy(grown, 0, 0, this.#length)
      this.#bytes = grown
    }
    chunk.copy(this.#bytes, this.#length)
    this.#length = need
    return true
  }

  take(): Bytes {
    const taken = this.#bytes.subarray(0, this.#length)
    this.#bytes = NOTHING
    this.#length = 0
    return taken
  }
}
