/**
 * Finds the connection of each packet, begins and ends connections. The table is looked up by a number
 * made of both ends (the same for both directions), so that a packet costs no object; the connection of
 * the packet before is tried first. VLANs and interfaces do not tell connections apart: a packet that is
 * seen on several of them is the same packet.
 */
import { randomBytes } from 'node:crypto'
import type { Bytes, Micros } from '../flow.ts'
import { CapturedFlow, type FlowContext } from './captured-flow.ts'
import type { ReassemblyLimits } from './limits.ts'
import { ACK, type Packet, RST, SYN } from './packet.ts'
import { TcpFlow } from './reassembly.ts'
import { showEnd, type TargetMatcher } from './targets.ts'

export interface FlowTableOptions extends FlowContext {
  readonly matcher: TargetMatcher
  readonly limits: ReassemblyLimits
  readonly targetText?: string
  readonly interface?: string
}

/** How often, by the packets' times, it is looked at what waits. */
const CHECK_EVERY = 10_000
/** Packets of one capture are not that much out of order. */
const WRONG_TIME = 60 * 60 * 1_000_000
/** How long an ended connection is remembered, so that what comes late begins no new one. */
const LINGER = 60_000_000

/** One end of a connection: address in words, and port. */
interface End {
  readonly words: readonly [number, number, number, number]
  readonly port: number
}

/** A connection with its place in the table: in the chain of its hash and in the queue by last packet. */
interface Entry {
  readonly hash: number
  readonly version: 4 | 6
  readonly client: End
  readonly server: End
  readonly flow: TcpFlow
  chain: Entry | undefined
  older: Entry | undefined
  newer: Entry | undefined
  queue: Queue | undefined
  queuedAt: Micros
  /** opened by a target to somewhere else: none of ours */
  readonly isOutward: boolean
}

const isSource = ({ words, port }: End, packet: Packet): boolean =>
  port === packet.sourcePort &&
  words[0] === packet.source0 &&
  (packet.version === 4 || isSource6(words, packet))

const isSource6 = (words: End['words'], packet: Packet): boolean =>
  words[1] === packet.source1 && words[2] === packet.source2 && words[3] === packet.source3

const isDestination = ({ words, port }: End, packet: Packet): boolean =>
  port === packet.destinationPort &&
  words[0] === packet.destination0 &&
  (packet.version === 4 || isDestination6(words, packet))

const isDestination6 = (words: End['words'], packet: Packet): boolean =>
  words[1] === packet.destination1 && words[2] === packet.destination2 && words[3] === packet.destination3

/** Did the client send it (1), the server (-1), or is it of another connection (0)? */
const sideOf = (entry: Entry, packet: Packet): number => {
  if (entry.version !== packet.version) return 0
  if (isSource(entry.client, packet) && isDestination(entry.server, packet)) return 1
  return isSource(entry.server, packet) && isDestination(entry.client, packet) ? -1 : 0
}

/**
 * Entries by the time of their last packet. A packet moves nothing: who has had one since it was queued goes
 * to the end when its turn comes.
 */
class Queue {
  oldest: Entry | undefined
  newest: Entry | undefined
  size = 0

  push(entry: Entry): void {
    entry.queue = this
    entry.queuedAt = entry.flow.lastAt
    entry.older = this.newest
    entry.newer = undefined
    if (this.newest) this.newest.newer = entry
    else this.oldest = entry
    this.newest = entry
    this.size++
  }

  /** The entry whose last packet is the oldest. */
  first(): Entry | undefined {
    let entry = this.oldest
    // Once around is enough: times that go back would keep it going.
    for (let left = this.size; entry !== undefined && left > 0; left--) {
      if (entry.flow.lastAt <= entry.queuedAt) return entry
      this.remove(entry)
      this.push(entry)
      entry = this.oldest
    }
    return entry
  }

  remove(entry: Entry): void {
    if (entry.older) entry.older.newer = entry.newer
    else this.oldest = entry.newer
    if (entry.newer) entry.newer.older = entry.older
    else this.newest = entry.older
    entry.queue = undefined
    this.size--
  }
}

export class FlowTable {
  readonly #options: FlowTableOptions
  readonly #seed = randomBytes(4).readInt32LE()
  readonly #byHash = new Map<number, Entry>()
  readonly #live = new Queue()
  readonly #ended = new Queue()
  readonly #waiting = new Set<Entry>()
  #last: Entry | undefined
  #now: Micros = 0
  #checkedAt: Micros = 0
  #held = 0

  constructor(options: FlowTableOptions) {
    this.#options = options
  }

  /** connections that have not ended */
  get open(): number {
    return this.#live.size
  }

  get held(): number {
    return this.#held
  }

  /** Takes a segment; packets of connections to no target are none of ours. */
  segment(packet: Packet, bytes: Bytes, at: Micros, captured: string | undefined): void {
    this.advance(at)
    const last = this.#last
    let side = last === undefined ? 0 : sideOf(last, packet)
    let entry = last
    if (side === 0) {
      const hash = this.#hash(packet)
      entry = this.#byHash.get(hash)
      while (entry !== undefined) {
        side = sideOf(entry, packet)
        if (side !== 0) break
        entry = entry.chain
      }
      entry ??= this.#begin(packet, hash, at, captured)
      if (entry === undefined) return
      if (side === 0) side = sideOf(entry, packet)
    }
    if ((entry as Entry).isOutward) {
      this.#passBy(entry as Entry, packet, side, at)
      return
    }
    this.#options.counts.segments++
    this.#receive(entry as Entry, packet, bytes, side, at, captured)
  }

  advance(at: Micros): void {
    if (at <= this.#now) {
      // One packet with a wrong time must not stop the clock for all that follow.
      if (this.#now - at > WRONG_TIME) this.#now = this.#checkedAt = at
      return
    }
    this.#now = at
    if (at - this.#checkedAt < CHECK_EVERY) return
    this.#checkedAt = at
    for (const entry of this.#waiting) this.#touched(entry, entry.flow.held, () => entry.flow.check(at))
    this.#expire(at)
  }

  end(reason: string): void {
    for (let entry = this.#live.oldest; entry !== undefined; entry = this.#live.oldest) {
      this.#give(entry, reason)
    }
    for (let entry = this.#ended.oldest; entry !== undefined; entry = this.#ended.oldest)
      this.#forget(entry)
  }

  #receive(
    entry: Entry,
    packet: Packet,
    bytes: Bytes,
    side: number,
    at: Micros,
    captured: string | undefined,
  ): void {
    this.#last = entry
    const { flow } = entry
    const from = side > 0 ? 'frontend' : 'backend'
    if (flow.next(packet, bytes, from, at)) return
    const before = flow.held
    const received = flow.receive(packet, bytes, from, at)
    this.#settle(entry, before)
    if (received === 'taken') return
    this.#touched(entry, flow.held, () => flow.end('capture', 'reused', at))
    this.#forget(entry)
    const anew = this.#begin(packet, entry.hash, at, captured)
    if (anew === undefined) return
    this.#receive(anew, packet, bytes, sideOf(anew, packet), at, captured)
  }

  /**
   * A target's own connection is kept in mind, so that its data does not look like the middle of another.
   */
  #passBy(entry: Entry, { flags }: Packet, side: number, at: Micros): void {
    entry.flow.lastAt = at
    if (side > 0 && (flags & (SYN | ACK)) === SYN) this.#forget(entry)
  }

  /** Does what may end a flow or change what it keeps. */
  #touched(entry: Entry, before: number, work: () => void): void {
    work()
    this.#settle(entry, before)
  }

  #settle(entry: Entry, before: number): void {
    const { flow } = entry
    this.#held += flow.held - before
    if (flow.isWaiting) this.#waiting.add(entry)
    else if (this.#waiting.size > 0) this.#waiting.delete(entry)
    if (flow.hasEnded && entry.queue === this.#live) {
      this.#live.remove(entry)
      this.#ended.push(entry)
    }
    if (this.#held > this.#options.limits.maxBytes) this.#relieve()
  }

  /** Too much is kept: the flows that have been waiting for longest give it up. */
  #relieve(): void {
    for (const entry of this.#waiting) {
      const before = entry.flow.held
      if (before > 0) entry.flow.relieve(this.#now, 0)
      this.#held += entry.flow.held - before
      if (this.#held <= this.#options.limits.maxBytes / 2) return
    }
  }

  /** Begins a connection, if the packet is one to a target and has something to say. */
  #begin(packet: Packet, hash: number, at: Micros, captured: string | undefined): Entry | undefined {
    const { matcher, limits, counts } = this.#options
    const isTo = matcher.isToTarget(packet)
    const isFrom = matcher.isFromTarget(packet)
    if (!isTo && !isFrom) return undefined
    const isFirst = (packet.flags & SYN) !== 0
    if (!isFirst && (packet.length === 0 || (packet.flags & RST) !== 0)) return undefined
    const isFromClient = fromClient(packet, isTo, isFrom)
    while (this.#live.size >= limits.maxFlows) this.#give(this.#live.first() as Entry, 'flow_limit')
    while (this.#ended.size >= limits.maxFlows) this.#forget(this.#ended.first() as Entry)
    const source: End = {
      words: [packet.source0, packet.source1, packet.source2, packet.source3],
      port: packet.sourcePort,
    }
    const destination: End = {
      words: [packet.destination0, packet.destination1, packet.destination2, packet.destination3],
      port: packet.destinationPort,
    }
    const [client, server] = isFromClient ? [source, destination] : [destination, source]
    const { version } = packet
    const isOutward = isFromClient === undefined
    const flow = new TcpFlow(this.#shown(version, client, server, captured), limits, counts, at)
    const chain = this.#byHash.get(hash)
    const entry: Entry = {
      ...{ hash, version, client, server, flow, chain, isOutward },
      ...{ older: undefined, newer: undefined, queue: undefined, queuedAt: at },
    }
    this.#byHash.set(hash, entry)
    const queue = isOutward ? this.#ended : this.#live
    queue.push(entry)
    return entry
  }

  #shown(version: 4 | 6, client: End, server: End, captured: string | undefined): CapturedFlow {
    const { targetText } = this.#options
    const where = captured ?? this.#options.interface
    return new CapturedFlow(this.#options, () => ({
      src_addr: showEnd(version, client.words, client.port),
      dst_addr: showEnd(version, server.words, server.port),
      ...(targetText !== undefined && { probe_target_addr: targetText }),
      ...(where !== undefined && { interface: where }),
    }))
  }

  #expire(at: Micros): void {
    const { idleTimeout } = this.#options.limits
    for (let entry = this.#ended.first(); entry !== undefined; entry = this.#ended.first()) {
      if (at - entry.flow.lastAt <= LINGER) break
      this.#forget(entry)
    }
    if (idleTimeout === 0) return
    for (let entry = this.#live.first(); entry !== undefined; entry = this.#live.first()) {
      if (at - entry.flow.lastAt <= idleTimeout) break
      this.#give(entry, 'idle')
    }
  }

  /** Gives a live connection up. */
  #give(entry: Entry, reason: string): void {
    this.#touched(entry, entry.flow.held, () => entry.flow.end('capture', reason, this.#now))
    this.#forget(entry)
  }

  #forget(entry: Entry): void {
    entry.queue?.remove(entry)
    this.#waiting.delete(entry)
    this.#held -= entry.flow.held
    if (this.#last === entry) this.#last = undefined
    const first = this.#byHash.get(entry.hash)
    if (first === entry) {
      if (entry.chain) this.#byHash.set(entry.hash, entry.chain)
      else this.#byHash.delete(entry.hash)
      return
    }
    for (let before = first; before !== undefined; before = before.chain) {
      if (before.chain === entry) before.chain = entry.chain
    }
  }

  /**
   * The same for both directions; not to be guessed, or all connections could be made to share one place.
   */
  #hash(packet: Packet): number {
    const source = this.#mix(
      packet.source0,
      packet.source1,
      packet.source2,
      packet.source3,
      packet.sourcePort,
    )
    const destination = this.#mix(
      packet.destination0,
      packet.destination1,
      packet.destination2,
      packet.destination3,
      packet.destinationPort,
    )
    return (source + destination) & 0x3fff_ffff
  }

  #mix(a: number, b: number, c: number, d: number, port: number): number {
    let mixed = Math.imul(a ^ this.#seed, 0x9e3779b1)
    mixed = Math.imul((mixed ^ (mixed >>> 15) ^ b) | 0, 0x85ebca6b)
    mixed = Math.imul((mixed ^ (mixed >>> 13) ^ c) | 0, 0xc2b2ae35)
    mixed = Math.imul((mixed ^ (mixed >>> 16) ^ d) | 0, 0x27d4eb2f)
    mixed = Math.imul((mixed ^ (mixed >>> 15) ^ port) | 0, 0x165667b1)
    return mixed ^ (mixed >>> 16)
  }
}

/**
 * Which end is the client? The one that sends a SYN or is answered by SYN-ACK; without them the one that is
 * no target, and between two targets the one with the larger port. Undefined for a connection that a target
 * itself opened to somewhere else.
 */
const fromClient = (packet: Packet, isTo: boolean, isFrom: boolean): boolean | undefined => {
  if ((packet.flags & SYN) === 0) return isTo === isFrom ? packet.sourcePort > packet.destinationPort : isTo
  const isAnswer = (packet.flags & ACK) !== 0
  if (isAnswer) return isFrom ? false : undefined
  return isTo ? true : undefined
}
