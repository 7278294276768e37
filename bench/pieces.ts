/** What the traffic of both dialects is made of, and what a bench does with it. */
import type { Bytes, Direction } from '../src/flow.ts'
import type { Dumper } from '../src/session.ts'

/** What one side sent, in the piece in which it is fed. */
export interface Piece {
  readonly from: Direction
  readonly bytes: Bytes
}

/** One dialect's traffic, made in memory. */
export interface Traffic {
  readonly dumper: Dumper
  /** in front of the title of its section */
  readonly title: string
  /** what a session is fed before it is measured: a log-in, a prepared statement */
  readonly beginning: readonly Piece[]
  /** name and pieces of what is measured */
  readonly cases: readonly (readonly [string, () => readonly Piece[]])[]
  /** the framers of both directions, skipping every body */
  frame(pieces: readonly Piece[]): void
  /** the plain baseline: steps from header to header and counts */
  walk(pieces: readonly Piece[]): number
}

const READ_BYTES = 65_536

/** What a server sends at once, in reads of 64 KiB. */
export const inReads = (bytes: Bytes): Piece[] =>
  Array.from({ length: Math.ceil(bytes.length / READ_BYTES) }, (_, index) => ({
    from: 'backend',
    bytes: bytes.subarray(index * READ_BYTES, (index + 1) * READ_BYTES),
  }))

const NONE: Bytes = Buffer.alloc(0)

/**
 * Steps over messages, nothing else: `lengthAt` tells the length of the one whose header is there. Whole
 * headers only, so that it is as plain as can be: one that spans two pieces is put together of both.
 */
export const walker =
  (header: number, lengthAt: (bytes: Bytes, at: number) => number) =>
  (pieces: readonly Piece[]): number => {
    const left = { frontend: 0, backend: 0 }
    const torn: Record<Direction, Bytes> = { frontend: NONE, backend: NONE }
    let messages = 0
    for (const { from, bytes } of pieces) {
      const whole = torn[from].length > 0 ? Buffer.concat([torn[from], bytes]) : bytes
      let at = left[from]
      while (at + header <= whole.length) {
        messages++
        at += lengthAt(whole, at)
      }
      torn[from] = at < whole.length ? Buffer.from(whole.subarray(at)) : NONE
      left[from] = at < whole.length ? 0 : at - whole.length
    }
    return messages
  }

export const bytesOf = (pieces: readonly Piece[]): number =>
  pieces.reduce((sum, { bytes }) => sum + bytes.length, 0)

export const POINTS = 20_000
export const WIDE = 1000
export const WIDE_ROWS = 100_000
export const NARROW = 7
export const NARROW_ROWS = 2_000_000
