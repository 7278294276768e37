/**
 * Parameter bytes → text, by column type, on request.
 *
 * What is shown as `\x` and hex digits: bytes of a type that the server takes as bytes (BLOB, BIT, GEOMETRY)
 * unless they are UTF-8 without control characters; bytes of any other type that are not valid in the
 * connection's character set; a date or time of a length that none has; a type that is not known; and a
 * text that looks like such hex, or like one of {@link DEFAULT_MARK} and the like, so that no client can
 * forge them.
 */
import type { Bytes } from '../../src/flow.ts'
import type { MysqlCursor } from '../../src/framing/mysql-cursor.ts'
import { shortAscii } from '../../src/framing/short-strings.ts'
import { type TextDecoding, UTF8 } from '../common/text-decoding.ts'
import { TYPE } from './capabilities.ts'
import { readDate, readDatetime, readTime } from './values-datetime.ts'
import { formatDouble, formatFloat, readLonglong } from './values-numeric.ts'
import { isBinary, UNSIGNED_FLAG, wireSize } from './values-types.ts'

/** In a bulk execution, in the place of a value: the column's default. */
export const DEFAULT_MARK = '\\DEFAULT'
/** In a bulk execution, in the place of a value: the column is left as it is. */
export const IGNORE_MARK = '\\IGNORE'
/** At the end of a bulk execution too long to be kept: the rest, by its length and hash. */
export const REST_MARK = '\\REST'

/** What looks like hex, or like a mark, and is not. */
const AMBIGUOUS = /^\\(?:x(?:[0-9a-f]{2})*|DEFAULT|IGNORE|REST)$/
const BACKSLASH = 0x5c
/** Control characters but tab, line feed and carriage return: no text has them. */
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/

/** Which characters bytes are, and whose server takes them. */
export interface ValueForm {
  /** of the connection: its `character_set_client` */
  readonly decoding: TextDecoding
  /** the server is MariaDB, whose reading of a few types and odd bodies differs from MySQL's */
  readonly mariadb: boolean
  /** kept bytes of one value */
  readonly maxValueBytes: number
}

const hexOf = (bytes: Bytes, start: number, end: number): string =>
  `\\x${bytes.toString('hex', start, end)}`

/** Characters that a cut may have split are at most so many bytes long. */
const LONGEST_CHARACTER = 4

/** The text, if the bytes are one; of a cut one without the character that was split. */
const textOf = (bytes: Bytes, start: number, end: number, by: TextDecoding, cut: boolean) => {
  const least = cut ? Math.max(start, end - LONGEST_CHARACTER + 1) : end
  for (let to = end; to >= least; to--) {
    const text = by.text(bytes, start, to)
    if (by.valid(bytes, start, to, text)) return text
  }
  return undefined
}

/** Types whose code means a text, or a number spelt as one. */
const isText = (code: number): boolean =>
  code === TYPE.VARCHAR ||
  code === TYPE.DECIMAL ||
  code === TYPE.JSON ||
  (code > TYPE.JSON && code <= TYPE.STRING)

/** Bytes of a value that came behind its length, as text. `cut`: they are its first ones. */
export const showBytes = (
  bytes: Bytes,
  start: number,
  end: number,
  type: number,
  decoding: TextDecoding,
  cut: boolean,
): string => {
  const marked = bytes[start] === BACKSLASH && end > start
  if (isBinary(type)) {
    const text = textOf(bytes, start, end, UTF8, cut)
    return text === undefined || CONTROL.test(text) || (marked && AMBIGUOUS.test(text))
      ? hexOf(bytes, start, end)
      : text
  }
  if (!isText(type & 0xff)) return hexOf(bytes, start, end)
  if (!marked) {
    const short = shortAscii(bytes, start, end)
    if (short !== undefined) return short
  }
  const text = textOf(bytes, start, end, decoding, cut)
  return text === undefined || (marked && AMBIGUOUS.test(text)) ? hexOf(bytes, start, end) : text
}

const readTemporal = (
  body: MysqlCursor,
  code: number,
  length: number,
  mariadb: boolean,
): string | undefined => {
  switch (code) {
    case TYPE.DATE:
      return readDate(body, length)
    case TYPE.NEWDATE:
      // MySQL 5.6 takes it for a string
      return mariadb ? readDate(body, length) : undefined
    case TYPE.TIME:
      return readTime(body, length)
    case TYPE.DATETIME:
    case TYPE.TIMESTAMP:
      return readDatetime(body, length)
    default:
      return undefined
  }
}

/** The bytes behind a value's length, by type: a date, a time, or {@link showBytes}. */
export const showEncoded = (
  body: MysqlCursor,
  bytes: Bytes,
  start: number,
  end: number,
  type: number,
  form: ValueForm,
): string => {
  const temporal = readTemporal(body.reset(bytes, start, end), type & 0xff, end - start, form.mariadb)
  if (temporal !== undefined) return temporal
  const stop = Math.min(end, start + form.maxValueBytes)
  return showBytes(bytes, start, stop, type, form.decoding, stop < end)
}

/** A value of a type that always takes as many bytes: an integer, FLOAT or DOUBLE, little-endian. */
export const readFixed = (body: MysqlCursor, type: number): string => {
  const unsigned = (type & UNSIGNED_FLAG) !== 0
  switch (type & 0xff) {
    case TYPE.TINY:
      return String(unsigned ? body.uint8() : body.int8())
    case TYPE.SHORT:
      return String(unsigned ? body.uint16() : body.int16())
    case TYPE.LONG:
      return String(unsigned ? body.uint32() : body.int32())
    case TYPE.LONGLONG:
      return readLonglong(body, unsigned)
    case TYPE.FLOAT:
      return formatFloat(body.float32())
    case TYPE.DOUBLE:
      return formatDouble(body.float64())
    default:
      throw body.invalid('not a type of fixed size')
  }
}

/** Steps over one value that is neither NULL nor sent ahead. */
export const skipValue = (body: MysqlCursor, type: number, mariadb: boolean): void => {
  const size = wireSize(type, mariadb)
  if (size > 0) body.skip(size)
  else if (size === 0) body.lenencSkip()
  else if (size !== -1) throw body.invalid('parameter of a type that is refused')
}
