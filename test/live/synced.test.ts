/**
 * Issue 5: guarantee `synced`. The power is cut by kill -9 and by giving the next start only what a disk must
 * have: a preloaded library writes down every call that touches the log's directory, and what is sent to the
 * server, in order.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { seededRandom } from '../support/chunks.ts'
import { accountOf, CrashStage, KEPT, numbersIn } from '../support/crash.ts'
import { type CrashLoad, moreRows, myLoad, pgLoad } from '../support/crash-load.ts'
import { crashSeed } from '../support/crash-rounds.ts'
import { buildFaults, type Call, faultsEnv, readCalls, WHY_NO_FAULTS } from '../support/faults.ts'
import { type Arrival, Disk } from '../support/faults-disk.ts'
import { describeLive } from '../support/live.ts'
import { startMariaDb } from '../support/mariadb.ts'
import type { MyServer } from '../support/my-server.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'

/** what is written before the cut at least, and for how long after it: a rotation or two, in milliseconds */
const FEWEST_ROWS = 21
const LOAD_MS = 1500
const LOAD_SECONDS = 30
/** power cuts at moments in between */
const EARLIER_CUTS = 4
const seed = crashSeed()

let postgres: Postgres
let mariadb: MyServer
let directory: string
let library: string | undefined

beforeAll(async () => {
  library = await buildFaults()
  directory = mkdtempSync(join(tmpdir(), 'querytap-load-'))
  postgres = await startPostgres()
  mariadb = await startMariaDb({ settings: { 'general-log': 0 } })
})
afterAll(async () => {
  await postgres?.stop()
  await mariadb?.stop()
  if (directory) rmSync(directory, { recursive: true, force: true })
  if (library) rmSync(library, { force: true })
})

const sentIn = (calls: readonly Call[]): ReadonlySet<string> =>
  new Set(calls.flatMap((call) => (call.kind === 'send' ? numbersIn(call.bytes.toString('latin1')) : [])))

/** Numbers that were sent to the server before a sync of what they are written in had returned. */
const hastyIn = (calls: readonly Call[]): readonly string[] => {
  const synced = new Set<string>()
  const hasty: string[] = []
  const waiting = new Map<bigint, { at: number; number: string }[]>()
  const begun = new Map<number, number>()
  for (const [at, call] of calls.entries()) {
    if (call.kind === 'syncBegun') begun.set(call.sync, at)
    if (call.kind === 'write') {
      const numbers = numbersIn(call.bytes.toString('latin1')).map((number) => ({ at, number }))
      waiting.set(call.inode, [...(waiting.get(call.inode) ?? []), ...numbers])
    }
    if (call.kind === 'syncDone') {
      const before = begun.get(call.sync) ?? 0
      const all = waiting.get(call.inode) ?? []
      for (const one of all) if (one.at < before) synced.add(one.number)
      waiting.set(
        call.inode,
        all.filter((one) => one.at >= before),
      )
    }
    if (call.kind === 'send')
      hasty.push(...numbersIn(call.bytes.toString('latin1')).filter((number) => !synced.has(number)))
  }
  return hasty
}

interface Run {
  readonly stage: CrashStage
  /** the log's directory, as empty as it was before */
  readonly disk: () => Disk
  readonly calls: readonly Call[]
  readonly rows: ReadonlySet<string>
}

/** Runs the load through a proxy and cuts the power. */
const runAndCut = async (load: CrashLoad, library: string): Promise<Run> => {
  const { remote, dumper } = load
  const dumpLog = { guarantee: 'synced', rotationTime: 'secondly' }
  const stage = await CrashStage.open({ remote, dumper, dumpLog })
  onTestFinished(() => stage.remove())
  const log = join(stage.directory, 'calls')
  const proxy = await stage.start(faultsEnv({ library, dir: stage.logs, log, port: remote }))
  const before = await load.count()
  const loaded = load.run(stage.port, LOAD_SECONDS)
  await moreRows(load, before, FEWEST_ROWS)
  await pause(LOAD_MS)
  await proxy.stop('SIGKILL')
  await loaded
  const rows = await load.rows()
  const inode = statSync(stage.logs, { bigint: true }).ino
  return { stage, disk: () => new Disk(inode), calls: readCalls(log), rows }
}

/** Cuts the power behind so many calls, starts a proxy on what is left, and holds its log against what was sent. */
const checkCut = async (
  run: Run,
  behind: number,
  arrival: Arrival,
  random: () => number,
): Promise<void> => {
  const { stage, calls } = run
  const before = calls.slice(0, behind)
  const disk = run.disk()
  for (const call of before) disk.take(call)
  const logs = join(stage.directory, `logs-${behind}-${arrival}`)
  mkdirSync(logs)
  disk.restore(logs, arrival, random)
  await stage.recover(logs)
  const where = `cut behind call ${behind} of ${calls.length}, ${arrival} unsynced (QUERYTAP_CRASH_SEED=${seed})`
  const { missing, doubled, torn, pretending, journals } = accountOf(logs, sentIn(before))
  expect({ missing, doubled, torn, pretending, journals }, where).toEqual(KEPT)
  expect(await stage.findings(logs), where).toEqual([])
}

await describeLive(
  'synced: what was sent is on the disk',
  ['postgres', 'mariadb', 'sysbench', 'cc'],
  () => {
    test.for([
      ['PostgreSQL', () => pgLoad(postgres, directory)],
      ['MariaDB', () => myLoad(mariadb)],
    ] as const)(
      '%s: no byte leaves before its sync, and no power cut loses what left',
      async ([, open], context) => {
        if (library === undefined) return context.skip(WHY_NO_FAULTS)
        const run = await runAndCut(await open(), library)
        const { calls, rows } = run
        const sent = sentIn(calls)
        expect(rows.size).toBeGreaterThanOrEqual(FEWEST_ROWS)
        expect([...rows].filter((row) => !sent.has(row))).toEqual([])
        expect(hastyIn(calls).slice(0, 10)).toEqual([])
        const random = seededRandom(seed)
        for (const arrival of ['nothing', 'everything', 'something'] as const)
          await checkCut(run, calls.length, arrival, random)
        for (let cut = 0; cut < EARLIER_CUTS; cut++) {
          const behind = Math.floor(random() * calls.length)
          await checkCut(run, behind, cut % 2 === 0 ? 'nothing' : 'something', random)
        }
        return undefined
      },
    )
  },
)
