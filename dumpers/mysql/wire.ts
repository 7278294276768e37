/** One direction of the wire: packets as they are, or inside compressed ones. */
import type { Bytes } from '../../src/flow.ts'
import { CompressedFramer, type Compression } from '../../src/framing/compressed.ts'
import type { MysqlFramer } from '../../src/framing/mysql.ts'

export class Wire {
  #framer: MysqlFramer
  #compressed: CompressedFramer | undefined
  /** nothing is decoded any more */
  #stopped = false

  constructor(framer: MysqlFramer) {
    this.#framer = framer
  }

  get framer(): MysqlFramer {
    return this.#framer
  }

  /** Another reader of what follows; only between two payloads. */
  set framer(framer: MysqlFramer) {
    this.#framer = framer
    framer.stopped = this.#stopped
  }

  get stopped(): boolean {
    return this.#stopped
  }

  set stopped(stopped: boolean) {
    this.#stopped = stopped
    this.#framer.stopped = stopped
    if (this.#compressed !== undefined) this.#compressed.stopped = stopped
  }

  /** Stops behind the payload at hand, for what follows is something else. */
  set paused(paused: boolean) {
    this.#framer.stopped = paused || this.#stopped
  }

  /**
   * What follows is compressed; `lost` is called when it turns out not to be, `began` at each frame, with
   * whether a packet goes on in it.
   */
  compress(compression: Compression, lost: () => void, began?: (midPacket: boolean) => void): void {
    this.#compressed = new CompressedFramer(
      {
        plain: (bytes) => {
          this.#framer.feed(bytes)
        },
        gap: (bytes) => this.#framer.gap(bytes),
        began: () => began?.(this.#framer.midFrame),
        lost,
      },
      compression,
    )
  }

  /** Bytes of memory held for what is not complete. */
  get held(): number {
    return this.#framer.held + (this.#compressed?.held ?? 0)
  }

  /** Sequence ids of the last packet, and of the last frame that wraps packets; -1 before the first. */
  get lastSeq(): number {
    return this.#framer.lastSeq
  }

  get lastFrameSeq(): number | undefined {
    return this.#compressed?.lastSeq
  }

  /** Answers how many bytes were used: fewer than all when it was stopped or paused. */
  feed(chunk: Bytes): number {
    return this.#compressed === undefined ? this.#framer.feed(chunk) : this.#compressed.feed(chunk)
  }

  /** Steps over lost bytes within a payload that is kept: see {@link MysqlFramer.hole}. */
  hole(bytes: number): boolean {
    return this.#compressed === undefined && this.#framer.hole(bytes)
  }

  /** Is it within a packet, or a frame? */
  get midFrame(): boolean {
    return this.#framer.midFrame || this.#compressed?.midFrame === true
  }

  /** Is it within a packet, whatever frames it comes in? */
  get midPacket(): boolean {
    return this.#framer.midFrame
  }

  gap(bytes: number): boolean {
    return this.#compressed === undefined ? this.#framer.gap(bytes) : this.#compressed.gap(bytes)
  }
}
