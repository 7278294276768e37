import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { nodePostgres, postgresJs, type Target } from '../support/drivers.ts'
import { describeLive } from '../support/live.ts'
import { type Comparison, compareWithServer, type ValuesInDoubt } from '../support/oracle.ts'
import { DIRECT_APPLICATION, type Postgres, startPostgres } from '../support/postgres.ts'
import { run, runOk } from '../support/programs.ts'
import { type Querytap, startQuerytap } from '../support/querytap.ts'
import type { AuditRecord } from '../support/records.ts'
import { PYTHON } from '../support/servers.ts'
import { largeObjectScript, sqlCorpus } from '../support/sql-corpus.ts'

const PIPELINE = new URL('../support/pipeline.py', import.meta.url).pathname

let server: Postgres
let tap: Querytap

beforeAll(async () => {
  server = await startPostgres({ settings: { log_statement: 'all' } })
  tap = await startQuerytap({ remote: server.port })
})

afterAll(async () => {
  await tap?.stop()
  await server?.stop()
  tap?.remove()
})

const direct = (database: string): Target => ({
  host: '127.0.0.1',
  port: server.port,
  user: 'postgres',
  database,
})
const tapped = (database: string): Target => ({ ...direct(database), port: tap.port })
const conninfo = ({ host, port, user, database }: Target): string =>
  `host=${host} port=${port} user=${user} dbname=${database}`

const countOf = (records: readonly AuditRecord[], event: string): number =>
  records.filter((record) => record.event === event).length
const allEnded = (records: readonly AuditRecord[]): boolean =>
  countOf(records, 'session.start') === countOf(records, 'session.end')

/** Does the server read the sent text as the value that it logged? It knows the parameter's type. */
const isSameValue = async (
  client: pg.Client,
  type: string,
  sent: string,
  logged: string,
): Promise<boolean> => {
  const { rows } = await client.query(`SELECT format('%s', ($1::text)::${type}) AS text`, [sent])
  return rows[0].text === logged
}

/**
 * Types of the text's parameters: those of which the record knows nothing are what the server makes of
 * them.
 */
const typesOf = async (client: pg.Client, { query, types }: ValuesInDoubt): Promise<string[]> => {
  const declared = types.map((type) => type ?? 'unknown').join(', ')
  await client.query(`PREPARE in_doubt ${declared && `(${declared})`} AS ${query}`)
  const sql = "SELECT parameter_types::text[] AS types FROM pg_prepared_statements WHERE name = 'in_doubt'"
  const { rows } = await client.query(sql)
  await client.query('DEALLOCATE in_doubt')
  return rows[0].types
}

const judge = async (client: pg.Client, doubt: ValuesInDoubt): Promise<string[]> => {
  const { query, sent, logged } = doubt
  if (sent.length !== logged.length) return [`${query}: ${sent.length} values for ${logged.length}`]
  const types = await typesOf(client, doubt)
  const findings: string[] = []
  for (const [index, value] of sent.entries()) {
    const expected = logged[index] ?? null
    if (value === expected) continue
    const type = types[index] ?? 'text'
    const same = value !== null && expected !== null && (await isSameValue(client, type, value, expected))
    if (!same) findings.push(`${query}: value ${index + 1}: ${value} is not ${expected}`)
  }
  return findings
}

const judgeAll = async (database: string, doubts: readonly ValuesInDoubt[]): Promise<string[]> => {
  const { host, port, user } = direct(database)
  const client = new pg.Client({ host, port, user, database, application_name: DIRECT_APPLICATION })
  await client.connect()
  const findings: string[] = []
  for (const doubt of doubts) findings.push(...(await judge(client, doubt)))
  await client.end()
  return findings
}

/** Runs a workload through the proxy and puts what the server logged of it beside our records. */
const audited = async (database: string, workload: () => Promise<unknown>): Promise<Comparison> => {
  const entriesBefore = (await server.readLog()).length
  const recordsBefore = (await tap.waitFor(allEnded)).length
  await workload()
  const entries = (await server.readLog()).slice(entriesBefore)
  const records = (await tap.waitFor((all) => all.length > recordsBefore && allEnded(all))).slice(
    recordsBefore,
  )
  const indirect = entries.filter((entry) => entry.application_name !== DIRECT_APPLICATION)
  const comparison = compareWithServer(indirect, records)
  expect(comparison.findings).toEqual([])
  expect(await judgeAll(database, comparison.inDoubt)).toEqual([])
  return comparison
}

const freshDatabases = async (name: string): Promise<void> => {
  await server.psql(`CREATE DATABASE ${name}_direct`)
  await server.psql(`CREATE DATABASE ${name}_tapped`)
}

const psql = async (target: Target, input: string): Promise<string> => {
  const { stdout, stderr } = await run(server.program('psql'), ['-X', conninfo(target)], {
    input,
    timeout: 120_000,
  })
  return `${stdout}${stderr}`.replace(/\bPID \d+/g, 'PID')
}

await describeLive("PostgreSQL's own log is the oracle", ['postgres'], () => {
  test.each(['simple', 'extended', 'prepared'])('pgbench, 8 clients, %s', async (mode) => {
    const database = `bench_${mode}`
    await server.psql(`CREATE DATABASE ${database}`)
    const pgbench = (target: Target, ...args: string[]) =>
      runOk(server.program('pgbench'), [...args, conninfo(target)], { timeout: 120_000 })
    await pgbench(direct(database), '-i', '-q')
    const { matched } = await audited(database, () =>
      pgbench(tapped(database), '-n', '-M', mode, '-c', '8', '-j', '2', '-t', '40'),
    )
    const transactions = 8 * 40
    const perTransaction = 7
    const kind = mode === 'simple' ? 'statement' : 'execute'
    expect(matched[kind]).toBeGreaterThanOrEqual(transactions * perTransaction)
  })

  test('hundreds of different statements by psql, with equal results', async () => {
    await freshDatabases('corpus')
    const scripts = Object.entries(sqlCorpus())
    const expected: string[] = []
    for (const [name, script] of scripts)
      expected.push(`${name}\n${await psql(direct('corpus_direct'), script)}`)
    const results: string[] = []
    const { matched } = await audited('corpus_tapped', async () => {
      for (const [name, script] of scripts)
        results.push(`${name}\n${await psql(tapped('corpus_tapped'), script)}`)
    })
    expect(results).toEqual(expected)
    expect(matched.statement).toBeGreaterThan(400)
  })

  test('large objects by psql, which calls functions by the fast path', async () => {
    await freshDatabases('objects')
    const directory = mkdtempSync(join(tmpdir(), 'querytap-lo-'))
    try {
      writeFileSync(join(directory, 'in'), Buffer.alloc(100_000, 'large object; '))
      const script = largeObjectScript(join(directory, 'in'), join(directory, 'out'))
      const { matched } = await audited('objects_tapped', () => psql(tapped('objects_tapped'), script))
      expect(matched.fastpath).toBeGreaterThan(10)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  test.each([
    ['node-postgres', 'node_postgres', nodePostgres, 55],
    ['postgres.js', 'postgres_js', postgresJs, 100],
  ] as const)('%s, values of all kinds, with equal results', async (_, name, workload, statements) => {
    await freshDatabases(name)
    const expected = await workload(direct(`${name}_direct`))
    let result = ''
    const { matched } = await audited(`${name}_tapped`, async () => {
      result = await workload(tapped(`${name}_tapped`))
    })
    expect(result).toEqual(expected)
    expect(matched.execute).toBeGreaterThan(statements)
  })
})

await describeLive("PostgreSQL's own log is the oracle of pipelines", ['postgres', 'psycopg'], () => {
  test("libpq's pipelines by psycopg 3, with equal results", async () => {
    await freshDatabases('pipelines')
    const workload = (target: Target) => runOk(PYTHON, [PIPELINE, conninfo(target)])
    const expected = await workload(direct('pipelines_direct'))
    let result = ''
    const { matched } = await audited('pipelines_tapped', async () => {
      result = await workload(tapped('pipelines_tapped'))
    })
    expect(result).toEqual(expected)
    expect(matched.execute).toBeGreaterThan(600)
  })
})

await describeLive('bulk through the proxy', ['postgres'], () => {
  const ROWS = 920_000
  const bytesOf = `SELECT g, md5(g::text), repeat('x', 70) FROM generate_series(1, ${ROWS}) g`

  const shell = (command: string): Promise<string> =>
    runOk('bash', ['-o', 'pipefail', '-c', command], { timeout: 300_000 })
  const query = (target: Target, sql: string): string =>
    `'${server.program('psql')}' -X -q -A -t -c "${sql}" '${conninfo(target)} application_name=${DIRECT_APPLICATION}'`

  test('100 MB of COPY out are byte-equal, and counted', async () => {
    const copy = `COPY (${bytesOf}) TO STDOUT`
    const expected = await shell(`${query(direct('postgres'), copy)} | sha256sum`)
    expect(await shell(`${query(tapped('postgres'), copy)} | sha256sum`)).toBe(expected)
    const size = Number(await shell(`${query(direct('postgres'), copy)} | wc -c`))
    expect(size).toBeGreaterThan(100_000_000)
    const copied = (record: AuditRecord) => record.copy_direction === 'out' && record.copy_rows === ROWS
    const records = await tap.waitFor((all) => all.some(copied))
    expect(records.find(copied)?.copy_bytes).toBe(size)
  })

  test('100 MB of COPY in are byte-equal, and counted', async () => {
    await server.psql('CREATE UNLOGGED TABLE bulk (n int, m text, x text)')
    const source = query(direct('postgres'), `COPY (${bytesOf}) TO STDOUT`)
    const expected = await shell(`${source} | sha256sum`)
    await shell(`${source} | ${query(tapped('postgres'), 'COPY bulk FROM STDIN')}`)
    const stored = query(direct('postgres'), 'COPY (SELECT * FROM bulk ORDER BY n) TO STDOUT')
    expect(await shell(`${stored} | sha256sum`)).toBe(expected)
    const copied = (record: AuditRecord) => record.copy_direction === 'in' && record.copy_rows === ROWS
    await tap.waitFor((all) => all.some(copied))
  })
})
