/**
 * One event to one line, JSON or LTSV. The walk over an event is the same for both: a format says how a
 * key, a string and a list are spelt. What is constant for a connection is encoded once per pair of facts
 * and who. This runs for each record, on the thread that forwards: bench/encode.ts holds its cost.
 */
import type {
  AuditEvent,
  AuditLife,
  BoundValues,
  DirectEncoder,
  FlowFacts,
  Line,
  MessageEvent,
  QueryText,
  Who,
} from '../event.ts'
import { hashesOf, isWhole, lengthsOf, nullable, textsOf, typesOf } from './bound.ts'
import { createByteEncoder } from './bytes.ts'
import { type Format, JSON_FORMAT, LTSV_FORMAT } from './format.ts'
import { createTimestamp, type Timezone } from './timestamp.ts'

/** Version of the record's layout; a key is never given another meaning under the same version. */
export const SCHEMA_VERSION = 1

/**
 * Texts longer than this many characters are encoded for each record, so that what is kept twice stays
 * small.
 */
const CACHED_TEXT = 16_384

export interface EncodeOptions {
  readonly format: 'json' | 'ltsv'
  /** the machine's name, in each record */
  readonly host: string
  readonly timezone: Timezone
  /** bound values as text, as their lengths in bytes (`bind_value_lens`), or not at all */
  readonly bindValues: 'full' | 'length' | 'none'
}

/**
 * Turns events into lines. Holds caches per connection and per text, no other state; never reads the clock.
 */
export interface Encoder {
  encode(flow: FlowFacts | undefined, event: AuditEvent): Line
  /** the fast path beside it, where the format has one */
  readonly direct?: DirectEncoder
}

const ADDRESS_KEYS = [
  'client_addr',
  'proxy_listen_addr',
  'proxy_client_addr',
  'remote_addr',
  'src_addr',
  'dst_addr',
  'probe_target_addr',
  'interface',
  'proxy_protocol_src_addr',
  'proxy_protocol_dst_addr',
] as const satisfies readonly (keyof FlowFacts)[]

const WHO_KEYS = [
  'dialect',
  'username',
  'database',
  'application_name',
  'connect_attrs',
  'effective_username',
  'is_superuser',
  'server_version',
  'backend_pid',
  'tls_client_version',
  'tls_server_version',
] as const satisfies readonly (keyof Who)[]

/** Keys that each record has of its connection and session: no event gives them, whoever made it. */
const TAKEN = [
  ...ADDRESS_KEYS,
  ...WHO_KEYS,
  'ts',
  'log_seq',
  'schema_version',
  'host',
  'listener',
  'conn_id',
]

/** Keys that the encoder turns into others, or leaves out. */
const TURNED = new Set<string>([
  ...TAKEN,
  'at',
  'event',
  'who',
  'text',
  'executed',
  'values',
  'rows',
  'fields',
  'text_key',
  'values_key',
])

/** The same of tcpdp's line. */
const TAKEN_OF_MESSAGE = new Set<string>([...ADDRESS_KEYS, 'ts', 'conn_id', 'direction'])
const isTaken = (key: string, who: Who): boolean =>
  TAKEN_OF_MESSAGE.has(key) || ((key === 'username' || key === 'database') && who[key] !== undefined)

type Scalar = string | number | boolean

const NO_FACTS: FlowFacts = { conn_id: '' }

/** What is constant for a connection, and the facts for which it was made. */
interface Constant {
  readonly flow: FlowFacts
  readonly text: string
}

class LineEncoder implements Encoder {
  readonly #format: Format
  readonly #options: EncodeOptions
  readonly #timestamp: (at: number) => string
  /**
   * per key its spelling with the separator before it; of an event's own keys, '' for those that are turned
   */
  readonly #keys = new Map<string, string>()
  readonly #eventKeys = new Map<string, string>()
  /** per kind of event all up to its number; per Who what is constant for the connection */
  readonly #afterTime = new Map<string, string>()
  readonly #constants = new WeakMap<Who, Constant>()
  readonly #messageConstants = new WeakMap<Who, Constant>()
  readonly #lifeConstant: string
  readonly #open: string
  readonly direct?: DirectEncoder

  constructor(options: EncodeOptions) {
    this.#options = options
    this.#format = options.format === 'json' ? JSON_FORMAT : LTSV_FORMAT
    this.#timestamp = createTimestamp(options.timezone)
    this.#open = this.#format.open + this.#format.firstKey('ts')
    if (options.format === 'json' && options.bindValues === 'full') {
      const constantOf = (flow: FlowFacts | undefined, who: Who): string =>
        this.#constant(flow ?? NO_FACTS, who)
      this.direct = createByteEncoder({ constantOf, timeOf: this.#timestamp })
    }
    this.#lifeConstant = this.#pair('schema_version', SCHEMA_VERSION) + this.#pair('host', options.host)
  }

  encode(flow: FlowFacts | undefined, event: AuditEvent): Line {
    if (event.event === 'message') return this.#message(flow ?? NO_FACTS, event)
    const head = this.#open + this.#time(event.at) + this.#afterTimeOf(event.event)
    const constant = 'who' in event ? this.#constant(flow ?? NO_FACTS, event.who) : this.#lifeConstant
    return { head, tail: constant + this.#body(event) + this.#format.close, at: event.at }
  }

  #time(at: number): string {
    const text = this.#timestamp(at)
    return this.#format === JSON_FORMAT ? `"${text}"` : text
  }

  #afterTimeOf(event: string): string {
    let keys = this.#afterTime.get(event)
    if (keys === undefined) {
      keys = this.#pair('event', event) + this.#key('log_seq')
      this.#afterTime.set(event, keys)
    }
    return keys
  }

  #key(key: string): string {
    let spelt = this.#keys.get(key)
    if (spelt === undefined) {
      spelt = this.#format.key(key)
      this.#keys.set(key, spelt)
    }
    return spelt
  }

  #pair(key: string, value: Scalar | undefined): string {
    if (value === undefined) return ''
    if (typeof value === 'string') return this.#key(key) + this.#format.text(value)
    if (typeof value === 'number' && !Number.isFinite(value)) return ''
    return this.#key(key) + value
  }

  #constant(flow: FlowFacts, who: Who): string {
    const known = this.#constants.get(who)
    if (known !== undefined && known.flow === flow) return known.text
    let text = this.#lifeConstant + this.#pair('listener', flow.listener)
    if (flow !== NO_FACTS) text += this.#pair('conn_id', flow.conn_id)
    for (const key of ADDRESS_KEYS) text += this.#pair(key, flow[key])
    for (const key of WHO_KEYS) text += this.#pair(key, who[key])
    this.#constants.set(who, { flow, text })
    return text
  }

  /** All of an event's own keys, in the order in which the session gave them. */
  #body(event: Exclude<AuditEvent, MessageEvent>): string {
    let body = ''
    for (const key in event) {
      const value: unknown = (event as unknown as Record<string, unknown>)[key]
      if (value === undefined) continue
      const spelt = this.#eventKeys.get(key) ?? this.#learn(key)
      if (spelt === '') body += this.#turned(key, value)
      else if (typeof value === 'string') body += spelt + this.#format.text(value)
      else if (typeof value === 'object')
        body += spelt + this.#format.list(`[${(value as string[]).map(nullable)}]`)
      else body += spelt + String(value)
    }
    return body
  }

  #learn(key: string): string {
    // the body of a malformed message has the bound values in it
    const isLeftOut = key === 'body_hex' && this.#options.bindValues !== 'full'
    const spelt = isLeftOut || TURNED.has(key) ? '' : this.#key(key)
    this.#eventKeys.set(key, spelt)
    return spelt
  }

  #turned(key: string, value: unknown): string {
    switch (key) {
      case 'text':
        return this.#text('query', value as QueryText)
      case 'executed':
        return this.#text('execute_query', value as QueryText)
      case 'values':
        return this.#values('bind_values', value as BoundValues)
      case 'rows':
        return this.#rows(value as readonly BoundValues[])
      case 'fields':
        return this.#fields(value as AuditLife['fields'])
      default:
        return ''
    }
  }

  #text(key: string, query: QueryText): string {
    let text = this.#key(key) + this.#encodedText(query)
    if (query.hex !== undefined) text += this.#pair(`${key}_hex`, query.hex)
    const cut = query.truncated
    if (cut === undefined) return text
    text += this.#pair(`${key}_truncated`, true) + this.#pair(`${key}_len`, cut.bytes)
    if (cut.sha256) text += this.#pair(`${key}_sha256`, cut.sha256)
    return text + this.#pair(`${key}_tail`, cut.tail)
  }

  /** A prepared statement's text serves every execution, so its encoded form is kept on it. */
  #encodedText(query: QueryText): string {
    const cache = query.cache
    if (cache instanceof EncodedText && cache.format === this.#format) return cache.text
    const text = this.#format.text(query.text)
    if (query.text.length <= CACHED_TEXT && !Object.isFrozen(query))
      query.cache = new EncodedText(this.#format, text)
    return text
  }

  #values(key: string, values: BoundValues): string {
    if (this.#options.bindValues === 'none') return ''
    const { list } = this.#format
    const types = values.typesKnown ? this.#key('bind_types') + list(typesOf(values)) : ''
    const lengths = (): string => this.#key('bind_value_lens') + list(lengthsOf(values))
    if (this.#options.bindValues === 'length') return lengths() + types
    const texts = this.#key(key) + list(textsOf(values)) + types
    if (isWhole(values)) return texts
    return texts + lengths() + this.#key('bind_value_sha256s') + list(hashesOf(values))
  }

  /** Values row by row; their types once, for they are the same in each. */
  #rows(rows: readonly BoundValues[]): string {
    if (this.#options.bindValues === 'none') return ''
    const { list } = this.#format
    const all = (one: (values: BoundValues) => string): string => list(`[${rows.map(one)}]`)
    const first = rows[0]
    const types = first?.typesKnown ? this.#key('bind_types') + list(typesOf(first)) : ''
    const lengths = (): string => this.#key('bind_value_lens') + all(lengthsOf)
    if (this.#options.bindValues === 'length') return lengths() + types
    const texts = this.#key('bind_values') + all(textsOf) + types
    if (rows.every(isWhole)) return texts
    return texts + lengths() + this.#key('bind_value_sha256s') + all(hashesOf)
  }

  #fields(fields: Readonly<Record<string, Scalar>>): string {
    let text = ''
    for (const key in fields) text += this.#pair(key, fields[key])
    return text
  }

  /** tcpdp's line: its keys and no others, hence no number either. */
  #message(flow: FlowFacts, event: MessageEvent): Line {
    let head = this.#open + this.#time(event.at) + this.#messageConstant(flow, event.who)
    head += this.#pair('direction', event.direction)
    for (const key in event.fields) if (!isTaken(key, event.who)) head += this.#pair(key, event.fields[key])
    if (event.text !== undefined) head += this.#text(event.text_key ?? 'query', event.text)
    if (event.values !== undefined) head += this.#values(event.values_key ?? 'bind_values', event.values)
    return { head: head + this.#format.close, tail: '', at: event.at }
  }

  #messageConstant(flow: FlowFacts, who: Who): string {
    const known = this.#messageConstants.get(who)
    if (known !== undefined && known.flow === flow) return known.text
    let text = flow === NO_FACTS ? '' : this.#pair('conn_id', flow.conn_id)
    for (const key of ADDRESS_KEYS) text += this.#pair(key, flow[key])
    text += this.#pair('username', who.username) + this.#pair('database', who.database)
    this.#messageConstants.set(who, { flow, text })
    return text
  }
}

/** Kept on `QueryText.cache`. */
class EncodedText {
  readonly format: Format
  readonly text: string

  constructor(format: Format, text: string) {
    this.format = format
    this.text = text
  }
}

/**
 * Keys, in this order: `ts`, `event`, `log_seq`, `schema_version`, `host`, `listener`, `conn_id`, the
 * addresses, what is known of the session, then the event's own. `text` becomes `query` (`query_hex`;
 * `query_truncated`, `query_len`, `query_sha256`, `query_tail`), `executed` the same with `execute_query`,
 * `values` and `rows` become `bind_values`, `bind_types`, and where one was too long to be kept
 * `bind_value_lens` and `bind_value_sha256s`. Keys without a value are left out. A `message` event gives
 * tcpdp's keys alone.
 */
export const createEncoder = (options: EncodeOptions): Encoder => new LineEncoder(options)
