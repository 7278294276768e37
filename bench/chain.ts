/**
 * What sealing costs: a record through the pipeline into a file, without a hash chain, with one, and with one
 * that is signed. Run: `npm run build:bench && node dist-bench/bench/chain.js`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { machine, median, table } from './measure.ts'
import { flow, openLog, statement, turn, type Written } from './sealed-log.ts'

const ROUNDS = 40
const TURNS = 1000
/** records written together, as in one turn of a busy proxy's event loop */
const TURN = 20

/** Nanoseconds of this thread's CPU per record. */
const round = async ({ file, sink }: Written): Promise<number> => {
  await turn()
  const before = process.cpuUsage()
  for (let n = 0; n < TURNS; n++) {
    for (let i = 0; i < TURN; i++) sink.emit(flow, statement(n))
    file.flush()
  }
  const { user, system } = process.cpuUsage(before)
  return ((user + system) * 1000) / (TURNS * TURN)
}

const contestants = ['none', 'chain', 'signed'] as const
const directory = mkdtempSync(join(tmpdir(), 'querytap-bench-'))
try {
  const rows: string[][] = []
  for (const format of ['json', 'ltsv'] as const) {
    const sinks = contestants.map((chain) =>
      openLog({ dir: join(directory, `${format}-${chain}`), format, chain }),
    )
    const samples: number[][] = contestants.map(() => [])
    for (let n = 0; n < ROUNDS + 5; n++) {
      for (const [i, sink] of sinks.entries()) {
        const ns = await round(sink)
        if (n >= 5) samples[i]?.push(ns)
      }
    }
    await Promise.all(sinks.map(({ file }) => file.close()))
    const base = median(samples[0] as number[])
    const cells = samples.map((ns) => `${median(ns).toFixed(0)} (+${(median(ns) - base).toFixed(0)})`)
    rows.push([format, ...cells])
  }
  console.log(`${machine()}\n`)
  console.log(table(['ns of CPU per record', 'no chain', 'chain', 'signed'], rows))
} finally {
  rmSync(directory, { recursive: true, force: true })
}
