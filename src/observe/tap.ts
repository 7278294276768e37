/** The seam between traffic and observation: whatever an observer does, the traffic never learns of it. */
import {
  type Bytes,
  type Direction,
  type FlowEnd,
  type FlowFacts,
  type FlowObserver,
  GO,
  type Micros,
  type OpenFlow,
  type Refusal,
  type Ticket,
} from '../flow.ts'

export interface TapOptions {
  /** an observer threw and is not asked again; called once per flow */
  onError(error: unknown, facts: FlowFacts): void
  /** who observes the rest of that flow, in a way that cannot fail; nobody, unless told */
  onDetached?(facts: FlowFacts, at: Micros): FlowObserver | undefined
  /** what becomes of the frontend chunk at which an observer threw; `GO` unless told */
  readonly ticketOnError?: Ticket | undefined
}

const ignore = (): void => {}
const NOBODY: FlowObserver = {
  dialled: ignore,
  secured: ignore,
  chunk: () => GO,
  gap: ignore,
  closed: ignore,
}

class Tap implements FlowObserver {
  readonly #options: TapOptions
  #facts: FlowFacts
  #inner: FlowObserver
  #detached = false

  constructor(open: OpenFlow, options: TapOptions, facts: FlowFacts, at: Micros) {
    this.#options = options
    this.#facts = facts
    try {
      this.#inner = open(facts, at)
    } catch (error) {
      this.#inner = NOBODY
      this.#detach(error, at)
    }
  }

  get loggedIn(): boolean | undefined {
    try {
      return this.#inner.loggedIn
    } catch {
      return undefined
    }
  }

  dialled(facts: FlowFacts, at: Micros): void {
    this.#facts = facts
    try {
      this.#inner.dialled(facts, at)
    } catch (error) {
      this.#detach(error, at)
    }
  }

  secured(side: Direction, tlsVersion: string, at: Micros): void {
    try {
      this.#inner.secured(side, tlsVersion, at)
    } catch (error) {
      this.#detach(error, at)
    }
  }

  chunk(from: Direction, chunk: Bytes, at: Micros): Ticket {
    try {
      return this.#inner.chunk(from, chunk, at)
    } catch (error) {
      this.#detach(error, at)
      return from === 'frontend' ? (this.#options.ticketOnError ?? GO) : GO
    }
  }

  sent(at: Micros, unsent = 0): void {
    try {
      this.#inner.sent?.(at, unsent)
    } catch (error) {
      this.#detach(error, at)
    }
  }

  refusal(refusal: Refusal): Bytes | undefined {
    try {
      return this.#inner.refusal?.(refusal)
    } catch {
      return undefined
    }
  }

  midStream(at: Micros): void {
    try {
      this.#inner.midStream?.(at)
    } catch (error) {
      this.#detach(error, at)
    }
  }

  gap(from: Direction, bytes: number, at: Micros): void {
    try {
      this.#inner.gap(from, bytes, at)
    } catch (error) {
      this.#detach(error, at)
    }
  }

  closed(end: FlowEnd, at: Micros): void {
    try {
      this.#inner.closed(end, at)
    } catch (error) {
      this.#detach(error, at)
      this.#closeFallback(end, at)
    }
  }

  #closeFallback(end: FlowEnd, at: Micros): void {
    try {
      this.#inner.closed(end, at)
    } catch {
      this.#inner = NOBODY
    }
  }

  #detach(error: unknown, at: Micros): void {
    this.#inner = NOBODY
    if (this.#detached) return
    this.#detached = true
    try {
      this.#options.onError(error, this.#facts)
    } catch {
      // Nobody is left to be told.
    }
    try {
      this.#inner = this.#options.onDetached?.(this.#facts, at) ?? NOBODY
    } catch {
      this.#inner = NOBODY
    }
  }
}

/** Opens flows whose observers are taken off at their first exception. */
export const tap =
  (open: OpenFlow, options: TapOptions): OpenFlow =>
  (facts, at) =>
    new Tap(open, options, facts, at)
