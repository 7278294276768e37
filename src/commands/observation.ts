/** Joins one listener's flows to its dumper, behind the tap. */
import type { Gap, Sink } from '../event.ts'
import {
  type Bytes,
  type Direction,
  type FlowFacts,
  type FlowObserver,
  GO,
  type OpenFlow,
  type Ticket,
} from '../flow.ts'
import type { Log } from '../log.ts'
import { type DecoderOptions, FlowDecoder, UNDECODABLE_REFUSAL } from '../observe/decode.ts'
import type { StillOpenTimer } from '../observe/still-open.ts'
import { tap } from '../observe/tap.ts'

export interface ObservationOptions extends DecoderOptions {
  /** absent: nobody asks for statements that run for long */
  readonly stillOpen: StillOpenTimer | undefined
  readonly log: Log
}

const ignore = (): void => {}

/** What becomes of frontend bytes that nobody decodes. */
const unseenTicket = ({ intents, refusesUndecodable }: ObservationOptions): Ticket =>
  intents !== undefined && refusesUndecodable === true ? UNDECODABLE_REFUSAL : GO

/** Records the end of a flow whose decoder was taken off. */
class Remains implements FlowObserver {
  readonly #options: ObservationOptions
  readonly #decoder: FlowDecoder | undefined
  readonly #facts: FlowFacts
  readonly #since: number

  constructor(options: ObservationOptions, decoder: FlowDecoder | undefined, facts: FlowFacts, at: number) {
    this.#options = options
    this.#decoder = decoder
    this.#facts = facts
    this.#since = at
    const who = { dialect: options.dumper.name }
    if (decoder) decoder.detached(at)
    else options.sink.emit(facts, { event: 'gap', at, who, gap_reason: 'observer' })
  }

  readonly dialled = ignore
  readonly secured = ignore
  readonly gap = ignore

  /** Nobody decodes it any more: under a guarantee that does not let it pass it ends. */
  readonly chunk = (from: Direction): Ticket => (from === 'frontend' ? unseenTicket(this.#options) : GO)

  /** What the decoder was shown goes on even so, the chunk at which it failed among it. */
  sent(...given: Parameters<NonNullable<FlowObserver['sent']>>): void {
    try {
      this.#decoder?.sent(...given)
    } catch {
      // Its session is broken: what it tells at its end is less exact.
    }
  }

  refusal(...given: Parameters<NonNullable<FlowObserver['refusal']>>): Bytes | undefined {
    return this.#decoder?.refusal(...given)
  }

  closed(...[end, at]: Parameters<FlowObserver['closed']>): void {
    try {
      if (this.#decoder) return void this.#decoder.closed(end, at)
    } catch {
      // Its session is broken: what the flow itself knows is told below.
    }
    if (this.#options.detail !== 'statement') return
    this.#options.sink.emit(this.#facts, {
      event: 'session.end',
      at,
      who: { dialect: this.#options.dumper.name },
      end_by: end.by,
      end_reason: end.reason,
      ...(end.detail !== undefined && { end_detail: end.detail }),
      bytes_in: end.bytesIn,
      bytes_out: end.bytesOut,
      statements: 0,
      duration_us: at - this.#since,
    })
  }
}

const OPAQUE: Readonly<Record<string, string>> = { tls: 'TLS', gss: 'GSS encryption' }

/** The sink, with a warning when the first session turns out to be one that cannot be audited. */
const warning = (sink: Sink, log: Log): Sink => {
  let hasWarned = false
  const look = (facts: FlowFacts | undefined, { gap_reason }: Gap): void => {
    const encryption = OPAQUE[gap_reason]
    if (encryption === undefined || hasWarned) return
    hasWarned = true
    const fields = { conn_id: facts?.conn_id, listener: facts?.listener }
    // of a capture there is no option that could change it
    const why = facts?.src_addr === undefined ? ' (tls.client = "passthrough")' : ''
    log.warn(fields, `a session uses ${encryption}: its statements are NOT audited${why}`)
  }
  return {
    emit(facts, event) {
      if (event.event === 'gap') look(facts, event)
      sink.emit(facts, event)
    },
  }
}

/** Opens an observer per flow. One that throws is taken off; its flow gets a `gap` and its end even so. */
export const openObservation = (given: ObservationOptions): OpenFlow => {
  const options = { ...given, sink: warning(given.sink, given.log) }
  const { stillOpen, log } = options
  const decoders = new Map<string, FlowDecoder>()
  const forget = (connId: string): void => {
    const decoder = decoders.get(connId)
    if (!decoder) return
    decoders.delete(connId)
    stillOpen?.forget(decoder)
  }
  const decode: OpenFlow = (facts, at) => {
    const decoder = new WatchedDecoder(options, facts, at, forget)
    decoders.set(facts.conn_id, decoder)
    stillOpen?.watch(decoder)
    return decoder
  }
  return tap(decode, {
    ticketOnError: unseenTicket(options),
    onError: (error, { conn_id }) =>
      log.error({ err: error, conn_id }, 'observer failed and was taken off'),
    onDetached: (facts, at) => {
      const decoder = decoders.get(facts.conn_id)
      forget(facts.conn_id)
      return new Remains(options, decoder, facts, at)
    },
  })
}

/** A decoder that is forgotten when its flow has ended. */
class WatchedDecoder extends FlowDecoder {
  readonly #options: ObservationOptions
  readonly #connId: string
  readonly #forget: (connId: string) => void

  constructor(options: ObservationOptions, facts: FlowFacts, at: number, forget: (connId: string) => void) {
    super(options, facts, at)
    this.#options = options
    this.#connId = facts.conn_id
    this.#forget = forget
  }

  // Called by a timer, past the tap.
  override stillOpen(since: number): void {
    try {
      super.stillOpen(since)
    } catch (error) {
      this.#options.stillOpen?.forget(this)
      this.#options.log.error({ err: error, conn_id: this.#connId }, 'statement.open failed')
    }
  }

  override closed(...ended: Parameters<FlowObserver['closed']>): void {
    super.closed(...ended)
    this.#forget(this.#connId)
  }
}
