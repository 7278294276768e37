/** Values of one execution: where each lies among the bytes, and what it is as text. */
import { createHash } from 'node:crypto'
import type { BoundValues } from '../../src/event.ts'
import type { Bytes } from '../../src/flow.ts'
import { MysqlCursor } from '../../src/framing/mysql-cursor.ts'
import type { LongValue } from './long-value.ts'
import type { ParamTypes } from './statements.ts'
import { readFixed, showBytes, showEncoded, skipValue, type ValueForm } from './values.ts'
import { columnTypeName, NULL_INSTEAD, takesLongData, wireSize } from './values-types.ts'

/** What stands before the values of an execution. */
export interface ValueSet {
  /** parameters, and the query attributes behind them */
  readonly count: number
  /** absent when none were ever sent: only NULL and long data are known then */
  readonly types: ParamTypes | undefined
  /** of query attributes; a parameter's is empty */
  readonly names: readonly string[] | undefined
  /** sent ahead by COM_STMT_SEND_LONG_DATA */
  readonly long: ReadonlyMap<number, LongValue> | undefined
  /** from the first byte of the NULL bitmap to the first value */
  readonly valuesAt: number
}

/** What the place of a value among the others says of it. */
export type Place = 'value' | 'null' | 'long'

/** Was it sent ahead (whatever the NULL bitmap says then), is it NULL, or does it stand in the body? */
export const placeOf = (
  index: number,
  isNull: boolean,
  { types, long }: ValueSet,
  mariadb: boolean,
): Place => {
  if (long?.has(index)) return 'long'
  if (isNull) return 'null'
  return wireSize(types?.[index] ?? 0, mariadb) === NULL_INSTEAD ? 'null' : 'value'
}

/** The bit of a NULL bitmap. */
export const isNullAt = (bytes: Bytes, nullsAt: number, index: number): boolean =>
  ((bytes[nullsAt + (index >> 3)] as number) & (1 << (index & 7))) !== 0

/**
 * Steps over the values; false when they cannot be told apart for want of their types. Throws ProtocolError
 * at a value that is not there, and at long data for a type that takes none.
 */
export const walkValues = (
  body: MysqlCursor,
  bytes: Bytes,
  nullsAt: number,
  set: ValueSet,
  mariadb: boolean,
): boolean => {
  const { count, types, long } = set
  for (let i = 0; i < count; i++) {
    const isNull = isNullAt(bytes, nullsAt, i)
    if (long !== undefined && placeOf(i, isNull, set, mariadb) === 'long') checkLong(body, types, i)
    else if (isNull) continue
    else if (types === undefined) return false
    else skipValue(body, types[i] as number, mariadb)
  }
  return true
}

export const checkLong = (body: MysqlCursor, types: ParamTypes | undefined, index: number): void => {
  const type = types?.[index]
  if (type !== undefined && !takesLongData(type)) throw body.invalid('long data for a type that takes none')
}

/** Of bodies up to this length values are read from one buffer that all share. */
const SCRATCH = 65_536
const scratch = Buffer.allocUnsafeSlow(SCRATCH)
const outer = new MysqlCursor()
const inner = new MysqlCursor()

/** Values as text, with what else is told of them. */
export class ShownValues implements BoundValues {
  count: number
  readonly #types: ParamTypes | undefined
  readonly texts: (string | null)[] = []
  readonly lengths: number[] = []
  hashes: (string | undefined)[] | undefined

  constructor(count: number, types: ParamTypes | undefined) {
    this.count = count
    this.#types = types
  }

  /** Bytes of memory, roughly. */
  get heldBytes(): number {
    let held = 0
    for (const text of this.texts) held += text?.length ?? 0
    return held
  }

  get typesKnown(): boolean {
    return this.#types !== undefined
  }

  text(index: number): string | null {
    return this.texts[index] as string | null
  }

  byteLength(index: number): number {
    return this.lengths[index] as number
  }

  type(index: number): string | undefined {
    const type = this.#types?.[index]
    return type === undefined ? undefined : columnTypeName(type)
  }

  sha256(index: number): string | undefined {
    return this.hashes?.[index]
  }

  push(text: string | null, length: number): void {
    this.texts.push(text)
    this.lengths.push(length)
  }

  /** A value that was sent ahead, or followed as it passed. */
  pushLong({ head, length, sha256 }: Kept, type: number, form: ValueForm): void {
    if (sha256 !== undefined) {
      this.hashes ??= []
      this.hashes[this.texts.length] = sha256
    }
    this.push(showBytes(head, 0, head.length, type, form.decoding, head.length < length), length)
  }

  /** Reads one value that stands in the body. */
  pushNext(body: MysqlCursor, bytes: Bytes, type: number, form: ValueForm): void {
    const size = wireSize(type, form.mariadb)
    if (size > 0) {
      this.push(readFixed(body, type), size)
      return
    }
    if (size === NULL_INSTEAD) {
      this.push(null, -1)
      return
    }
    const length = body.lenenc()
    const start = body.at
    body.skip(length)
    if (length > form.maxValueBytes) {
      this.hashes ??= []
      this.hashes[this.texts.length] = createHash('sha256')
        .update(bytes.subarray(start, start + length))
        .digest('hex')
    }
    this.push(showEncoded(inner, bytes, start, start + length, type, form), length)
  }
}

/** A value of which the first bytes are kept. */
export type Kept = Pick<LongValue, 'head' | 'length' | 'sha256'>

/** What a type that was never sent is read as. */
const STRING = 254

/**
 * Values whose wire bytes were kept whole, as a string of one character per byte, which costs the collector
 * less than a buffer. All are decoded when the first is asked for.
 */
export class MysqlValues implements BoundValues {
  count: number
  readonly #raw: string
  readonly #set: ValueSet
  readonly #form: ValueForm
  #shown: ShownValues | undefined

  /** `raw`: from the NULL bitmap to the end of the last value, walked. */
  constructor(raw: string, set: ValueSet, form: ValueForm) {
    this.count = set.count
    this.#raw = raw
    this.#set = set
    this.#form = form
  }

  get heldBytes(): number {
    let held = this.#raw.length
    const { long } = this.#set
    if (long !== undefined) for (const value of long.values()) held += value.head.length
    return held
  }

  get typesKnown(): boolean {
    return this.#set.types !== undefined
  }

  text(index: number): string | null {
    return this.#all.text(index)
  }

  byteLength(index: number): number {
    return this.#all.byteLength(index)
  }

  type(index: number): string | undefined {
    const type = this.#set.types?.[index]
    return type === undefined ? undefined : columnTypeName(type)
  }

  sha256(index: number): string | undefined {
    const isShort = this.#raw.length <= this.#form.maxValueBytes && this.#set.long === undefined
    return isShort ? undefined : this.#all.sha256(index)
  }

  get #all(): ShownValues {
    this.#shown ??= this.#decode()
    return this.#shown
  }

  #decode(): ShownValues {
    return showValues(bytesOf(this.#raw), 0, this.#raw.length, this.#set, this.#form)
  }
}

/** Decodes values that were walked: `bytes[nullsAt … end)`, from the NULL bitmap on. */
export const showValues = (
  bytes: Bytes,
  nullsAt: number,
  end: number,
  set: ValueSet,
  form: ValueForm,
): ShownValues => {
  const { types, long, count, valuesAt } = set
  const shown = new ShownValues(count, types)
  const body = outer.reset(bytes, nullsAt + valuesAt, end)
  for (let i = 0; i < count; i++) {
    const type = types?.[i] ?? STRING
    const place = placeOf(i, isNullAt(bytes, nullsAt, i), set, form.mariadb)
    if (place === 'value') shown.pushNext(body, bytes, type, form)
    else if (place === 'null') shown.push(null, -1)
    else shown.pushLong(long?.get(i) as LongValue, type, form)
  }
  return shown
}

/** The bytes that a string of one character per byte stands for; borrowed until the next call. */
export const bytesOf = (raw: string): Bytes => {
  if (raw.length > SCRATCH) return Buffer.from(raw, 'latin1')
  scratch.write(raw, 0, 'latin1')
  return scratch
}
