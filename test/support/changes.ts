/** What is done to conversations that no client and no server would have. */
import fc from 'fast-check'
import type { Bytes, Direction } from '../../src/flow.ts'

export type Step =
  | { readonly from: Direction; readonly bytes: Bytes }
  | { readonly from: Direction; readonly lost: number }

export const direction = fc.constantFrom<Direction>('frontend', 'backend')

export interface Change {
  readonly kind: string
  readonly piece: number
  readonly place: number
  readonly bytes: Uint8Array
}

/** One change to a conversation: at a piece, at a place within it. */
export const changeOf = (...kinds: readonly string[]): fc.Arbitrary<Change> =>
  fc.record({
    kind: fc.constantFrom(...kinds),
    piece: fc.nat({ max: 1000 }),
    place: fc.nat({ max: 10_000 }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
  })

/** The piece as the change leaves it: other bytes, several pieces, or none. */
const changeBytes = ({ kind, place, bytes }: Change, from: Direction, piece: Bytes): Step[] => {
  const changed = Buffer.from(piece)
  const at = place % Math.max(1, changed.length)
  switch (kind) {
    case 'flip':
      changed[at] = (changed[at] ?? 0) ^ (bytes[0] || 1)
      return [{ from, bytes: changed }]
    case 'zero':
      changed.fill(0, at, Math.min(changed.length, at + bytes.length))
      return [{ from, bytes: changed }]
    // of a message of PostgreSQL's
    case 'length':
      if (changed.length >= 5) changed.writeInt32BE(bytes[0]!, 1)
      return [{ from, bytes: changed }]
    case 'insert':
      return [{ from, bytes: Buffer.concat([changed.subarray(0, at), bytes, changed.subarray(at)]) }]
    case 'cut':
      return [{ from, bytes: changed.subarray(0, at) }]
    case 'repeat':
      return [
        { from, bytes: changed },
        { from, bytes: changed },
      ]
    case 'gap': {
      const lost = Math.min(bytes[0]!, changed.length - at)
      return [
        { from, bytes: changed.subarray(0, at) },
        { from, lost },
        { from, bytes: changed.subarray(at + lost) },
      ]
    }
    default:
      return []
  }
}

export const applyChange = (steps: Step[], made: Change): Step[] => {
  const index = made.piece % Math.max(1, steps.length)
  const step = steps[index]
  if (step === undefined || 'lost' in step) return steps
  const instead =
    made.kind === 'swap'
      ? [...steps.slice(index + 1, index + 2), step]
      : changeBytes(made, step.from, step.bytes)
  const behind = steps.slice(index + (made.kind === 'swap' ? 2 : 1))
  return [...steps.slice(0, index), ...instead, ...behind]
}
