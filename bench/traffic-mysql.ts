/** MySQL traffic made in memory. */
import { CLIENT_DEPRECATE_EOF, TYPE } from '../dumpers/mysql/capabilities.ts'
import { mysql } from '../dumpers/mysql/index.ts'
import type { Bytes } from '../src/flow.ts'
import { SKIP } from '../src/framing/framer.ts'
import { MysqlFramer, type PayloadHandler } from '../src/framing/mysql.ts'
import {
  backend,
  CLIENT_DEFAULT,
  frontend,
  lenencString,
  longParam,
  packet,
  packets,
  prepared,
  resultSet,
  uint32,
} from '../test/support/my-wire.ts'
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

const FLAGS = CLIENT_DEFAULT | CLIENT_DEPRECATE_EOF
const RESULT = { flags: FLAGS }
const STATEMENT = 1
const SELECT = 'SELECT c FROM sbtest1 WHERE id='
const VALUE = '0'.repeat(119)

const client = (bytes: Bytes): Piece => ({ from: 'frontend', bytes })
const server = (first: number, ...payloads: readonly Bytes[]): Piece => ({
  from: 'backend',
  bytes: packets(first, ...payloads),
})

const LOGIN: readonly Piece[] = [
  server(0, backend.greeting()),
  client(frontend.response41({ flags: FLAGS, user: 'app', database: 'shop' })),
  server(2, backend.ok()),
]

/** The statement that `binary` runs. */
const PREPARE: readonly Piece[] = [
  client(frontend.prepare(`${SELECT}?`)),
  server(1, ...prepared(STATEMENT, 1, ['c'], RESULT)),
]

const TEXT_ANSWER = server(1, ...resultSet(['c'], [backend.textRow([VALUE])], RESULT))
const BINARY_ANSWER = server(1, ...resultSet(['c'], [backend.binaryRow([lenencString(VALUE)])], RESULT))

/** Point queries as sysbench sends them, each in one piece, its answer in another. */
const QUERIES: Readonly<Record<string, (id: number) => readonly Piece[]>> = {
  text: (id) => [client(frontend.query(SELECT + id)), TEXT_ANSWER],
  binary: (id) => [client(frontend.execute(STATEMENT, [longParam(id)])), BINARY_ANSWER],
}

const pointQueries = (mode: string): Piece[] =>
  Array.from({ length: POINTS }, (_, index) => QUERIES[mode]?.(index * 7919) ?? []).flat()

/** A query and an answer of many rows, in reads of 64 KiB. */
const manyRows = (row: Bytes, rows: number, type: number): Piece[] => {
  const [count, column, end] = resultSet(['v'], [], { ...RESULT, types: [type] })
  const head = packets(1, count as Bytes, column as Bytes)
  const body = Buffer.alloc((row.length + 4) * rows, packet(3, row))
  return [
    client(frontend.query('TABLE wide')),
    ...inReads(Buffer.concat([head, body, packet(3, end as Bytes)])),
  ]
}

const HEADER = 4
/** uint24, little-endian */
const lengthAt = (bytes: Bytes, at: number): number =>
  HEADER + ((bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16))

const nothing = (): void => {}
const SKIPPING: PayloadHandler = { header: () => SKIP, frame: nothing, beyond: nothing }

export const MYSQL_TRAFFIC: Traffic = {
  dumper: mysql,
  title: 'MySQL: ',
  beginning: [...LOGIN, ...PREPARE],
  cases: [
    ['point queries, text', () => pointQueries('text')],
    ['point queries, binary', () => pointQueries('binary')],
    [
      `rows of ${WIDE} bytes`,
      () => manyRows(backend.textRow(['7'.repeat(WIDE)]), WIDE_ROWS, TYPE.VAR_STRING),
    ],
    [
      `rows of ${NARROW} bytes`,
      () => manyRows(backend.textRow(['7'.repeat(NARROW)]), NARROW_ROWS, TYPE.LONG),
    ],
    ['binary rows of one integer', () => manyRows(backend.binaryRow([uint32(7)]), NARROW_ROWS, TYPE.LONG)],
  ],
  frame: (pieces) => {
    const framers = { frontend: new MysqlFramer(SKIPPING), backend: new MysqlFramer(SKIPPING) }
    for (const { from, bytes } of pieces) framers[from].feed(bytes)
  },
  walk: walker(HEADER, lengthAt),
}
