/**
 * COM_STMT_BULK_EXECUTE of MariaDB: one statement, many rows of parameters.
 * {@link https://mariadb.com/kb/en/com_stmt_bulk_execute/}
 */
import { createHash, type Hash } from 'node:crypto'
import type { BoundValues } from '../../src/event.ts'
import type { Bytes } from '../../src/flow.ts'
import { MysqlCursor } from '../../src/framing/mysql-cursor.ts'
import { readTypesAndNames } from './attributes.ts'
import { bytesOf, ShownValues } from './bound-set.ts'
import type { ValueOptions } from './bound-values.ts'
import type { ExecutedStore, ParamTypes, Prepared } from './statements.ts'
import { DEFAULT_MARK, IGNORE_MARK, REST_MARK, skipValue, type ValueForm } from './values.ts'
import { isParameterType } from './values-types.ts'

/** The rows' types follow. */
const SEND_TYPES = 128
/** The reply is to have the generated id and the count of each row. */
export const SEND_UNIT_RESULTS = 64

/** Most rows that are shown: one may be of a byte, and takes hundreds to be shown. */
const MAX_ROWS = 65_536

/** What stands before each value. */
const INDICATOR = { NONE: 0, NULL: 1, DEFAULT: 2, IGNORE: 3 } as const

/** A COM_STMT_BULK_EXECUTE. */
export interface BulkExecute {
  readonly id: number
  readonly flags: number
  readonly prepared: Prepared | undefined
  /** absent when they are not known: statement or types are missing, or the body makes no sense */
  rows: BulkRows | undefined
  typesSent: boolean
  malformed: boolean
}

/** What of a bulk execution was too long to be kept. */
interface Rest {
  readonly length: number
  readonly sha256: string
}

/** The rows of a bulk execution, kept as bytes. */
export class BulkRows {
  /** rows whose bytes were kept */
  readonly count: number
  readonly #raw: string
  readonly #types: ParamTypes
  readonly #form: ValueForm
  readonly #rest: Rest | undefined

  constructor(count: number, raw: string, types: ParamTypes, form: ValueForm, rest: Rest | undefined) {
    this.count = count
    this.#raw = raw
    this.#types = types
    this.#form = form
    this.#rest = rest
  }

  get heldBytes(): number {
    return this.#raw.length
  }

  /**
   * Each row's values, decoded anew at each call: ask when the record is written. Where a value would be, a
   * row may have {@link DEFAULT_MARK} or {@link IGNORE_MARK}. When not all could be kept, a last row of one
   * value, {@link REST_MARK}, has the rest's length in bytes and its hash.
   */
  rows(): readonly BoundValues[] {
    const rows: BoundValues[] = []
    const bytes = bytesOf(this.#raw)
    const body = new MysqlCursor(bytes, 0, this.#raw.length)
    for (let i = 0; i < this.count; i++) rows.push(readRow(body, bytes, this.#types, this.#form))
    if (this.#rest !== undefined) rows.push(restRow(this.#rest))
    return rows
  }
}

const restOf = (bytes: Bytes): Rest => ({
  length: bytes.length,
  sha256: createHash('sha256').update(bytes).digest('hex'),
})

const readRow = (body: MysqlCursor, bytes: Bytes, types: ParamTypes, form: ValueForm): BoundValues => {
  const row = new ShownValues(types.length, types)
  for (const type of types) {
    const indicator = body.uint8()
    if (indicator === INDICATOR.NONE) row.pushNext(body, bytes, type, form)
    else if (indicator === INDICATOR.NULL) row.push(null, -1)
    else row.push(indicator === INDICATOR.DEFAULT ? DEFAULT_MARK : IGNORE_MARK, 0)
  }
  return row
}

const restRow = ({ length, sha256 }: Rest): BoundValues => {
  const row = new ShownValues(1, undefined)
  row.hashes = [sha256]
  row.push(REST_MARK, length)
  return row
}

const cursor = new MysqlCursor()

/**
 * COM_STMT_BULK_EXECUTE behind its command byte, `bytes[start … end)`: uint32 statement id, uint16 flags,
 * with SEND_TYPES a uint16 type for each parameter, then rows to the end: for each parameter uint8
 * indicator, and a value when that is none. The statement's types become those that were sent, its long data
 * is dropped (the server takes none here). Throws ProtocolError when not even id and flags are there.
 */
export const decodeBulk = (
  bytes: Bytes,
  start: number,
  end: number,
  store: ExecutedStore,
  options: ValueOptions,
): BulkExecute => {
  const { bulk, types } = openBulk(bytes, start, end, store, options)
  if (types === undefined || bulk.malformed) return bulk
  const rowsAt = cursor.at
  const { count, at } = walkRows(types, options.mariadb)
  const rest = at < end && count === MAX_ROWS ? restOf(bytes.subarray(at, end)) : undefined
  if (at < end && rest === undefined) bulk.malformed = true
  else bulk.rows = new BulkRows(count, bytes.toString('latin1', rowsAt, at), types, options, rest)
  return bulk
}

/** Only its first bytes are there: see `decodeExecuteHead`. Throws as {@link decodeBulk}. */
export const decodeBulkHead = (
  bytes: Bytes,
  start: number,
  end: number,
  store: ExecutedStore,
): BulkExecute => {
  const bulk = readHeader(cursor.reset(bytes, start, end), store)
  if (bulk.prepared !== undefined) store.forgetOf(bulk.prepared)
  return bulk
}

const readHeader = (body: MysqlCursor, store: ExecutedStore): BulkExecute => {
  const id = body.uint32()
  const flags = body.uint16()
  return { id, flags, prepared: store.get(id), rows: undefined, typesSent: false, malformed: false }
}

const openBulk = (
  bytes: Bytes,
  start: number,
  end: number,
  store: ExecutedStore,
  { mariadb }: ValueOptions,
): { readonly bulk: BulkExecute; readonly types: ParamTypes | undefined } => {
  const bulk = readHeader(cursor.reset(bytes, start, end), store)
  const { prepared, flags } = bulk
  if (prepared === undefined || prepared.params === 0) return { bulk, types: undefined }
  store.takeLong(prepared)
  if ((flags & SEND_TYPES) === 0) return { bulk, types: prepared.types }
  bulk.typesSent = true
  const before = prepared.types
  store.setTypes(prepared, undefined)
  try {
    const { types } = readTypesAndNames(cursor, prepared.params, before, false)
    if (!types.every((type) => isParameterType(type, mariadb))) throw cursor.invalid('type that is refused')
    store.setTypes(prepared, types)
  } catch {
    bulk.malformed = true
  }
  return { bulk, types: prepared.types }
}

/** Counts the rows that are whole, up to those that are shown, and where the last of them ends. */
const walkRows = (types: ParamTypes, mariadb: boolean): { readonly count: number; readonly at: number } => {
  let count = 0
  let at = cursor.at
  try {
    while (cursor.left > 0 && count < MAX_ROWS) {
      for (let i = 0; i < types.length; i++) {
        const indicator = cursor.uint8()
        if (indicator > INDICATOR.IGNORE) throw cursor.invalid('unknown indicator')
        if (indicator === INDICATOR.NONE) skipValue(cursor, types[i] as number, mariadb)
      }
      count++
      at = cursor.at
    }
  } catch {
    // the last row is not whole
  }
  return { count, at }
}

/** A bulk execution longer than what is kept: its first rows, and the length and hash of the rest. */
export class LongBulk {
  readonly #bulk: BulkExecute
  readonly #types: ParamTypes | undefined
  readonly #options: ValueOptions
  #count = 0
  #raw = ''
  #restBytes = 0
  readonly #hash: Hash = createHash('sha256')

  /** `bytes[start … end)`: the body's kept bytes, behind the command byte. Throws as {@link decodeBulk}. */
  constructor(bytes: Bytes, start: number, end: number, store: ExecutedStore, options: ValueOptions) {
    const { bulk, types } = openBulk(bytes, start, end, store, options)
    this.#bulk = bulk
    this.#types = types
    this.#options = options
    if (types === undefined || bulk.malformed) return
    const rowsAt = cursor.at
    const { count, at } = walkRows(types, options.mariadb)
    this.#count = count
    this.#raw = bytes.toString('latin1', rowsAt, at)
    this.add(bytes, at, end)
  }

  /** What follows the kept bytes. */
  add(bytes: Bytes, start: number, end: number): void {
    this.#restBytes += end - start
    this.#hash.update(bytes.subarray(start, end))
  }

  /** The body is complete. */
  finish(): BulkExecute {
    const types = this.#types
    if (types === undefined || this.#bulk.malformed) return this.#bulk
    const rest = { length: this.#restBytes, sha256: this.#hash.digest('hex') }
    this.#bulk.rows = new BulkRows(this.#count, this.#raw, types, this.#options, rest)
    return this.#bulk
  }
}
