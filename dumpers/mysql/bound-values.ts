/** The values of an execution: kept as bytes, decoded when their record is written. */
import type { BoundValues } from '../../src/event.ts'
import type { Bytes } from '../../src/flow.ts'
import { MysqlCursor } from '../../src/framing/mysql-cursor.ts'
import { attributesJson, readTypesAndNames } from './attributes.ts'
import { isNullAt, MysqlValues, showValues, type ValueSet, walkValues } from './bound-set.ts'
import { ValueStream } from './bound-stream.ts'
import type { ExecutedStore, ParamTypes, Prepared } from './statements.ts'
import type { ValueForm } from './values.ts'
import { isParameterType, takesLongData } from './values-types.ts'

/** COM_STMT_EXECUTE's flag that the number of values is sent: attributes may follow the parameters. */
export const PARAMETER_COUNT_AVAILABLE = 0x08

/**
 * How executions of a session are read. Values keep the object and read it later: make a new one when the
 * character set changes.
 */
export interface ValueOptions extends ValueForm {
  /** CLIENT_QUERY_ATTRIBUTES is in effect */
  readonly queryAttributes: boolean
}

/** A COM_STMT_EXECUTE. */
export interface Execute {
  readonly id: number
  /** CURSOR_TYPE_… and {@link PARAMETER_COUNT_AVAILABLE} */
  readonly flags: number
  readonly iterations: number
  /** the statement, when it is known */
  readonly prepared: Prepared | undefined
  /** absent when there are none, and when they are not known: statement, types or long data are missing */
  values: (BoundValues & { readonly heldBytes: number }) | undefined
  /** query attributes as the text of a JSON object */
  attributes: string | undefined
  /** parameter types came with it */
  typesSent: boolean
  /** its body breaks the protocol behind the iterations; a server may execute it all the same */
  malformed: boolean
}

/** Bytes from the NULL bitmap to the last value. */
const DECODED_AT_ONCE = 256

const cursor = new MysqlCursor()

/**
 * COM_STMT_EXECUTE behind its command byte, `bytes[start … end)`: uint32 statement id, uint8 flags, uint32
 * iterations, then, when there are parameters (or attributes): lenenc count (CLIENT_QUERY_ATTRIBUTES), NULL
 * bitmap, uint8 whether types follow, count × (uint16 type, lenenc name with CLIENT_QUERY_ATTRIBUTES),
 * values.
 *
 * The statement's types become those that were sent, and its long data is used up. Throws ProtocolError when
 * not even the nine bytes before the parameters are there.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_stmt_execute.html}
 */
export const decodeExecute = (
  bytes: Bytes,
  start: number,
  end: number,
  store: ExecutedStore,
  options: ValueOptions,
): Execute => {
  cursor.reset(bytes, start, end)
  const execute = readHeader(cursor, store)
  const { prepared } = execute
  if (prepared === undefined) return execute
  try {
    const { longUnsure } = prepared
    const set = readSet(cursor, store, prepared, execute, options)
    if (set === undefined) return execute
    const nullsAt = cursor.at - set.valuesAt
    if (!walkValues(cursor, bytes, nullsAt, set, options.mariadb)) return execute
    if (longUnsure && (cursor.left > 0 || mayLackLong(bytes, nullsAt, set))) return execute
    bind(execute, valuesOf(bytes, nullsAt, cursor.at, set, options), set, prepared.params)
  } catch {
    execute.malformed = true
  }
  return execute
}

/** Few bytes are decoded at once: to keep them for later costs more. */
const valuesOf = (bytes: Bytes, start: number, end: number, set: ValueSet, options: ValueOptions) =>
  end - start <= DECODED_AT_ONCE && set.long === undefined
    ? showValues(bytes, start, end, set, options)
    : new MysqlValues(bytes.toString('latin1', start, end), set, options)

/**
 * A COM_STMT_EXECUTE of which only the first bytes are there, and what followed was not read: its values are
 * not known, nor those of later ones that hang on its types. Throws as {@link decodeExecute}.
 */
export const decodeExecuteHead = (
  bytes: Bytes,
  start: number,
  end: number,
  store: ExecutedStore,
): Execute => {
  const execute = readHeader(cursor.reset(bytes, start, end), store)
  if (execute.prepared !== undefined) store.forgetOf(execute.prepared)
  return execute
}

/**
 * Long data may have come unseen: is there a place for it? Where a part of it was seen, or a value is NULL,
 * as clients say in its place.
 */
const mayLackLong = (bytes: Bytes, nullsAt: number, { count, types, long }: ValueSet): boolean => {
  if (long !== undefined) return true
  for (let i = 0; i < count; i++) {
    const type = types?.[i]
    if (isNullAt(bytes, nullsAt, i) && (type === undefined || takesLongData(type))) return true
  }
  return false
}

const bind = (
  execute: Execute,
  values: BoundValues & { readonly heldBytes: number; count: number },
  { names, count }: ValueSet,
  params: number,
): void => {
  if (count > params) {
    execute.attributes = attributesJson(names ?? [], values, params)
    values.count = params
  }
  if (params > 0) execute.values = values
}

const readHeader = (body: MysqlCursor, store: ExecutedStore): Execute => {
  const id = body.uint32()
  const flags = body.uint8()
  return {
    id,
    flags,
    iterations: body.uint32(),
    prepared: store.get(id),
    values: undefined,
    attributes: undefined,
    typesSent: false,
    malformed: false,
  }
}

/**
 * What stands before the values; undefined when there are none, or their types or long data are not known.
 * `valuesAt` counts from the NULL bitmap, the cursor is left at the first value.
 */
const readSet = (
  body: MysqlCursor,
  store: ExecutedStore,
  prepared: Prepared,
  execute: Execute,
  options: ValueOptions,
): ValueSet | undefined => {
  const { params } = prepared
  const { longLost } = prepared
  const long = store.takeLong(prepared)
  const counted = options.queryAttributes && (params > 0 || (execute.flags & PARAMETER_COUNT_AVAILABLE) > 0)
  const count = counted ? body.lenenc() : params
  if (count < params) throw body.invalid('fewer values than parameters')
  if (count === 0) return undefined
  const nullsAt = body.at
  body.skip((count + 7) >>> 3)
  const sent = body.uint8()
  if (options.mariadb && sent > 1) throw body.invalid('neither with types nor without')
  if (sent !== 0) {
    execute.typesSent = true
    // a body that ends within its types leaves nobody knowing which ones hold
    const before = prepared.types
    store.setTypes(prepared, undefined)
    const { types, names } = readTypesAndNames(body, count, before, counted)
    if (!types.every((type) => isParameterType(type, options.mariadb)))
      throw body.invalid('parameter of a type that is refused')
    store.setTypes(prepared, count > params ? types.slice(0, params) : types)
    return longLost ? undefined : { count, types, names, long, valuesAt: body.at - nullsAt }
  }
  if (count > params) throw body.invalid('attributes without their types')
  if (longLost) return undefined
  return { count, types: prepared.types, names: undefined, long, valuesAt: body.at - nullsAt }
}

/**
 * An execution longer than what is kept, followed as it passes: of each value its head, length and hash.
 * Holds at most `maxBytes` of values, `maxValueBytes` of each.
 */
export class LongExecute {
  readonly #execute: Execute
  readonly #set: ValueSet | undefined
  readonly #stream: ValueStream | undefined

  /** `bytes[start … end)`: the body's kept bytes, as {@link decodeExecute} has them; throws as it does. */
  constructor(
    bytes: Bytes,
    start: number,
    end: number,
    store: ExecutedStore,
    options: ValueOptions,
    maxBytes: number,
  ) {
    cursor.reset(bytes, start, end)
    this.#execute = readHeader(cursor, store)
    const { prepared } = this.#execute
    if (prepared === undefined) return
    const { longUnsure } = prepared
    try {
      this.#set = readSet(cursor, store, prepared, this.#execute, options)
      if (this.#set === undefined || longUnsure) return
      const nullsAt = cursor.at - this.#set.valuesAt
      const nulls = bytes.subarray(nullsAt, nullsAt + ((this.#set.count + 7) >>> 3))
      this.#stream = new ValueStream(this.#set, Buffer.from(nulls), options, maxBytes)
      this.#stream.add(bytes, cursor.at, end)
    } catch {
      this.#execute.malformed = true
    }
  }

  /** What follows the kept bytes. */
  add(bytes: Bytes, start: number, end: number): void {
    this.#stream?.add(bytes, start, end)
  }

  /** The body is complete. */
  finish(): Execute {
    const execute = this.#execute
    const values = this.#stream?.finish()
    if (this.#stream === undefined || this.#set === undefined) return execute
    if (values === undefined) execute.malformed ||= this.#stream.broken
    else bind(execute, values, this.#set, execute.prepared?.params ?? 0)
    return execute
  }
}

export type { ParamTypes }
