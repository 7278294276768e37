/** Case 65: the file system of the log is full while statements run. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeLive } from '../support/live.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'
import { runOk } from '../support/programs.ts'
import { CLI, startQuerytap } from '../support/querytap.ts'
import { type AuditRecord, readLines } from '../support/records.ts'

const STATEMENTS = 2000
let server: Postgres
let disk: string
let isMounted = false

beforeAll(async () => {
  server = await startPostgres()
  await runOk(server.program('pgbench'), [
    '-i',
    '-q',
    '-h',
    '127.0.0.1',
    '-p',
    String(server.port),
    '-U',
    server.user,
    server.database,
  ])
  disk = mkdtempSync(join(tmpdir(), 'querytap-disk-'))
  isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk]).status === 0
})

afterAll(async () => {
  if (isMounted) spawnSync('umount', [disk])
  if (disk) rmSync(disk, { recursive: true, force: true })
  await server?.stop()
})

const selects = (records: readonly AuditRecord[]): readonly AuditRecord[] =>
  records.filter(({ event, query }) => event === 'statement' && query?.startsWith('SELECT abalance'))

const lostIn = (records: readonly AuditRecord[]): number =>
  records.reduce((sum, { lost_records }) => sum + Number(lost_records ?? 0), 0)

/** Records that one run gives, the audit's own aside. */
const ofRuns = (records: readonly AuditRecord[]): readonly AuditRecord[] =>
  records.filter(({ event }) => !event.startsWith('audit.'))

/** A slow machine may lose some of the healthy run too, which are counted then. */
const totalOf = (records: readonly AuditRecord[]): number => ofRuns(records).length + lostIn(records)

/** All statements, and the ends of both connections that pgbench makes. */
const isComplete = (records: readonly AuditRecord[]): boolean => totalOf(records) >= STATEMENTS + 4

await describeLive('case 65: the disk of the log is full', ['postgres'], () => {
  test.for([
    ['all records that waited are written', '64MiB'],
    ['records past the bound are counted', '100KiB'],
  ] as const)('%s', async ([, bufferBytes], context) => {
    if (!isMounted) context.skip('mounting a tmpfs is not permitted here')
    const dir = join(disk, bufferBytes)
    const ballast = join(disk, 'ballast')
    const tap = await startQuerytap({
      remote: server.port,
      config: { dumpLog: { dir, bufferBytes, guarantee: 'observe' } },
    })
    const run = async (): Promise<void> => {
      const target = ['-h', '127.0.0.1', '-p', String(tap.port), '-U', server.user, server.database]
      const output = await runOk(server.program('pgbench'), ['-n', '-S', '-t', `${STATEMENTS}`, ...target])
      expect(output).toContain(`${STATEMENTS}/${STATEMENTS}`)
    }
    const read = () => readLines(dir)
    try {
      await run()
      const healthy = await untilQuiet(read, isComplete)
      spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4k'], { stdio: 'ignore' })
      await run()
      rmSync(ballast)
      await untilQuiet(read, (all) => all.length > healthy.length)
      expect(await tap.stop()).toBe(0)

      const records = read()
      const lostRecords = lostIn(records)
      expect(records.map(({ log_seq }) => log_seq)).toEqual(records.map((_record, index) => index + 1))
      expect(ofRuns(records).length + lostRecords).toBe(2 * totalOf(healthy))
      if (bufferBytes === '64MiB') expect(selects(records)).toHaveLength(2 * STATEMENTS)
      else expect(lostRecords).toBeGreaterThan(STATEMENTS / 2)
      expect(tap.log()).toContain('ENOSPC')
      const verified = await runOk(process.execPath, [CLI, 'verify', dir])
      expect(verified).toContain('no findings')
    } finally {
      rmSync(ballast, { force: true })
      await tap.stop()
      tap.remove()
    }
  })
})

/** Reads until the predicate holds and nothing more comes. */
async function untilQuiet(
  read: () => AuditRecord[],
  holds: (records: readonly AuditRecord[]) => boolean,
): Promise<AuditRecord[]> {
  const deadline = Date.now() + 30_000
  for (let before = -1; Date.now() < deadline; ) {
    const records = read()
    if (holds(records) && records.length === before) return records
    before = records.length
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
  throw new Error('the log never came to rest')
}
