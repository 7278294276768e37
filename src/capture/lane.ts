/**
 * One direction of a TCP connection: which sequence number comes next, and the segments that wait for it.
 *
 *   shown ──────────┤next        hole        ├─pending─┤  hole  ├─pending─┤      acked ▲
 *
 * Sequence numbers wrap, so they are compared by their signed difference. Where segments overlap, the bytes
 * that were captured first win, as in most systems' receive queues; what was shown is never shown again.
 * Nobody can tell from outside which of two versions a server took: with checksums left to the network card
 * not even a broken one can be told.
 */
import type { Bytes, Direction, Micros } from '../flow.ts'

/** How far `a` is after `b`: sequence numbers, modulo 2^32. */
export const after = (a: number, b: number): number => (a - b) | 0

/** The sequence number `count` after `at`. */
export const plus = (at: number, count: number): number => (at + count) >>> 0

/** Bytes that were captured before their turn. */
export interface Segment {
  readonly sequence: number
  /** on the wire; more than were captured when the capture cut it */
  readonly length: number
  /** a copy of the captured ones */
  readonly bytes: Bytes
  readonly at: Micros
  /** what its sender had received when it sent it; undefined when it does not say */
  readonly acknowledged: number | undefined
  /** the how manieth packet of its flow it was */
  readonly order: number
}

/** What a waiting segment costs besides its bytes. */
const OVERHEAD = 256

export class Lane {
  readonly from: Direction
  /** is `next` known: has the beginning been seen, or chosen? */
  isKnown = false
  next = 0
  /** sequence number of the first byte, when the SYN was seen */
  first = 0
  /** packets of this direction */
  packets = 0
  /** the most that the peer acknowledged, and the least */
  acked: number | undefined
  leastAcked: number | undefined
  /** what the peer acknowledged last */
  lastAck = 0
  /** the furthest that the sender itself has come to; as `acked`, told only where it is beyond `next` */
  sent: number | undefined
  /** where the FIN stands */
  fin: number | undefined
  isFinished = false
  /** a single byte behind the last one was acknowledged and never seen: a FIN, unless more follows */
  maybeByte = false
  readonly pending: Segment[] = []
  held = 0
  /** when the hole before what waits was noticed, and how many packets the flow had then */
  holeSince: Micros | undefined
  holePackets = 0
  /** how far it was known to reach then; what is missing behind that was noticed later */
  holeReach = 0

  constructor(from: Direction) {
    this.from = from
  }

  /** The first byte is here. */
  begin(first: number): void {
    this.isKnown = true
    this.first = first
    this.next = first
    this.lastAck = first
    this.#forgetReached()
    this.#dropShown()
  }

  /** Notes what the peer has received. */
  acknowledge(ack: number): void {
    this.lastAck = ack
    if (this.acked === undefined || after(ack, this.acked) > 0) this.acked = ack
    if (this.leastAcked === undefined || after(ack, this.leastAcked) < 0) this.leastAcked = ack
    if (this.isKnown) this.#forgetReached()
  }

  /** Notes how far the sender has come. */
  reach(end: number): void {
    if (this.sent === undefined || after(end, this.sent) > 0) this.sent = end
    if (this.isKnown) this.#forgetReached()
  }

  /** Bytes before `next` were shown or given up: they are done with. */
  advance(to: number): void {
    this.next = to
    if (this.holeSince !== undefined && after(this.holeReach, to) <= 0) this.holeSince = undefined
    if (this.acked !== undefined || this.sent !== undefined) this.#forgetReached()
    if (this.pending.length > 0) this.#dropShown()
  }

  /** Notes that bytes are missing up to `reach`, once; answers how much of it was known before. */
  notice(reach: number, at: Micros, packets: number): number {
    if (this.holeSince === undefined) {
      this.holeSince = at
      this.holePackets = packets
      this.holeReach = this.acked !== undefined && after(this.acked, reach) > 0 ? this.acked : reach
    }
    return after(reach, this.holeReach) > 0 ? this.holeReach : reach
  }

  /** Numbers that `next` has passed would come to be ahead of it when it wraps. */
  #forgetReached(): void {
    if (this.acked !== undefined && after(this.acked, this.next) <= 0) this.acked = undefined
    if (this.sent !== undefined && after(this.sent, this.next) <= 0) this.sent = undefined
  }

  /** Keeps what no segment before it has of `segment`; answers how many of its bytes were known. */
  insert(segment: Segment): number {
    const end = plus(segment.sequence, segment.length)
    let at = segment.sequence
    if (this.isKnown && after(this.next, at) > 0) at = this.next
    let known = after(at, segment.sequence)
    let index = this.#indexOf(at)
    while (after(end, at) > 0) {
      const there = this.pending[index]
      const until = there !== undefined && after(end, there.sequence) > 0 ? there.sequence : end
      if (after(until, at) > 0) {
        this.#put(index, part(segment, at, until))
        index++
      }
      if (there === undefined || until === end) break
      const behind = plus(there.sequence, there.length)
      const further = after(end, behind) > 0 ? behind : end
      known += after(further, after(at, there.sequence) > 0 ? at : there.sequence)
      at = behind
      index++
    }
    return known
  }

  /** Takes the first waiting segment out. */
  take(): Segment {
    const segment = this.pending.shift() as Segment
    this.held -= segment.bytes.length + OVERHEAD
    return segment
  }

  /** Gives up what waits furthest from its turn. */
  dropLast(): void {
    const segment = this.pending.pop()
    if (segment !== undefined) this.held -= segment.bytes.length + OVERHEAD
  }

  dropAll(): void {
    this.pending.length = 0
    this.held = 0
  }

  /** Index of the first waiting segment that ends behind `at`. */
  #indexOf(at: number): number {
    let low = 0
    let high = this.pending.length
    while (low < high) {
      const middle = (low + high) >> 1
      const { sequence, length } = this.pending[middle] as Segment
      if (after(plus(sequence, length), at) > 0) high = middle
      else low = middle + 1
    }
    return low
  }

  #put(index: number, segment: Segment): void {
    if (index === this.pending.length) this.pending.push(segment)
    else this.pending.splice(index, 0, segment)
    this.held += segment.bytes.length + OVERHEAD
  }

  #dropShown(): void {
    let head = this.pending[0]
    while (head !== undefined && after(this.next, head.sequence) > 0) {
      this.take()
      const end = plus(head.sequence, head.length)
      if (after(end, this.next) > 0) this.#put(0, part(head, this.next, end))
      head = this.pending[0]
    }
  }
}

/** The bytes of a segment from `start` to `end`. */
const part = (segment: Segment, start: number, end: number): Segment => {
  const skipped = after(start, segment.sequence)
  const length = after(end, start)
  if (skipped === 0 && length === segment.length) return segment
  return { ...segment, sequence: start, length, bytes: segment.bytes.subarray(skipped, skipped + length) }
}
