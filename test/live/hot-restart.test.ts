import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'smol-toml'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeLive } from '../support/live.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'
import { freePort, type Running, runOk, start, until } from '../support/programs.ts'
import { CLI } from '../support/querytap.ts'
import { logFiles, readRecords } from '../support/records.ts'

const RESTARTS = 20
const SELECT = 'SELECT abalance FROM pgbench_accounts'

let server: Postgres
let directory: string
let supervisor: Running | undefined

beforeAll(async () => {
  server = await startPostgres()
  directory = mkdtempSync(join(tmpdir(), 'querytap-restart-'))
})

afterAll(async () => {
  await supervisor?.stop()
  await server?.stop()
  if (directory) rmSync(directory, { recursive: true, force: true })
})

await describeLive('hot restart under start_server', ['postgres', 'start_server'], () => {
  const startServer = async (port: number) => {
    const config = join(directory, 'querytap.toml')
    const status = join(directory, 'status')
    writeFileSync(
      config,
      stringify({ log: { dir: directory, stdout: false }, dumpLog: { dir: directory } }),
    )
    const flags = `-s -c ${config} -r 127.0.0.1:${server.port} -d pg`.split(' ')
    const supervision = [`--port=127.0.0.1:${port}`, `--status-file=${status}`]
    const program = start('start_server', [...supervision, '--', process.execPath, CLI, 'proxy', ...flags])
    // `GENERATION:PID` of each worker that runs; the supervisor writes it when it has started one
    const workers = (): string[] =>
      existsSync(status) ? readFileSync(status, 'utf8').trim().split('\n') : []
    const hasStarted = (file: string): boolean =>
      readFileSync(join(directory, file), 'utf8').includes('"event":"audit.start"')
    // each worker writes a file of its own; one that is not that far yet has no handler for SIGTERM
    const started = async (count: number): Promise<void> => {
      const ready = () => logFiles(directory).filter(hasStarted).length === count
      await until('its audit log', ready).catch((error) => expect.fail(`${error}\n${program.output()}`))
    }
    const restart = async (generation: number): Promise<void> => {
      process.kill(program.pid, 'SIGHUP')
      await until(`generation ${generation} alone`, () => {
        const running = workers()
        return running.length === 1 && running[0]?.startsWith(`${generation}:`)
      })
      await started(generation)
    }
    supervisor = program
    await started(1)
    return { program, restart }
  }

  test(`${RESTARTS} restarts under pgbench -C: no connection fails, no record is lost`, async () => {
    const port = await freePort()
    const target = (at: number) => ['-h', '127.0.0.1', '-p', String(at), '-U', server.user, server.database]
    await runOk(server.program('pgbench'), ['-i', '-q', ...target(server.port)])
    const { program, restart } = await startServer(port)
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
  }, 180_000)
})
