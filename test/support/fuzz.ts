/**
 * How much is tried at random, and what. QUERYTAP_FUZZ=20 tries twenty times as much. The same is tried in each
 * run, unless QUERYTAP_FUZZ_SEED names another number, or `random`.
 */
import fc from 'fast-check'

const DEFAULT_SEED = 20_240_501
const { QUERYTAP_FUZZ = '1', QUERYTAP_FUZZ_SEED: seed = String(DEFAULT_SEED) } = process.env
const FACTOR = Number(QUERYTAP_FUZZ)

/** So many, times the factor. */
export const tries = (count: number): number => Math.max(1, Math.ceil(count * FACTOR))

/** Runs of a property, as `fc.assert` takes them. */
export const runs = (count: number): { readonly numRuns: number } => ({ numRuns: tries(count) })

/** Milliseconds until a test of that many runs has failed, for all there is to try. */
export const patience = (ms: number): number => ms * Math.max(1, FACTOR)

/** Makes fast-check heed the seed, in this thread. */
export const seedProperties = (): void => {
  fc.configureGlobal(seed === 'random' ? {} : { seed: Number(seed) })
}
