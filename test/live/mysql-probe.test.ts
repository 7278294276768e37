/** Live capture beside sysbench at full speed: every statement that it counted. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { describeLive } from '../support/live.ts'
import { startMariaDb } from '../support/mariadb.ts'
import type { MyServer } from '../support/my-server.ts'
import { runOk, start, until } from '../support/programs.ts'
import { CLI } from '../support/querytap.ts'
import { readRecords } from '../support/records.ts'
import { canCapture } from '../support/tcpdump.ts'

const CLIENTS = 8
const TRANSACTIONS = 400

/** Queries that sysbench says it made: `queries: 20086 (…`. */
const queriesOf = (report: string): number => Number(/queries:\s+(\d+)/.exec(report)?.[1])

if (await canCapture()) {
  await describeLive('probe of MySQL', ['mariadb', 'sysbench'], () => {
    let server: MyServer
    let directory: string

    const sysbench = (...args: string[]): Promise<string> =>
      runOk(
        'sysbench',
        [
          ...['oltp_read_write', '--db-driver=mysql', '--mysql-host=127.0.0.1', '--mysql-user=root'],
          ...[`--mysql-port=${server.port}`, '--mysql-db=shop', '--tables=2', '--table-size=1000'],
          ...args,
        ],
        { timeout: 60_000 },
      )

    beforeAll(async () => {
      server = await startMariaDb()
      await server.sql('CREATE DATABASE shop')
      await sysbench('prepare')
    })
    afterAll(() => server.stop())
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), 'querytap-probe-'))
      return () => rmSync(directory, { recursive: true, force: true })
    })

    test.each(['auto', 'disable'])('with --db-ps-mode=%s every statement', async (mode) => {
      const dirs = ['--log-dir', directory, '--dump-log-dir', directory]
      const flags = ['-i', 'lo', '-t', `127.0.0.1:${server.port}`, '-d', 'mysql', '-B', '256MB', ...dirs]
      const probe = start(process.execPath, [CLI, 'probe', ...flags], { cwd: directory })
      await until('capturing', () => probe.output().includes('"capturing"'))
      const speed = [`--threads=${CLIENTS}`, '--time=0', `--events=${TRANSACTIONS}`, `--db-ps-mode=${mode}`]
      const queries = queriesOf(await sysbench('run', ...speed))
      expect(await probe.stop()).toBe(0)
      expect(probe.output()).toMatch(/"dropped":0,.*"lost":0,/)
      const records = readRecords(directory)
      const statements = records.filter(({ event }) => event === 'statement')
      // what ended in a deadlock is begun again, and not counted
      const counted = statements.filter(
        ({ query, outcome }) =>
          outcome === 'success' && /^(?:BEGIN|COMMIT|SELECT|UPDATE|DELETE|INSERT)/.test(query ?? ''),
      )
      expect(counted).toHaveLength(queries)
      expect(queries).toBeGreaterThanOrEqual(TRANSACTIONS * 18)
      expect(records.filter(({ event }) => event === 'gap')).toEqual([])
      expect(records.filter(({ event }) => event === 'session.end')).toHaveLength(CLIENTS)
    })
  })
} else test.skip('probe of MySQL: packets cannot be captured here', () => {})
