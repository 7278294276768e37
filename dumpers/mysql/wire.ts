/** One direction of the wire: packets as they are, or inside compressed ones. */
import type { Bytes } from '../../src/flow.ts'
import type { MysqlFramer } from '../../src/framing/mysql.ts'

export class Wire {
  #framer: MysqlFramer
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
  }

  /** Stops behind the payload at hand, for what follows is something else. */
  set paused(paused: boolean) {
    this.#framer.stopped = paused || this.#stopped
  }

  /** Bytes of memory held for what is not complete. */
  get held(): number {
    return this.#framer.held
  }

  /** Answers how many bytes were used: fewer than all when it was stopped or paused. */
  feed(chunk: Bytes): number {
    return this.#framer.feed(chunk)
  }

  gap(bytes: number): boolean {
    return this.#framer.gap(bytes)
  }
}
