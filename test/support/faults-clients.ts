/**
 * Clients that stay connected while the log is in trouble, the same for both dialects: they write rows with
 * unique numbers and say what they had to wait for and which errors they met.
 */
import type { Socket } from 'node:net'
import type { Connection as Callbacks } from 'mysql2'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { FIRST_NUMBER, NUMBERS_PER_RUN } from './crash.ts'
import type { MyServer } from './my-server.ts'
import type { Postgres } from './postgres.ts'

/** One connection through the proxy. */
export interface Session {
  /** runs a text; an error rejects, with a code of {@link codeOf} */
  run(text: string): Promise<unknown>
  /** the number stands in the text, or is bound, by turns */
  insert(number: string): Promise<unknown>
  /** calls back with each row as it comes */
  stream(text: string, onRow: () => void): Promise<void>
  /** asks, on a connection of its own, that what runs here ends; undefined where the dialect has no such thing */
  readonly cancel?: () => Promise<void>
  /** sends bytes that belong to no protocol */
  garble(): void
  /** the error by which the server, or the proxy, ended it; none when it just closed */
  readonly ended: Promise<string | undefined>
  close(): Promise<void>
}

/** A server with a table `faults(n)` and a table `locked(id, v)` of one row. */
export interface FaultsServer {
  readonly name: string
  readonly dumper: 'pg' | 'mysql'
  readonly remote: number
  connect(port: number, options?: { readonly compressed?: boolean }): Promise<Session>
  /** runs SQL past the proxy and gives its lines */
  direct(sql: string): Promise<readonly string[]>
  /** a query of so many rows, 50 ms and some 10 KB each */
  slowRows(rows: number): string
  /** a query that takes a minute */
  readonly sleep: string
  /** how a cancelled one ends */
  readonly cancelled: string
  /** how clients are refused, and sessions ended, while the log is blocked; how those that cannot be decoded */
  readonly refused: string
  readonly undecodable: string
  /** how often the server itself met bytes of no protocol, where it says so */
  readonly complaints?: () => Promise<number>
  /** what a session sets so that it waits five seconds for a lock */
  readonly impatient: string
}

/** SQLSTATE, or the number of MySQL's; else the system's word. */
export const codeOf = (error: unknown): string => {
  const { code, errno } = error as { code?: string; errno?: number }
  return typeof errno === 'number' && errno > 0 ? String(errno) : String(code)
}

const linesOf = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '')

const CANCEL_REQUEST = 80877102

const openPg = async (port: number, user: string): Promise<Session> => {
  const client = new pg.Client({ host: '127.0.0.1', port, user, database: user })
  let last: string | undefined
  const ended = new Promise<string | undefined>((resolve) => client.once('end', () => resolve(last)))
  client.on('error', (error) => {
    last ??= codeOf(error)
  })
  await client.connect()
  let turn = 0
  const stream = (client as unknown as { connection: { stream: Socket } }).connection.stream
  return {
    run: (text) => client.query(text),
    insert: (number) =>
      turn++ % 2 === 0
        ? client.query(`INSERT INTO faults VALUES (${number})`)
        : client.query('INSERT INTO faults VALUES ($1)', [number]),
    stream: (text, onRow) =>
      new Promise((resolve, reject) => {
        const query = client.query(new pg.Query(text))
        query.on('row', onRow)
        query.on('end', () => resolve())
        query.on('error', reject)
      }),
    cancel: async () => {
      const { processID, secretKey } = client as unknown as { processID: number; secretKey: number }
      const request = Buffer.alloc(16)
      for (const [at, word] of [16, CANCEL_REQUEST, processID, secretKey].entries())
        request.writeInt32BE(word, at * 4)
      await sendAlone(port, request)
    },
    // a message whose length is shorter than itself
    garble: () => stream.write(Buffer.from('5100000001', 'hex')),
    ended,
    close: () => client.end(),
  }
}

/** Sends bytes on a connection of their own and waits for its end. */
const sendAlone = async (port: number, bytes: Buffer): Promise<void> => {
  const { connect } = await import('node:net')
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(bytes))
    socket.on('error', reject)
    socket.on('close', () => resolve())
    socket.resume()
  })
}

/** PostgreSQL with the tables. */
export const pgFaults = async (server: Postgres): Promise<FaultsServer> => {
  await server.psql('CREATE TABLE faults (n bigint); CREATE TABLE locked AS SELECT 1 AS id, 0 AS v')
  return {
    name: 'PostgreSQL',
    dumper: 'pg',
    remote: server.port,
    connect: (port) => openPg(port, server.user),
    direct: async (sql) => linesOf(await server.psql(sql)),
    slowRows: (rows) => `SELECT repeat('x', 10000), pg_sleep(0.05) FROM generate_series(1, ${rows})`,
    sleep: 'SELECT pg_sleep(60)',
    cancelled: '57014',
    refused: '58030',
    undecodable: '08P01',
    complaints: async () => {
      const entries = await server.readLog()
      return entries.filter(({ message }) => message?.startsWith('invalid message length')).length
    },
    impatient: "SET lock_timeout = '5s'",
  }
}

const openMy = async (port: number, compressed: boolean): Promise<Session> => {
  const target = { host: '127.0.0.1', port, user: 'root', database: 'faults' }
  const client = await mysql.createConnection({ ...target, compress: compressed, multipleStatements: true })
  const inner = (client as unknown as { connection: Callbacks & { stream: Socket } }).connection
  let last: string | undefined
  client.on('error', (error) => {
    last ??= codeOf(error)
  })
  const ended = new Promise<string | undefined>((resolve) =>
    inner.stream.once('close', () => setImmediate(() => resolve(last))),
  )
  let turn = 0
  return {
    run: (text) => client.query(text),
    insert: (number) =>
      turn++ % 2 === 0
        ? client.query(`INSERT INTO faults VALUES (${number})`)
        : client.execute('INSERT INTO faults VALUES (?)', [number]),
    stream: (text, onRow) =>
      new Promise((resolve, reject) => {
        const query = inner.query(text)
        query.on('result', onRow)
        query.on('end', () => resolve())
        query.on('error', reject)
      }),
    // a compressed frame in which nothing is compressed
    garble: () => inner.stream.write(Buffer.from('050000006400006761726261', 'hex')),
    ended,
    close: () => client.end(),
  }
}

/** MariaDB with the tables. */
export const myFaults = async (server: MyServer): Promise<FaultsServer> => {
  const tables =
    'CREATE TABLE faults.faults (n BIGINT) ENGINE=InnoDB; CREATE TABLE faults.locked ENGINE=InnoDB'
  await server.sql(`CREATE DATABASE faults; ${tables} AS SELECT 1 AS id, 0 AS v`)
  return {
    name: 'MariaDB',
    dumper: 'mysql',
    remote: server.port,
    connect: (port, options) => openMy(port, options?.compressed === true),
    direct: async (sql) => linesOf(await server.sql(`USE faults; ${sql}`)),
    slowRows: (rows) => `SELECT REPEAT('x', 10000), SLEEP(0.05) FROM seq_1_to_${rows}`,
    sleep: 'SELECT SLEEP(60)',
    cancelled: '1317',
    refused: '1105',
    undecodable: '1835',
    impatient: 'SET innodb_lock_wait_timeout = 5',
  }
}

let runs = 0

/** Sessions that write one row after the other. */
export class Writers {
  readonly #sessions: readonly Session[]
  #isStopped = false
  /** rows that were written, by the moment at which their statement was sent */
  readonly written = new Map<string, number>()
  readonly errors: string[] = []
  /** the longest that one row took, in milliseconds */
  longestMs = 0
  #done: Promise<unknown> = Promise.resolve()

  private constructor(sessions: readonly Session[]) {
    this.#sessions = sessions
  }

  static async start(server: FaultsServer, port: number, count = 4): Promise<Writers> {
    const writers = new Writers(
      await Promise.all(Array.from({ length: count }, () => server.connect(port))),
    )
    const base = FIRST_NUMBER + runs++ * NUMBERS_PER_RUN
    writers.#done = Promise.all(
      writers.#sessions.map((session, index) => writers.#write(session, base + index * 100_000)),
    )
    return writers
  }

  async #write(session: Session, base: number): Promise<void> {
    for (let n = base; !this.#isStopped; n++) {
      const at = performance.now()
      try {
        await session.insert(String(n))
      } catch (error) {
        this.errors.push(`${codeOf(error)}: ${String(error)}`)
        return
      }
      this.written.set(String(n), at)
      this.longestMs = Math.max(this.longestMs, performance.now() - at)
    }
  }

  /** Ends the sessions behind their last row. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#done
    await Promise.all(this.#sessions.map((session) => session.close().catch(() => {})))
  }
}
