/**
 * What a client sends behind its log-in while that is undecided: answers to the server's questions, which
 * are secrets and are stepped over, then perhaps commands, which are kept until it is known whether they
 * run.
 */
import type { Bytes } from '../../src/flow.ts'

/** Most bytes that are kept. */
const MAX_HELD = 65_536
const HEADER = 4
const NOTHING: Bytes = Buffer.alloc(0)

export class EarlyBytes {
  /** bytes of an answer that have yet to come */
  #answer = 0
  #held: Bytes = NOTHING
  #have = 0
  #holding: boolean

  /** `answers`: packets of another sequence id than 0 come first, and are stepped over. */
  constructor(answers: boolean) {
    this.#holding = !answers
  }

  /** Bytes of memory. */
  get held(): number {
    return this.#have
  }

  /** Is an answer not complete yet? */
  get midAnswer(): boolean {
    return this.#answer > 0
  }

  /** Have all answers passed? */
  get holdsCommands(): boolean {
    return this.#holding
  }

  /** The bytes held, as they are by now. */
  get bytes(): Bytes {
    return this.#held.subarray(0, this.#have)
  }

  /** False when there is no room for them. */
  add(chunk: Bytes): boolean {
    let at = 0
    while (at < chunk.length && !this.#holding) {
      if (this.#answer > 0) {
        const step = Math.min(this.#answer, chunk.length - at)
        this.#answer -= step
        at += step
      } else {
        const step = Math.min(HEADER - this.#have, chunk.length - at)
        this.#keep(chunk, at, at + step)
        at += step
        if (this.#have === HEADER) this.#readHeader()
      }
    }
    if (this.#have + chunk.length - at > MAX_HELD) return false
    this.#keep(chunk, at, chunk.length)
    return true
  }

  /** Takes out what is held. */
  take(): Bytes {
    const { bytes } = this
    this.#held = NOTHING
    this.#have = 0
    return bytes
  }

  /** A command has the sequence id 0; so has the header of a compressed packet that begins with one. */
  #readHeader(): void {
    if (this.#held[3] === 0) this.#holding = true
    else {
      this.#answer = this.#held.readUIntLE(0, 3)
      this.#have = 0
    }
  }

  #keep(chunk: Bytes, start: number, end: number): void {
    const need = this.#have + end - start
    if (this.#held.length < need) {
      const grown = Buffer.allocUnsafeSlow(Math.max(need, 2 * this.#held.length))
      this.#held.copy(grown, 0, 0, this.#have)
      this.#held = grown
    }
    chunk.copy(this.#held, this.#have, start, end)
    this.#have = need
  }
}
