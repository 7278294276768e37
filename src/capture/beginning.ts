/** Where a direction begins whose SYN was not captured. */
import { after, type Lane, plus } from './lane.ts'

/**
 * Chooses the first byte of a direction whose SYN was not seen. In the middle of a connection what the peer
 * has acknowledged was before; behind a SYN it is missing.
 */
export const choose = (lane: Lane, isMidStream: boolean): void => {
  if (isMidStream && isProbe(lane)) lane.take()
  const head = lane.pending[0]?.sequence ?? lane.fin
  const acked = lane.leastAcked
  if (head === undefined && acked === undefined) return
  const isAckedFirst = head === undefined || (!isMidStream && acked !== undefined && after(head, acked) > 0)
  lane.begin((isAckedFirst ? acked : head) as number)
}

/**
 * A keep-alive of one byte, which its peer had before: {@link
 * https://www.rfc-editor.org/rfc/rfc1122#page-101}
 */
const isProbe = ({ pending: [head, next], leastAcked }: Lane): boolean => {
  if (head === undefined || head.length !== 1 || head.bytes[0] !== 0) return false
  const behind = plus(head.sequence, 1)
  return leastAcked === behind || next?.sequence === behind
}
