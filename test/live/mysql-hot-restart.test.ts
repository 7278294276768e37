import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeLive } from '../support/live.ts'
import { startMariaDb } from '../support/mariadb.ts'
import type { MyServer } from '../support/my-server.ts'
import { runOk } from '../support/programs.ts'
import { readRecords } from '../support/records.ts'
import { type Supervised, startSupervised } from '../support/start-server.ts'

/** QUERYTAP_RESTARTS, or a few */
const RESTARTS = Number(process.env.QUERYTAP_RESTARTS ?? 6)
const SELECT = 'SELECT c FROM sbtest1'

let server: MyServer
let directory: string
let supervised: Supervised | undefined

beforeAll(async () => {
  server = await startMariaDb({ settings: { 'general-log': 0 } })
  directory = mkdtempSync(join(tmpdir(), 'querytap-restart-'))
})

afterAll(async () => {
  await supervised?.program.stop()
  await server?.stop()
  if (directory) rmSync(directory, { recursive: true, force: true })
})

const sysbench = (port: number, command: string, args: readonly string[] = []): Promise<string> => {
  const target = ['--mysql-host=127.0.0.1', `--mysql-port=${port}`, '--mysql-user=root']
  const table = ['--mysql-db=sbtest', '--tables=1', '--table-size=1000']
  return runOk('sysbench', ['oltp_point_select', ...target, ...table, ...args, command])
}

await describeLive('hot restart before MariaDB', ['mariadb', 'sysbench', 'start_server'], () => {
  test(`${RESTARTS} restarts under sysbench: no connection fails, no record is lost`, async () => {
    await server.sql('CREATE DATABASE sbtest')
    await sysbench(server.port, 'prepare')
    supervised = await startSupervised({ directory, remote: server.port, dumper: 'mysql' })
    const { port, program, restart } = supervised
    let restarted = false
    let queries = 0
    // short runs, as many as the restarts take on this machine: each connects anew
    const underLoad = async (mode: string): Promise<void> => {
      while (!restarted) {
        const output = await sysbench(port, 'run', [
          ...['--threads=4', '--events=400', '--time=0'],
          `--db-ps-mode=${mode}`,
        ])
        expect(output).toMatch(/ignored errors: +0 /)
        queries += Number(/read: +(\d+)/.exec(output)?.[1])
      }
    }
    const restarts = async (): Promise<void> => {
      try {
        for (let generation = 2; generation <= RESTARTS + 1; generation++) await restart(generation)
      } finally {
        restarted = true
      }
    }
    await Promise.all([underLoad('auto'), underLoad('disable'), restarts()])
    expect(await program.stop()).toBe(0)
    expect(queries).toBeGreaterThan(100)
    const records = readRecords(directory)
    const selects = records.filter(({ event, query }) => event === 'statement' && query?.startsWith(SELECT))
    expect(selects.filter(({ outcome }) => outcome === 'success')).toHaveLength(queries)
    const count = (name: string): number => records.filter(({ event }) => event === name).length
    expect(count('session.end')).toBe(count('session.start'))
    expect(count('audit.start')).toBe(RESTARTS + 1)
    expect(count('audit.stop')).toBe(RESTARTS + 1)
  }, 180_000)
})
