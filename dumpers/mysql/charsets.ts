/**
 * Collations and character sets of MySQL and MariaDB: by id → name → how its bytes are read.
 * {@link https://dev.mysql.com/doc/refman/8.4/en/charset-charsets.html}
 * {@link https://mariadb.com/docs/server/reference/data-types/string-data-types/character-sets/supported-character-sets-and-collations}
 */
import type { Bytes } from '../../src/flow.ts'
import { decodingOfLabel, type TextDecoding, UTF8, WIN1252 } from '../common/text-decoding.ts'
import { HIGH_HALVES } from './charset-tables.ts'

/** Ids, and ranges of ids, of each set's collations, below 1024. */
const COLLATIONS: Readonly<Record<string, readonly (number | readonly [first: number, last: number])[]>> = {
  armscii8: [32, 64],
  ascii: [11, 65],
  big5: [1, 84],
  binary: [63],
  cp1250: [26, 34, 44, 66, 99],
  cp1251: [14, 23, [50, 52]],
  cp1256: [57, 67],
  cp1257: [29, [58, 59]],
  cp850: [4, 80],
  cp852: [40, 81],
  cp866: [36, 68],
  cp932: [[95, 96]],
  dec8: [3, 69],
  eucjpms: [[97, 98]],
  euckr: [19, 85],
  gb18030: [[248, 250]],
  gb2312: [24, 86],
  gbk: [28, 87],
  geostd8: [[92, 93]],
  greek: [25, 70],
  hebrew: [16, 71],
  hp8: [6, 72],
  keybcs2: [37, 73],
  koi8r: [7, 74],
  koi8u: [22, 75],
  latin1: [5, 8, 15, 31, [47, 49], 94],
  latin2: [2, 9, 21, 27, 77],
  latin5: [30, 78],
  latin7: [20, [41, 42], 79],
  macce: [38, 43],
  macroman: [39, 53],
  sjis: [13, 88],
  swe7: [10, 82],
  tis620: [18, 89],
  ucs2: [35, 90, [128, 151], 159, [640, 671]],
  ujis: [12, 91],
  utf16: [
    [54, 55],
    [101, 124],
    [672, 703],
  ],
  utf16le: [56, 62],
  utf32: [
    [60, 61],
    [160, 183],
    [736, 767],
  ],
  utf8mb3: [33, 76, 83, [192, 215], 223, [576, 607]],
  utf8mb4: [
    [45, 46],
    [224, 247],
    [255, 399],
    [608, 639],
  ],
}

/** Ids that MySQL alone has: from 5.7 on gb18030, from 8.0 on UCA 9.0.0; those that MariaDB alone has. */
const MYSQL_ONLY = 248
const MYSQL_8_ONLY = 255
const MARIADB_ONLY = 576
/** MariaDB: the same collation without padding has 1024 added to its id. */
const NO_PAD = 1024
/** MariaDB's collations of UCA 14.0.0: 256 ids for each of the sets. */
const UCA_1400 = 2048
const UCA_1400_SETS = ['utf8mb3', 'utf8mb4', 'ucs2', 'utf16', 'utf32']
const UCA_1400_EACH = 256

const charsets: (string | undefined)[] = new Array(NO_PAD).fill(undefined)
for (const [name, ids] of Object.entries(COLLATIONS)) {
  for (const id of ids) {
    const [first, last] = typeof id === 'number' ? [id, id] : id
    charsets.fill(name, first, last + 1)
  }
}

/** The first of the ids that MySQL of this version does not know. */
const endOfIds = (version: string): number => {
  if (/^(?:[34]|5\.[0-6])\./.test(version)) return MYSQL_ONLY
  return version.startsWith('5.7.') ? MYSQL_8_ONLY : MARIADB_ONLY
}

/**
 * The name of the character set of a collation; undefined for an id that the server of that `version` does
 * not know: it takes its own default then, as those of MariaDB and before MySQL 8 do with 255 from a client
 * of MySQL 8.
 */
export const charsetOfCollation = (id: number, mariadb: boolean, version = ''): string | undefined => {
  if (mariadb ? id >= MYSQL_ONLY && id < MARIADB_ONLY : id >= endOfIds(version)) return undefined
  if (id >= UCA_1400) return UCA_1400_SETS[Math.floor((id - UCA_1400) / UCA_1400_EACH)]
  return charsets[id >= NO_PAD ? id - NO_PAD : id]
}

const REPLACEMENT = '\ufffd'

/** ASCII and a table of 128 characters. */
const singleByte = (name: string, high: string): TextDecoding => ({
  name,
  text: (bytes, start, end) =>
    bytes
      .toString('latin1', start, end)
      .replace(/[\x80-\xff]/g, (byte) => high[byte.charCodeAt(0) - 0x80] ?? REPLACEMENT),
  valid: (_bytes, _start, _end, text) => !text.includes(REPLACEMENT),
})

const NOT_ASCII = /[\x80-\xff]/

/**
 * Sets of several bytes a character: WHATWG's decoder, and what the server takes for one character. WHATWG
 * knows more of them than some servers do (four bytes in gbk, Hong Kong's in big5); where the two part, the
 * text is marked as not valid.
 */
const MULTI_BYTE: Readonly<Record<string, readonly [label: string, character: RegExp]>> = {
  big5: ['big5', /[\xa1-\xf9][\x40-\x7e\xa1-\xfe]/g],
  cp932: ['shift_jis', /[\x81-\x9f\xe0-\xfc][\x40-\x7e\x80-\xfc]|[\xa1-\xdf]/g],
  eucjpms: ['euc-jp', /\x8e[\xa1-\xdf]|\x8f?[\xa1-\xfe][\xa1-\xfe]/g],
  euckr: ['euc-kr', /[\x81-\xfe][\x41-\x5a\x61-\x7a\x81-\xfe]/g],
  gb18030: ['gb18030', /[\x81-\xfe][\x40-\x7e\x80-\xfe]|[\x81-\xfe][\x30-\x39][\x81-\xfe][\x30-\x39]/g],
  gb2312: ['gbk', /[\xa1-\xf7][\xa1-\xfe]/g],
  gbk: ['gbk', /[\x81-\xfe][\x40-\x7e\x80-\xfe]/g],
  sjis: ['shift_jis', /[\x81-\x9f\xe0-\xfc][\x40-\x7e\x80-\xfc]|[\xa1-\xdf]/g],
  ujis: ['euc-jp', /\x8e[\xa1-\xdf]|\x8f?[\xa1-\xfe][\xa1-\xfe]/g],
}

const multiByte = (name: string, label: string, character: RegExp): TextDecoding | undefined => {
  const decoding = decodingOfLabel(name, label)
  if (decoding === undefined) return undefined
  const valid = (bytes: Bytes, start: number, end: number, text: string): boolean =>
    !text.includes(REPLACEMENT) &&
    !NOT_ASCII.test(bytes.toString('latin1', start, end).replace(character, ''))
  return { ...decoding, valid }
}

const make = (name: string): TextDecoding => {
  if (name === 'latin1') return { ...WIN1252, name }
  const high = HIGH_HALVES[name]
  if (high !== undefined) return singleByte(name, high)
  const multi = MULTI_BYTE[name]
  const made = multi && multiByte(name, ...multi)
  if (made !== undefined) return made
  return name === 'utf8mb4' || name === 'utf8mb3' ? { ...UTF8, name } : UTF8
}

const decodings = new Map<string, TextDecoding>()

/**
 * How texts in a character set are read. Sets that none can be a client's (ucs2, utf16, utf32), unknown
 * ones, `binary` and `ascii` are read as UTF-8 where they are; so is swe7, whose bytes a server lexes as
 * ASCII's.
 */
export const decodingOfCharset = (charset: string): TextDecoding => {
  const lower = charset.toLowerCase()
  const name = lower === 'utf8' ? 'utf8mb3' : lower
  const known = decodings.get(name)
  if (known !== undefined) return known
  if (!Object.hasOwn(COLLATIONS, name)) return UTF8
  const made = make(name)
  decodings.set(name, made)
  return made
}
