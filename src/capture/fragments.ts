/**
 * Puts IP datagrams together from their fragments (RFC 791 section 3.2, RFC 8200 section 4.5). What is kept
 * is bounded in bytes, datagrams and time; the oldest goes first. Fragments that overlap are nobody's honest
 * work, and systems differ in which bytes win: the whole datagram is dropped, as RFC 5722 wants it and Linux
 * does for both versions; a fragment that was captured twice is no overlap. What is dropped becomes a hole
 * in its TCP stream. Of a datagram with a cut fragment the bytes before the cut are given, with its length.
 */
import type { Bytes, Micros } from '../flow.ts'
import { decodeTcp, type Packet, type PacketKind } from './packet.ts'

export interface FragmentLimits {
  /** bytes of fragments that are kept, all datagrams together */
  readonly maxBytes: number
  readonly maxDatagrams: number
  /** how long the first fragment waits for the last */
  readonly timeout: Micros
}

export const FRAGMENT_LIMITS: FragmentLimits = {
  maxBytes: 4 * 1024 * 1024,
  maxDatagrams: 1024,
  timeout: 30_000_000,
}

interface Part {
  readonly offset: number
  /** on the wire; more than were captured when the capture cut it */
  readonly length: number
  readonly bytes: Bytes
}

interface Datagram {
  readonly at: Micros
  readonly parts: Part[]
  /** bytes of the whole, when the last fragment has come */
  total: number | undefined
  /** wire bytes so far; nothing overlaps, so the datagram is complete when they are `total` */
  have: number
  held: number
  isDropped: boolean
}

const LONGEST_DATAGRAM = 65_535
/** What a part costs besides its bytes. */
const PART_OVERHEAD = 128

const keyOf = (packet: Packet): string =>
  `${packet.version} ${packet.source0} ${packet.source1} ${packet.source2} ${packet.source3} ` +
  `${packet.destination0} ${packet.destination1} ${packet.destination2} ${packet.destination3} ` +
  `${packet.fragmentId}`

export class Defragmenter {
  readonly #limits: FragmentLimits
  readonly #datagrams = new Map<string, Datagram>()
  #held = 0
  /** of the datagram that was completed last; `packet.start … end` are offsets into them */
  bytes: Bytes = Buffer.alloc(0)
  /** datagrams that were given up: overlapping, too old, too many */
  dropped = 0

  constructor(limits: FragmentLimits = FRAGMENT_LIMITS) {
    this.#limits = limits
  }

  /** bytes kept, with what keeping costs */
  get held(): number {
    return this.#held
  }

  /**
   * Takes a fragment. When it completes its datagram, `bytes` holds that and `packet` its TCP header, and
   * the answer is that of {@link decodeTcp}; `fragment` while parts are missing.
   */
  add(packet: Packet, bytes: Bytes, at: Micros): PacketKind {
    this.#expire(at)
    const key = keyOf(packet)
    const datagram = this.#datagrams.get(key) ?? this.#open(key, at)
    if (datagram.isDropped) return 'fragment'
    if (!this.#insert(datagram, packet, bytes)) {
      this.#clear(datagram)
      datagram.isDropped = true
      this.dropped++
      return 'fragment'
    }
    if (datagram.have !== datagram.total) {
      this.#bound()
      return 'fragment'
    }
    this.#datagrams.delete(key)
    this.bytes = joined(datagram.parts)
    packet.start = 0
    packet.end = this.bytes.length
    packet.length = datagram.have
    this.#clear(datagram)
    return decodeTcp(this.bytes, packet)
  }

  #open(key: string, at: Micros): Datagram {
    const datagram = { at, parts: [], total: undefined, have: 0, held: 0, isDropped: false }
    this.#datagrams.set(key, datagram)
    return datagram
  }

  /** False when the fragment contradicts those before it. */
  #insert(datagram: Datagram, packet: Packet, bytes: Bytes): boolean {
    const { fragmentOffset: offset, length, hasMore } = packet
    const end = offset + length
    if (end > LONGEST_DATAGRAM || (hasMore && (length === 0 || length % 8 !== 0))) return false
    const { parts, total } = datagram
    let index = parts.length
    while (index > 0 && (parts[index - 1] as Part).offset >= offset) index--
    const [before, after] = [parts[index - 1], parts[index]]
    if (after?.offset === offset && after.length === length) return true
    if (before && before.offset + before.length > offset) return false
    if (after && after.offset < end) return false
    if (total !== undefined && (hasMore ? end > total : end !== total)) return false
    if (!hasMore && index < parts.length) return false
    if (!hasMore) datagram.total = end
    const kept = Buffer.from(bytes.subarray(packet.start, packet.end))
    parts.splice(index, 0, { offset, length, bytes: kept })
    datagram.have += length
    datagram.held += kept.length + PART_OVERHEAD
    this.#held += kept.length + PART_OVERHEAD
    return true
  }

  #clear(datagram: Datagram): void {
    this.#held -= datagram.held
    datagram.held = 0
    datagram.parts.length = 0
  }

  #expire(at: Micros): void {
    for (const [key, datagram] of this.#datagrams) {
      if (at - datagram.at <= this.#limits.timeout) return
      this.#drop(key, datagram)
    }
  }

  #bound(): void {
    for (const [key, datagram] of this.#datagrams) {
      if (this.#held <= this.#limits.maxBytes && this.#datagrams.size <= this.#limits.maxDatagrams) return
      this.#drop(key, datagram)
    }
  }

  #drop(key: string, datagram: Datagram): void {
    this.#datagrams.delete(key)
    this.#clear(datagram)
    if (!datagram.isDropped) this.dropped++
  }
}

/** The bytes as far as they were captured without a hole. */
const joined = (parts: readonly Part[]): Bytes => {
  const cut = parts.findIndex(({ bytes, length }) => bytes.length < length)
  return Buffer.concat((cut < 0 ? parts : parts.slice(0, cut + 1)).map(({ bytes }) => bytes))
}
