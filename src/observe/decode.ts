/** Opens one session per flow and hands on its events, with what the flow itself has to tell around them. */
import type { AuditEvent, FlowIntents, Gap, GapReason, Intents, SessionEnd, Sink, Who } from '../event.ts'
import type { Bytes, Refusal, Refuse, Ticket } from '../flow.ts'
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
  /** frontend chunks are shown before they are sent, and wait for what is kept here; absent: never */
  readonly intents?: Intents | undefined
  /** a flow that cannot be decoded any more is to be ended; otherwise it goes on unaudited */
  readonly refusesUndecodable?: boolean | undefined
}

/** Gaps that nobody has agreed to: what is behind them is not audited. */
const UNDECODABLE: ReadonlySet<GapReason> = new Set([
  'framing',
  'foreign',
  'overflow',
  'mysqlx',
  'observer',
])

/** What a client is told whose bytes cannot be audited. */
export const UNDECODABLE_REFUSAL: Refuse = {
  kind: 'refuse',
  reason: 'undecodable',
  message: 'this session cannot be audited: its protocol could not be decoded',
}

/** Decodes one flow. */
export class FlowDecoder implements FlowObserver {
  readonly #session: Session
  readonly #sink: Sink
  readonly #detail: 'statement' | 'message'
  readonly #opened: Micros
  readonly #dialect: Who
  readonly #intents: FlowIntents | undefined
  readonly #refusesUndecodable: boolean
  #isUndecodable = false
  #facts: FlowFacts
  /** chunks of both sides so far */
  #chunks = 0

  constructor(options: DecoderOptions, facts: FlowFacts, at: Micros) {
    const { dumper, limits, detail, link, budget } = options
    this.#intents = options.intents?.open(facts)
    this.#refusesUndecodable = options.refusesUndecodable === true
    this.#session = dumper.open({
      ...{ limits, detail, connId: facts.conn_id, link },
      ...(budget !== undefined && { budget }),
      ...(this.#intents !== undefined && detail === 'statement' && { intents: true }),
    })
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
    return from === 'frontend' && this.#intents !== undefined ? this.#ticket(this.#intents, events, at) : GO
  }

  #ticket(intents: FlowIntents, events: readonly AuditEvent[], at: Micros): Ticket {
    if (this.#isUndecodable && this.#refusesUndecodable) return UNDECODABLE_REFUSAL
    // tcpdp's lines are the whole record: they are to be written before what they tell of is sent on
    if (this.#detail === 'message' && events.length > 0)
      intents.take(this.#facts, { event: 'intent', at, who: this.#who, token: 0 })
    return intents.ticket(this.#session.heldFrom ?? 0)
  }

  sent(at: Micros, unsent = 0): void {
    this.#session.sent?.(at, unsent)
  }

  refusal(refusal: Refusal): Bytes | undefined {
    return this.#session.refusal?.(refusal)
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
    try {
      this.#emitAll(this.#session.close(at))
      if (this.#detail === 'statement') this.#emitEnd(end, at)
    } finally {
      this.#intents?.close()
    }
  }

  #emitEnd(end: FlowEnd, at: Micros): void {
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
    for (let i = 0; i < events.length; i++) {
      const event = events[i] as AuditEvent
      if (event.event === 'intent') this.#intents?.take(this.#facts, event)
      else if (event.event === 'intent.over') this.#intents?.settled(event.token)
      else {
        this.#sink.emit(this.#facts, this.#numbered(event))
        if (event.event === 'statement') this.#intents?.settled(event.stmt_seq)
        else if (event.event === 'gap') this.#noteGap(event)
      }
    }
  }

  #noteGap({ gap_reason }: Gap): void {
    if (UNDECODABLE.has(gap_reason)) this.#isUndecodable = true
  }
}

/** An observer that decodes each flow with a session of the dumper. */
export const openDecoder =
  (options: DecoderOptions): OpenFlow =>
  (facts, at) =>
    new FlowDecoder(options, facts, at)
