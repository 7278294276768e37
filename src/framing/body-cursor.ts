import { ProtocolError } from '../errors.ts'
import type { Bytes } from '../flow.ts'
import { shortAscii } from './short-strings.ts'

/** Names up to this length are read byte by byte, which is cheaper than a call into the runtime. */
const SHORT_NAME = 24

/**
 * Bounds-checked reader over one body: the one place that checks bounds. It sees that body only, so a wrong
 * inner length cannot read the next message. What a dialect's numbers look like is its subclass's matter.
 *
 * Reused from body to body by {@link BodyCursor.reset}; what a method returns as bytes is a borrowed view.
 * Every method throws {@link ProtocolError} when the body ends too early.
 */
export abstract class BodyCursor {
  protected chunk: Bytes
  protected start: number
  protected end: number
  /** position in the underlying chunk */
  at: number

  constructor(bytes: Bytes = EMPTY, start = 0, end = bytes.length) {
    this.chunk = bytes
    this.start = start
    this.end = end
    this.at = start
  }

  reset(bytes: Bytes, start: number, end: number): this {
    this.chunk = bytes
    this.start = start
    this.end = end
    this.at = start
    return this
  }

  /** bytes not yet read */
  get left(): number {
    return this.end - this.at
  }

  /** Steps over `count` bytes that are there; answers where they begin. */
  protected take(count: number): number {
    const at = this.at
    if (count < 0 || count > this.end - at) throw this.short(count)
    this.at = at + count
    return at
  }

  /** The error for `wanted` bytes that are not there. */
  short(wanted: number): ProtocolError {
    const offset = this.at - this.start
    return new ProtocolError('short', `${wanted} bytes wanted at ${offset}, ${this.left} left`, offset)
  }

  invalid(what: string): ProtocolError {
    const offset = this.at - this.start
    return new ProtocolError('invalid', `${what} at ${offset}`, offset)
  }

  uint8(): number {
    return this.chunk[this.take(1)] as number
  }

  /** A borrowed view of `count` bytes. */
  bytes(count: number): Bytes {
    const at = this.take(count)
    return this.chunk.subarray(at, at + count)
  }

  /** Offset of the next NUL, or throws: a string must end within its body. */
  #nul(): number {
    const bytes = this.chunk
    const end = this.end
    const near = Math.min(this.at + SHORT_NAME, end)
    for (let i = this.at; i < near; i++) if (bytes[i] === 0) return i
    const found = near < end ? bytes.indexOf(0, near) : -1
    if (found < 0 || found >= end) throw this.invalid('string without its NUL')
    return found
  }

  /** Reads up to and with the next NUL; answers the NUL's offset in the underlying chunk. */
  cend(): number {
    const nul = this.#nul()
    this.at = nul + 1
    return nul
  }

  /** Bytes up to the next NUL, borrowed; the NUL is read too. */
  cbytes(): Bytes {
    const at = this.at
    return this.chunk.subarray(at, this.cend())
  }

  /** A NUL-terminated name, as UTF-8. For texts in the client's encoding use {@link cbytes}. */
  cstring(): string {
    const at = this.at
    const nul = this.cend()
    if (nul === at) return ''
    return shortAscii(this.chunk, at, nul) ?? this.chunk.toString('utf8', at, nul)
  }

  skip(count: number): void {
    this.take(count)
  }

  /** A borrowed view of all that is left. */
  rest(): Bytes {
    return this.bytes(this.left)
  }

  /** Leftover bytes are an error. */
  finish(): void {
    if (this.left !== 0) {
      const offset = this.at - this.start
      throw new ProtocolError('overlong', `${this.left} bytes left over at ${offset}`, offset)
    }
  }
}

const EMPTY: Bytes = Buffer.alloc(0)
