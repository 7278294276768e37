/**
 * What the guarantees cost: the same point queries through one proxy each of `observe`, `written` and
 * `synced`, in interleaved rounds, with the disk's own rate of fdatasync beside them; and what the seals cost,
 * against a proxy whose log has none.
 */
import { closeSync, fdatasyncSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { median, medianRatio, table } from './measure.ts'
import { type Path, startQuerytapPath, type Target } from './paths.ts'
import { cpus, inRounds, number, type Rounds, rates } from './rounds.ts'
import type { Workload } from './workload.ts'

export interface GuaranteeRuns {
  readonly rounds: number
  readonly modes: readonly string[]
  readonly clients: readonly number[]
}

/** The first is what the others are held against. */
export type Guarantees = readonly string[]

const UNSEALED = ', no seals'
const WARM_CLIENTS = 8
const SYNC_SECONDS = 0.5
/** Bytes of one fdatasync: a frame of the journal. */
const FRAME = Buffer.alloc(1024, 'x')
const SEGMENT_BYTES = 1 << 20

/** How often per second the disk below the temporary files makes one small write stable. */
const syncRate = (): number => {
  const directory = mkdtempSync(join(tmpdir(), 'querytap-bench-'))
  const fd = openSync(join(directory, 'synced'), 'w')
  try {
    writeSync(fd, Buffer.alloc(SEGMENT_BYTES))
    fsyncSync(fd)
    const started = performance.now()
    let syncs = 0
    let seconds = 0
    for (; seconds < SYNC_SECONDS; seconds = (performance.now() - started) / 1000) {
      writeSync(fd, FRAME, 0, FRAME.length, (syncs++ * FRAME.length) % SEGMENT_BYTES)
      fdatasyncSync(fd)
    }
    return syncs / seconds
  } finally {
    closeSync(fd)
    rmSync(directory, { recursive: true })
  }
}

/** A proxy of each guarantee, and of one of them a twin whose log has no seals. */
const startGuarantees = async (target: Target, names: Guarantees, unsealed: string): Promise<Path[]> => {
  const paths: Path[] = []
  for (const name of names) {
    const env = { QUERYTAP_DUMPLOG_GUARANTEE: name }
    paths.push(await startQuerytapPath(target, { name, env }))
  }
  const env = { QUERYTAP_DUMPLOG_GUARANTEE: unsealed, QUERYTAP_DUMPLOG_CHECKPOINTINTERVAL: '0s' }
  paths.push(await startQuerytapPath(target, { name: unsealed + UNSEALED, env }))
  return paths
}

/** Microseconds that a round trip at one client takes longer, by the rounds' medians. */
const added = (results: Rounds, name: string, base: string): number => {
  const reference = rates(results, base)
  return median(
    rates(results, name).map((rate, round) => 1e6 / rate - 1e6 / (reference[round] ?? Number.NaN)),
  )
}

interface Measured {
  readonly label: string
  readonly clients: number
  readonly results: Rounds
  readonly syncs: readonly number[]
}

const cells = ({ label, clients, results }: Measured, name: string, base: string): string[] => [
  label,
  name,
  number(median(rates(results, name)), 0),
  number(medianRatio(rates(results, name), rates(results, base)), 3),
  number(median(cpus(results, name)) * 1e6, 1),
  number(medianRatio(cpus(results, name), cpus(results, base)), 3),
  clients === 1 ? number(added(results, name, base), 1) : '',
]

const guaranteeTable = (all: readonly Measured[], names: Guarantees): string => {
  const base = names[0] as string
  const rows = all.flatMap((measured) =>
    names.map((name) => [
      ...cells(measured, name, base),
      name === 'synced' ? number(median(measured.syncs), 0) : '',
    ]),
  )
  const ratios = ['TPS', `÷ ${base}`, 'CPU µs/query', `CPU ÷ ${base}`, 'µs more per round trip']
  return table(['mode, clients', 'guarantee', ...ratios, 'fdatasync/s of the disk'], rows)
}

const sealTable = (all: readonly Measured[], sealed: string): string => {
  const base = sealed + UNSEALED
  const rows = all.flatMap((measured) => [base, sealed].map((name) => cells(measured, name, base)))
  const ratios = ['TPS', '÷ no seals', 'CPU µs/query', 'CPU ÷ no seals', 'µs more per round trip']
  return table(['mode, clients', 'log', ...ratios], rows)
}

/** Runs all, and gives the two tables in words. */
export const measureGuarantees = async (
  workload: Workload,
  names: Guarantees,
  runs: GuaranteeRuns,
): Promise<{ readonly guarantees: string; readonly seals: string }> => {
  const sealed = names.includes('written') ? 'written' : (names[0] as string)
  const paths = await startGuarantees(workload.target, names, sealed)
  try {
    const all: Measured[] = []
    // what each process loads and compiles at first is nobody's cost
    const first = runs.modes[0] as string
    for (const { port, clear } of paths) {
      await workload.points(port, first, WARM_CLIENTS)
      clear()
    }
    for (const mode of runs.modes) {
      for (const clients of runs.clients) {
        const syncs: number[] = []
        const work = ({ port }: Path) => workload.points(port, mode, clients)
        const results = await inRounds(runs.rounds, paths, work, () => void syncs.push(syncRate()))
        all.push({ label: `${mode}, ${clients}`, clients, results, syncs })
        console.error(`${mode}, ${clients} clients: done`)
      }
    }
    return { guarantees: guaranteeTable(all, names), seals: sealTable(all, sealed) }
  } finally {
    for (const path of paths) await path.stop()
  }
}
