/**
 * Column types as parameters have them: their names, and how many bytes a value takes on the wire.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html}
 */

/** Of the two bytes of a parameter's type, the one that says that an integer is unsigned. */
export const UNSIGNED_FLAG = 0x8000
const TYPE_MASK = 0xff
/** Of those two bytes, what is neither a type nor the flag; a server refuses what sets any of it. */
const UNKNOWN_FLAGS = 0x7f00

/** The types whose values are read by more than their bytes. */
export const COLUMN = {
  TINY: 1,
  SHORT: 2,
  LONG: 3,
  FLOAT: 4,
  DOUBLE: 5,
  NULL: 6,
  TIMESTAMP: 7,
  LONGLONG: 8,
  INT24: 9,
  DATE: 10,
  TIME: 11,
  DATETIME: 12,
  YEAR: 13,
  NEWDATE: 14,
  VARCHAR: 15,
  BIT: 16,
  VECTOR: 242,
  JSON: 245,
  TINY_BLOB: 249,
  BLOB: 252,
  STRING: 254,
  GEOMETRY: 255,
} as const

const FIRST_NAMES = [
  'decimal',
  'tiny',
  'short',
  'long',
  'float',
  'double',
  'null',
  'timestamp',
  'longlong',
  'int24',
  'date',
  'time',
  'datetime',
  'year',
  'newdate',
  'varchar',
  'bit',
] as const

/** From 242 on. */
const LAST_NAMES = [
  'vector',
  'invalid',
  'bool',
  'json',
  'newdecimal',
  'enum',
  'set',
  'tiny_blob',
  'medium_blob',
  'long_blob',
  'blob',
  'var_string',
  'string',
  'geometry',
] as const

/** Of types that only a table on disk has, or that are not known. */
const nameOf = (code: number): string =>
  FIRST_NAMES[code] ?? LAST_NAMES[code - COLUMN.VECTOR] ?? `type ${code}`

const NAMES: readonly string[] = Array.from({ length: 256 }, (_, code) => nameOf(code))
const UNSIGNED_NAMES: readonly string[] = NAMES.map((name) => `${name} unsigned`)

/**
 * Name of a parameter's type, the two bytes as sent: MySQL's own, in lower case and less its `MYSQL_TYPE_`
 * (`longlong unsigned`, `var_string`, `datetime`), `type 17` for one that no client sends.
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
  [COLUMN.TINY, 1],
  [COLUMN.SHORT, 2],
  [COLUMN.LONG, 4],
  [COLUMN.FLOAT, 4],
  [COLUMN.DOUBLE, 8],
  [COLUMN.LONGLONG, 8],
]

const MYSQL_SIZES = new Int8Array(256).fill(LENGTH_ENCODED)
const MARIADB_SIZES = new Int8Array(256).fill(LENGTH_ENCODED)
for (const [type, size] of FIXED) {
  MYSQL_SIZES[type] = size
  MARIADB_SIZES[type] = size
}
MARIADB_SIZES[COLUMN.NULL] = REFUSED
for (const type of [COLUMN.INT24, COLUMN.YEAR, COLUMN.BIT, COLUMN.GEOMETRY])
  MARIADB_SIZES[type] = NULL_INSTEAD

/** Of a type that is known: a fixed number of bytes, or one of the constants above. */
export const wireSize = (type: number, mariadb: boolean): number =>
  (mariadb ? MARIADB_SIZES : MYSQL_SIZES)[type & TYPE_MASK] as number

/** Does the server take a parameter of this type at all? */
export const isParameterType = (type: number, mariadb: boolean): boolean => {
  if (!mariadb) return true
  const code = type & TYPE_MASK
  return (type & UNKNOWN_FLAGS) === 0 && (code <= COLUMN.BIT || code > COLUMN.JSON)
}

/** Can the type's value be sent ahead, in pieces? Of any other type the execution is refused. */
export const takesLongData = (type: number): boolean => {
  const code = type & TYPE_MASK
  return code === COLUMN.VARCHAR || (code > COLUMN.JSON + 3 && code < COLUMN.GEOMETRY)
}

/** Bytes that the server takes as bytes, whatever the connection's character set. */
export const isBinary = (type: number): boolean => {
  const code = type & TYPE_MASK
  return (
    (code >= COLUMN.TINY_BLOB && code <= COLUMN.BLOB) ||
    code === COLUMN.BIT ||
    code === COLUMN.GEOMETRY ||
    code === COLUMN.VECTOR
  )
}
