/** Rounds of kill -9 at random moments. */
import { setTimeout as pause } from 'node:timers/promises'
import { seededRandom } from './chunks.ts'
import type { CrashStage } from './crash.ts'
import { type CrashLoad, moreRows } from './crash-load.ts'

const ROUNDS_IN_CI = 9
const LOAD_SECONDS = 30
/** what a start takes, from its first instruction to its first connection and beyond, in milliseconds */
const START_MS = 500
const RUNNING_MS = 700
const SECOND_MS = 1000

/** `QUERYTAP_CRASH_ROUNDS`, or a few. */
export const crashRounds = (): number => Number(process.env.QUERYTAP_CRASH_ROUNDS ?? ROUNDS_IN_CI)
/** `QUERYTAP_CRASH_SEED`, or one that nobody chose. */
export const crashSeed = (): number => Number(process.env.QUERYTAP_CRASH_SEED ?? Date.now() % 1_000_000)

interface Moment {
  /** waits until rows are written, however long the load takes to start */
  readonly isInRun: boolean
  /** milliseconds from then on to the kill */
  after(random: () => number): number
}

const MOMENTS: readonly Moment[] = [
  // nothing or little was forwarded yet
  { isInRun: false, after: (random) => random() * 60 },
  // in full run
  { isInRun: true, after: (random) => random() * RUNNING_MS },
  // at a rotation, which comes with each second
  { isInRun: true, after: (random) => SECOND_MS - (Date.now() % SECOND_MS) + random() * 30 - 5 },
]

/**
 * Rounds of: start, load, kill at a random moment; after every other one a start that is killed before it is
 * done with recovering. The same seed gives the same moments.
 */
export const crashRoundly = async (
  stage: CrashStage,
  load: CrashLoad,
  { rounds, seed }: { readonly rounds: number; readonly seed: number },
): Promise<void> => {
  const random = seededRandom(seed)
  for (let round = 0; round < rounds; round++) {
    const proxy = await stage.start()
    const { isInRun, after } = MOMENTS[round % MOMENTS.length] as Moment
    const before = isInRun ? await load.count() : 0
    const loaded = load.run(stage.port, LOAD_SECONDS)
    if (isInRun) await moreRows(load, before, 1)
    await pause(after(random))
    await proxy.stop('SIGKILL')
    await loaded
    if (round % 2 === 0) continue
    const recovering = stage.launch()
    await pause(random() * START_MS)
    await recovering.stop('SIGKILL')
  }
}
