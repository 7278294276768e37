import * as zlib from 'node:zlib'
import type { Bytes } from '../flow.ts'
import { grown } from './framer.ts'

/**
 * uint24 length of the frame's body, uint8 sequence id, uint24 length once inflated; 0: the body is plain.
 */
const HEADER = 7

/** How the bodies are compressed. */
export type Compression = 'zlib' | 'zstd'

interface InflateOptions {
  readonly maxOutputLength: number
  readonly params?: Readonly<Record<number, number>>
}
type Inflate = (body: Bytes, options: InflateOptions) => Bytes

// Node 22.15 and later
const zstd = (zlib as { readonly zstdDecompressSync?: Inflate }).zstdDecompressSync

/**
 * Zstandard's ZSTD_d_windowLogMax, and 2^24 for it: who compresses 16 MiB at most needs no larger window,
 * and a header that asks for one is not to cost its memory.
 */
const ZSTD_WINDOW = { 100: 24 }

/** Can this Node decode zstd? */
export const zstdAvailable = zstd !== undefined

/** What is done with what the frames of one direction hold. The framer calls these; none may throw. */
export interface PlainHandler {
  /** Bytes of the connection as they were before compression, borrowed: packets, and parts of packets. */
  plain(bytes: Bytes): void
  /** A frame begins: what `plain` gives is of another from here on. */
  began?(): void
  /** So many of them are lost; false if what follows cannot be told any more. */
  gap(bytes: number): boolean
  /** A body does not inflate: nothing more is framed. `left` bytes of this chunk were not used. */
  lost(left: number): void
}

/**
 * Takes the frames of a compressed MySQL connection apart, whatever pieces they arrive in; the packets in
 * them may lie across frames, or several in one. Plain bodies are handed on as they arrive; of compressed
 * ones no more is held than has arrived, and no more inflated than the header claims (16 MiB at most).
 *
 * As servers do (MariaDB 10.11 and MySQL 5.6 were asked): a body may inflate to less than was claimed,
 * never to more, and what follows the end of its deflate stream is ignored. The ids of frames are not
 * checked here. Servers check them, each command anew from 0, and answer 1156 to a wrong one before they
 * close; at the ids of the packets inside they do not look.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_compression.html}
 */
export class CompressedFramer {
  readonly #handler: PlainHandler
  readonly #inflate: Inflate
  /** nothing is framed any more; bytes are counted by the owner */
  stopped = false
  /** sequence id of the last frame whose header was read; -1 before the first */
  lastSeq = -1

  readonly #header: Bytes = Buffer.allocUnsafeSlow(HEADER)
  #headerHave = 0
  /** body bytes that have yet to come */
  #left = 0
  #length = 0
  /** what the body inflates to at most; 0: it is plain */
  #claimed = 0
  #kept: Bytes | undefined
  #keptHave = 0

  /** `zstd` where this Node has none: every compressed body is lost. */
  constructor(handler: PlainHandler, compression: Compression) {
    this.#handler = handler
    this.#inflate = compression === 'zlib' ? zlib.inflateSync : unzstd
  }

  /** Bytes of memory held for a frame that is not complete. */
  get held(): number {
    return this.#kept?.length ?? 0
  }

  /** True in the middle of a header or body. */
  get midFrame(): boolean {
    return this.#headerHave > 0 || this.#left > 0
  }

  /** Answers how many bytes were used: fewer than all only when `stopped` was set. */
  feed(chunk: Bytes): number {
    let at = 0
    while (at < chunk.length && !this.stopped) {
      at = this.#left > 0 ? this.#body(chunk, at) : this.#collectHeader(chunk, at)
    }
    return at
  }

  /**
   * Steps over `bytes` lost bytes if they lie within a plain body, and the packets in it allow for it;
   * false if framing is lost by it.
   */
  gap(bytes: number): boolean {
    if (this.#claimed > 0 || this.#left < bytes || !this.#handler.gap(bytes)) return false
    this.#left -= bytes
    return true
  }

  #collectHeader(chunk: Bytes, at: number): number {
    const wanted = Math.min(HEADER - this.#headerHave, chunk.length - at)
    chunk.copy(this.#header, this.#headerHave, at, at + wanted)
    this.#headerHave += wanted
    if (this.#headerHave === HEADER) this.#readHeader(chunk.length - at - wanted)
    return at + wanted
  }

  #readHeader(left: number): void {
    const header = this.#header
    this.#headerHave = 0
    this.#length = header.readUIntLE(0, 3)
    this.lastSeq = header[3] as number
    this.#claimed = header.readUIntLE(4, 3)
    this.#left = this.#length
    this.#keptHave = 0
    this.#handler.began?.()
    if (this.#length === 0 && this.#claimed > 0) this.#lose(left)
  }

  /** Takes what `chunk` has of the body at hand; answers the offset behind it. */
  #body(chunk: Bytes, at: number): number {
    const stop = Math.min(chunk.length, at + this.#left)
    this.#left -= stop - at
    if (this.#claimed === 0) this.#handler.plain(chunk.subarray(at, stop))
    else if (stop - at === this.#length) this.#open(chunk.subarray(at, stop), chunk.length - stop)
    else this.#collectBody(chunk, at, stop)
    return stop
  }

  #collectBody(chunk: Bytes, at: number, stop: number): void {
    const need = this.#keptHave + stop - at
    const kept = grown(this.#kept, this.#keptHave, need, this.#length)
    chunk.copy(kept, this.#keptHave, at, stop)
    this.#keptHave = need
    this.#kept = this.#left > 0 ? kept : undefined
    if (this.#left === 0) this.#open(kept.subarray(0, need), chunk.length - stop)
  }

  #open(body: Bytes, left: number): void {
    const plain = this.#inflated(body)
    if (plain === undefined) this.#lose(left)
    else if (plain.length > 0) this.#handler.plain(plain)
  }

  #inflated(body: Bytes): Bytes | undefined {
    try {
      return this.#inflate(body, { maxOutputLength: this.#claimed })
    } catch {
      return undefined
    }
  }

  #lose(left: number): void {
    this.stopped = true
    this.#handler.lost(left)
  }
}

const unzstd: Inflate = (body, { maxOutputLength }) => {
  if (zstd === undefined) throw new RangeError('zstd is not to be had')
  return zstd(body, { maxOutputLength, params: ZSTD_WINDOW })
}
