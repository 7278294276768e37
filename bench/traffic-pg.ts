/** PostgreSQL traffic made in memory. */
import { pg } from '../dumpers/pg/index.ts'
import type { Bytes } from '../src/flow.ts'
import { type FrameHandler, SKIP } from '../src/framing/framer.ts'
import { PgFramer } from '../src/framing/pg.ts'
import {
  inReads,
  NARROW,
  NARROW_ROWS,
  type Piece,
  POINTS,
  type Traffic,
  WIDE,
  WIDE_ROWS,
  walker,
} from './pieces.ts'

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
const LOGIN: readonly Piece[] = [
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
const PREPARE: readonly Piece[] = [
  { from: 'frontend', bytes: latin1(message('P', `P_0\0${SELECT}$1;\0${int16(0)}`) + message('S', '')) },
  { from: 'backend', bytes: latin1(PARSE_COMPLETE + READY) },
]

const MODES = Object.keys(QUERIES)

/** Point queries as pgbench -S sends them, each in one piece, its answer in another. */
const pointQueries = (mode: string, count: number): Piece[] =>
  Array.from({ length: count }, (_, index) => {
    const [sent, answer] = (QUERIES[mode] as (aid: string) => readonly [string, string])(
      String(index * 7919),
    )
    return [
      { from: 'frontend', bytes: latin1(sent) },
      { from: 'backend', bytes: latin1(answer) },
    ] as const
  }).flat()

/** A query and an answer of many rows of one value, in reads of 64 KiB. */
const manyRows = (valueBytes: number, rows: number): Piece[] => {
  const row = latin1(dataRow('7'.repeat(valueBytes)))
  const body = Buffer.alloc(row.length * rows, row)
  const end = latin1(message('C', `SELECT ${rows}\0`) + READY)
  const query: Piece = { from: 'frontend', bytes: latin1(message('Q', 'TABLE wide\0')) }
  return [query, ...inReads(Buffer.concat([latin1(DESCRIPTION), body, end]))]
}

/** COPY OUT of many rows, in reads of 64 KiB. */
const copyOut = (rowBytes: number, rows: number): Piece[] => {
  const row = latin1(message('d', `${'x'.repeat(rowBytes)}\n`))
  const start = latin1(message('H', `\0${int16(1)}${int16(0)}`))
  const end = latin1(`${message('c', '')}${message('C', `COPY ${rows}\0`)}${READY}`)
  const query: Piece = { from: 'frontend', bytes: latin1(message('Q', 'COPY wide TO STDOUT\0')) }
  return [query, ...inReads(Buffer.concat([start, Buffer.alloc(row.length * rows, row), end]))]
}

const HEADER = 5
const nothing = (): void => {}
const SKIPPING: FrameHandler = { header: () => SKIP, frame: nothing, beyond: nothing, lost: nothing }

export const PG_TRAFFIC: Traffic = {
  dumper: pg,
  title: '',
  beginning: [...LOGIN, ...PREPARE],
  cases: [
    ...MODES.map((mode) => [`point queries, ${mode}`, () => pointQueries(mode, POINTS)] as const),
    [`rows of ${WIDE} bytes`, () => manyRows(WIDE, WIDE_ROWS)],
    [`rows of ${NARROW} bytes`, () => manyRows(NARROW, NARROW_ROWS)],
    [`COPY of ${WIDE} bytes`, () => copyOut(WIDE, WIDE_ROWS)],
  ],
  frame: (pieces) => {
    const framers = { frontend: new PgFramer(SKIPPING), backend: new PgFramer(SKIPPING) }
    framers.frontend.expect('typed')
    framers.backend.expect('typed')
    for (const { from, bytes } of pieces) framers[from].feed(bytes)
  },
  walk: walker(HEADER, (bytes, at) => bytes.readUInt32BE(at + 1) + 1),
}
