/**
 * Workloads of the connectors mysql2 and mariadb with values of all kinds; each gives what it got, a line of JSON each.
 * Databases are fresh; users `changed` (password `sesame`) and `root` are there.
 */
import { Readable } from 'node:stream'
import * as mariadb from 'mariadb'
import mysql from 'mysql2/promise'

export interface MyTarget {
  readonly port: number
  readonly database: string
  readonly compress?: boolean
}

const DATE = new Date(Date.UTC(2024, 1, 29, 13, 14, 15, 678))

const VALUES: readonly unknown[] = [
  0,
  -1,
  2 ** 31,
  Number.MAX_SAFE_INTEGER,
  9223372036854775807n,
  0.1,
  -1e300,
  1e15,
  true,
  false,
  null,
  '',
  'it\'s; ? \\ "q"',
  'Zoë 漢字 🐘',
  'a\tb\n\0\u2028\x1a',
  'x'.repeat(100_000),
  DATE,
]
const BYTES = [Buffer.from([0, 1, 255, 39, 92]), Buffer.alloc(0), Buffer.alloc(300, 0xee)]

const failure = (error: unknown): string => {
  const { errno, code } = error as { errno?: number; code?: string }
  return `error ${errno ?? code}`
}
const asJson = (value: unknown): string =>
  JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? `${item}n` : item))

/** Remembers what each query gave, or the error's number. */
const noting =
  (got: unknown[]) =>
  async (query: PromiseLike<unknown>): Promise<void> => {
    got.push(await query.then((result) => result, failure))
  }

const rowsFile = (rows: number): Buffer =>
  Buffer.from(Array.from({ length: rows }, (_, n) => `${1000 + n}\tfrom a file ë ${n}\n`).join(''))

const TABLE =
  'CREATE TABLE connector (id INT PRIMARY KEY AUTO_INCREMENT, t TEXT, b LONGBLOB, n DECIMAL(10,2))'
const PROCEDURE =
  "CREATE PROCEDURE two(IN a INT, OUT b TEXT) BEGIN SELECT a; SELECT a + 1, 'second'; SET b = 'out'; END"
const LOAD = "LOAD DATA LOCAL INFILE 'rows.tsv' INTO TABLE connector CHARACTER SET utf8mb4 (id, t)"
const MANY = 'SELECT seq, REPEAT("r", seq % 90) AS r FROM seq_1_to_2000'

const mysql2Text = async (connection: mysql.Connection, got: unknown[]): Promise<void> => {
  const note = noting(got)
  const ask = (sql: string, values?: unknown[]) =>
    note(connection.query(sql, values as never[]).then(([rows]) => rows))
  await ask(TABLE)
  await ask(PROCEDURE)
  for (const value of VALUES) await ask('SELECT ? AS v', [value])
  for (const value of BYTES) await ask('SELECT HEX(?) AS v', [value])
  await ask('INSERT INTO connector (t, n) VALUES ?', [
    [
      ['a', 1],
      ["b'", 2.5],
      [null, null],
    ],
  ])
  await ask("SELECT 1 AS a; INSERT INTO connector (t) VALUES ('multi'); SELECT 2 AS b, 3 AS c")
  await ask('SELECT 1; SELECT * FROM nowhere; SELECT 2')
  await ask('CALL two(?, @out)', [7])
  await ask('SELECT @out')
  await ask('SELEC 1')
  await ask('')
  await ask(MANY)
  await connection.beginTransaction()
  await ask('UPDATE connector SET n = n + 1')
  await connection.rollback()
  await note(
    Promise.all(Array.from({ length: 20 }, (_, n) => connection.query(`SELECT ${n} AS queued`))).then(
      (all) => all.map(([rows]) => rows),
    ),
  )
  const source = {
    sql: LOAD,
    infileStreamFactory: () => Readable.from([rowsFile(500), Buffer.from('1900\tlast')]),
  }
  await note(connection.query(source).then(([result]) => result))
  await ask('SELECT COUNT(*), MAX(t) FROM connector')
}

const mysql2Binary = async (connection: mysql.Connection, got: unknown[]): Promise<void> => {
  const note = noting(got)
  const ask = (sql: string, values?: unknown[]) =>
    note(connection.execute(sql, values as never[]).then(([rows]) => rows))
  for (const value of VALUES) await ask('SELECT ? AS v', [value])
  for (const value of BYTES) await ask('SELECT HEX(?) AS v', [value])
  await ask('SELECT ? a, ? b, ? c, ? d, ? e, ? f, ? g, ? h, ? i, ? j', [
    1,
    null,
    'a',
    null,
    2.5,
    DATE,
    null,
    '',
    true,
    null,
  ])
  await ask('INSERT INTO connector (id, t) VALUES (?, ?)', [50, 'executed'])
  await ask('INSERT INTO connector (id, t) VALUES (?, ?)', [50, 'twice'])
  await ask('SELEC ?', [1])
  await ask('SELECT * FROM nowhere WHERE a = ?', [1])
  await ask('CALL two(?, @out)', [8])
  await ask(MANY)
  for (let n = 0; n < 30; n++) await ask('SELECT ? * 2 AS v, ? AS t', [n, `n ${n}`])
  connection.unprepare('SELECT ? * 2 AS v, ? AS t')
  const statement = await connection.prepare('SELECT id, t FROM connector WHERE id > ? ORDER BY id LIMIT 3')
  await note(statement.execute([0]).then(([rows]) => rows))
  await note(statement.execute([1000]).then(([rows]) => rows))
  await statement.close()
}

/** mysql2: queries, executes, several statements in one, procedures, LOCAL INFILE, a change of user. */
export const mysql2 = async ({ port, database, compress = false }: MyTarget): Promise<string> => {
  const connection = await mysql.createConnection({
    host: '127.0.0.1',
    port,
    database,
    compress,
    user: 'root',
    charset: 'utf8mb4',
    multipleStatements: true,
    timezone: 'Z',
    supportBigNumbers: true,
  })
  const got: unknown[] = []
  try {
    await mysql2Text(connection, got)
    await mysql2Binary(connection, got)
    const note = noting(got)
    await connection.ping()
    await connection.changeUser({ user: 'changed', password: 'sesame', database })
    await note(connection.query('SELECT CURRENT_USER(), DATABASE()').then(([rows]) => rows))
    await note(connection.execute('SELECT ? AS after', ['change']).then(([rows]) => rows))
    return got.map(asJson).join('\n')
  } catch (error) {
    // with MySQL 5.6 it cannot change the user, and the server ends the session
    return [...got.map(asJson), failure(error)].join('\n')
  } finally {
    // a server may end a session whose change of user failed
    await connection.end().catch(() => {})
  }
}

const mariadbText = async (connection: mariadb.Connection, got: unknown[]): Promise<void> => {
  const note = noting(got)
  const ask = (sql: string, values?: unknown) => note(connection.query(sql, values))
  await ask(TABLE)
  await ask(PROCEDURE)
  for (const value of VALUES) await ask('SELECT ? AS v', [value])
  for (const value of BYTES) await ask('SELECT HEX(?) AS v', [value])
  await ask("SELECT 1 AS a; INSERT INTO connector (t) VALUES ('multi'); SELECT 2 AS b, 3 AS c")
  await ask('CALL two(?, @out)', [7])
  await ask('SELEC 1')
  await ask(MANY)
  // all are sent before the first answer
  const piped = [
    'SELECT 1 AS p',
    'SELECT * FROM nowhere',
    "INSERT INTO connector (t) VALUES ('p')",
    'SELECT 2 AS p',
  ]
  const answers = await Promise.allSettled([...piped, ...piped].map((sql) => connection.query(sql)))
  got.push(answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : failure(answer.reason))))
}

/** Rows of the batch that {@link mariadbConnector} inserts. */
export const BATCH = Array.from({ length: 150 }, (_, n) => [
  n + 100,
  n % 5 === 0 ? null : `batched ${n}; 'x'`,
  n % 3 === 0 ? null : Buffer.from([n, 0, 255]),
  n % 7 === 0 ? null : n / 4,
])

const mariadbBinary = async (connection: mariadb.Connection, got: unknown[]): Promise<void> => {
  const note = noting(got)
  const ask = (sql: string, values?: unknown[]) => note(connection.execute(sql, values))
  for (const value of VALUES) await ask('SELECT ? AS v', [value])
  for (const value of BYTES) await ask('SELECT HEX(?) AS v', [value])
  await note(connection.batch('INSERT INTO connector (id, t, b, n) VALUES (?, ?, ?, ?)', BATCH))
  await note(
    connection.batch('INSERT INTO connector (id, t) VALUES (?, ?)', [
      [100, 'twice'],
      [101, 'twice'],
    ]),
  )
  await note(
    connection.batch('UPDATE connector SET t = ? WHERE id = ?', [
      ['one', 100],
      ['two', 101],
    ]),
  )
  await ask('SELECT id, t, HEX(b), n FROM connector WHERE id BETWEEN ? AND ? ORDER BY id', [100, 260])
  await ask('SELEC ?', [1])
  await ask('SELECT * FROM nowhere WHERE a = ?', [1])
  for (let n = 0; n < 30; n++) await ask('SELECT ? * 2 AS v, ? AS t', [n, `n ${n}`])
  const piped = Array.from({ length: 30 }, (_, n) =>
    connection.execute('SELECT ? AS v, ? AS t', [n, n % 3 ? 'x' : null]),
  )
  got.push(await Promise.all(piped))
  const statement = await connection.prepare('SELECT id FROM connector WHERE id > ? ORDER BY id LIMIT 3')
  await note(statement.execute([0]))
  await note(statement.execute([100]))
  statement.close()
}

/** mariadb: pipelined queries and executes, batches by bulk executes, a change of user, a reset. */
export const mariadbConnector = async ({ port, database, compress = false }: MyTarget): Promise<string> => {
  const connection = await mariadb.createConnection({
    host: '127.0.0.1',
    port,
    database,
    compress,
    user: 'root',
    multipleStatements: true,
    pipelining: true,
    bulk: true,
    timezone: 'Z',
  })
  const got: unknown[] = []
  try {
    await mariadbText(connection, got)
    await mariadbBinary(connection, got)
    const note = noting(got)
    await connection.ping()
    await note(connection.reset())
    await note(connection.query('SELECT @out, DATABASE()'))
    await note(connection.changeUser({ user: 'changed', password: 'sesame', database }))
    await note(connection.query('SELECT CURRENT_USER(), DATABASE()'))
    await note(connection.execute('SELECT ? AS after', ['change']))
    return got.map(asJson).join('\n')
  } finally {
    // a server may end a session whose change of user failed
    await connection.end().catch(() => {})
  }
}

/** mariadb: LOCAL INFILE, which this connector does not do while it pipelines; a file that it refuses. */
export const mariadbInfile = async ({ port, database, compress = false }: MyTarget): Promise<string> => {
  const connection = await mariadb.createConnection({
    host: '127.0.0.1',
    port,
    database,
    compress,
    user: 'root',
    permitLocalInfile: true,
    infileStreamFactory: () => Readable.from([rowsFile(3000), rowsFile(0), Buffer.from('9000\tlast')]),
  })
  const got: unknown[] = []
  const note = noting(got)
  try {
    await note(connection.query(TABLE))
    await note(connection.query(LOAD))
    await note(connection.query('SELECT COUNT(*), MAX(t) FROM connector'))
    return got.map(asJson).join('\n')
  } finally {
    await connection.end()
  }
}
