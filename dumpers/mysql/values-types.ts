/**
 * Column types as parameters have them: their names, and how many bytes a value takes on the wire.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html}
 */

import { TYPE, typeName } from './capabilities.ts'

/** Of the two bytes of a parameter's type, the one that says that an integer is unsigned. */
export const UNSIGNED_FLAG = 0x8000
const TYPE_MASK = 0xff
/** Of those two bytes, what is neither a type nor the flag; a server refuses what sets any of it. */
const UNKNOWN_FLAGS = 0x7f00

/** Of types that are not known. */
const nameOf = (code: number): string => typeName(code) ?? `type ${code}`

const NAMES: readonly string[] = Array.from({ length: 256 }, (_, code) => nameOf(code))
const UNSIGNED_NAMES: readonly string[] = NAMES.map((name) => `${name} unsigned`)

/**
 * Name of a parameter's type, the two bytes as sent: MySQL's own, in lower case and less its `MYSQL_TYPE_`
 * (`longlong unsigned`, `var_string`, `datetime`), `type 20` for one that is not known.
 */
export const columnTypeName = (type: number): string =>
  (type & UNSIGNED_FLAG ? UNSIGNED_NAMES : NAMES)[type & TYPE_MASK] as string

/** A value of this type is a length and so many bytes. */
export const LENGTH_ENCODED = 0
/** MariaDB makes NULL of it and reads no byte: of INT24, YEAR, BIT and GEOMETRY it has no reader. */
export const NULL_INSTEAD = -1
/** MariaDB refuses the execution; MySQL reads a length and so many bytes. */
export const REFUSED = -2

const FIXED: readonly [type: number, size: number][] = [
  [TYPE.TINY, 1],
  [TYPE.SHORT, 2],
  [TYPE.LONG, 4],
  [TYPE.FLOAT, 4],
  [TYPE.DOUBLE, 8],
  [TYPE.LONGLONG, 8],
]

const MYSQL_SIZES = new Int8Array(256).fill(LENGTH_ENCODED)
const MARIADB_SIZES = new Int8Array(256).fill(LENGTH_ENCODED)
for (const [type, size] of FIXED) {
  MYSQL_SIZES[type] = size
  MARIADB_SIZES[type] = size
}
MARIADB_SIZES[TYPE.NULL] = REFUSED
for (const type of [TYPE.INT24, TYPE.YEAR, TYPE.BIT, TYPE.GEOMETRY]) MARIADB_SIZES[type] = NULL_INSTEAD

/** Of a type that is known: a fixed number of bytes, or one of the constants above. */
export const wireSize = (type: number, mariadb: boolean): number =>
  (mariadb ? MARIADB_SIZES : MYSQL_SIZES)[type & TYPE_MASK] as number

/** Does the server take a parameter of this type at all? */
export const isParameterType = (type: number, mariadb: boolean): boolean => {
  if (!mariadb) return true
  const code = type & TYPE_MASK
  return (type & UNKNOWN_FLAGS) === 0 && (code <= TYPE.BIT || code > TYPE.JSON)
}

/** Can the type's value be sent ahead, in pieces? Of any other type the execution is refused. */
export const takesLongData = (type: number): boolean => {
  const code = type & TYPE_MASK
  return code === TYPE.VARCHAR || (code > TYPE.SET && code < TYPE.GEOMETRY)
}

/** Bytes that the server takes as bytes, whatever the connection's character set. */
export const isBinary = (type: number): boolean => {
  const code = type & TYPE_MASK
  return (
    (code >= TYPE.TINY_BLOB && code <= TYPE.BLOB) ||
    code === TYPE.BIT ||
    code === TYPE.GEOMETRY ||
    code === TYPE.VECTOR
  )
}
