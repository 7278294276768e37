import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { describeLive } from '../support/live.ts'
import { startMariaDb } from '../support/mariadb.ts'
import { BATCH, type MyTarget, mariadbConnector, mariadbInfile, mysql2 } from '../support/my-clients.ts'
import { cliArguments, MARIADB_CLI } from '../support/my-server.ts'
import { mySqlCorpus } from '../support/my-sql-corpus.ts'
import { type Audited, type MyStage, openStage } from '../support/my-stage.ts'
import { startMysql56 } from '../support/mysql56.ts'
import { run, runOk } from '../support/programs.ts'
import type { AuditRecord } from '../support/records.ts'
import { hasServer, PYTHON } from '../support/servers.ts'

type Workload = (port: number) => Promise<string>

const support = (name: string): string => new URL(`../support/${name}`, import.meta.url).pathname

const corpus =
  (...flags: string[]): Workload =>
  async (port) => {
    const results: string[] = []
    for (const [name, input] of Object.entries(mySqlCorpus())) {
      const args = [...cliArguments({ port }), '--force', '--batch', ...flags, 'shop']
      const { code, stdout, stderr } = await run(MARIADB_CLI, args, { input })
      results.push(`${name} ${code}\n${stdout}${stderr}`)
    }
    return results.join('\n')
  }

const connector =
  (workload: (target: MyTarget) => Promise<string>, compress: boolean): Workload =>
  (port) =>
    workload({ port, database: 'shop', compress })

const python =
  (module: string, ...flags: string[]): Workload =>
  (port) =>
    runOk(PYTHON, [support('my_clients.py'), module, String(port), 'shop', ...flags])

let directory = ''

/** The C program, compiled when it is first asked for. */
const libmariadb =
  (...flags: string[]): Workload =>
  async (port) => {
    const program = join(directory, 'workload')
    if (!existsSync(program)) {
      const options = (await runOk('mariadb_config', ['--cflags', '--libs'])).split(/\s+/).filter(Boolean)
      await runOk('cc', ['-o', program, support('my-workload.c'), ...options])
    }
    return runOk(program, [String(port), 'shop', ...flags])
  }

const SAME = { findings: [], silence: [] }

/** Results that MariaDB does not count as rows sent: of maintenance, of no SQL at all, of cursors. */
const isUncounted = ({ query, protocol, fetches }: AuditRecord): boolean =>
  fetches !== undefined ||
  protocol === 'command' ||
  /^\s*(?:analyze|check|optimize|handler)\b/i.test(query ?? '')

/** The row of OUT parameters is not counted either. */
const outRows = (results: unknown): number =>
  Array.isArray(results) ? results.filter((each) => String(each).startsWith('OUT ')).length : 0

/** Rows that our records tell of, and that the server counts. */
const rowsOf = (records: readonly AuditRecord[]): number =>
  records
    .filter((record) => record.event === 'statement' && !isUncounted(record))
    .reduce((sum, { rows_returned, results }) => sum + Number(rows_returned ?? 0) - outRows(results), 0)

/** What must hold of any workload: nothing is missing, invented, lost or undecoded, and results are equal. */
const verdict = (audited: Audited & { expected?: string }) => {
  const { findings, records, result, expected, rowsSent } = audited
  if (expected !== undefined) expect(result).toBe(expected)
  if (rowsSent !== undefined) expect(rowsOf(records)).toBe(rowsSent)
  const silence = records.filter(({ event }) => event === 'gap' || event === 'audit.loss')
  return { findings, silence }
}

/** Rows of all bulk executes of a text, which the server's log does not tell. */
const bulkRows = (records: readonly AuditRecord[], text: RegExp): unknown[] =>
  records
    .filter(({ protocol, query }) => protocol === 'bulk' && text.test(query ?? ''))
    .flatMap(({ bind_values }) => [...(bind_values ?? [])])

/** A row of a batch as records spell it. */
const asText = (row: readonly unknown[]): (string | null)[] =>
  row.map((value) => {
    if (value === null) return null
    return Buffer.isBuffer(value) ? `\\x${value.toString('hex')}` : String(value)
  })

/** What the C program gives to its UPDATE: values, NULL, DEFAULT and IGNORE. */
const UPDATED = [
  ['\\IGNORE', '1.5', '11'],
  ["it's; two", '\\DEFAULT', '12'],
  ['', null, '13'],
  ['\\IGNORE', '9', '14'],
  [null, '\\DEFAULT', '15'],
]

const PLAIN_AND_COMPRESSED = [
  ['plain', false],
  ['compressed', true],
] as const

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'querytap-c-'))
  // mysql2 tells of the sequence ids that MariaDB gives in compressed packets
  vi.spyOn(console, 'error').mockImplementation(() => {})
})

afterAll(() => {
  rmSync(directory, { recursive: true, force: true })
  vi.restoreAllMocks()
})

let mariadb: MyStage

beforeAll(async () => {
  if (await hasServer('mariadb')) mariadb = await openStage(await startMariaDb(), { countsRows: true })
})

afterAll(() => mariadb?.close())

await describeLive("MariaDB's general log is the oracle: sysbench", ['mariadb', 'sysbench'], () => {
  const sysbench = (port: number, script: string, command: string, ...args: string[]) => {
    const where = ['--db-driver=mysql', '--mysql-host=127.0.0.1', `--mysql-port=${port}`]
    const what = ['--mysql-user=root', '--mysql-db=shop', '--tables=2', '--table-size=500']
    return runOk('sysbench', [script, command, ...where, ...what, ...args])
  }

  test.each([
    ['oltp_read_write', 'auto', 300, 'off'],
    ['oltp_read_write', 'disable', 300, 'off'],
    ['oltp_point_select', 'auto', 4000, 'off'],
    ['oltp_point_select', 'disable', 4000, 'off'],
    ['oltp_read_write', 'auto', 100, 'on'],
    ['oltp_point_select', 'disable', 1000, 'on'],
  ])('%s, 8 clients, ps mode %s, %i events, compression %s', async (script, mode, events, compression) => {
    await mariadb.freshDatabase()
    await sysbench(mariadb.server.port, script, 'prepare')
    const flags = [`--db-ps-mode=${mode}`, `--mysql-compression=${compression}`]
    const audited = await mariadb.audited((port) =>
      sysbench(port, script, 'run', '--threads=8', '--time=30', `--events=${events}`, ...flags),
    )
    expect(verdict(audited)).toEqual(SAME)
    const { matched, values } = audited
    const statements = events * (script === 'oltp_read_write' ? 18 : 1)
    expect(mode === 'auto' ? matched.execute : matched.query).toBeGreaterThanOrEqual(statements)
    if (mode === 'auto') expect(values).toBeGreaterThanOrEqual(statements)
  })
})

await describeLive("MariaDB's general log is the oracle: clients", ['mariadb'], () => {
  test.each([
    ['plain', []],
    ['compressed', ['--compress']],
  ])('hundreds of different statements by the CLI, %s', async (_, flags) => {
    const audited = await mariadb.twice(corpus(...flags))
    expect(verdict(audited)).toEqual(SAME)
    expect(audited.matched.query).toBeGreaterThan(300)
    expect(audited.matched.command).toBeGreaterThan(0)
  })

  test.each(PLAIN_AND_COMPRESSED)('mysql2, values of all kinds, %s', async (_, compress) => {
    const audited = await mariadb.twice(connector(mysql2, compress))
    expect(verdict(audited)).toEqual(SAME)
    expect(audited.matched.query).toBeGreaterThan(45)
    expect(audited.matched.execute).toBeGreaterThan(55)
    expect(audited.matched.command).toBe(1)
    expect(audited.values).toBeGreaterThan(90)
  })

  test.each(PLAIN_AND_COMPRESSED)('mariadb, pipelined and in bulk, %s', async (_, compress) => {
    const audited = await mariadb.twice(connector(mariadbConnector, compress))
    expect(verdict(audited)).toEqual(SAME)
    expect(audited.matched.query).toBeGreaterThan(35)
    expect(audited.matched.execute).toBeGreaterThan(80)
    expect(audited.matched.bulk).toBeGreaterThan(2)
    expect(bulkRows(audited.records, /^INSERT INTO connector \(id, t, b, n\)/)).toEqual(BATCH.map(asText))
    expect(audited.values).toBeGreaterThan(140)
  })

  test.each(PLAIN_AND_COMPRESSED)('mariadb, a local file, %s', async (_, compress) => {
    const audited = await mariadb.twice(connector(mariadbInfile, compress))
    expect(verdict(audited)).toEqual(SAME)
    expect(audited.matched.query).toBeGreaterThan(2)
  })
})

await describeLive("MariaDB's general log is the oracle: PyMySQL", ['mariadb', 'pymysql'], () => {
  test('escaped values, files, several results', async () => {
    const audited = await mariadb.twice(python('pymysql'))
    expect(verdict(audited)).toEqual(SAME)
    expect(audited.matched.query).toBeGreaterThan(50)
  })
})

await describeLive("MariaDB's general log is the oracle: mysqlclient", ['mariadb', 'mysqlclient'], () => {
  test.each([
    ['plain', []],
    ['compressed', ['compress']],
  ])('escaped values, files, several results, %s', async (_, flags) => {
    const audited = await mariadb.twice(python('MySQLdb', ...flags))
    expect(verdict(audited)).toEqual(SAME)
    expect(audited.matched.query).toBeGreaterThan(50)
  })
})

const C = ['libmariadb', 'cc'] as const

await describeLive("MariaDB's general log is the oracle: libmariadb", ['mariadb', ...C], () => {
  test.each([
    ['plain', []],
    ['compressed', ['compress']],
  ])('every type, bulk, cursors, long data, commands, %s', async (_, flags) => {
    const audited = await mariadb.twice(libmariadb(...flags))
    expect(verdict(audited)).toEqual(SAME)
    expect(audited.matched.execute).toBeGreaterThan(150)
    // the one that failed may stand for the line of its twin or for none
    expect(audited.matched.bulk).toBeGreaterThan(3)
    expect(audited.records.filter(({ protocol }) => protocol === 'bulk')).toHaveLength(5)
    expect(bulkRows(audited.records, /^UPDATE bulk/)).toEqual(UPDATED)
    const squares = Array.from({ length: 1000 }, (_, n) => [String(n * n)])
    expect(bulkRows(audited.records, /^INSERT INTO many/)).toEqual(squares)
    expect(audited.matched.command).toBeGreaterThan(7)
    expect(audited.values).toBeGreaterThan(300)
  })
})

await describeLive("MySQL 5.6's general log is the oracle", ['mysql56', 'mariadb', ...C], () => {
  let mysql56: MyStage

  beforeAll(async () => {
    mysql56 = await openStage(await startMysql56(), { hidesCursors: true })
  })

  afterAll(() => mysql56?.close())

  test('hundreds of different statements by the CLI', async () => {
    const audited = await mysql56.twice(corpus())
    expect(verdict(audited)).toEqual(SAME)
    expect(audited.matched.query).toBeGreaterThan(300)
  })

  test.each(PLAIN_AND_COMPRESSED)('mysql2 and mariadb, %s', async (_, compress) => {
    for (const client of [mysql2, mariadbConnector]) {
      const audited = await mysql56.twice(connector(client, compress))
      expect(verdict(audited)).toEqual(SAME)
      expect(audited.values).toBeGreaterThan(90)
    }
  })

  test('every type, cursors, long data, commands by libmariadb', async () => {
    const audited = await mysql56.twice(libmariadb())
    expect(verdict(audited)).toEqual(SAME)
    expect(audited.matched.execute).toBeGreaterThan(150)
    expect(audited.matched.command).toBeGreaterThan(7)
    expect(audited.values).toBeGreaterThan(300)
  })
})
