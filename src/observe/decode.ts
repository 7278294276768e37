/** Opens one session per flow and hands on its events, with what the flow itself has to tell around them. */
import type { AuditEvent, SessionEnd, Sink, Who } from '../event.ts'
import type { Bytes, Ticket } from '../flow.ts'
import {
  type Direction,
  type FlowEnd,
  type FlowFacts,
  type FlowObserver,
  GO,
  type Micros,
  type OpenFlow,
} from '../flow.ts'
import type { Dumper, Link, MemoryBudget, Session, SessionLimits } from '../session.ts'

export interface DecoderOptions {
  readonly dumper: Dumper
  readonly sink: Sink
  readonly limits: SessionLimits
  readonly detail: 'statement' | 'message'
  readonly link: Link
  readonly budget?: MemoryBudget
}

/** Decodes one flow. */
export class FlowDecoder implements FlowObserver {
  readonly #session: Session
  readonly #sink: Sink
  readonly #detail: 'statement' | 'message'
  readonly #opened: Micros
  readonly #dialect: Who
  #facts: FlowFacts
  /** chunks of both sides so far */
  #chunks = 0

  constructor(options: DecoderOptions, facts: FlowFacts, at: Micros) {
    const { dumper, limits, detail, link, budget } = options
    const context = { limits, detail, connId: facts.conn_id, link }
    this.#session = dumper.open(budget === undefined ? context : { ...context, budget })
    this.#sink = options.sink
    this.#detail = detail
    this.#facts = facts
    this.#opened = at
    this.#dialect = { dialect: dumper.name }
    if (detail === 'statement') this.#emit({ event: 'session.start', at, who: this.#who })
  }

  /** False until a log-in was accepted, for the login timeout; true where that cannot be told. */
  get loggedIn(): boolean {
    return (this.#session.login ?? 'opaque') !== 'before'
  }

  get #who(): Who {
    return this.#session.totals?.who ?? this.#dialect
  }

  dialled(facts: FlowFacts): void {
    this.#facts = facts
  }

  secured(): void {}

  chunk(from: Direction, chunk: Bytes, at: Micros): Ticket {
    this.#chunks++
    const events = this.#session.feed(from, chunk, at)
    if (events.length > 0) this.#emitAll(events)
    return GO
  }

  /** A session that does not know the case is left to find out; the record says why it may not. */
  midStream(at: Micros): void {
    const events = this.#session.midStream?.(at)
    if (events !== undefined) this.#emitAll(events)
    else this.#emit({ event: 'gap', at, who: this.#who, gap_reason: 'mid-stream' })
  }

  gap(from: Direction, bytes: number, at: Micros): void {
    this.#emitAll(this.#session.gap(from, bytes, at))
  }

  /** Gives `statement.open` for what has been running since before `since`. */
  stillOpen(since: Micros): void {
    const events = this.#session.stillOpen?.(since)
    if (events !== undefined) this.#emitAll(events)
  }

  /** The seam gave this flow up: what the session knows so far is told, and that the rest is not decoded. */
  detached(at: Micros): void {
    this.#emit({ event: 'gap', at, who: this.#who, gap_reason: 'observer' })
  }

  closed(end: FlowEnd, at: Micros): void {
    this.#emitAll(this.#session.close(at))
    if (this.#detail !== 'statement') return
    const { fatal, totals } = this.#session
    const event: SessionEnd = {
      event: 'session.end',
      at,
      who: this.#who,
      end_by: end.by,
      end_reason: end.reason,
      ...(end.detail === undefined ? {} : { end_detail: end.detail }),
      bytes_in: end.bytesIn,
      bytes_out: end.bytesOut,
      statements: totals?.statements ?? 0,
      duration_us: Math.max(0, at - this.#opened),
      ...((totals?.undecodedIn ?? 0) > 0 ? { undecoded_bytes_in: totals?.undecodedIn ?? 0 } : {}),
      ...((totals?.undecodedOut ?? 0) > 0 ? { undecoded_bytes_out: totals?.undecodedOut ?? 0 } : {}),
      ...fatal,
    }
    this.#emit(event)
  }

  #emit(event: AuditEvent): void {
    this.#sink.emit(this.#facts, event)
  }

  /** tcpdp's lines carry the number of the chunk that they came in, which no session knows. */
  #numbered(event: AuditEvent): AuditEvent {
    if (event.event !== 'message') return event
    return { ...event, fields: { conn_seq_num: this.#chunks, ...event.fields } }
  }

  #emitAll(events: readonly AuditEvent[]): void {
    for (let i = 0; i < events.length; i++)
      this.#sink.emit(this.#facts, this.#numbered(events[i] as AuditEvent))
  }
}

/** An observer that decodes each flow with a session of the dumper. */
export const openDecoder =
  (options: DecoderOptions): OpenFlow =>
  (facts, at) =>
    new FlowDecoder(options, facts, at)
