/**
 * Follows the packets of a log-in on both sides, from header to header, for one thing: a PROXY header of the
 * client's own. A MariaDB that takes headers from the proxy's address takes a client's too, before any
 * packet until the log-in is decided, and reads on behind it: what stands there would not be on record.
 */
import type { Bytes, Direction } from '../../src/flow.ts'

const HEADER = 4
const OK = 0x00
const ERR = 0xff
/** How PROXY headers begin, both versions. No packet of a log-in has such a length and sequence id. */
const PROXY_HEADERS: readonly number[] = ['PROX', '\r\n\r\n'].map((text) =>
  Buffer.from(text, 'latin1').readUInt32BE(0),
)

/** One direction: uint24 length, uint8 sequence id, so many bytes. */
class Packets {
  /** the header as it has come, read as one number */
  #header = 0
  #have = 0
  #left = 0

  /** Steps over the chunk; `meet` is told each header, and the first byte of each payload that has one. */
  walk(chunk: Bytes, meet: (header: number, first: number | undefined) => void): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#have === HEADER) {
        meet(this.#header, chunk[at])
        this.#have++
      }
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at)
        this.#left -= taken
        at += taken
        continue
      }
      if (this.#have >= HEADER) this.#have = 0
      this.#header = ((this.#header << 8) | (chunk[at++] as number)) >>> 0
      if (++this.#have === HEADER) this.#open(meet)
    }
  }

  #open(meet: (header: number, first: number | undefined) => void): void {
    const header = this.#header
    this.#left = (header >>> 24) | ((header >>> 8) & 0xff00) | ((header << 8) & 0xff_0000)
    meet(header, undefined)
    // of an empty payload there is no first byte
    if (this.#left === 0) this.#have = HEADER + 1
  }
}

export class LoginWatch {
  readonly #packets = { frontend: new Packets(), backend: new Packets() }
  /** the server has said yes or no */
  decided = false

  /** Answers false for a chunk in which a PROXY header begins: it must not reach the server. */
  passes(from: Direction, chunk: Bytes): boolean {
    let passes = true
    this.#packets[from].walk(chunk, (header, first) => {
      if (from === 'frontend') passes &&= first !== undefined || !PROXY_HEADERS.includes(header)
      else if (first === OK || first === ERR) this.decided = true
    })
    return passes
  }
}
