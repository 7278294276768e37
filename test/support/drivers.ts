/**
 * Workloads of node-postgres and postgres.js with parameters of all kinds; each gives what it got, as
 * JSON.
 */
import pg from 'pg'
import postgres from 'postgres'

export interface Target {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
}

const DATE = new Date(Date.UTC(2024, 1, 29, 13, 14, 15, 678))

/** Query texts of one parameter, and values for it as a program would give them. */
const SAMPLES: readonly (readonly [string, readonly unknown[]])[] = [
  ['SELECT $1::int AS v', [0, 1, -2147483648, '42', null]],
  ['SELECT $1::bigint AS v', ['9223372036854775807', 5n, null]],
  ['SELECT $1::numeric AS v', ['1.50', '-0.0000001', '1e10', 'NaN']],
  ['SELECT $1::float8 AS v', [0.1, -1e300, 'Infinity', null]],
  ['SELECT $1::bool AS v', [true, false, null]],
  ['SELECT $1::text AS v', ['', "it's; $1", 'Zoë 漢字 🐘', 'a\tb\n\\', 'x'.repeat(100_000), null]],
  ['SELECT $1::bytea AS v', [Buffer.from([0, 1, 255, 39, 92]), Buffer.alloc(0)]],
  ['SELECT $1::timestamptz AS v', [DATE, '2024-02-29 13:14:15.678+02', 'infinity']],
  ['SELECT $1::date AS v', ['2024-02-29', '0044-03-15 BC']],
  ['SELECT $1::interval AS v', ['1 mon 2 days 03:04:05.6', '-1 hours']],
  ['SELECT $1::uuid AS v', ['12345678-1234-5678-1234-567812345678']],
  ['SELECT $1::inet AS v', ['10.0.0.1', '2001:db8::1/64']],
]

const failure = (error: unknown): string => `error ${(error as { code?: string }).code}`
const settle = (results: readonly PromiseSettledResult<unknown>[]): unknown[] =>
  results.map((result) => (result.status === 'fulfilled' ? result.value : failure(result.reason)))
const asJson = (value: unknown): string =>
  JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? String(item) : item))

/** Remembers what each query gave: its rows, or the error's code. */
const noting =
  (got: unknown[]) =>
  async (query: PromiseLike<unknown>): Promise<void> => {
    got.push(await query.then((result) => result, failure))
  }

// for a text of several statements the driver gives an array that its types do not know
const rowsOfEach = (results: unknown): unknown[] => (results as pg.QueryResult[]).map(({ rows }) => rows)

const nodePostgresQueries = async (client: pg.Client): Promise<unknown[]> => {
  const got: unknown[] = []
  const note = noting(got)
  const ask = (query: string | pg.QueryConfig, values?: unknown[]) =>
    note(client.query(query, values).then((result) => result.rows))
  await ask('CREATE TABLE made_by_pg (id int PRIMARY KEY, t text, j jsonb, a int[])')
  for (const [text, values] of SAMPLES) for (const value of values) await ask(text, [value])
  await ask('INSERT INTO made_by_pg VALUES ($1, $2, $3, $4) RETURNING *', [
    1,
    null,
    { a: "'" },
    [1, null, 3],
  ])
  await ask('INSERT INTO made_by_pg VALUES ($1, $2, $3, $4)', [1, 'twice', null, []])
  for (let n = 0; n < 20; n++) {
    await ask({ name: 'named', text: 'SELECT $1::int * 2 AS v, $2::text AS t', values: [n, `n ${n}`] })
  }
  await note(
    client.query({ text: 'SELECT $1::int AS v', values: [7], rowMode: 'array' }).then(({ rows }) => rows),
  )
  await note(client.query('SELECT 1 AS a; SELECT 2 AS b').then(rowsOfEach))
  await ask('')
  await ask('SELEC $1', [1])
  await ask('SELECT $1::int', ['not a number'])
  await ask('SELECT * FROM missing WHERE a = $1', [1])
  await ask('BEGIN')
  await ask('SELECT 1 / $1::int', [0])
  await ask('SELECT $1::int', [1])
  await ask('ROLLBACK')
  return got
}

/** node-postgres: unnamed and named statements, values of all kinds, errors. */
export const nodePostgres = async (target: Target): Promise<string> => {
  const { host, port, user, database } = target
  const client = new pg.Client({ host, port, user, database })
  await client.connect()
  try {
    return asJson(await nodePostgresQueries(client))
  } finally {
    await client.end()
  }
}

const postgresJsQueries = async (sql: postgres.Sql): Promise<unknown[]> => {
  const got: unknown[] = []
  const note = noting(got)
  await note(sql`CREATE TABLE made_by_postgres (id int PRIMARY KEY, t text, j jsonb, a int[])`)
  for (const [text, values] of SAMPLES) {
    for (const value of values) await note(sql.unsafe(text, [value as string]))
    for (const value of values) await note(sql.unsafe(text, [value as string], { prepare: true }))
  }
  const made = { id: 1, t: null, j: sql.json({ a: [1, "'"] }), a: [1, 2, 3] }
  await note(sql`INSERT INTO made_by_postgres ${sql(made)} RETURNING *`)
  await note(sql`INSERT INTO made_by_postgres (id, t) VALUES (${1}, ${'twice'})`)
  for (let n = 0; n < 20; n++) await note(sql`SELECT ${n}::int * 2 AS v, ${`n ${n}`}::text AS t`)
  await note(sql`SELECT generate_series(1, 100) AS v`.cursor(30, (part) => void got.push(part.length)))
  await note(sql`SELECT 1 AS a; SELECT 2 AS b`.simple())
  await note(sql`SELECT ${'not a number'}::int`)
  await note(sql`SELECT * FROM missing WHERE a = ${1}`)
  await note(sql`SELECT ${1}::int`.describe().then((described) => described.string))
  await note(sql.begin(async (tx) => [await tx`SELECT ${1}::int AS v`, await tx`SELECT 1 / ${0}::int`]))
  await note(sql.begin((tx) => [tx`SELECT ${2}::int AS v`, tx`SELECT ${3}::int AS w`]))
  return got
}

/** postgres.js: prepared by default, pipelined, cursors, describe first, transactions, COPY in and out. */
export const postgresJs = async (target: Target): Promise<string> => {
  const { host, port, user, database } = target
  const sql = postgres({ host, port, database, username: user, max: 1, onnotice: () => {} })
  try {
    const basics = await postgresJsQueries(sql)
    const sent = Array.from(
      { length: 50 },
      (_, n) => sql`SELECT ${n}::int AS v, ${n % 3 ? 'x' : null}::text AS t`,
    )
    const piped = settle(await Promise.allSettled(sent))
    const copyIn = await sql`COPY made_by_postgres (id, t) FROM STDIN`.writable()
    await new Promise<void>((resolve, reject) => {
      copyIn.on('error', reject).on('finish', resolve).end('100\tcopied\n101\t\\N\n')
    })
    const copyOut = await sql`COPY made_by_postgres (id, t) TO STDOUT`.readable()
    const copied: Buffer[] = []
    for await (const chunk of copyOut) copied.push(chunk as Buffer)
    return asJson([basics, piped, String(Buffer.concat(copied))])
  } finally {
    await sql.end()
  }
}
