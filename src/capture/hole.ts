/** What a lane's numbers say of what is missing in it. */
import { after, type Lane } from './lane.ts'

/** Does nothing wait, is nothing missing? */
export const isQuiet = (lane: Lane): boolean => lane.pending.length === 0 && holeEnd(lane) === undefined

/** Has the lane's sender said its last? */
export const isOver = (lane: Lane): boolean => lane.isFinished || lane.maybeByte

/** The place in the capture of what waits first. */
export const orderOf = (lane: Lane): number => lane.pending[0]?.order ?? 0

/** Where the hole at `next` ends, by what waits behind it or by what was acknowledged or sent. */
export const holeEnd = (lane: Lane): number | undefined => {
  const head = lane.pending[0]
  if (head !== undefined) return after(head.sequence, lane.next) > 0 ? head.sequence : undefined
  if (lane.fin !== undefined && after(lane.fin, lane.next) > 0) return lane.fin
  const reached = lane.acked ?? lane.sent
  return reached !== undefined && after(reached, lane.next) > 0 ? reached : undefined
}

/**
 * How much of the hole up to `end` must be given up for the peer's next bytes to be shown: what they answer,
 * so that each answer comes behind its own lost question.
 */
export const neededOf = (lane: Lane, peer: Lane, end: number): number => {
  const head = peer.pending[0]
  if (head?.acknowledged === undefined || head.sequence !== peer.next) return end
  const isWithin = after(head.acknowledged, lane.next) > 0 && after(head.acknowledged, end) < 0
  return isWithin ? head.acknowledged : end
}

/** Nobody received what waits there, or sent what was acknowledged: forgets it. */
export const disbelieve = (lane: Lane): boolean => {
  lane.dropAll()
  if (lane.fin !== undefined && after(lane.fin, lane.next) > 0) lane.fin = undefined
  lane.acked = undefined
  lane.sent = undefined
  lane.holeSince = undefined
  return true
}
