/** The tests of kill -9, the same for each dialect. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { accountOf, CrashStage, KEPT } from './crash.ts'
import { type CrashLoad, moreRows } from './crash-load.ts'
import { crashRoundly, crashRounds, crashSeed } from './crash-rounds.ts'
import { buildFaults, faultsEnv, WHY_NO_FAULTS } from './faults.ts'
import { until } from './programs.ts'

/** What a round may take at most, in milliseconds. */
const PER_ROUND_MS = 10_000
/** Rows that are written before, and while, the writer of the log stands still. */
const SOME_ROWS = 200

const openStage = async (
  load: CrashLoad,
  dumpLog: Readonly<Record<string, unknown>>,
): Promise<CrashStage> => {
  const { remote, dumper } = load
  const stage = await CrashStage.open({ remote, dumper, dumpLog: { rotationTime: 'secondly', ...dumpLog } })
  onTestFinished(() => stage.remove())
  return stage
}

/** Tests of a server and its load, which are there once the tests run. */
export const testCrashes = (loadOf: () => CrashLoad): void => {
  const rounds = crashRounds()
  const seed = crashSeed()

  test(`written: ${rounds} kills (QUERYTAP_CRASH_SEED=${seed})`, {
    timeout: 60_000 + rounds * PER_ROUND_MS,
  }, async () => {
    const load = loadOf()
    const stage = await openStage(load, { guarantee: 'written' })
    await crashRoundly(stage, load, { rounds, seed })
    await stage.recover()
    await stage.start()
    await load.run(stage.port, 1)
    await stage.end()
    const rows = await load.rows()
    const account = accountOf(stage.logs, rows)
    expect(account).toMatchObject(KEPT)
    // the moments were such that there was something to recover
    expect(account.recovered).toBeGreaterThan(rounds / 4)
    expect(rows.size).toBeGreaterThan(rounds * 10)
    expect(await stage.findings()).toEqual([])
  })

  test('observe: what a stalled writer had is lost, and this is found', async (context) => {
    const library = await buildFaults()
    if (library === undefined) return context.skip(WHY_NO_FAULTS)
    onTestFinished(() => rmSync(library, { force: true }))
    const load = loadOf()
    const before = await load.rows()
    const stage = await openStage(load, { guarantee: 'observe' })
    const stall = join(stage.directory, 'stall')
    const proxy = await stage.start(faultsEnv({ library, dir: stage.logs, stall }))
    const loaded = load.run(stage.port, 30)
    await moreRows(load, before.size, SOME_ROWS)
    await until('records', () => accountOf(stage.logs, []).statements > 0)
    writeFileSync(stall, '')
    await moreRows(load, await load.count(), SOME_ROWS)
    await proxy.stop('SIGKILL')
    await loaded
    await stage.recover()
    const rows = [...(await load.rows())].filter((row) => !before.has(row))
    const account = accountOf(stage.logs, rows)
    expect(account.statements).toBeGreaterThan(0)
    expect(account.missing.length).toBeGreaterThan(0)
    expect(account).toMatchObject({ doubled: [], torn: [], recovered: 0 })
    return undefined
  })
}
