/** Values of literals, put together with the way back into the text. */
import type { Span } from './lexer.ts'

/** A literal's value, and where in the text each of its characters was written. */
export interface Literal {
  readonly value: string
  /** Offset in the text of the span of `value`; what stands for one character is never cut. */
  source(start: number, end: number): Span
}

/** A value that is written as it is, from offset `base` on. */
export const identity = (value: string, base: number): Literal => ({
  value,
  source: (start, end) => ({ start: base + start, end: base + end }),
})

/** Collects a value together with the origin of each of its UTF-16 units. */
export class Builder {
  readonly #starts: Uint32Array
  readonly #ends: Uint32Array
  #parts = ''
  #bytes: number[] = []
  #bytesFrom = 0
  #bytesTo = 0

  constructor(room: number) {
    this.#starts = new Uint32Array(room)
    this.#ends = new Uint32Array(room)
  }

  add(unit: string, start: number, end: number): void {
    this.#flush()
    this.#put(unit, start, end)
  }

  /** Units that stand for themselves, written from `start` on. */
  addRun(units: string, start: number): void {
    this.#flush()
    const at = this.#parts.length
    for (let unit = 0; unit < units.length; unit++) {
      this.#starts[at + unit] = start + unit
      this.#ends[at + unit] = start + unit + 1
    }
    this.#parts += units
  }

  /** A byte of a character that is written byte by byte. */
  addByte(byte: number, start: number, end: number): void {
    if (this.#bytes.length === 0) this.#bytesFrom = start
    this.#bytes.push(byte)
    this.#bytesTo = end
  }

  finish(): Literal {
    this.#flush()
    const starts = this.#starts
    const ends = this.#ends
    return {
      value: this.#parts,
      source: (start, end) =>
        start < end ? { start: starts[start]!, end: ends[end - 1]! } : { start: 0, end: 0 },
    }
  }

  #put(units: string, start: number, end: number): void {
    const at = this.#parts.length
    this.#starts.fill(start, at, at + units.length)
    this.#ends.fill(end, at, at + units.length)
    this.#parts += units
  }

  #flush(): void {
    if (this.#bytes.length === 0) return
    const units = Buffer.from(this.#bytes).toString('utf8')
    this.#bytes = []
    this.#put(units, this.#bytesFrom, this.#bytesTo)
  }
}
