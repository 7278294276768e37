/**
 * The file system of the log hangs, every call into it. With the guarantee `observe` that is of no concern
 * to the traffic. It hangs for QUERYTAP_HANG_SECONDS, 4 unless told.
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { canHang, type HangingDirectory, makeHangingDirectory } from '../support/hang.ts'
import { describeLive } from '../support/live.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'
import { type Running, runOk, start, until } from '../support/programs.ts'
import { CLI, type Querytap, startQuerytap } from '../support/querytap.ts'
import { type AuditRecord, logFiles, readLines } from '../support/records.ts'

const isPossible = canHang()
const SECONDS = Number(process.env.QUERYTAP_HANG_SECONDS ?? 4)
/** seconds measured before and after */
const MARGIN = 2
const LIMIT = (SECONDS + 90) * 1000

let server: Postgres
let log: HangingDirectory

beforeAll(async () => {
  if (!isPossible) return
  server = await startPostgres()
  const target = ['-h', '127.0.0.1', '-p', String(server.port), '-U', server.user, server.database]
  await runOk(server.program('pgbench'), ['-i', '-q', ...target])
})

afterAll(async () => {
  await server?.stop()
})

const startTap = async (): Promise<Querytap> => {
  log = await makeHangingDirectory()
  const dumpLog = { dir: log.dir, guarantee: 'observe', bufferBytes: '1GiB' }
  // the operational log hangs with it, but for what is shown
  const config = { dumpLog, log: { dir: log.dir, stdout: true } }
  return startQuerytap({ remote: server.port, config, env: log.env })
}

const startBench = (tap: Querytap, seconds: number): Running => {
  const target = ['-h', '127.0.0.1', '-p', String(tap.port), '-U', server.user, server.database]
  return start(server.program('pgbench'), ['-n', '-S', '-c8', '-j2', '-T', `${seconds}`, '-P1', ...target])
}

/** Transactions per second, second by second. */
const ratesOf = (bench: Running): number[] =>
  [...bench.output().matchAll(/^progress: \S+ s, (\S+) tps/gm)].map(([, rate]) => Number(rate))

const mean = (rates: readonly number[]): number => rates.reduce((sum, rate) => sum + rate, 0) / rates.length

const selects = (records: readonly AuditRecord[]): readonly AuditRecord[] =>
  records.filter(({ event, query }) => event === 'statement' && query?.startsWith('SELECT abalance'))

const sizeOfLog = (): number =>
  logFiles(log.dir).reduce((sum, file) => sum + statSync(join(log.dir, file)).size, 0)

const hasEnded = (pid: number): boolean => {
  try {
    return !process.kill(pid, 0)
  } catch {
    return true
  }
}

await describeLive('the file system of the log hangs', ['postgres'], () => {
  test.skipIf(!isPossible)(
    'the traffic does not notice, and nothing is lost',
    { timeout: LIMIT },
    async () => {
      const tap = await startTap()
      try {
        const bench = startBench(tap, SECONDS + 3 * MARGIN)
        const seconds = async (count: number): Promise<number[]> => {
          const before = ratesOf(bench).length
          const found = () => ratesOf(bench).length >= before + count && ratesOf(bench).slice(before)
          return until('progress of pgbench', found, LIMIT)
        }
        await seconds(1)
        const before = await seconds(MARGIN)
        log.hang()
        await seconds(1)
        const size = sizeOfLog()
        const during = await seconds(SECONDS - 1)
        expect(sizeOfLog()).toBe(size)
        log.goOn()
        const after = await seconds(MARGIN)
        expect(await bench.exited).toBe(0)
        expect(await tap.stop()).toBe(0)

        const rates = { before: mean(before), during: mean(during), after: mean(after) }
        console.info(`TPS ${JSON.stringify(rates)}`)
        // one call that waited would stop everything; the rest is the bench's to measure on a machine at rest
        expect(Math.min(...during)).toBeGreaterThan(rates.before / 10)
        const [, transactions] = /actually processed: (\d+)/.exec(bench.output()) ?? []
        const records = readLines(log.dir)
        expect(selects(records)).toHaveLength(Number(transactions))
        expect(records.map(({ log_seq }) => log_seq)).toEqual(records.map((_record, index) => index + 1))
        expect(records.filter(({ event }) => event === 'audit.loss')).toEqual([])
        expect(await runOk(process.execPath, [CLI, 'verify', log.dir])).toContain('no findings')
      } finally {
        log.goOn()
        await tap.stop()
        tap.remove()
        log.remove()
      }
    },
  )

  test.skipIf(!isPossible)('a stop does not wait for ever, and says what is lost', async () => {
    const tap = await startTap()
    try {
      expect(await startBench(tap, 1).exited).toBe(0)
      log.hang()
      expect(await startBench(tap, 4).exited).toBe(0)
      process.kill(tap.pid, 'SIGTERM')
      await until('the end', () => hasEnded(tap.pid), 60_000)
      expect(tap.output()).toMatch(/[1-9]\d* records lost at the end/)
      expect(tap.output()).toContain('stopped')
    } finally {
      log.goOn()
      await tap.stop()
      tap.remove()
      log.remove()
    }
  })
})
