/**
 * Writes a record's JSON straight into a buffer: the fast path of the two kinds of record that come by the
 * thousand, `statement` and `prepare`. What it writes equals, byte for byte, what the encoder of lines gives
 * (a test holds that); an event that it does not know how to write it leaves to that one.
 */
import type {
  AuditEvent,
  BoundValues,
  DirectEncoder,
  FlowFacts,
  Micros,
  Prepare,
  QueryText,
  Statement,
  Who,
} from '../event.ts'
import { quote } from './json.ts'

/** Most bytes that one UTF-16 unit of a string becomes: an escape, `\u2028`. */
const MAX_UNIT = 6
/** Room for a record's keys, numbers and words of closed sets. */
const FIXED = 2048
/** Strings longer than this are left to the encoder of lines. */
const MAX_STRING = 4096
/** More values than this too. */
const MAX_VALUES = 32
/** Copying fewer bytes than this one by one costs less than a call into the runtime. */
const LOOP_BYTES = 40

const COMMA = 0x2c
const QUOTE = 0x22
const BACKSLASH = 0x5c
const ZERO = 0x30

/** `,"key":` */
const key = (name: string): Buffer => Buffer.from(`,"${name}":`)

/** `,"key":"value"` for each word of a closed set. */
const words = (name: string, set: readonly string[]): ReadonlyMap<string, Buffer> =>
  new Map(set.map((word) => [word, Buffer.from(`,"${name}":"${word}"`)]))

const SEQ = key('stmt_seq')
const PROTOCOLS = words('protocol', ['simple', 'extended', 'function', 'text', 'binary', 'bulk', 'command'])
const QUERY = key('query')
const EXECUTE_QUERY = key('execute_query')
const BIND_VALUES = key('bind_values')
const BIND_TYPES = key('bind_types')
const STMT_ID = key('stmt_id')
const STMT_NAME = key('stmt_name')
const PREPARE_SEQ = key('prepare_seq')
const PORTAL_NAME = key('portal_name')
const COMMAND = key('command')
const OUTCOMES = words('outcome', ['success', 'error', 'skipped', 'cancelled', 'unknown'])
const COMMAND_TAG = key('command_tag')
const ROWS_RETURNED = key('rows_returned')
const ROWS_AFFECTED = key('rows_affected')
const BYTES_RETURNED = key('bytes_returned')
const LAST_INSERT_ID = key('last_insert_id')
const WARNINGS = key('warnings')
const DURATION = key('duration_us')
const FIRST_RESPONSE = key('first_response_us')
const GATE_WAIT = key('gate_wait_us')
const RECOVERED = Buffer.from(',"recovered":true')
const FETCHES = key('fetches')
const TXN_SEQ = key('txn_seq')
const TXN_STATUSES = words('txn_status', ['I', 'T', 'E'])
const CHARACTER_SET = key('character_set')
const QUERY_ATTRIBUTES = key('query_attributes')
const NULL = Buffer.from('null')
const END = Buffer.from('}\n')

/** What the fast path asks of the encoder of lines: the parts that are constant for long. */
export interface ConstantParts {
  timeOf(at: Micros): string
  /** what stands behind the number, for this connection and what is known of it */
  constantOf(flow: FlowFacts | undefined, who: Who): string
}

/** A constant part as bytes, and the flow for which it was made. */
interface Constant {
  readonly flow: FlowFacts | undefined
  readonly bytes: Buffer
}

/** Keys of a statement that only the encoder of lines writes. */
const isPlain = (event: Statement | Prepare): boolean =>
  event.event === 'prepare' ? isPlainPrepare(event) : isPlainStatement(event as Statement)

const isPlainStatement = (event: Statement): boolean =>
  event.rows === undefined &&
  event.results === undefined &&
  event.function_oid === undefined &&
  event.reason === undefined &&
  event.command_tags === undefined &&
  event.copy_direction === undefined &&
  event.malformed === undefined &&
  event.body_hex === undefined &&
  event.after_gap === undefined &&
  event.error_code === undefined &&
  event.error_number === undefined &&
  event.error_message === undefined

const isPlainText = (text: QueryText | undefined): boolean =>
  text === undefined ||
  (text.hex === undefined && text.truncated === undefined && text.text.length <= MAX_STRING)

/** The fast path of JSON; what it leaves out, `lines` writes. */
class ByteEncoder implements DirectEncoder {
  readonly #parts: ConstantParts
  readonly #constants = new WeakMap<Who, Constant>()
  #second = -1
  #statementHead: Buffer = NULL
  #prepareHead: Buffer = NULL
  #buffer: Buffer = NULL
  #at = 0
  /** there is no room, or a part that only the encoder of lines writes */
  #refused = false

  constructor(parts: ConstantParts) {
    this.#parts = parts
  }

  encode(buffer: Buffer, at: number, seq: number, flow: FlowFacts | undefined, event: AuditEvent): number {
    if (event.event !== 'statement' && event.event !== 'prepare') return -1
    if (!isPlain(event) || !isPlainText(event.text)) return -1
    const constant = this.#constantOf(flow, event.who)
    if (buffer.length - at < FIXED + constant.length) return -1
    this.#buffer = buffer
    this.#at = at
    this.#refused = false
    this.#head(event.at, event.event)
    this.#int(seq)
    this.#bytes(constant)
    if (event.event === 'prepare') this.#prepare(event)
    else this.#statement(event)
    this.#bytes(END)
    return this.#refused ? -1 : this.#at
  }

  /** Both dialects' keys, in an order that each session's events have too. */
  #statement(event: Statement): void {
    this.#number(SEQ, event.stmt_seq)
    this.#word(PROTOCOLS, event.protocol)
    this.#string(QUERY, event.text?.text)
    if (event.executed !== undefined) {
      if (!isPlainText(event.executed)) this.#refused = true
      else this.#string(EXECUTE_QUERY, event.executed.text)
    }
    if (event.values !== undefined) this.#values(event.values)
    this.#number(STMT_ID, event.stmt_id)
    this.#string(STMT_NAME, event.stmt_name)
    this.#number(PREPARE_SEQ, event.prepare_seq)
    this.#string(PORTAL_NAME, event.portal_name)
    this.#string(COMMAND, event.command)
    this.#word(OUTCOMES, event.outcome)
    if (event.recovered === true) this.#bytes(RECOVERED)
    this.#string(COMMAND_TAG, event.command_tag)
    this.#number(ROWS_RETURNED, event.rows_returned)
    this.#number(ROWS_AFFECTED, event.rows_affected)
    this.#number(BYTES_RETURNED, event.bytes_returned)
    if (typeof event.last_insert_id === 'string') this.#string(LAST_INSERT_ID, event.last_insert_id)
    else this.#number(LAST_INSERT_ID, event.last_insert_id)
    this.#number(WARNINGS, event.warnings)
    this.#number(DURATION, event.duration_us)
    this.#number(FIRST_RESPONSE, event.first_response_us)
    this.#number(GATE_WAIT, event.gate_wait_us)
    this.#number(FETCHES, event.fetches)
    this.#number(TXN_SEQ, event.txn_seq)
    this.#word(TXN_STATUSES, event.txn_status)
    this.#string(CHARACTER_SET, event.character_set)
    this.#string(QUERY_ATTRIBUTES, event.query_attributes)
  }

  #prepare(event: Prepare): void {
    this.#number(SEQ, event.stmt_seq)
    this.#string(QUERY, event.text?.text)
    this.#number(STMT_ID, event.stmt_id)
    this.#string(STMT_NAME, event.stmt_name)
    this.#word(OUTCOMES, event.outcome)
    this.#number(DURATION, event.duration_us)
  }

  #values(values: BoundValues): void {
    const { count } = values
    if (count > MAX_VALUES) {
      this.#refused = true
      return
    }
    this.#bytes(BIND_VALUES)
    this.#buffer[this.#at++] = 0x5b
    for (let i = 0; i < count && !this.#refused; i++) {
      if (i > 0) this.#buffer[this.#at++] = COMMA
      if (values.sha256(i) !== undefined) this.#refused = true
      else this.#quoted(values.text(i))
    }
    this.#buffer[this.#at++] = 0x5d
    if (!values.typesKnown) return
    this.#bytes(BIND_TYPES)
    this.#buffer[this.#at++] = 0x5b
    for (let i = 0; i < count && !this.#refused; i++) {
      if (i > 0) this.#buffer[this.#at++] = COMMA
      this.#quoted(values.type(i) ?? null)
    }
    this.#buffer[this.#at++] = 0x5d
  }

  #string(name: Buffer, value: string | undefined): void {
    if (value === undefined) return
    this.#bytes(name)
    this.#quoted(value)
  }

  #number(name: Buffer, value: number | undefined): void {
    if (value === undefined) return
    this.#bytes(name)
    this.#int(value)
  }

  /** A word of a closed set; one that is not of it is left to the encoder of lines. */
  #word(set: ReadonlyMap<string, Buffer>, word: string | undefined): void {
    if (word === undefined) return
    const bytes = set.get(word)
    if (bytes === undefined) this.#refused = true
    else this.#bytes(bytes)
  }

  /** Room for what is constant was seen to before. */
  #bytes(bytes: Buffer): void {
    const { length } = bytes
    const buffer = this.#buffer
    let at = this.#at
    if (length <= LOOP_BYTES) for (let i = 0; i < length; i++) buffer[at++] = bytes[i] as number
    else {
      buffer.set(bytes, at)
      at += length
    }
    this.#at = at
  }

  /** A JSON string, or null. Printable ASCII is copied, anything else is left to `quote`. */
  #quoted(text: string | null): void {
    if (text === null) {
      this.#bytes(NULL)
      return
    }
    const { length } = text
    const buffer = this.#buffer
    let at = this.#at
    if (length > MAX_STRING || buffer.length - at < length * MAX_UNIT + FIXED) {
      this.#refused = true
      return
    }
    buffer[at++] = QUOTE
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i)
      if (unit < 0x20 || unit > 0x7e || unit === QUOTE || unit === BACKSLASH) {
        this.#at += buffer.write(quote(text), this.#at)
        return
      }
      buffer[at++] = unit
    }
    buffer[at++] = QUOTE
    this.#at = at
  }

  /** A non-negative integer below 2^53; what is none is left to the encoder of lines. */
  #int(value: number): void {
    if (value < 10 && value >= 0) {
      this.#buffer[this.#at++] = ZERO + value
      return
    }
    if (!(value >= 0 && value <= Number.MAX_SAFE_INTEGER)) {
      this.#refused = true
      return
    }
    let digits = 1
    for (let limit = 10; value >= limit; limit *= 10) digits++
    let rest = value
    for (let at = this.#at + digits - 1; at >= this.#at; at--) {
      const next = Math.floor(rest / 10)
      this.#buffer[at] = ZERO + (rest - next * 10)
      rest = next
    }
    this.#at += digits
  }

  /** All up to the number. The second's text is kept; of the microseconds six digits are written. */
  #head(at: Micros, event: 'statement' | 'prepare'): void {
    const second = Math.floor(at / 1e6)
    if (second !== this.#second) this.#turn(second)
    const start = this.#at
    this.#bytes(event === 'prepare' ? this.#prepareHead : this.#statementHead)
    let rest = at - second * 1e6
    for (let i = start + MICROS_END - 1; i >= start + MICROS_START; i--) {
      const next = Math.floor(rest / 10)
      this.#buffer[i] = ZERO + (rest - next * 10)
      rest = next
    }
  }

  #turn(second: number): void {
    const time = this.#parts.timeOf(second * 1e6)
    this.#second = second
    this.#statementHead = Buffer.from(`{"ts":"${time}","event":"statement","log_seq":`)
    this.#prepareHead = Buffer.from(`{"ts":"${time}","event":"prepare","log_seq":`)
  }

  #constantOf(flow: FlowFacts | undefined, who: Who): Buffer {
    const known = this.#constants.get(who)
    if (known !== undefined && known.flow === flow) return known.bytes
    const bytes = Buffer.from(this.#parts.constantOf(flow, who))
    this.#constants.set(who, { flow, bytes })
    return bytes
  }
}

/** Where the microseconds stand: `{"ts":"2024-05-01T09:00:00.` is 27 characters. */
const MICROS_START = 27
const MICROS_END = 33

const isPlainPrepare = (event: Prepare): boolean =>
  event.malformed === undefined &&
  event.body_hex === undefined &&
  event.after_gap === undefined &&
  event.error_code === undefined &&
  event.error_number === undefined &&
  event.error_message === undefined

/** Writes what the encoder of lines would, byte for byte, without making strings of it. */
export const createByteEncoder = (parts: ConstantParts): DirectEncoder => new ByteEncoder(parts)
