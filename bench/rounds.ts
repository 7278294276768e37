/**
 * Interleaved rounds: every round visits every path once, odd rounds forwards, even ones backwards, so that
 * what drifts with the machine falls on all alike; ratios are medians of the rounds' own ratios.
 */
import { cpuSeconds, median, medianRatio } from './measure.ts'
import type { Path } from './paths.ts'

/** What one run did: queries or bytes, and its seconds. */
export interface Work {
  readonly amount: number
  readonly took: number
}

/** One run on one path. */
interface Run {
  /** queries or bytes per second */
  readonly rate: number
  /** CPU of the path's process per query or byte, in seconds; undefined without a process */
  readonly cpu: number | undefined
}

/** All rounds of one measurement, by path. */
export type Rounds = ReadonlyMap<string, readonly Run[]>

/**
 * Runs `work` on each path in each round; it tells how many queries or bytes went through. `afterRound` is
 * for what is to be measured beside it.
 */
export const inRounds = async (
  rounds: number,
  paths: readonly Path[],
  work: (path: Path) => Promise<Work>,
  afterRound: () => void = () => {},
): Promise<Rounds> => {
  const results = new Map<string, Run[]>(paths.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? paths : [...paths].reverse()
    for (const path of order) {
      const before = path.pid === undefined ? 0 : cpuSeconds(path.pid)
      const { amount, took } = await work(path)
      const cpu = path.pid === undefined ? undefined : (cpuSeconds(path.pid) - before) / amount
      results.get(path.name)?.push({ rate: amount / took, cpu })
      path.clear()
    }
    afterRound()
  }
  return results
}

/** A number as tables show it. */
export const number = (value: number, digits: number): string =>
  Number.isFinite(value) ? value.toFixed(digits) : '–'

/** Rates of each round, in order. */
export const rates = (results: Rounds, name: string): number[] =>
  (results.get(name) ?? []).map(({ rate }) => rate)
/** CPU times of each round, in order; NaN of a path without a process. */
export const cpus = (results: Rounds, name: string): number[] =>
  (results.get(name) ?? []).map(({ cpu }) => cpu ?? Number.NaN)

export interface Units {
  /** what a rate and a CPU time are multiplied with before they are shown, and their digits */
  readonly rate: readonly [number, number]
  readonly cpu: readonly [number, number]
}

/** A row of a table per path: label, path, rate, its ratios, CPU, its ratio. */
export const rowsOf = (label: string, results: Rounds, units: Units): string[][] =>
  [...results.keys()].map((name) => {
    const own = rates(results, name)
    const ratio = (reference: string) => number(medianRatio(own, rates(results, reference)), 2)
    return [
      label,
      name,
      number(median(own) * units.rate[0], units.rate[1]),
      ratio('haproxy'),
      ratio('relay'),
      number(median(cpus(results, name)) * units.cpu[0], units.cpu[1]),
      number(medianRatio(cpus(results, name), cpus(results, 'relay')), 2),
    ]
  })
