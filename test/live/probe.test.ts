/** Live capture beside real traffic: every statement, unless the kernel dropped packets, which is told. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { describeLive } from '../support/live.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'
import { type Running, run, runOk, start, until } from '../support/programs.ts'
import { CLI } from '../support/querytap.ts'
import { type AuditRecord, readRecords } from '../support/records.ts'
import { canCapture } from '../support/tcpdump.ts'

const CLIENTS = 8

const statements = (records: readonly AuditRecord[]): AuditRecord[] =>
  records.filter(({ event }) => event === 'statement')

if (await canCapture()) {
  await describeLive('probe', ['postgres'], () => {
    let postgres: Postgres
    let directory: string

    beforeAll(async () => {
      postgres = await startPostgres()
      await pgbench(['-i', '-q'])
    })
    afterAll(() => postgres.stop())
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), 'querytap-probe-'))
      return () => rmSync(directory, { recursive: true, force: true })
    })

    const pgbench = (args: readonly string[]) =>
      runOk(
        postgres.program('pgbench'),
        ['-h', '127.0.0.1', '-p', String(postgres.port), '-U', 'postgres', '-n', ...args, 'postgres'],
        { timeout: 60_000 },
      )

    const begin = async (...args: string[]): Promise<Running> => {
      const dirs = ['--log-dir', directory, '--dump-log-dir', directory]
      const flags = ['-i', 'lo', '-t', `127.0.0.1:${postgres.port}`, '-d', 'pg', ...dirs, ...args]
      const probe = start(process.execPath, [CLI, 'probe', ...flags], { cwd: directory })
      await until('capturing', () => probe.output().includes('"capturing"'))
      return probe
    }

    const log = (probe: Running): Record<string, unknown>[] =>
      probe
        .output()
        .split('\n')
        .filter((line) => line.startsWith('{"level"'))
        .map((line) => JSON.parse(line) as Record<string, unknown>)

    test.each(['simple', 'extended', 'prepared'])('of pgbench -M %s every statement', async (protocol) => {
      const probe = await begin('-B', '64MB')
      const transactions = 500
      await pgbench(['-c', String(CLIENTS), '-j', '2', '-t', String(transactions), '-M', protocol])
      expect(await probe.stop()).toBe(0)
      const records = readRecords(directory)
      expect(log(probe).at(-2)).toMatchObject({ msg: 'capture ended', dropped: 0, lost: 0 })
      const updates = statements(records).filter(({ query }) =>
        query?.startsWith('UPDATE pgbench_accounts'),
      )
      expect(updates).toHaveLength(CLIENTS * transactions)
      for (const { outcome } of statements(records)) expect(outcome).toBe('success')
      expect(records.filter(({ event }) => event === 'gap')).toEqual([])
      expect(records.filter(({ event }) => event === 'session.end')).toHaveLength(CLIENTS + 1)
      expect(records.at(-1)?.event).toBe('audit.stop')
    })

    test('what the kernel drops is told', async () => {
      const probe = await begin('-B', '2MB')
      // it reads nothing for a while, so the pipe and the kernel's buffer run full
      probe.child.kill('SIGSTOP')
      await pgbench(['-c', String(CLIENTS), '-j', '2', '-t', '1500', '-S', '-M', 'extended'])
      probe.child.kill('SIGCONT')
      await until('the drops', () => readRecords(directory).some(({ gap_packets }) => gap_packets))
      await pgbench(['-c', '2', '-t', '50', '-M', 'simple'])
      expect(await probe.stop()).toBe(0)
      const records = readRecords(directory)
      const ended = log(probe).at(-2) as { dropped: number; lost: number }
      const told = records.reduce((sum, { gap_packets }) => sum + Number(gap_packets ?? 0), 0)
      expect(ended.dropped).toBeGreaterThan(0)
      expect(told).toBe(ended.dropped)
      const later = statements(records).filter(({ query }) => query?.startsWith('UPDATE pgbench_accounts'))
      expect(later).toHaveLength(100)
      expect(statements(records).length).toBeLessThan(12_000 + 2 * 50 * 7)
    })

    test('goes on when tcpdump dies', async () => {
      const probe = await begin()
      const children = await runOk('pgrep', ['-P', String(probe.pid), 'tcpdump'])
      process.kill(Number(children.trim()), 'SIGKILL')
      await until('the restart', () => probe.output().includes('"capturing again"'))
      await pgbench(['-c', '2', '-t', '20', '-M', 'simple'])
      expect(await probe.stop()).toBe(0)
      const records = readRecords(directory)
      expect(records.filter(({ event }) => event === 'gap')).toMatchObject([
        { gap_reason: 'lost', detail: 'not captured for a while: tcpdump ended (signal SIGKILL)' },
      ])
      const updates = statements(records).filter(({ query }) =>
        query?.startsWith('UPDATE pgbench_accounts'),
      )
      expect(updates).toHaveLength(40)
    })

    test('a statement is on record while its session lives, by --immediate-mode at once', async () => {
      const probe = await begin('--immediate-mode', '--stdout', '-f', 'json')
      const url = `host=127.0.0.1 port=${postgres.port} user=postgres dbname=postgres`
      const psql = start(postgres.program('psql'), [
        '-X',
        url,
        '-c',
        "select 'seen' as w",
        '-c',
        'select pg_sleep(60)',
      ])
      await until('the record', () =>
        statements(readRecords(directory)).find(({ query }) => query?.includes('seen')),
      )
      expect(probe.output()).toContain('"probe_target_addr"')
      expect(await probe.stop()).toBe(0)
      await psql.stop()
      const last = statements(readRecords(directory)).at(-1)
      expect(last).toMatchObject({ query: 'select pg_sleep(60)', outcome: 'unknown' })
    })

    test('on any interface, from the middle of a connection', async () => {
      const url = `host=127.0.0.1 port=${postgres.port} user=postgres dbname=postgres`
      const sql = "select pg_sleep(2);\nselect 'after' as w;\n"
      const psql = run(postgres.program('psql'), ['-X', url], { input: sql })
      const probe = await begin('-i', 'any')
      await psql
      expect(await probe.stop()).toBe(0)
      const records = readRecords(directory)
      const seen = statements(records).filter(({ query }) => query?.includes('after'))
      expect(seen).toHaveLength(1)
    })

    test.each<[string, string[], number, RegExp]>([
      ['no such interface', ['-i', 'nolo'], 1, /no such network interface: nolo; there are any, /],
      ['no such filter', ['--filter', 'tcp prt 1'], 2, /--filter: .*syntax error/],
      ['no such length', ['-s', 'long'], 2, /snapshotLength/],
    ])('%s is told', async (_, args, code, words) => {
      const dirs = ['--log-dir', directory, '--dump-log-dir', directory]
      const flags = ['-i', 'lo', '-t', '5432', ...dirs, ...args]
      const ended = await run(process.execPath, [CLI, 'probe', ...flags], { cwd: directory })
      expect(ended.code).toBe(code)
      expect(ended.stderr).toMatch(words)
      expect(readdirSync(directory).filter((name) => name.includes('dump.log'))).toEqual([])
    })

    test('why it cannot capture stands in its log too', async () => {
      const dirs = ['--log-dir', directory, '--dump-log-dir', directory]
      const flags = ['-i', 'nolo', '-t', '5432', ...dirs]
      const ended = await run(process.execPath, [CLI, 'probe', ...flags], { cwd: directory })
      const failed = ended.stdout.split('\n').find((line) => line.includes('"failed"'))
      expect(JSON.parse(failed ?? '{}')).toMatchObject({ level: 'error', msg: 'failed' })
      expect(failed).toContain('no such network interface: nolo')
    })

    test.runIf(process.getuid?.() === 0)('no permission is told, with the remedy', async () => {
      const dirs = ['--log-dir', '/nowhere', '--dump-log-dir', directory]
      const env = {
        ...process.env,
        QUERYTAP_LOG_ENABLE: 'false',
        QUERYTAP_DUMPLOG_ENABLE: 'false',
        HOME: '/',
      }
      const identity = { uid: 65_534, gid: 65_534 }
      const args = [CLI, 'probe', '-i', 'lo', '-t', '5432', ...dirs, '-c', '/dev/null']
      const ended = await run(process.execPath, args, { env, identity, cwd: '/' })
      expect(ended.stderr).toMatch(/no permission to capture on lo: .*setcap/)
      expect(ended.code).toBe(1)
    })
  })
} else test.skip('probe: packets cannot be captured here', () => {})
