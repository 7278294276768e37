/**
 * Filter, redact, encode, sink: this order, no other. Nothing that was not redacted reaches an encoder, and
 * an event that cannot be redacted or encoded becomes a record without its text: no statement goes missing,
 * no secret gets out.
 */
import type { AuditEvent, DirectEncoder, FlowFacts, Line, Micros, Sink } from '../event.ts'
import type { Encoder } from './encode.ts'

/** Takes encoded lines, numbers and writes them when it likes; never throws. */
export interface LineOutput {
  append(line: Line): void
  /** Takes the event by the fast path; false when it must come as a line. */
  appendDirect?(encoder: DirectEncoder, flow: FlowFacts | undefined, event: AuditEvent): boolean
}

export interface Channel {
  readonly encoder: Encoder
  readonly output: LineOutput
}

export interface PipelineOptions {
  readonly filter: (event: AuditEvent) => boolean
  /** pure; gives the same object when there is nothing to mask */
  readonly redact: (event: AuditEvent) => AuditEvent
  /** outputs with the same encoder share one encoding */
  readonly channels: readonly Channel[]
  /** told of an event whose record had to do without its text; `stage` says what failed */
  readonly onFailure?: (stage: 'redact' | 'encode', error: unknown) => void
}

/**
 * Strings of a closed set or of the server's numbering, hence safe in a record that could not be redacted.
 */
const SAFE_STRINGS: ReadonlySet<string> = new Set([
  'event',
  'protocol',
  'outcome',
  'error_code',
  'txn_outcome',
  'txn_status',
  'gap_reason',
  'direction',
  'copy_direction',
  'end_by',
  'end_reason',
])

/**
 * What of an event is sure to hold no text of the traffic: numbers, flags, words of closed sets; and who.
 */
const safePart = (event: AuditEvent, stage: 'redact' | 'encode'): AuditEvent => {
  const safe: Record<string, unknown> = { at: event.at, event: event.event }
  if ('who' in event) safe.who = event.who
  if (event.event === 'message') safe.fields = { encode_error: stage }
  for (const [key, value] of Object.entries(event)) {
    const kind = typeof value
    if (kind === 'number' || kind === 'boolean' || (kind === 'string' && SAFE_STRINGS.has(key)))
      safe[key] = value
  }
  if (event.event !== 'message') safe.encode_error = stage
  return safe as unknown as AuditEvent
}

class Pipeline implements Sink {
  readonly #options: PipelineOptions

  constructor(options: PipelineOptions) {
    this.#options = options
  }

  emit(flow: FlowFacts | undefined, event: AuditEvent): void {
    if (!this.#options.filter(event)) return
    let masked = event
    try {
      masked = this.#options.redact(event)
    } catch (error) {
      masked = safePart(event, 'redact')
      this.#options.onFailure?.('redact', error)
    }
    let encoder: Encoder | undefined
    let line: Line | undefined
    const { channels } = this.#options
    for (let i = 0; i < channels.length; i++) {
      const channel = channels[i] as Channel
      if (this.#direct(channel, flow, masked)) continue
      if (line === undefined || encoder !== channel.encoder)
        line = this.#encode(channel.encoder, flow, masked)
      encoder = channel.encoder
      channel.output.append(line)
    }
  }

  /** What the fast path cannot encode for an error, the encoder of lines gets to deal with. */
  #direct({ encoder, output }: Channel, flow: FlowFacts | undefined, event: AuditEvent): boolean {
    if (encoder.direct === undefined || output.appendDirect === undefined) return false
    try {
      return output.appendDirect(encoder.direct, flow, event)
    } catch {
      return false
    }
  }

  #encode(encoder: Encoder, flow: FlowFacts | undefined, event: AuditEvent): Line {
    try {
      return encoder.encode(flow, event)
    } catch (error) {
      this.#options.onFailure?.('encode', error)
      return encodeSafely(encoder, flow, event)
    }
  }
}

/**
 * Without the text; if it is the connection's facts that cannot be encoded, with no more than kind and
 * time.
 */
const encodeSafely = (encoder: Encoder, flow: FlowFacts | undefined, event: AuditEvent): Line => {
  try {
    return encoder.encode(flow, safePart(event, 'encode'))
  } catch {
    const life = { event: event.event, at: Number(event.at) as Micros, fields: { encode_error: 'encode' } }
    return encoder.encode(undefined, life as unknown as AuditEvent)
  }
}

/** Joins the four stages to the sink that observers are given. `emit` never throws. */
export const openPipeline = (options: PipelineOptions): Sink => new Pipeline(options)
