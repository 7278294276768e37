import type { Bytes } from '../flow.ts'

/** Largest header of any dialect here, in bytes. */
const MAX_HEADER = 8
/** First allocation for a body that spans chunks; it grows with what has really arrived. */
const FIRST_KEEP = 4096

/** What is done with the frames of one direction. The framer calls these; none may throw. */
export interface FrameHandler {
  /**
   * A header was read. Answers how many of the body's first bytes to keep for {@link frame}; {@link SKIP}
   * when the body is of no interest and `frame` need not be called.
   */
  header(type: number, length: number): number
  /**
   * The body is complete: its kept bytes are `bytes[start … end)`, borrowed; `length` is the whole body's
   * length (longer than what was kept when it was cut).
   */
  frame(type: number, bytes: Bytes, start: number, end: number, length: number): void
  /**
   * Bytes of a body beyond what is kept of it (if anything is), `head` being the kept ones; called before
   * `frame`.
   */
  beyond(type: number, head: Bytes, bytes: Bytes, start: number, end: number): void
  /**
   * `count` frames of one type in a row, each of which `header` would have answered with {@link SKIP}, of
   * `bytes` body bytes together: called in its place.
   */
  run?(type: number, count: number, bytes: number): void
  /**
   * The header makes no sense: framing is lost, nothing more is framed. `left` bytes of this chunk were
   * not used.
   */
  lost(left: number): void
}

/** Answer of {@link FrameHandler.header}: step over the body without another call. */
export const SKIP = -1

/**
 * Room for `need` kept bytes of a body that spans chunks, the first `have` of which are in `kept`: it
 * grows by
 * doubling with what has arrived, never past `most`.
 */
export const grown = (kept: Bytes | undefined, have: number, need: number, most: number): Bytes => {
  if (kept !== undefined && kept.length >= need) return kept
  const room = Buffer.allocUnsafeSlow(Math.min(most, Math.max(need, FIRST_KEEP, (kept?.length ?? 0) * 2)))
  kept?.copy(room, 0, 0, have)
  return room
}

/**
 * Splits one direction into frames, whatever pieces its bytes arrive in. A frame that lies within one chunk
 * is handed on in place; of one that spans chunks the wanted bytes are copied, never more than have arrived.
 * Bodies that nobody wants cost an addition per chunk. A dialect says by {@link headerSize} and
 * {@link readHeader} what its headers look like, and may change that between two frames.
 */
export abstract class Framer {
  readonly #handler: FrameHandler
  /** bytes of the next header */
  protected headerSize = 4
  /** type of the frame at hand, set by readHeader */
  protected type = 0
  /** nothing is framed any more: `opaque` or `lost`; bytes are counted by the owner */
  stopped = false
  /** offset in the chunk at hand at which the frame at hand began; 0 where that is in an earlier one */
  began = 0

  readonly #header: Bytes = Buffer.allocUnsafeSlow(MAX_HEADER)
  #headerHave = 0
  /** body bytes that have yet to come; 0 between frames */
  #left = 0
  #length = 0
  #keep = SKIP
  #kept: Bytes | undefined
  #keptHave = 0

  constructor(handler: FrameHandler) {
    this.#handler = handler
  }

  /**
   * Reads the header at `bytes[at]`, sets `type`, answers the body's length or -1 when it makes no sense.
   */
  protected abstract readHeader(bytes: Bytes, at: number): number

  /**
   * Steps over frames of the type at hand that lie whole in the chunk from `at` on, if they may be told by
   * {@link FrameHandler.run}; answers the offset behind them.
   */
  protected skipRun(_handler: FrameHandler, _chunk: Bytes, at: number): number {
    return at
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
    const end = chunk.length
    let at = 0
    this.began = 0
    if (this.#left > 0) at = this.#body(chunk, 0)
    while (at < end && !this.stopped) {
      let bytes = chunk
      let header = at
      if (this.#headerHave === 0) this.began = at
      if (this.#headerHave > 0 || end - at < this.headerSize) {
        at = this.#collectHeader(chunk, at)
        if (this.#headerHave < this.headerSize) return at
        bytes = this.#header
        header = 0
        this.#headerHave = 0
      } else at += this.headerSize
      const length = this.readHeader(bytes, header)
      if (length < 0) {
        this.stopped = true
        this.#handler.lost(end - at)
        return at
      }
      const type = this.type
      const keep = this.#handler.header(type, length)
      if (end - at >= length && (keep >= length || keep <= 0)) {
        if (keep !== SKIP) this.#handler.frame(type, chunk, at, keep === 0 ? at : at + length, length)
        at += length
        if (keep === SKIP && this.#handler.run !== undefined) at = this.skipRun(this.#handler, chunk, at)
      } else {
        this.#open(length, keep)
        at = this.#body(chunk, at)
      }
    }
    return at
  }

  /**
   * Steps over `bytes` lost bytes if they lie within a body of which nothing is kept; false if framing, or a
   * part of what is kept or followed, is lost by it.
   */
  gap(bytes: number): boolean {
    if (this.#headerHave > 0 || this.#left === 0 || this.#left < bytes || this.#keep > 0) return false
    this.#left -= bytes
    if (this.#left === 0 && this.#keep === 0) {
      this.#handler.frame(this.type, this.#header, 0, 0, this.#length)
    }
    return true
  }

  #collectHeader(chunk: Bytes, at: number): number {
    const wanted = Math.min(this.headerSize - this.#headerHave, chunk.length - at)
    chunk.copy(this.#header, this.#headerHave, at, at + wanted)
    this.#headerHave += wanted
    return at + wanted
  }

  #open(length: number, keep: number): void {
    this.#length = length
    this.#left = length
    this.#keep = keep === SKIP ? SKIP : Math.min(keep, length)
    this.#keptHave = 0
  }

  /**
   * Takes what `chunk` has of the open body; calls `frame` at its end. Answers the offset behind what it
   * took.
   */
  #body(chunk: Bytes, start: number): number {
    let at = start
    const stop = Math.min(chunk.length, start + this.#left)
    if (this.#keep !== SKIP) {
      const wanted = Math.min(this.#keep - this.#keptHave, stop - at)
      if (wanted > 0) {
        this.#store(chunk, at, wanted)
        at += wanted
      }
      if (stop > at && this.#keep > 0) this.#handler.beyond(this.type, this.#head(), chunk, at, stop)
    }
    this.#left -= stop - start
    if (this.#left === 0 && this.#keep !== SKIP) {
      const head = this.#kept ?? chunk
      this.#kept = undefined
      this.#handler.frame(this.type, head, 0, this.#keptHave, this.#length)
    }
    return stop
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
