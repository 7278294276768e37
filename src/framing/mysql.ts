import type { Bytes } from '../flow.ts'
import { grown, SKIP } from './framer.ts'

/** Bytes of a packet's header: uint24 length, uint8 sequence id. */
const HEADER = 4
/** A packet of this length is continued by the next one, which may be empty. */
const WHOLE = 0xff_ffff
/** A payload of a result set that begins with this byte or 0xff may be something else than a row. */
const FIRST_OTHER = 0xfe

/** What is done with the payloads of one direction. The framer calls these; none may throw. */
export interface PayloadHandler {
  /**
   * A payload begins: the sequence id and length of its first packet, and its first byte, -1 when it is
   * empty. Answers how many of its first bytes to keep for {@link frame}; {@link SKIP} when it is of no
   * interest and `frame` need not be called.
   */
  header(seq: number, first: number, length: number): number
  /**
   * A payload is complete, all its packets joined: its kept bytes are `bytes[start … end)`, borrowed;
   * `length` is the whole payload's (longer than what was kept when it was cut); `seq` is its first
   * packet's.
   */
  frame(seq: number, first: number, bytes: Bytes, start: number, end: number, length: number): void
  /**
   * Bytes of a payload beyond what is kept of it (if anything is), `head` being the kept ones; called
   * before `frame`.
   */
  beyond(head: Bytes, bytes: Bytes, start: number, end: number): void
  /** So many bytes of the payload at hand are lost: see {@link MysqlFramer.hole}. */
  holed?(bytes: number): void
  /**
   * While {@link MysqlFramer.rows} is set: `count` payloads in a row, of `bytes` bytes together, that can
   * only be rows: not empty, of one packet each, not beginning with 0xfe or 0xff. Called in place of
   * `header` and `frame`; a row that lies across two chunks is told by those.
   */
  run?(count: number, bytes: number): void
}

/**
 * Splits one direction of a MySQL conversation into payloads, whatever pieces its bytes arrive in, and
 * joins those that are sent in several packets. No header is senseless, so framing is lost by a {@link gap}
 * alone. A payload that lies within one chunk is handed on in place; of one that spans chunks or packets
 * the wanted bytes are copied, never more than have arrived.
 *
 * Sequence ids are told, not checked: what they mean is the session's matter. Servers (MariaDB 10.11 and
 * MySQL 5.6 were asked) answer 1156 "packets out of order" and close when a command, or the next packet of
 * a payload, has not the id that they expect (0; one more). Inside a compressed connection they look at no
 * packet's id, and their answers to commands that came in one frame have any.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html}
 */
export class MysqlFramer {
  readonly #handler: PayloadHandler
  /** rows of a result set are to come: see {@link PayloadHandler.run} */
  rows = false
  /** nothing is framed any more; bytes are counted by the owner */
  stopped = false
  /** sequence id of the last packet whose header was read; -1 before the first */
  lastSeq = -1

  readonly #header: Bytes = Buffer.allocUnsafeSlow(HEADER)
  #headerHave = 0
  /** a header was read, and the payload's first byte has yet to come */
  #headed = false
  /** bytes of the packet at hand that have yet to come */
  #left = 0
  /** the packet at hand is continued by the next */
  #more = false
  /** the payload at hand: its first packet's id, first byte, bytes told by headers, what is kept */
  #open = false
  #seq = 0
  #first = -1
  #length = 0
  #keep = SKIP
  #kept: Bytes | undefined
  #keptHave = 0

  constructor(handler: PayloadHandler) {
    this.#handler = handler
  }

  /** Bytes of memory held for a payload that is not complete. */
  get held(): number {
    return this.#kept?.length ?? 0
  }

  /** True in the middle of a header or payload. */
  get midFrame(): boolean {
    return this.#open || this.#headerHave > 0
  }

  /** Answers how many bytes were used: fewer than all only when `stopped` was set. */
  feed(chunk: Bytes): number {
    const end = chunk.length
    let at = 0
    while (at < end && !this.stopped) {
      if (this.#left > 0 && !this.#headed) at = this.#body(chunk, at)
      else if (this.#headed) at = this.#begin(chunk, at)
      else if (this.#headerHave > 0 || end - at < HEADER) at = this.#collectHeader(chunk, at)
      else {
        if (this.rows && !this.#open) at = this.#run(chunk, at)
        if (this.stopped || end - at < HEADER) continue
        this.#readHeader(chunk, at)
        at += HEADER
      }
    }
    return at
  }

  /**
   * Steps over `bytes` lost bytes if they lie within a packet of a payload of which nothing is kept; false
   * if framing, or a part of what is kept or followed, is lost by it.
   */
  gap(bytes: number): boolean {
    if (this.#headed || this.#left === 0 || this.#left < bytes || this.#keep > 0) return false
    this.#left -= bytes
    if (this.#left === 0) this.#packetEnded(this.#header)
    return true
  }

  /**
   * Steps over `bytes` lost bytes within a packet of a payload that is kept or followed: nothing behind them
   * is kept of it, though it is told as having come beyond. False if framing is lost, or the first byte.
   */
  hole(bytes: number): boolean {
    if (!this.#open || this.#headed || this.#left === 0 || this.#left < bytes) return false
    this.#handler.holed?.(bytes)
    this.#keep = this.#keptHave
    this.#left -= bytes
    if (this.#left === 0) this.#packetEnded(this.#header)
    return true
  }

  /** Steps over rows that lie whole in the chunk: a header and a byte are looked at, and no more. */
  #run(chunk: Bytes, start: number): number {
    const handler = this.#handler
    if (handler.run === undefined) return start
    const last = chunk.length - HEADER
    let at = start
    let count = 0
    let before = start
    while (at < last) {
      const length =
        (chunk[at] as number) | ((chunk[at + 1] as number) << 8) | ((chunk[at + 2] as number) << 16)
      if (length > last - at || length === 0 || length === WHOLE) break
      if ((chunk[at + HEADER] as number) >= FIRST_OTHER) break
      before = at
      at += HEADER + length
      count++
    }
    if (count === 0) return start
    this.lastSeq = chunk[before + 3] as number
    handler.run(count, at - start - count * HEADER)
    return at
  }

  #collectHeader(chunk: Bytes, at: number): number {
    const wanted = Math.min(HEADER - this.#headerHave, chunk.length - at)
    chunk.copy(this.#header, this.#headerHave, at, at + wanted)
    this.#headerHave += wanted
    if (this.#headerHave === HEADER) {
      this.#headerHave = 0
      this.#readHeader(this.#header, 0)
    }
    return at + wanted
  }

  /** A packet begins: the next of the payload at hand, or the first of another. */
  #readHeader(bytes: Bytes, at: number): void {
    const length =
      (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16)
    const seq = bytes[at + 3] as number
    this.lastSeq = seq
    this.#left = length
    this.#more = length === WHOLE
    if (this.#open) {
      this.#length += length
      if (length === 0) this.#packetEnded(bytes)
      return
    }
    this.#open = true
    this.#seq = seq
    this.#length = length
    this.#first = -1
    this.#headed = length > 0
    if (length === 0) this.#empty()
  }

  #empty(): void {
    const keep = this.#handler.header(this.#seq, -1, 0)
    this.#open = false
    if (keep !== SKIP) this.#handler.frame(this.#seq, -1, this.#header, 0, 0, 0)
  }

  /**
   * The first byte of a payload is there: asks what to keep, and hands the payload on if it is there whole.
   */
  #begin(chunk: Bytes, at: number): number {
    const handler = this.#handler
    const first = chunk[at] as number
    const length = this.#left
    const seq = this.#seq
    this.#headed = false
    this.#first = first
    const keep = handler.header(seq, first, length)
    if (!this.#more && chunk.length - at >= length && (keep >= length || keep <= 0)) {
      this.#left = 0
      this.#open = false
      if (keep !== SKIP) handler.frame(seq, first, chunk, at, keep === 0 ? at : at + length, length)
      return at + length
    }
    this.#keep = this.#more ? keep : Math.min(keep, length)
    this.#keptHave = 0
    return this.#body(chunk, at)
  }

  /** Takes what `chunk` has of the packet at hand; answers the offset behind what it took. */
  #body(chunk: Bytes, start: number): number {
    let at = start
    const stop = Math.min(chunk.length, start + this.#left)
    if (this.#keep > 0) {
      const wanted = Math.min(this.#keep - this.#keptHave, stop - at)
      if (wanted > 0) {
        this.#store(chunk, at, wanted)
        at += wanted
      }
      if (stop > at) this.#handler.beyond(this.#head(), chunk, at, stop)
    }
    this.#left -= stop - start
    if (this.#left === 0) this.#packetEnded(chunk)
    return stop
  }

  #packetEnded(chunk: Bytes): void {
    if (this.#more) return
    const head = this.#kept ?? chunk
    this.#kept = undefined
    this.#open = false
    if (this.#keep === SKIP) return
    this.#handler.frame(this.#seq, this.#first, head, 0, this.#keptHave, this.#length)
  }

  #head(): Bytes {
    return (this.#kept ?? this.#header).subarray(0, this.#keptHave)
  }

  #store(chunk: Bytes, at: number, wanted: number): void {
    const need = this.#keptHave + wanted
    this.#kept = grown(this.#kept, this.#keptHave, need, this.#keep)
    chunk.copy(this.#kept, this.#keptHave, at, at + wanted)
    this.#keptHave = need
  }
}
