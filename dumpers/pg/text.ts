/**
 * Text of the wire → strings, by client_encoding, and the kept form of a statement's text.
 * {@link https://www.postgresql.org/docs/current/multibyte.html}
 */
import { isUtf8 } from 'node:buffer'
import { createHash, type Hash } from 'node:crypto'
import type { QueryText } from '../../src/event.ts'
import type { Bytes } from '../../src/flow.ts'
import { isSameAscii, slotOf } from '../../src/framing/short-strings.ts'

/** Bytes of the last part of a text that is kept beside its first `maxQueryBytes`. */
export const TAIL_BYTES = 65_536
/** Most bytes of a text with undecodable bytes that are shown as hex. */
const HEX_BYTES = 65_536

/** Decodes bytes of one encoding. `valid` tells whether nothing had to be replaced. */
export interface TextDecoding {
  readonly name: string
  text(bytes: Bytes, start?: number, end?: number): string
  valid(bytes: Bytes, start: number, end: number, text: string): boolean
}

const REPLACEMENT = '\ufffd'

/** UTF-8, and what is stored without conversion (SQL_ASCII): shown as UTF-8 where it is. */
export const UTF8: TextDecoding = {
  name: 'UTF8',
  text: (bytes, start, end) => bytes.toString('utf8', start, end),
  valid: (bytes, start, end, text) => !text.includes(REPLACEMENT) || isUtf8(bytes.subarray(start, end)),
}

const LATIN1: TextDecoding = {
  name: 'LATIN1',
  text: (bytes, start, end) => bytes.toString('latin1', start, end),
  valid: () => true,
}

/** What windows-1252 has in the place of the control characters 0x80 to 0x9f (WHATWG's index). */
const WIN1252_HIGH =
  '\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f' +
  '\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178'

/** Read without TextDecoder: that of Node 20 and 22 reads it as LATIN1. */
const WIN1252: TextDecoding = {
  name: 'WIN1252',
  text: (bytes, start, end) =>
    bytes
      .toString('latin1', start, end)
      .replace(/[\x80-\x9f]/g, (high) => WIN1252_HIGH[high.charCodeAt(0) - 0x80] as string),
  valid: () => true,
}

/** PostgreSQL's names of encodings → the WHATWG labels that mean the same. */
const LABELS: Readonly<Record<string, string>> = {
  BIG5: 'big5',
  EUC_CN: 'gb2312',
  EUC_JP: 'euc-jp',
  EUC_KR: 'euc-kr',
  GB18030: 'gb18030',
  GBK: 'gbk',
  ISO_8859_5: 'iso-8859-5',
  ISO_8859_6: 'iso-8859-6',
  ISO_8859_7: 'iso-8859-7',
  ISO_8859_8: 'iso-8859-8',
  KOI8R: 'koi8-r',
  KOI8U: 'koi8-u',
  LATIN2: 'iso-8859-2',
  LATIN3: 'iso-8859-3',
  LATIN4: 'iso-8859-4',
  LATIN5: 'iso-8859-9',
  LATIN6: 'iso-8859-10',
  LATIN7: 'iso-8859-13',
  LATIN8: 'iso-8859-14',
  LATIN9: 'iso-8859-15',
  LATIN10: 'iso-8859-16',
  SJIS: 'shift_jis',
  SHIFT_JIS_2004: 'shift_jis',
  UHC: 'euc-kr',
  WIN866: 'ibm866',
  WIN874: 'windows-874',
  WIN1250: 'windows-1250',
  WIN1251: 'windows-1251',
  WIN1253: 'windows-1253',
  WIN1254: 'windows-1254',
  WIN1255: 'windows-1255',
  WIN1256: 'windows-1256',
  WIN1257: 'windows-1257',
  WIN1258: 'windows-1258',
}

/** Not every build of Node has all of them: Node 20 lacks LATIN10's. */
const decoderOf = (label: string) => {
  try {
    return new TextDecoder(label)
  } catch {
    return undefined
  }
}

/** The decoding of a client_encoding that the server reported; an unknown one is read as UTF-8. */
export const decodingOf = (clientEncoding: string): TextDecoding => {
  const name = clientEncoding.toUpperCase()
  if (name === 'LATIN1') return LATIN1
  if (name === 'WIN1252') return WIN1252
  const label = LABELS[name]
  if (label === undefined) return UTF8
  const decoder = decoderOf(label)
  if (decoder === undefined) return UTF8
  return {
    name,
    text: (bytes, start, end) => decoder.decode(bytes.subarray(start, end)),
    valid: (_bytes, _start, _end, text) => !text.includes(REPLACEMENT),
  }
}

/** A statement's text: `bytes[start … end)`, borrowed. */
export const makeText = (
  bytes: Bytes,
  start: number,
  end: number,
  decoding: TextDecoding,
  standardConformingStrings: boolean,
  truncated?: QueryText['truncated'],
): QueryText => {
  const text = decoding.text(bytes, start, end)
  const made: Mutable<QueryText> = { text, standardConformingStrings, dialect: 'postgresql' }
  if (truncated !== undefined) made.truncated = truncated
  if (!decoding.valid(bytes, start, end, text)) {
    made.hex = `\\x${bytes.toString('hex', start, Math.min(end, start + HEX_BYTES))}`
  }
  return made
}

/** Longer texts are made anew. */
const MAX_REPEATED = 1024
const REPEATED = 128
const repeated: (QueryText | undefined)[] = new Array(REPEATED).fill(undefined)

/**
 * {@link makeText} for texts that come again and again, as a driver's Parse before each execution does: one
 * that came before is the same object, and with it what the redactor made of it.
 */
export const repeatedText = (
  bytes: Bytes,
  start: number,
  end: number,
  decoding: TextDecoding,
  standardConformingStrings: boolean,
): QueryText => {
  if (end - start > MAX_REPEATED) return makeText(bytes, start, end, decoding, standardConformingStrings)
  const slot = slotOf(bytes, start, end, REPEATED)
  const before = repeated[slot]
  if (
    before !== undefined &&
    before.standardConformingStrings === standardConformingStrings &&
    isSameAscii(before.text, bytes, start, end)
  ) {
    return before
  }
  const made = makeText(bytes, start, end, decoding, standardConformingStrings)
  repeated[slot] = made
  return made
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Follows a text longer than what is kept: its length, its hash and its last bytes. Ends at the NUL. */
export class LongText {
  readonly head: Bytes
  readonly #hash: Hash
  #length: number
  #ended: boolean
  /** ring of the last TAIL_BYTES */
  readonly #tail: Bytes = Buffer.allocUnsafeSlow(TAIL_BYTES)
  #tailAt = 0
  #tailHave = 0

  /** `head`: the text's first bytes, borrowed and copied; the text may end within them. */
  constructor(head: Bytes) {
    const nul = head.indexOf(0)
    this.#ended = nul >= 0
    this.head = Buffer.from(this.#ended ? head.subarray(0, nul) : head)
    this.#hash = createHash('sha256').update(this.head)
    this.#length = this.head.length
  }

  add(bytes: Bytes, start: number, end: number): void {
    if (this.#ended) return
    const nul = bytes.indexOf(0, start)
    const stop = nul >= 0 && nul < end ? nul : end
    this.#ended = stop < end
    this.#hash.update(bytes.subarray(start, stop))
    this.#length += stop - start
    for (let at = Math.max(start, stop - TAIL_BYTES); at < stop; ) {
      const count = Math.min(stop - at, TAIL_BYTES - this.#tailAt)
      bytes.copy(this.#tail, this.#tailAt, at, at + count)
      this.#tailAt = (this.#tailAt + count) % TAIL_BYTES
      this.#tailHave = Math.min(TAIL_BYTES, this.#tailHave + count)
      at += count
    }
  }

  /** The text as it is kept; whole when it ended within its head. */
  finish(decoding: TextDecoding, standardConformingStrings: boolean): QueryText {
    const { head } = this
    const truncated =
      this.#length === head.length
        ? undefined
        : {
            bytes: this.#length,
            sha256: this.#hash.digest('hex'),
            tail: decoding.text(this.#lastBytes()),
          }
    return makeText(head, 0, head.length, decoding, standardConformingStrings, truncated)
  }

  #lastBytes(): Bytes {
    const tail = this.#tail
    if (this.#tailHave < TAIL_BYTES) return tail.subarray(0, this.#tailHave)
    return Buffer.concat([tail.subarray(this.#tailAt), tail.subarray(0, this.#tailAt)])
  }
}
