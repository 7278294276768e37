/** Both directions of a session's wire, and the bytes of each that no record describes. */
import type { Bytes, Direction } from '../../src/flow.ts'
import { MysqlFramer, type PayloadHandler } from '../../src/framing/mysql.ts'
import { compressionOf } from './capabilities.ts'
import type { FrontendPayloads } from './frontend.ts'
import type { ResumedWires } from './resume.ts'
import type { MysqlState } from './state.ts'
import { Wire } from './wire.ts'

/** What the wires are to be given. */
export interface WireUse {
  readonly state: MysqlState
  /** the client's log-in, and what follows it */
  readonly login: PayloadHandler
  readonly commands: FrontendPayloads
  readonly replies: PayloadHandler
  /** shows bytes to that side's framer */
  pass(side: Direction, chunk: Bytes): void
  /** a compressed frame of that side does not inflate */
  lost(side: Direction): void
}

export class Wires implements ResumedWires {
  readonly #use: WireUse
  frontend: Wire
  backend: Wire
  undecodedIn = 0
  undecodedOut = 0

  constructor(use: WireUse) {
    this.#use = use
    this.frontend = new Wire(new MysqlFramer(use.login))
    this.backend = new Wire(new MysqlFramer(use.replies))
  }

  of(side: Direction): Wire {
    return side === 'frontend' ? this.frontend : this.backend
  }

  /** Bytes of memory held for what is not complete. */
  get held(): number {
    return this.frontend.held + this.backend.held
  }

  get skipped(): number {
    return this.undecodedIn
  }

  get rows(): { rows: boolean } {
    return this.backend.framer
  }

  /** The log-in is over: what follows are commands, compressed if that was agreed. */
  beginCommands(): void {
    this.frontend.framer = new MysqlFramer(this.#use.commands)
    this.frontend.paused = false
    this.#compress('frontend')
    this.#compress('backend')
  }

  /** Neither direction can be decoded any more. */
  stopBoth(): void {
    this.frontend.stopped = true
    this.backend.stopped = true
  }

  stop(side: Direction): void {
    this.of(side).stopped = true
  }

  renew(side: Direction): void {
    const { commands, replies } = this.#use
    if (side === 'frontend') this.frontend = new Wire(new MysqlFramer(commands))
    else this.backend = new Wire(new MysqlFramer(replies))
    this.#compress(side)
  }

  midFrame(side: Direction): boolean {
    return this.of(side).midFrame
  }

  pass(side: Direction, chunk: Bytes): void {
    this.#use.pass(side, chunk)
  }

  skip(side: Direction, bytes: number): void {
    if (side === 'frontend') this.undecodedIn += bytes
    else this.undecodedOut += bytes
  }

  #compress(side: Direction): void {
    const { state, commands, lost } = this.#use
    const { capabilities } = state
    const compression = compressionOf(capabilities)
    if (compression === undefined) return
    state.compressed = true
    const began = (midPacket: boolean) => commands.began(midPacket)
    const isFrontend = side === 'frontend'
    this.of(side).compress(compression, () => lost(side), isFrontend ? began : undefined)
  }
}
