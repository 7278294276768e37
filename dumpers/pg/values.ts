/** Parameter bytes → text, by type OID, on request. */
import type { Bytes } from '../../src/flow.ts'
import { Cursor } from '../../src/framing/cursor.ts'
import { formatIpv4, formatIpv6 } from '../../src/framing/ip-address.ts'
import { PG_TYPES } from './types.ts'
import {
  readDate,
  readInterval,
  readTime,
  readTimestamp,
  readTimestamptz,
  readTimetz,
} from './values-datetime.ts'
import { readFloat4, readFloat8, readNumeric } from './values-numeric.ts'

export { typeName } from './types.ts'

/** Bytes in the client's encoding → text. */
export type DecodeText = (bytes: Bytes) => string

/** Reads one value from a body that holds it alone; bytes left over are its caller's to find. */
type Reader = (body: Cursor, decodeText: DecodeText) => string

const hex = (value: Bytes): string => `\\x${value.toString('hex')}`

const readBool: Reader = (body) => (body.uint8() === 0 ? 'f' : 't')
const readText: Reader = (body, decodeText) => decodeText(body.rest())
const readBytea: Reader = (body) => hex(body.rest())
const readUint32: Reader = (body) => String(body.uint32())

const readInt8: Reader = (body) => {
  const high = body.int32()
  const low = body.uint32()
  const value = high * 2 ** 32 + low
  // A number is cheaper than a bigint, and exact below 2^53.
  return Number.isSafeInteger(value) ? String(value) : String((BigInt(high) << 32n) + BigInt(low))
}

/** One byte, as charout prints it since PostgreSQL 16: nothing for 0, backslash and octal from 128 on. */
const readChar: Reader = (body) => {
  const byte = body.uint8()
  if (byte === 0) return ''
  return byte < 0x80 ? String.fromCharCode(byte) : `\\${byte.toString(8)}`
}

/** jsonb and jsonpath: a version, 1 so far, and the text. */
const readVersionedText: Reader = (body, decodeText) => {
  if (body.uint8() !== 1) throw body.invalid('unknown version')
  return decodeText(body.rest())
}

const readUuid: Reader = (body) => {
  const digits = body.bytes(16).toString('hex')
  const [a, b, c, d] = [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20)]
  return `${a}-${b}-${c}-${d}-${digits.slice(20)}`
}

const INET_IPV4 = 2
const INET_IPV6 = 3

/** inet, cidr: uint8 family, uint8 bits of netmask, uint8 is-cidr, uint8 length, the address (network.c). */
const readNetwork =
  (isCidr: boolean): Reader =>
  (body) => {
    const family = body.uint8()
    const bits = body.uint8()
    body.skip(1)
    const length = body.uint8()
    if (family !== INET_IPV4 && family !== INET_IPV6) throw body.invalid('unknown address family')
    const [size, format] = family === INET_IPV4 ? [4, formatIpv4] : [16, formatIpv6]
    if (length !== size || bits > 8 * size) throw body.invalid('wrong address or netmask length')
    const address = format(body.bytes(size))
    return isCidr || bits < 8 * size ? `${address}/${bits}` : address
  }

const readMacaddr: Reader = (body) =>
  body
    .rest()
    .toString('hex')
    .replace(/..(?=.)/g, '$&:')

const sized =
  (size: number, read: Reader): Reader =>
  (body, decodeText) => {
    if (body.left !== size) throw body.short(size)
    return read(body, decodeText)
  }

/** bit, varbit: int32 count, then the bits, the highest of a byte first. */
const readBits: Reader = (body) => {
  const count = body.int32()
  if (count < 0) throw body.invalid('negative count of bits')
  const bytes = body.bytes(Math.ceil(count / 8))
  return Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0'))
    .join('')
    .slice(0, count)
}

const readTid: Reader = (body) => `(${body.uint32()},${body.uint16()})`

const readLsn: Reader = (body) =>
  `${body.uint32().toString(16)}/${body.uint32().toString(16)}`.toUpperCase()

const readXid8: Reader = (body) => String(BigInt.asUintN(64, body.bigInt64()))

const LARGEST_DIMENSIONS = 6
/** Spaces, the empty word and NULL, and what has a meaning in an array's text (array_out, arrayfuncs.c). */
const NEEDS_QUOTES = /^$|^null$|[{},"\\ \t\n\r\v\f]/i

const quoted = (element: string): string =>
  NEEDS_QUOTES.test(element) ? `"${element.replace(/["\\]/g, '\\$&')}"` : element

interface Dimension {
  readonly length: number
  readonly lower: number
}

const readDimensions = (body: Cursor, elementOid: number): Dimension[] => {
  const count = body.int32()
  const flags = body.int32()
  if (count < 0 || count > LARGEST_DIMENSIONS) throw body.invalid('wrong number of dimensions')
  if (flags !== 0 && flags !== 1) throw body.invalid('unknown flags')
  if (body.uint32() !== elementOid) throw body.invalid('another element type')
  const dimensions = Array.from({ length: count }, () => ({ length: body.int32(), lower: body.int32() }))
  if (dimensions.some(({ length }) => length < 0)) throw body.invalid('negative dimension')
  const elements = dimensions.reduce((product, { length }) => product * length, 1)
  // Each element has at least its length.
  if (count > 0 && elements * 4 > body.left) throw body.short(elements * 4)
  return elements === 0 ? [] : dimensions
}

/**
 * array: int32 dimensions, int32 has-nulls, uint32 element OID; per dimension int32 length, int32 lower
 * bound; then each element as int32 length (-1: NULL) and its bytes (array_recv, arrayfuncs.c).
 */
const readArray =
  (elementOid: number, read: Reader): Reader =>
  (body, decodeText) => {
    const dimensions = readDimensions(body, elementOid)
    if (dimensions.length === 0) return '{}'
    const one = new Cursor()
    const readElement = (): string => {
      const length = body.int32()
      if (length === -1) return 'NULL'
      const bytes = body.bytes(length)
      const text = read(one.reset(bytes, 0, bytes.length), decodeText)
      one.finish()
      return quoted(text)
    }
    const readLevel = (depth: number): string => {
      const parts: string[] = []
      const innermost = depth === dimensions.length - 1
      for (let left = dimensions[depth]?.length ?? 0; left > 0; left--) {
        parts.push(innermost ? readElement() : readLevel(depth + 1))
      }
      return `{${parts.join(',')}}`
    }
    const text = readLevel(0)
    if (dimensions.every(({ lower }) => lower === 1)) return text
    const bounds = dimensions.map(({ length, lower }) => `[${lower}:${lower + length - 1}]`)
    return `${bounds.join('')}=${text}`
  }

const INT2 = 21
const OID = 26
const readInt2: Reader = (body) => String(body.int16())
const readInt4: Reader = (body) => String(body.int32())

/** int2vector, oidvector: an array of one dimension from 0 on, written with spaces. */
const readVector = (elementOid: number, read: Reader): Reader => {
  const readElements = readArray(elementOid, read)
  return (body, decodeText) => {
    const text = readElements(body, decodeText)
    return text.slice(text.indexOf('{') + 1, -1).replaceAll(',', ' ')
  }
}

const READERS: Readonly<Record<string, Reader>> = {
  bool: readBool,
  bytea: readBytea,
  char: readChar,
  int2: readInt2,
  int4: readInt4,
  int8: readInt8,
  float4: readFloat4,
  float8: readFloat8,
  numeric: readNumeric,
  name: readText,
  text: readText,
  varchar: readText,
  bpchar: readText,
  unknown: readText,
  cstring: readText,
  refcursor: readText,
  json: readText,
  xml: readText,
  jsonb: readVersionedText,
  jsonpath: readVersionedText,
  uuid: readUuid,
  inet: readNetwork(false),
  cidr: readNetwork(true),
  macaddr: sized(6, readMacaddr),
  macaddr8: sized(8, readMacaddr),
  bit: readBits,
  varbit: readBits,
  date: readDate,
  time: readTime,
  timetz: readTimetz,
  timestamp: readTimestamp,
  timestamptz: readTimestamptz,
  interval: readInterval,
  oid: readUint32,
  xid: readUint32,
  cid: readUint32,
  regproc: readUint32,
  regprocedure: readUint32,
  regoper: readUint32,
  regoperator: readUint32,
  regclass: readUint32,
  regtype: readUint32,
  regrole: readUint32,
  regnamespace: readUint32,
  regconfig: readUint32,
  regdictionary: readUint32,
  regcollation: readUint32,
  xid8: readXid8,
  tid: readTid,
  pg_lsn: readLsn,
  int2vector: readVector(INT2, readInt2),
  oidvector: readVector(OID, readUint32),
}

const READER_OF: ReadonlyMap<number, Reader> = new Map(
  Array.from(PG_TYPES, ([oid, type]): [number, Reader | undefined] => {
    if (type.element === undefined) return [oid, READERS[type.name]]
    const read = READERS[PG_TYPES.get(type.element)?.name ?? '']
    return [oid, read && readArray(type.element, read)]
  }).filter((entry): entry is [number, Reader] => entry[1] !== undefined),
)

const INT4 = 23
const TEXT = 25
const VARCHAR = 1043

/**
 * The text of a value in binary format, as PostgreSQL itself prints it with DateStyle ISO, IntervalStyle
 * postgres, TimeZone UTC, bytea_output hex and extra_float_digits 1; the reg… types as their number, for
 * names are in the server. `\x` hex for other types (money, ranges, geometry, a database's own types), for
 * bytes that the type does not allow, and for the few numerics whose text would be huge. Never throws.
 *
 * @param decodeText gives the text of bytes in the client's encoding
 */
export const decodeBinary = (oid: number, value: Bytes, decodeText: DecodeText): string => {
  try {
    if (oid === TEXT || oid === VARCHAR) return decodeText(value)
    if (oid === INT4 && value.length === 4) return String(value.readInt32BE(0))
    const read = READER_OF.get(oid)
    if (!read) return hex(value)
    const body = new Cursor(value)
    const text = read(body, decodeText)
    body.finish()
    return text
  } catch {
    return hex(value)
  }
}
