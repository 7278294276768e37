/** Values of an execution that is too long to be kept, read as they pass. */
import type { BoundValues } from '../../src/event.ts'
import type { Bytes } from '../../src/flow.ts'
import { MysqlCursor } from '../../src/framing/mysql-cursor.ts'
import { type Kept, placeOf, ShownValues, type ValueSet } from './bound-set.ts'
import { LongValue } from './long-value.ts'
import { readFixed, showEncoded, type ValueForm } from './values.ts'
import { columnTypeName, LENGTH_ENCODED, takesLongData, wireSize } from './values-types.ts'

/** Bytes of a length-encoded length behind its first one. */
const MORE: Readonly<Record<number, number>> = { 252: 2, 253: 3, 254: 8 }
const NO_LENGTH = 251

export class ValueStream {
  readonly #set: ValueSet
  readonly #nulls: Bytes
  readonly #form: ValueForm
  readonly #kept: (Kept | undefined)[] = []
  #room: number
  /** the value that is passing, and how many of its bytes are still to come */
  #value: LongValue | undefined
  #left = 0
  /** the length that is passing: how many of its bytes are to come, its place value, what it is so far */
  #lengthLeft = 0
  #place = 1
  #length = 0
  /** the body made no sense */
  broken = false

  /** `nulls`: the NULL bitmap, kept. */
  constructor(set: ValueSet, nulls: Bytes, form: ValueForm, maxBytes: number) {
    this.#set = set
    this.#nulls = nulls
    this.#form = form
    this.#room = maxBytes
    this.#stepOver()
  }

  get #done(): boolean {
    return this.broken || this.#kept.length >= this.#set.count
  }

  add(bytes: Bytes, start: number, end: number): void {
    let at = start
    while (at < end && !this.#done) {
      if (this.#value !== undefined) at = this.#take(bytes, at, end)
      else if (this.#lengthLeft > 0) this.#lengthByte(bytes[at++] as number)
      else this.#firstByte(bytes[at++] as number)
    }
  }

  /** What was read; undefined when the body ended before its values did, or made no sense. */
  finish(): StreamedValues | undefined {
    if (!this.#done) this.broken = true
    return this.broken ? undefined : new StreamedValues(this.#kept, this.#set, this.#form)
  }

  /** Goes on to the next value that stands in the body. */
  #stepOver(): void {
    const { types, long, count } = this.#set
    for (let i = this.#kept.length; i < count; i++) {
      const isNull = ((this.#nulls[i >> 3] as number) & (1 << (i & 7))) !== 0
      const place = placeOf(i, isNull, this.#set, this.#form.mariadb)
      if (place === 'value') {
        const size = types === undefined ? -1 : wireSize(types[i] as number, this.#form.mariadb)
        if (size < 0) this.broken = true
        else if (size !== LENGTH_ENCODED) this.#open(size)
        return
      }
      if (place === 'long' && types !== undefined && !takesLongData(types[i] as number)) {
        this.broken = true
        return
      }
      this.#kept.push(place === 'long' ? long?.get(i) : undefined)
    }
  }

  #firstByte(byte: number): void {
    const more = MORE[byte]
    if (byte < NO_LENGTH) this.#open(byte)
    else if (more === undefined) this.broken = true
    else {
      this.#lengthLeft = more
      this.#place = 1
      this.#length = 0
    }
  }

  #lengthByte(byte: number): void {
    this.#length += byte * this.#place
    this.#place *= 256
    if (--this.#lengthLeft === 0) this.#open(this.#length)
  }

  #open(length: number): void {
    const max = Math.min(length, this.#form.maxValueBytes, this.#room)
    this.#room -= max
    this.#value = new LongValue(max)
    this.#left = length
    if (length === 0) this.#close()
  }

  #take(bytes: Bytes, at: number, end: number): number {
    const stop = Math.min(end, at + this.#left)
    this.#value?.add(bytes, at, stop)
    this.#left -= stop - at
    if (this.#left === 0) this.#close()
    return stop
  }

  #close(): void {
    this.#value?.close()
    this.#kept.push(this.#value)
    this.#value = undefined
    this.#stepOver()
  }
}

const cursor = new MysqlCursor()

/** Values of a body too long to keep: the head, length and hash of each. */
export class StreamedValues implements BoundValues {
  count: number
  readonly #kept: readonly (Kept | undefined)[]
  readonly #set: ValueSet
  readonly #form: ValueForm

  constructor(kept: readonly (Kept | undefined)[], set: ValueSet, form: ValueForm) {
    this.count = kept.length
    this.#kept = kept
    this.#set = set
    this.#form = form
  }

  get heldBytes(): number {
    return this.#kept.reduce((sum, kept) => sum + (kept?.head.length ?? 0), 0)
  }

  get typesKnown(): boolean {
    return this.#set.types !== undefined
  }

  type(index: number): string | undefined {
    const type = this.#set.types?.[index]
    return type === undefined ? undefined : columnTypeName(type)
  }

  byteLength(index: number): number {
    return this.#kept[index]?.length ?? -1
  }

  sha256(index: number): string | undefined {
    return this.#kept[index]?.sha256
  }

  text(index: number): string | null {
    const kept = this.#kept[index]
    if (kept === undefined) return null
    const { head, length } = kept
    const type = this.#set.types?.[index] ?? 0
    const isWhole = head.length === length && !this.#set.long?.has(index)
    if (isWhole && wireSize(type, this.#form.mariadb) > 0)
      return readFixed(cursor.reset(head, 0, length), type)
    if (isWhole) return showEncoded(cursor, head, 0, length, type, this.#form)
    const shown = new ShownValues(1, undefined)
    shown.pushLong(kept, type, this.#form)
    return shown.text(0)
  }
}
