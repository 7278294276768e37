/**
 * Raw messages through the proxy to a real server: what PostgreSQL does with odd ones is taken from its own log,
 * and compared with what the audit says of them.
 */
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Bytes } from '../../src/flow.ts'
import { describeLive } from '../support/live.ts'
import { cstring, frontend as f, int16, int32, message, untyped } from '../support/pg-wire.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'
import { type Querytap, startQuerytap } from '../support/querytap.ts'
import type { AuditRecord } from '../support/records.ts'

let server: Postgres
let tap: Querytap

const SCHEMA = `
  CREATE TABLE t (i int);
  CREATE TABLE p (i int PRIMARY KEY);
  CREATE TABLE r (i int REFERENCES p DEFERRABLE INITIALLY DEFERRED);
  CREATE TABLE refusing (i int);
  CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
  CREATE TRIGGER refuse BEFORE INSERT ON refusing EXECUTE FUNCTION refuse();
  CREATE ROLE bob;
`

beforeAll(async () => {
  server = await startPostgres({ settings: { log_statement: 'all' }, tls: true })
  await server.psql(SCHEMA)
  tap = await startQuerytap({ remote: server.port })
})

afterAll(async () => {
  await tap?.stop()
  await server?.stop()
  tap?.remove()
})

/** How long an answer may take, in milliseconds. */
const PATIENCE = 10_000

/** A client that says what it is told to, and knows of the answers no more than their types. */
class RawClient {
  readonly #socket: Socket
  #bytes: Bytes = Buffer.alloc(0)
  /** types of the messages that came, in order; `$` is the end */
  heard = ''
  /** as the proxy sees it */
  address = ''
  #wake = () => {}

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1')
    this.#socket.on('connect', () => {
      this.address = `127.0.0.1:${this.#socket.localPort}`
    })
    this.#socket.on('data', (chunk) => this.#read(chunk))
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => this.#hear('$'))
  }

  #hear(type: string): void {
    this.heard += type
    this.#wake()
  }

  #read(chunk: Bytes): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    while (this.#bytes.length >= 5 && this.#bytes.length > this.#bytes.readInt32BE(1)) {
      this.#hear(String.fromCharCode(this.#bytes[0] as number))
      this.#bytes = this.#bytes.subarray(1 + this.#bytes.readInt32BE(1))
    }
  }

  /** Sends, then waits until so many ReadyForQuery came for it, or the end, or an error when it waits for none. */
  async say(bytes: Bytes, count: number | 'end' | 'error'): Promise<void> {
    const from = this.heard.length
    this.#socket.write(bytes)
    for (;;) {
      const heard = this.heard.slice(from)
      if (heard.includes('$') || (count === 'error' && heard.includes('E'))) return
      if (typeof count === 'number' && heard.split('Z').length > count) return
      await new Promise<void>((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`waited in vain, heard ${heard}`)), PATIENCE)
        this.#wake = () => {
          clearTimeout(late)
          resolve()
        }
      })
    }
  }

  /** The one byte that answers a request for encryption. */
  async ask(bytes: Bytes): Promise<string> {
    this.#socket.write(bytes)
    while (this.#bytes.length === 0)
      await new Promise<void>((resolve) => this.#socket.once('data', () => resolve()))
    const answer = String.fromCharCode(this.#bytes[0] as number)
    this.#bytes = this.#bytes.subarray(1)
    return answer
  }

  async leave(): Promise<void> {
    if (!this.heard.includes('$')) await this.say(f.terminate(), 'end')
  }
}

const STARTUP = f.startup({ user: 'postgres', database: 'postgres' })
type Step = readonly [bytes: Bytes, wait: number | 'end' | 'error']

/** The records of one client's session, once it has ended. */
const recordsOf = async (client: RawClient): Promise<AuditRecord[]> => {
  await client.leave()
  const own = (records: readonly AuditRecord[]) =>
    records.filter(({ client_addr }) => client_addr === client.address)
  return own(await tap.waitFor((records) => own(records).some(({ event }) => event === 'session.end')))
}

const converse = async (steps: readonly Step[], startup = STARTUP): Promise<AuditRecord[]> => {
  const client = new RawClient(tap.port)
  await client.say(startup, 1)
  for (const [bytes, wait] of steps) await client.say(bytes, wait)
  return recordsOf(client)
}

const statements = (records: readonly AuditRecord[]): AuditRecord[] =>
  records.filter(({ event }) => event === 'statement')

const brief = ({ outcome, query, reason, malformed }: AuditRecord): string =>
  [outcome, query ?? '?', reason, malformed === true ? 'malformed' : undefined]
    .filter((part) => part !== undefined)
    .join(' ')

/** Texts that the server executed for this session, by its own log. */
const executed = async (records: readonly AuditRecord[]): Promise<string[]> => {
  const pid = records.find(({ backend_pid }) => backend_pid !== undefined)?.backend_pid
  const lines = (await server.readLog())
    .filter((entry) => entry.pid === pid)
    .map((entry) => entry.message ?? '')
  return lines.flatMap((line) => /^(?:statement|execute (?!fetch)\S+): (.*)$/s.exec(line)?.[1] ?? [])
}

const series = (text: string): Bytes => Buffer.concat([f.parse(text), f.bind(), f.execute()])
const LONG = 'n'.repeat(63)
const latin1 = (text: string): Bytes => Buffer.from(text, 'latin1')
const parseOf = (name: Bytes, text: string): Bytes =>
  message('P', Buffer.concat([cstring(name), cstring(text), int16(0)]))
const bindOf = (name: Bytes): Bytes =>
  message('B', Buffer.concat([cstring(''), cstring(name), Buffer.alloc(6)]))
const all = (...bytes: readonly Bytes[]): Bytes => Buffer.concat(bytes)
const COPY = 'COPY t FROM STDIN'

/** What is sent, what the audit must say of it, and how many of that the server logs as executed. */
const SCENARIOS: readonly (readonly [
  name: string,
  steps: readonly Step[],
  expected: readonly string[],
  ran: readonly string[],
])[] = [
  [
    'two spellings of one name',
    [
      [
        all(
          f.parse("SELECT 'first'", `${LONG}1`),
          f.bind({ statement: `${LONG}2` }),
          f.execute(),
          f.sync(),
        ),
        1,
      ],
      [all(f.closeStatement(`${LONG}3`), f.parse("SELECT 'second'", `${LONG}4`), f.sync()), 1],
      [all(f.bind({ statement: `${LONG}1` }), f.execute(), f.sync()), 1],
    ],
    ["success SELECT 'first'", "success SELECT 'second'"],
    ["SELECT 'first'", "SELECT 'second'"],
  ],
  [
    'names in Latin-1',
    [
      [f.query('SET client_encoding TO latin1'), 1],
      [
        all(
          parseOf(latin1('\xe8'), "SELECT 'first'"),
          parseOf(latin1('\xe9'), "SELECT 'second'"),
          f.sync(),
        ),
        1,
      ],
      [all(bindOf(latin1('\xe8')), f.execute(), f.sync()), 1],
      [f.query('SET client_encoding TO utf8'), 1],
      [all(f.bind({ statement: 'é' }), f.execute(), f.sync()), 1],
    ],
    [
      'success SET client_encoding TO latin1',
      "success SELECT 'first'",
      'success SET client_encoding TO utf8',
      "success SELECT 'second'",
    ],
    ['SET client_encoding TO latin1', "SELECT 'first'", 'SET client_encoding TO utf8', "SELECT 'second'"],
  ],
  [
    'a Parse of an existing name',
    [
      [all(f.parse("SELECT 'old'", 's'), f.sync(), f.parse("SELECT 'new'", 's'), f.sync()), 2],
      [all(f.bind({ statement: 's' }), f.execute(), f.sync()), 1],
    ],
    ["success SELECT 'old'"],
    ["SELECT 'old'"],
  ],
  [
    '20 malformed Binds',
    [
      [
        all(
          ...Array.from({ length: 20 }, () => all(message('B', '\0\0\0\x01\0'), f.sync())),
          f.query('SELECT 1'),
        ),
        21,
      ],
    ],
    [...Array.from({ length: 20 }, () => 'error ? malformed'), 'success SELECT 1'],
    ['SELECT 1'],
  ],
  [
    'a Flush with a body',
    [[all(message('H', 'x'), f.query("SELECT 'skipped'"), f.sync(), f.query('SELECT 1')), 2]],
    ["skipped SELECT 'skipped'", 'success SELECT 1'],
    ['SELECT 1'],
  ],
  [
    'a Sync with a body',
    [[all(series('SELECT 1'), message('S', 'x'), f.query('SELECT 2')), 2]],
    ['success SELECT 1', 'success SELECT 2'],
    ['SELECT 1', 'SELECT 2'],
  ],
  [
    'behind an error all is skipped until Sync',
    [
      [
        all(
          f.parse('bad'),
          f.query('SELECT 1'),
          series('SELECT 2'),
          f.functionCall(1),
          f.sync(),
          f.query('SELECT 3'),
        ),
        2,
      ],
    ],
    ['skipped SELECT 1', 'skipped SELECT 2', 'skipped ?', 'success SELECT 3'],
    ['SELECT 3'],
  ],
  [
    'a portal that is run again',
    [
      [all(series('SELECT 1'), f.execute(), f.execute(), f.sync()), 1],
      [all(series('INSERT INTO t VALUES (1)'), f.execute(), f.sync()), 1],
    ],
    ['success SELECT 1', 'success INSERT INTO t VALUES (1)', 'error INSERT INTO t VALUES (1)'],
    // it logs the Executes of a portal that then does nothing, or cannot run, as well
    ['SELECT 1', 'INSERT INTO t VALUES (1)', 'INSERT INTO t VALUES (1)'],
  ],
  [
    'the unnamed statement is gone',
    [
      [all(f.parse('SELECT 1'), f.sync(), f.parse('bad'), f.sync(), f.bind(), f.sync()), 3],
      [all(f.parse('SELECT 1'), f.sync(), f.query('SELECT 2'), f.bind(), f.sync()), 3],
    ],
    ['error ? text_unknown', 'success SELECT 2', 'error ? text_unknown'],
    ['SELECT 2'],
  ],
  [
    'the unnamed portal too, by a query',
    [
      [f.query('BEGIN'), 1],
      [all(f.parse('SELECT generate_series(1, 3)'), f.bind(), f.execute('', 1), f.sync()), 1],
      [all(f.query('SELECT 1'), f.execute(), f.sync()), 2],
      [f.query('ROLLBACK'), 1],
    ],
    [
      'success BEGIN',
      'success SELECT generate_series(1, 3) portal_closed',
      'success SELECT 1',
      'error ? text_unknown',
      'success ROLLBACK',
    ],
    ['BEGIN', 'SELECT generate_series(1, 3)', 'SELECT 1', 'ROLLBACK'],
  ],
  [
    'Sync inside COPY IN',
    [
      [
        all(
          series(COPY),
          f.sync(),
          f.copyData('1\n'),
          f.sync(),
          f.flush(),
          f.copyDone(),
          f.sync(),
          f.query('SELECT 1'),
        ),
        2,
      ],
    ],
    [`success ${COPY}`, 'success SELECT 1'],
    [COPY, 'SELECT 1'],
  ],
  [
    'a COPY that fails behind a Sync it read',
    [
      [
        all(
          series(COPY),
          f.sync(),
          f.copyData('bad\n'),
          f.copyDone(),
          f.sync(),
          series('SELECT 1'),
          f.sync(),
        ),
        2,
      ],
    ],
    [`error ${COPY}`, 'success SELECT 1'],
    [COPY, 'SELECT 1'],
  ],
  [
    'a COPY that fails before a Sync it then heeds',
    [
      [
        all(
          series('COPY refusing FROM STDIN'),
          f.sync(),
          f.copyData('1\n'),
          f.copyDone(),
          f.sync(),
          f.query('SELECT 1'),
        ),
        3,
      ],
    ],
    ['error COPY refusing FROM STDIN', 'success SELECT 1'],
    ['COPY refusing FROM STDIN', 'SELECT 1'],
  ],
  [
    'a COPY of a query that fails between Syncs',
    [
      [
        all(
          f.query(COPY),
          f.sync(),
          f.copyData('bad\n'),
          f.sync(),
          f.parse('bad'),
          f.bind(),
          f.sync(),
          f.query('SELECT 1'),
        ),
        4,
      ],
    ],
    [`error ${COPY}`, 'skipped bad', 'success SELECT 1'],
    [COPY, 'SELECT 1'],
  ],
  [
    'a COPY whose failure leaves unclear what ran',
    [
      [all(series(COPY), f.copyData('bad\n'), f.sync(), f.sync(), f.parse('bad')), 2],
      [all(series("SELECT 'skipped'"), f.sync()), 1],
      [f.query('SELECT 1'), 1],
    ],
    [`error ${COPY}`, 'unknown ? after_copy_failure', 'unknown SELECT 1 after_copy_failure'],
    [COPY, 'SELECT 1'],
  ],
  [
    'a query amid the data of a COPY',
    [[all(f.query(COPY), f.query("SELECT 'data'")), 'end']],
    [`error ${COPY}`, "skipped SELECT 'data'"],
    [COPY],
  ],
  [
    'a deferred constraint fails at Sync',
    [[all(series('INSERT INTO r VALUES (1)'), f.sync(), f.query('SELECT 1')), 2]],
    ['success INSERT INTO r VALUES (1)', 'success SELECT 1'],
    ['INSERT INTO r VALUES (1)', 'SELECT 1'],
  ],
]

await describeLive('what PostgreSQL does with odd messages', ['postgres', 'openssl'], () => {
  test.each(SCENARIOS)('%s', async (_, steps, expected, ran) => {
    const records = await converse(steps)
    expect(statements(records).map(brief)).toEqual(expected)
    expect(await executed(records)).toEqual(ran)
  })

  test('the error of a deferred constraint is in the end of its transaction', async () => {
    const records = await converse([[all(series('INSERT INTO r VALUES (2)'), f.sync()), 1]])
    expect(records.filter(({ event }) => event === 'txn.end')).toMatchObject([
      { txn_outcome: 'rolled_back', error_code: '23503' },
    ])
  })

  test('roles come and go as current_user does', async () => {
    const steps = [
      ...['BEGIN', 'SAVEPOINT a', 'SET ROLE bob', 'ROLLBACK TO a', 'SELECT current_user', 'SET ROLE bob'],
      ...['COMMIT', 'SELECT current_user', 'RESET ROLE', 'SELECT current_user'],
    ].map((text): Step => [f.query(text), 1])
    const asked = (records: readonly AuditRecord[]) =>
      statements(records).filter(({ query }) => query === 'SELECT current_user')
    const none = { username: 'postgres' }
    const bob = { username: 'postgres', effective_username: 'bob' }
    const plain = asked(await converse(steps))
    expect(plain).toMatchObject([none, bob, none])
    expect(plain[0]).not.toHaveProperty('effective_username')
    const began = await converse(steps, f.startup({ user: 'postgres', options: '-c role=bob' }))
    expect(asked(began)).toMatchObject([bob, bob, bob])
  })

  test('Startup, Query and Terminate in one segment', async () => {
    const client = new RawClient(tap.port)
    await client.say(all(STARTUP, f.query('CREATE TABLE early ()'), f.terminate()), 'end')
    const records = await recordsOf(client)
    expect(statements(records).map(brief)).toEqual(['success CREATE TABLE early ()'])
    expect(await executed(records)).toEqual(['CREATE TABLE early ()'])
  })

  test('a comment that is longer than what is kept, then DROP', async () => {
    const text = `/*${'x'.repeat(2 * 1024 * 1024)}*/ DROP TABLE IF EXISTS nothing`
    const [record] = statements(await converse([[f.query(text), 1]]))
    expect(record).toMatchObject({
      query_truncated: true,
      query_len: text.length,
      command_tag: 'DROP TABLE',
    })
    expect(record?.query_tail).toMatch(/\*\/ DROP TABLE IF EXISTS nothing$/)
  })

  test('a server with TLS is not asked for it, however long the request', async () => {
    const client = new RawClient(tap.port)
    expect(await client.ask(untyped(all(int32(80877103), Buffer.alloc(12))))).toBe('N')
    await client.say(STARTUP, 1)
    await client.say(f.query('SELECT 1'), 1)
    expect(statements(await recordsOf(client)).map(brief)).toEqual(['success SELECT 1'])
  })
})
