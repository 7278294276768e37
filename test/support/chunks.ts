/** Splits bytes as networks do: whole, byte by byte, and at places that a seed decides. */
import type { Bytes } from '../../src/flow.ts'

/** A repeatable source of numbers in [0, 1) (mulberry32). */
export const seededRandom = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A repeatable integer in [from, to]. */
export const randomInteger = (random: () => number, from: number, to: number): number =>
  from + Math.floor(random() * (to - from + 1))

/** `count` repeatable bytes. */
export const randomBytes = (random: () => number, count: number): Bytes =>
  Buffer.from(Array.from({ length: count }, () => randomInteger(random, 0, 255)))

/** Pieces of `size` bytes; the last may be shorter. */
export const splitEvery = (bytes: Bytes, size: number): Bytes[] => {
  const chunks: Bytes[] = []
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size))
  return chunks
}

/** Pieces of 1 to `longest` bytes, lengths spread over the orders of magnitude. */
export const splitRandomly = (bytes: Bytes, random: () => number, longest = bytes.length): Bytes[] => {
  const chunks: Bytes[] = []
  for (let at = 0; at < bytes.length; ) {
    const size = Math.max(1, Math.floor(longest ** random()))
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}

/** One way to split, for the name of a test and the seed to repeat it by. */
export interface Split {
  readonly name: string
  readonly chunks: readonly Bytes[]
}

/** The splits that every decoder and session is run with: whole, byte by byte, and `seeds` random ones. */
export const splits = (bytes: Bytes, seeds = 10): Split[] => [
  { name: 'whole', chunks: [bytes] },
  { name: 'byte by byte', chunks: splitEvery(bytes, 1) },
  ...Array.from({ length: seeds }, (_, seed) => ({
    name: `split by seed ${seed}`,
    chunks: splitRandomly(bytes, seededRandom(seed)),
  })),
]
