/** PostgreSQL traffic made in memory, and the plain baseline for what goes over it. */
import type { Bytes, Direction } from '../src/flow.ts'

/** What one side sent, in the piece in which it is fed. */
export interface Piece {
  readonly from: Direction
  readonly bytes: Bytes
}

const READ_BYTES = 65_536
const AUTHENTICATION_OK = 'R\0\0\0\x08\0\0\0\0'
const READY = 'Z\0\0\0\x05I'
const PARSE_COMPLETE = '1\0\0\0\x04'
const BIND_COMPLETE = '2\0\0\0\x04'

const int16 = (value: number): string => String.fromCharCode((value >> 8) & 0xff, value & 0xff)
const int32 = (value: number): string => int16(value >>> 16) + int16(value & 0xffff)

/** A typed message: byte type, int32 length that counts itself, body (latin1). */
const message = (type: string, body: string): string => type + int32(body.length + 4) + body
const dataRow = (...values: readonly string[]): string =>
  message('D', int16(values.length) + values.map((value) => int32(value.length) + value).join(''))

const latin1 = (text: string): Bytes => Buffer.from(text, 'latin1')

/** Log-in without a password, as far as the first ReadyForQuery. */
export const LOGIN: readonly Piece[] = [
  {
    from: 'frontend',
    bytes: latin1(((body) => int32(body.length + 4) + body)('\0\x03\0\0user\0app\0database\0shop\0\0')),
  },
  {
    from: 'backend',
    bytes: latin1(AUTHENTICATION_OK + message('K', int32(4711) + int32(1)) + READY),
  },
]

const SELECT = 'SELECT abalance FROM pgbench_accounts WHERE aid = '
// name, table oid, column number, type oid, type length, type modifier, format
const DESCRIPTION = message(
  'T',
  `${int16(1)}abalance\0${int32(16_384)}${int16(3)}${int32(23)}${int16(4)}${int32(-1)}${int16(0)}`,
)
const ANSWER = `${dataRow('0')}${message('C', 'SELECT 1\0')}${READY}`

const bind = (statement: string, value: string): string =>
  message('B', `\0${statement}\0${int16(0)}${int16(1)}${int32(value.length)}${value}${int16(0)}`)
const execute = (): string => message('D', 'P\0') + message('E', `\0${int32(0)}`) + message('S', '')

const QUERIES: Readonly<Record<string, (aid: string) => readonly [string, string]>> = {
  simple: (aid) => [message('Q', `${SELECT}${aid};\0`), DESCRIPTION + ANSWER],
  extended: (aid) => [
    message('P', `\0${SELECT}$1;\0${int16(0)}`) + bind('', aid) + execute(),
    PARSE_COMPLETE + BIND_COMPLETE + DESCRIPTION + ANSWER,
  ],
  prepared: (aid) => [bind('P_0', aid) + execute(), BIND_COMPLETE + DESCRIPTION + ANSWER],
}

/** The statement that `prepared` runs. */
export const PREPARE: readonly Piece[] = [
  { from: 'frontend', bytes: latin1(message('P', `P_0\0${SELECT}$1;\0${int16(0)}`) + message('S', '')) },
  { from: 'backend', bytes: latin1(PARSE_COMPLETE + READY) },
]

export const MODES = Object.keys(QUERIES)

/** Point queries as pgbench -S sends them, each in one piece, its answer in another. */
export const pointQueries = (mode: string, count: number): Piece[] =>
  Array.from({ length: count }, (_, index) => {
    const [sent, answer] = (QUERIES[mode] as (aid: string) => readonly [string, string])(
      String(index * 7919),
    )
    return [
      { from: 'frontend', bytes: latin1(sent) },
      { from: 'backend', bytes: latin1(answer) },
    ] as const
  }).flat()

const inReads = (bytes: Bytes): Piece[] =>
  Array.from({ length: Math.ceil(bytes.length / READ_BYTES) }, (_, index) => ({
    from: 'backend',
    bytes: bytes.subarray(index * READ_BYTES, (index + 1) * READ_BYTES),
  }))

/** A query and an answer of many rows of one value, in reads of 64 KiB. */
export const manyRows = (valueBytes: number, rows: number): Piece[] => {
  const row = latin1(dataRow('7'.repeat(valueBytes)))
  const body = Buffer.alloc(row.length * rows, row)
  const end = latin1(message('C', `SELECT ${rows}\0`) + READY)
  const query: Piece = { from: 'frontend', bytes: latin1(message('Q', 'TABLE wide\0')) }
  return [query, ...inReads(Buffer.concat([latin1(DESCRIPTION), body, end]))]
}

/** COPY OUT of many rows, in reads of 64 KiB. */
export const copyOut = (rowBytes: number, rows: number): Piece[] => {
  const row = latin1(message('d', `${'x'.repeat(rowBytes)}\n`))
  const start = latin1(message('H', `\0${int16(1)}${int16(0)}`))
  const end = latin1(`${message('c', '')}${message('C', `COPY ${rows}\0`)}${READY}`)
  const query: Piece = { from: 'frontend', bytes: latin1(message('Q', 'COPY wide TO STDOUT\0')) }
  return [query, ...inReads(Buffer.concat([start, Buffer.alloc(row.length * rows, row), end]))]
}

const HEADER = 5
const NONE: Bytes = Buffer.alloc(0)

/**
 * The baseline: steps from header to header over typed messages and counts them, nothing else. Whole headers
 * only, so that it is as plain as can be: one that spans two pieces is put together of both.
 */
export const walk = (pieces: readonly Piece[]): number => {
  const left = { frontend: 0, backend: 0 }
  const torn: Record<Direction, Bytes> = { frontend: NONE, backend: NONE }
  let messages = 0
  for (const { from, bytes } of pieces) {
    const whole = torn[from].length > 0 ? Buffer.concat([torn[from], bytes]) : bytes
    let at = left[from]
    while (at + HEADER <= whole.length) {
      messages++
      at += whole.readUInt32BE(at + 1) + 1
    }
    torn[from] = at < whole.length ? Buffer.from(whole.subarray(at)) : NONE
    left[from] = at < whole.length ? 0 : at - whole.length
  }
  return messages
}

export const bytesOf = (pieces: readonly Piece[]): number =>
  pieces.reduce((sum, { bytes }) => sum + bytes.length, 0)
