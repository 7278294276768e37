import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeLive } from '../support/live.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'
import { runOk } from '../support/programs.ts'
import { CLI } from '../support/querytap.ts'
import { readRecords } from '../support/records.ts'
import { type Supervised, startSupervised } from '../support/start-server.ts'

/** QUERYTAP_RESTARTS, or a few */
const RESTARTS = Number(process.env.QUERYTAP_RESTARTS ?? 8)
const SELECT = 'SELECT abalance FROM pgbench_accounts'

let server: Postgres
let directory: string
let supervised: Supervised | undefined

beforeAll(async () => {
  server = await startPostgres()
  directory = mkdtempSync(join(tmpdir(), 'querytap-restart-'))
})

afterAll(async () => {
  await supervised?.program.stop()
  await server?.stop()
  if (directory) rmSync(directory, { recursive: true, force: true })
})

await describeLive('hot restart under start_server', ['postgres', 'start_server'], () => {
  test(`${RESTARTS} restarts under pgbench -C: no connection fails, no record is lost`, async () => {
    const target = (at: number) => ['-h', '127.0.0.1', '-p', String(at), '-U', server.user, server.database]
    await runOk(server.program('pgbench'), ['-i', '-q', ...target(server.port)])
    supervised = await startSupervised({ directory, remote: server.port, dumper: 'pg' })
    const { port, program, restart } = supervised
    const load = ['-n', '-S', '-C', '-c', '4', '-T', '5', ...target(port)]
    let restarted = false
    let transactions = 0
    // short runs, as many as the restarts take on this machine
    const underLoad = async (): Promise<void> => {
      while (!restarted) {
        const output = await runOk(server.program('pgbench'), load)
        expect(output).not.toMatch(/failed transactions: [1-9]|error|abort/i)
        transactions += Number(/transactions actually processed: (\d+)/.exec(output)?.[1])
      }
    }
    const restarts = async (): Promise<void> => {
      try {
        for (let generation = 2; generation <= RESTARTS + 1; generation++) await restart(generation)
      } finally {
        restarted = true
      }
    }
    await Promise.all([underLoad(), restarts()])
    expect(await program.stop()).toBe(0)
    expect(transactions).toBeGreaterThan(100)
    const records = readRecords(directory)
    const statements = records.filter(
      ({ event, query }) => event === 'statement' && query?.startsWith(SELECT),
    )
    expect(statements.filter(({ outcome }) => outcome === 'success')).toHaveLength(transactions)
    const count = (name: string): number => records.filter(({ event }) => event === name).length
    expect(count('session.end')).toBe(count('session.start'))
    expect(count('audit.start')).toBe(RESTARTS + 1)
    expect(count('audit.stop')).toBe(RESTARTS + 1)
    expect(await runOk(process.execPath, [CLI, 'verify', directory])).toContain(': no findings\n')
  }, 180_000)
})
