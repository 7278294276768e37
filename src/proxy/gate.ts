/**
 * The frontend's way to the server where nothing may be executed before it is on record (guarantees
 * `written` and `synced`):
 *
 *   read ──end of the turn──▶ shown ──its ticket: go, or ready by now──▶ sent
 *                               └─────its ticket: wait──▶ held ──ready──▶ sent
 *
 * While a chunk is held those behind it are neither shown nor sent, and no more is read than fits. Backend
 * bytes have a lane of their own ({@link Lane}) and never wait.
 */
import {
  type Bytes,
  type Direction,
  type FlowObserver,
  GO,
  type Micros,
  type Refusal,
  type Ticket,
  type Wait,
} from '../flow.ts'
import type { Clock } from './clock.ts'
import { MOST_BYTES as MOST_GATHERED } from './gather.ts'
import { giveBack, HIGH_WATER, type Inlet, writeOff } from './inlet.ts'
import type { Counts } from './pipe.ts'
import type { Due, Turn } from './turn.ts'

/** Past either the client is not read until something was sent: bytes, and chunks, on their way. */
const MOST_BYTES = HIGH_WATER
const MOST_CHUNKS = 64

/** What a lane tells of itself. */
export interface Keeper {
  /** the next chunk waits, mostly for the log, and did not get its word in its own turn */
  held(wait: Wait): void
  /** it does not wait any longer: it was sent, or dropped */
  released(): void
  /** the observer wants the session ended */
  refused(refusal: Refusal): void
}

export interface GateOptions {
  readonly observer: FlowObserver
  readonly clock: Clock
  readonly counts: Counts
  readonly turn: Turn
  readonly keeper: Keeper
}

/** A chunk on its way. */
interface Passing {
  readonly chunk: Bytes
  readonly loan: Buffer | undefined
  readonly at: Micros
  /** undefined until it was shown */
  ticket: Ticket | undefined
  /** so many bytes of it were sent already, which nobody had to wait with */
  sent: number
}

/** The way of one connection's frontend bytes: in its dialogue, when it has no server yet, and after it. */
export class GatedLane implements Due {
  isDue = false
  readonly #source: Inlet
  readonly #options: GateOptions
  #target: Inlet | undefined
  /** oldest first: shown ones, then ones that are about to be, then ones that must not be yet */
  #passing: Passing[] = []
  #shown = 0
  #offered = 0
  #bytes = 0
  /** buffers whose chunks are being written, oldest first */
  readonly #lent: Buffer[] = []
  /** something was sent of which the observer was not told */
  #isUntold = false
  #isHeld = false
  #isAsking = false
  #isReady = false
  /** the server does not take more now */
  #isChoked = false
  #isStopped = false
  #isEnding = false
  /** nothing is sent any more; it is only shown */
  #isDropped = false
  /** nor is it shown */
  #isShut = false

  constructor(source: Inlet, options: GateOptions) {
    this.#source = source
    this.#options = options
  }

  /** Is as much on its way as may be? Then the client is not to be read. */
  get isFull(): boolean {
    return this.#isChoked || this.#bytes >= MOST_BYTES || this.#passing.length >= MOST_CHUNKS
  }

  /** A chunk of the client's, read from its socket. */
  readonly take = (chunk: Bytes, loan: Buffer | undefined): boolean => {
    this.#options.counts.frontend += chunk.length
    this.forward(chunk, loan)
    return !this.#isStopped
  }

  /** Bytes that are the server's to have; they stay as they are until the loan, if there is one, is back. */
  forward(chunk: Bytes, loan: Buffer | undefined): void {
    const at = this.#options.clock.now()
    if (this.#isDropped) {
      if (!this.#isShut) this.#showAlone(chunk, at)
      if (loan) giveBack(loan)
      return
    }
    const passing: Passing = { chunk, loan, at, ticket: undefined, sent: 0 }
    this.#passing.push(passing)
    this.#bytes += chunk.length
    // Behind others that are still to be offered it is offered with them.
    if (!this.#isHeld && this.#offered === this.#passing.length - 1) this.#offer(passing)
    if (this.isFull) this.#isStopped = true
  }

  /** The server is reached. */
  open(target: Inlet): void {
    this.#target = target
    this.pump(this.#options.clock.now())
  }

  /** The source has sent its last byte: the server is told, behind all that it still has to be sent. */
  end(): void {
    this.#isEnding = true
    if (this.#passing.length === 0) this.#target?.socket.end()
  }

  /** The server takes bytes again. */
  drained(): void {
    this.#isChoked = false
    this.#goOn()
  }

  /** Is shown what it has offered, in the order in which it was offered. */
  chunk(from: Direction, chunk: Bytes, at: Micros): Ticket {
    const passing = this.#passing[this.#shown++] as Passing
    const ticket = this.#options.observer.chunk(from, chunk, at)
    passing.ticket = ticket
    return ticket
  }

  offer(): void {
    if (this.#isHeld) return
    while (this.#offered < this.#passing.length) this.#offer(this.#passing[this.#offered] as Passing)
  }

  pump(at: Micros, isAmid = false): void {
    if (this.#isHeld || this.#isDropped) return
    const stop = this.#sendShown()
    if (this.#isUntold) this.#tellSent(at)
    if (stop === 'stuck') return
    if (stop !== undefined) {
      // Not now: this may be a call amid the log's work, or amid the showing of chunks.
      if (isAmid) this.#options.turn.await(this)
      else this.#options.keeper.refused(stop)
      return
    }
    // nor this
    if (this.#offered < this.#passing.length) this.#options.turn.await(this)
    if (this.#isEnding && this.#passing.length === 0) this.#target?.socket.end()
    else this.#goOn()
  }

  /** Sends what was shown, up to what has to wait; answers what it stopped at. */
  #sendShown(): Refusal | 'stuck' | undefined {
    const target = this.#target
    for (let next = this.#passing[0]; next?.ticket !== undefined; next = this.#passing[0]) {
      const { ticket } = next
      if (ticket !== GO && ticket.kind === 'refuse') return ticket
      if (target === undefined) return 'stuck'
      if (ticket !== GO && !this.#asks(ticket)) {
        this.#hold(next, ticket, target)
        return 'stuck'
      }
      this.#send(next, target)
    }
    return undefined
  }

  /** Of what the observer was shown, that is; the rest of that waits. */
  #tellSent(at: Micros): void {
    this.#isUntold = false
    let unsent = 0
    for (let i = 0; i < this.#shown; i++) {
      const { chunk, sent } = this.#passing[i] as Passing
      unsent += chunk.length - sent
    }
    this.#options.observer.sent?.(at, unsent)
  }

  /** What was not sent by now never is. Answers what that was. */
  drop(): readonly Bytes[] {
    if (this.#isDropped) return []
    const dropped = this.#passing
    this.#options.turn.gather.show()
    for (const { chunk, at } of dropped.slice(this.#offered)) this.#showAlone(chunk, at)
    this.#isDropped = true
    for (const { loan, sent } of dropped) {
      if (loan === undefined) continue
      if (sent === 0) giveBack(loan)
      else writeOff(1)
    }
    this.#passing = []
    this.#bytes = 0
    if (this.#isHeld) this.#options.keeper.released()
    this.#isHeld = false
    this.#isChoked = false
    if (this.#isEnding) this.#target?.socket.end()
    else this.#goOn()
    return dropped.map(({ chunk, sent }) => chunk.subarray(sent))
  }

  /** As {@link drop}; what comes from now on is not even shown. */
  shut(): void {
    this.drop()
    this.#isShut = true
  }

  /** Both sockets are closed. What was not written by now may be looked at by a late callback still. */
  close(): void {
    this.drop()
    writeOff(this.#lent.length)
    this.#lent.length = 0
  }

  #offer(passing: Passing): void {
    const { turn } = this.#options
    this.#offered++
    // Longer ones are shown when they are read: most wait for nothing.
    if (passing.loan === undefined && passing.chunk.length <= MOST_GATHERED) {
      turn.gather.add(this, 'frontend', passing.chunk, passing.at)
    } else {
      turn.gather.show()
      this.chunk('frontend', passing.chunk, passing.at)
      if (passing.ticket === GO && passing === this.#passing[0] && this.#target !== undefined) {
        this.#send(passing, this.#target)
        this.#isUntold = false
        this.#options.observer.sent?.(passing.at)
        return
      }
    }
    turn.await(this)
  }

  #showAlone(chunk: Bytes, at: Micros): void {
    this.#options.turn.gather.show()
    this.#options.observer.chunk('frontend', chunk, at)
  }

  /** May it go on? Otherwise it is called back later. */
  #asks(ticket: Wait): boolean {
    this.#isReady = false
    this.#isAsking = true
    ticket.whenReady(this.#ready)
    this.#isAsking = false
    return this.#isReady
  }

  readonly #ready = (): void => {
    if (this.#isAsking) {
      this.#isReady = true
      return
    }
    const next = this.#passing[0]
    if (!this.#isHeld || next === undefined) return
    this.#isHeld = false
    next.ticket = GO
    this.#options.keeper.released()
    this.pump(this.#options.clock.now(), true)
  }

  #hold(next: Passing, wait: Wait, target: Inlet): void {
    const upTo = Math.min(wait.from, next.chunk.length)
    if (upTo > 0) {
      next.sent = upTo
      this.#isUntold = true
      this.#wrote(target.socket.write(next.chunk.subarray(0, upTo)))
    }
    this.#isHeld = true
    this.#options.keeper.held(wait)
  }

  #send(next: Passing, target: Inlet): void {
    const { chunk, loan, sent } = next
    this.#passing.shift()
    this.#shown--
    this.#offered--
    this.#bytes -= chunk.length
    this.#isUntold = true
    const rest = sent === 0 ? chunk : chunk.subarray(sent)
    if (loan === undefined) this.#wrote(target.socket.write(rest))
    else {
      this.#lent.push(loan)
      this.#wrote(target.socket.write(rest, this.#written))
    }
  }

  #wrote(more: boolean): void {
    if (more) return
    this.#isChoked = true
    this.#isStopped = true
    this.#source.socket.pause()
  }

  readonly #written = (): void => {
    const loan = this.#lent.shift()
    if (loan) giveBack(loan)
  }

  #goOn(): void {
    if (!this.#isStopped || this.isFull) return
    this.#isStopped = false
    this.#source.resume()
  }
}
