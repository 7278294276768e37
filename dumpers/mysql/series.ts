/** Recognises the commands of a client where nobody knows whether bytes begin with one. */
import type { Bytes } from '../../src/flow.ts'
import { CompressedFramer, type Compression, zstdAvailable } from '../../src/framing/compressed.ts'
import { MAX_SERIES, type Series } from '../common/series-search.ts'
import { COM } from './capabilities.ts'

const HEADER = 4
const COMPRESSED_HEADER = 7
/** Longest name of a database: 64 characters of 4 bytes. */
const MAX_NAME = 256
/** COM_STMT_EXECUTE: CURSOR_TYPE_… and PARAMETER_COUNT_AVAILABLE */
const EXECUTE_FLAGS = 0x0f
/** COM_STMT_BULK_EXECUTE: SEND_UNIT_RESULTS, SEND_TYPES_TO_SERVER */
const BULK_FLAGS = 64 | 128
const MIN_SLAVE = 10

/** Whole lengths of the commands that have but one, their code included. */
const LENGTHS: Readonly<Record<number, number>> = {
  [COM.QUIT]: 1,
  [COM.STATISTICS]: 1,
  [COM.PROCESS_INFO]: 1,
  [COM.DEBUG]: 1,
  [COM.PING]: 1,
  [COM.RESET_CONNECTION]: 1,
  [COM.REFRESH]: 2,
  [COM.SHUTDOWN]: 2,
  [COM.SET_OPTION]: 3,
  [COM.PROCESS_KILL]: 5,
  [COM.STMT_CLOSE]: 5,
  [COM.STMT_RESET]: 5,
  [COM.STMT_FETCH]: 9,
}

/** Does a text begin here, or the query attributes before one? */
const isTextStart = (bytes: Bytes, start: number, end: number): boolean => {
  const first = bytes[start] as number
  // lenenc count of attributes, lenenc number of sets: always 1
  if (start + 1 < end && bytes[start + 1] === 1) return true
  return first >= 0x20 || (first >= 0x09 && first <= 0x0d)
}

/** A command of that code, `bytes[start … end)` from the code on: can it be one? */
const isCommand = (bytes: Bytes, start: number, end: number): boolean => {
  const code = bytes[start] as number
  const length = end - start
  const wanted = LENGTHS[code]
  if (wanted !== undefined) return length === wanted
  switch (code) {
    case COM.QUERY:
    case COM.STMT_PREPARE:
      return length > 1 && isTextStart(bytes, start + 1, end)
    case COM.INIT_DB:
    case COM.CREATE_DB:
    case COM.DROP_DB:
      return length > 1 && length <= 1 + MAX_NAME && bytes.indexOf(0, start) !== start + 1
    case COM.FIELD_LIST:
    case COM.CHANGE_USER:
      return bytes.subarray(start + 1, end).includes(0)
    case COM.STMT_EXECUTE:
      return (
        length >= 10 && (bytes[start + 5] as number) <= EXECUTE_FLAGS && bytes.readUInt32LE(start + 6) === 1
      )
    case COM.STMT_SEND_LONG_DATA:
      return length >= 7
    case COM.STMT_BULK_EXECUTE:
      return length > 7 && (bytes.readUInt16LE(start + 5) & ~BULK_FLAGS) === 0
    case COM.BINLOG_DUMP:
    case COM.BINLOG_DUMP_GTID:
    case COM.REGISTER_SLAVE:
      return length >= MIN_SLAVE
    default:
      return false
  }
}

/** Commands of any length. */
const LONG: ReadonlySet<number> = new Set([
  ...[COM.QUERY, COM.STMT_PREPARE, COM.STMT_EXECUTE, COM.STMT_BULK_EXECUTE, COM.STMT_SEND_LONG_DATA],
  ...[COM.CHANGE_USER, COM.FIELD_LIST, COM.INIT_DB, COM.CREATE_DB, COM.DROP_DB],
  ...[COM.BINLOG_DUMP, COM.BINLOG_DUMP_GTID, COM.REGISTER_SLAVE],
])

/** Is there a command of that code and length? */
const mayBegin = (code: number, length: number): boolean => LENGTHS[code] === length || LONG.has(code)

/** Judges bytes as packets, from their first one on: each a command whole, with the sequence id 0. */
export const readPackets = (bytes: Bytes): Series => {
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at <= HEADER) return 'partial'
    const end = at + HEADER + bytes.readUIntLE(at, 3)
    if (bytes[at + 3] !== 0 || end === at + HEADER || end > MAX_SERIES) return 'none'
    if (end > bytes.length)
      return mayBegin(bytes[at + HEADER] as number, end - at - HEADER) ? 'partial' : 'none'
    if (!isCommand(bytes, at + HEADER, end)) return 'none'
    at = end
  }
  return 'whole'
}

/** First bytes of zlib's streams, and of zstd's frames. */
const ZLIB = 0x78
const ZSTD = 0xfd2fb528

/** How the first frame's body is compressed, if the bytes can begin with one. Plain bodies tell nothing. */
const compressionOf = (bytes: Bytes): Compression | 'either' | undefined => {
  if (bytes.length <= COMPRESSED_HEADER || bytes[3] !== 0 || bytes.readUIntLE(0, 3) === 0) return undefined
  if (bytes.readUIntLE(4, 3) === 0) return 'either'
  if (bytes[COMPRESSED_HEADER] === ZLIB) return 'zlib'
  const isZstd = bytes.length >= 11 && bytes.readUInt32LE(COMPRESSED_HEADER) === ZSTD
  return isZstd && zstdAvailable ? 'zstd' : undefined
}

/** Judges bytes as frames that hold commands, and tells how they are compressed. */
export const readFrames = (
  bytes: Bytes,
): { readonly series: Series; readonly compression: Compression | undefined } => {
  const found = compressionOf(bytes)
  if (found === undefined) return { series: 'none', compression: undefined }
  const parts: Bytes[] = []
  let broken = false
  const framer = new CompressedFramer(
    {
      plain: (part) => {
        parts.push(part)
      },
      gap: () => false,
      lost: () => {
        broken = true
      },
    },
    found === 'zstd' ? 'zstd' : 'zlib',
  )
  framer.feed(bytes)
  if (broken) return { series: 'none', compression: undefined }
  const series = readPackets(Buffer.concat(parts))
  const isWhole = series === 'whole' && !framer.midFrame && parts.length > 0
  if (isWhole) return { series, compression: found === 'either' ? undefined : found }
  return { series: series === 'none' ? 'none' : 'partial', compression: undefined }
}
