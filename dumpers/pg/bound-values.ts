/** The values of a Bind or FunctionCall: kept as bytes, decoded when their record is written. */
import { createHash, type Hash } from 'node:crypto'
import type { BoundValues } from '../../src/event.ts'
import type { Bytes } from '../../src/flow.ts'
import { type TextDecoding, UTF8 } from '../common/text-decoding.ts'
import { serverName } from './names.ts'
import { decodeBinary, typeName } from './values.ts'

/** Types of values of which none is known. */
export const NO_OIDS: readonly number[] = []

/** What every form of kept values shares: types and formats by position. */
abstract class TypedValues {
  readonly count: number
  /** 0 text, 1 binary: none, one for all, or one for each */
  readonly #formats: readonly number[]
  /** parameter types, known by Parse or ParameterDescription; set before the record is written */
  oids = NO_OIDS
  readonly decoding: TextDecoding

  constructor(count: number, formats: readonly number[], decoding: TextDecoding) {
    this.count = count
    this.#formats = formats
    this.decoding = decoding
  }

  get typesKnown(): boolean {
    const { oids } = this
    for (let i = 0; i < oids.length; i++) if (oids[i] !== 0) return true
    return false
  }

  type(index: number): string | undefined {
    const oid = this.oids[index]
    return oid === undefined || oid === 0 ? undefined : (typeName(oid) ?? String(oid))
  }

  protected binary(index: number): boolean {
    const formats = this.#formats
    return (formats.length === 1 ? formats[0] : (formats[index] ?? 0)) === 1
  }

  /** Text form of one value's bytes; what is not text in the client's encoding is shown as hex. */
  protected shown(index: number, bytes: Bytes, cut: boolean): string {
    const oid = this.oids[index] ?? 0
    if (this.binary(index)) {
      if (oid === 0 || (cut && !TEXT_FAMILY.has(oid))) return `\\x${bytes.toString('hex')}`
      return decodeBinary(oid, bytes, (part) => strictText(this.decoding, part))
    }
    const whole = cut ? bytes.subarray(0, wholeCharacters(bytes)) : bytes
    const text = this.decoding.text(whole)
    return this.decoding.valid(whole, 0, whole.length, text) ? text : `\\x${bytes.toString('hex')}`
  }
}

/** Throws at bytes that are not text in the client's encoding, so that the value is shown as hex. */
const strictText = (decoding: TextDecoding, bytes: Bytes): string => {
  const text = decoding.text(bytes)
  if (!decoding.valid(bytes, 0, bytes.length, text)) throw new TypeError('not text in the client encoding')
  return text
}

/** text, varchar, bpchar, name, json, unknown: their binary form is their text. */
const TEXT_FAMILY = new Set([25, 1043, 1042, 19, 114, 705])

/** Length of `bytes` less a UTF-8 character that was cut at their end. */
const wholeCharacters = (bytes: Bytes): number => {
  let at = bytes.length
  for (let back = 1; back <= 4 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] as number
    if (byte >= 0xc0) {
      const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
      if (size > back) at = bytes.length - back
      break
    }
    if (byte < 0x80) break
  }
  return at
}

/** Only characters that every client encoding spells as ASCII does. */
const ASCII = /^[\0-\x7f]*$/

/**
 * Values whose wire bytes were kept whole: as a string of one character per byte, which costs the
 * collector less
 * than a buffer, and of which a value in ASCII is a part as it stands.
 */
export class PgValues extends TypedValues implements BoundValues {
  readonly #raw: string
  readonly #maxValueBytes: number
  /** start of each value behind its length, made on first use */
  #starts: number[] | undefined
  #texts: (string | null)[] = []
  /** the types by which those were decoded */
  #decodedBy = NO_OIDS

  /** `raw`: count × (int32 length, bytes), checked. */
  constructor(
    raw: string,
    count: number,
    formats: readonly number[],
    decoding: TextDecoding,
    maxValueBytes: number,
  ) {
    super(count, formats, decoding)
    this.#raw = raw
    this.#maxValueBytes = maxValueBytes
  }

  get heldBytes(): number {
    return this.#raw.length
  }

  #length(at: number): number {
    const raw = this.#raw
    return (
      (raw.charCodeAt(at) << 24) |
      (raw.charCodeAt(at + 1) << 16) |
      (raw.charCodeAt(at + 2) << 8) |
      raw.charCodeAt(at + 3)
    )
  }

  #start(index: number): number {
    if (index === 0) return 4
    if (this.#starts === undefined) {
      const starts: number[] = []
      for (let i = 0, at = 0; i < this.count; i++) {
        starts.push(at + 4)
        at += 4 + Math.max(0, this.#length(at))
      }
      this.#starts = starts
    }
    return this.#starts[index] as number
  }

  byteLength(index: number): number {
    return this.#length(this.#start(index) - 4)
  }

  /** Asked for by the redactor, then by each encoder: worked out once. */
  text(index: number): string | null {
    if (this.#decodedBy !== this.oids) {
      this.#decodedBy = this.oids
      this.#texts = []
    }
    let text = this.#texts[index]
    if (text === undefined) {
      text = this.#decode(index)
      this.#texts[index] = text
    }
    return text
  }

  #decode(index: number): string | null {
    const start = this.#start(index)
    const length = this.#length(start - 4)
    if (length < 0) return null
    const kept = this.#raw.slice(start, start + Math.min(length, this.#maxValueBytes))
    if (!this.binary(index) && ASCII.test(kept)) return kept
    return this.shown(index, Buffer.from(kept, 'latin1'), kept.length < length)
  }

  sha256(index: number): string | undefined {
    const length = this.byteLength(index)
    if (length <= this.#maxValueBytes) return undefined
    const start = this.#start(index)
    return createHash('sha256')
      .update(this.#raw.slice(start, start + length), 'latin1')
      .digest('hex')
  }
}

interface Kept {
  readonly head: Bytes
  readonly length: number
  readonly sha256: string | undefined
}

/** Values of a message too long to keep: the head, length and hash of each. */
class LongValues extends TypedValues implements BoundValues {
  readonly #kept: readonly (Kept | undefined)[]

  get heldBytes(): number {
    return this.#kept.reduce((sum, kept) => sum + (kept?.head.length ?? 0), 0)
  }

  constructor(kept: readonly (Kept | undefined)[], formats: readonly number[], decoding: TextDecoding) {
    super(kept.length, formats, decoding)
    this.#kept = kept
  }

  byteLength(index: number): number {
    return this.#kept[index]?.length ?? -1
  }

  text(index: number): string | null {
    const kept = this.#kept[index]
    return kept === undefined ? null : this.shown(index, kept.head, kept.head.length < kept.length)
  }

  sha256(index: number): string | undefined {
    return this.#kept[index]?.sha256
  }
}

/** Bytes of a name that are read in a long Bind: more than the server compares, in any encoding. */
const MAX_NAME = 256

/**
 * Reads a Bind that is longer than what is kept, as it passes: names, formats, and of each value its
 * head, length
 * and hash. Holds at most `maxBytes` of values, `maxValueBytes` of each.
 */
export class LongBind {
  portal = ''
  statement = ''
  /** both names were read */
  named = false
  /** the body made no sense */
  broken = false
  readonly #formats: number[] = []
  readonly #kept: (Kept | undefined)[] = []
  readonly #maxValueBytes: number
  readonly #decoding: TextDecoding
  #room: number
  #count = -1
  #formatCount = -1
  #names = 0
  /** the piece being collected: a name, or an integer of `#want` bytes */
  #piece: number[] = []
  #left = -1
  #length = 0
  #head: Bytes = EMPTY
  #headBytes = 0
  #hash: Hash | undefined

  constructor(maxValueBytes: number, maxBytes: number, decoding: TextDecoding = UTF8) {
    this.#maxValueBytes = maxValueBytes
    this.#room = maxBytes
    this.#decoding = decoding
  }

  get #done(): boolean {
    return this.broken || (this.#count >= 0 && this.#kept.length === this.#count)
  }

  add(bytes: Bytes, start: number, end: number): void {
    let at = start
    while (at < end && !this.#done) {
      if (this.#left >= 0) at = this.#value(bytes, at, end)
      else this.#byte(bytes[at++] as number)
    }
  }

  #byte(byte: number): void {
    if (this.#names < 2) {
      if (byte !== 0) {
        if (this.#piece.length < MAX_NAME) this.#piece.push(byte)
        return
      }
      const name = serverName(Buffer.from(this.#piece), this.#decoding)
      if (this.#names++ === 0) this.portal = name
      else this.statement = name
      this.named = this.#names === 2
      this.#piece = []
      return
    }
    this.#piece.push(byte)
    const want = this.#count < 0 ? 2 : 4
    if (this.#piece.length === want) this.#integer(this.#piece.splice(0))
  }

  #integer(piece: readonly number[]): void {
    const value = piece.reduce((sum, byte) => (sum << 8) | byte, 0)
    if (this.#formatCount < 0) this.#formatCount = value
    else if (this.#formats.length < this.#formatCount) this.#formats.push((value << 16) >> 16)
    else if (this.#count < 0) this.#count = value
    else if (value === -1) this.#kept.push(undefined)
    else if (value < 0) this.broken = true
    else this.#openValue(value)
  }

  #openValue(length: number): void {
    this.#length = length
    this.#left = length
    this.#head = Buffer.allocUnsafeSlow(Math.min(length, this.#maxValueBytes, this.#room))
    this.#headBytes = 0
    this.#room -= this.#head.length
    this.#hash = length > this.#head.length ? createHash('sha256') : undefined
    if (length === 0) this.#closeValue()
  }

  #value(bytes: Bytes, at: number, end: number): number {
    const stop = Math.min(end, at + this.#left)
    this.#headBytes += bytes.copy(this.#head, this.#headBytes, at, stop)
    this.#hash?.update(bytes.subarray(at, stop))
    this.#left -= stop - at
    if (this.#left === 0) this.#closeValue()
    return stop
  }

  #closeValue(): void {
    this.#kept.push({ head: this.#head, length: this.#length, sha256: this.#hash?.digest('hex') })
    this.#left = -1
  }

  /** What was read; undefined when the message ended before its values did. */
  finish(decoding: TextDecoding): PgBoundValues | undefined {
    return !this.broken && this.#done ? new LongValues(this.#kept, this.#formats, decoding) : undefined
  }
}

const EMPTY: Bytes = Buffer.alloc(0)

export type PgBoundValues = BoundValues & { oids: readonly number[]; readonly heldBytes: number }
