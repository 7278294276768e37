/**
 * One TCP connection: its segments in the order in which its ends saw them.
 *
 *   begun ──both beginnings known, or chosen──▶ settled ──reset, both FINs, idle, capture over──▶ ended
 *
 * A beginning is known by SYN and SYN-ACK. Without a SYN the capture began in the middle of the
 * connection; the first bytes are then chosen after some patience, as captures may have their packets in
 * a wrong order.
 *
 * Between the directions the acknowledgements give the order: what a sender had received when it sent a
 * segment is shown before that segment. So an answer never overtakes its question, however they were
 * captured.
 *
 * A hole is declared lost (a gap) when the receiver has acknowledged the bytes, its sender has gone on
 * behind them, and they did not turn up with patience, in packets or time. Bytes ahead of a hole that
 * nobody ever acknowledges were not received by anybody: whoever sends such cannot make the real ones be
 * skipped. In a capture of one direction only nobody acknowledges, there patience decides.
 *
 * A reset or a new SYN counts only where it fits: what the server ignores must not end the flow here.
 */
import type { Bytes, Direction, FlowEnd, Micros } from '../flow.ts'
import { choose } from './beginning.ts'
import type { CapturedFlow } from './captured-flow.ts'
import type { CaptureCounts } from './counts.ts'
import { disbelieve, holeEnd, isOver, isQuiet, neededOf, orderOf } from './hole.ts'
import { after, Lane, plus, type Segment } from './lane.ts'
import type { ReassemblyLimits } from './limits.ts'
import { ACK, FIN, type Packet, RST, SYN } from './packet.ts'

/**
 * The largest window that TCP can announce (RFC 7323): what is further away is no part of this
 * connection.
 */
const FURTHEST = 2 ** 30
/** A hole that only its receiver tells of is believed later, and only up to this size. */
const UNCONFIRMED_WAIT = 2_000_000
/** What nobody acknowledged for so long was received by nobody; a sender tries again before. */
const UNACKED_WAIT = 60_000_000
const UNCONFIRMED_MOST = 16 * 1024 * 1024
/** A SYN that turns up late, behind the first packets of its connection. */
const LATE_SYN_PACKETS = 64
const LATE_SYN_BYTES = 64 * 1024

/** What becomes of a packet: `anew` is for a new flow of the same addresses and ports. */
export type Received = 'taken' | 'anew'

export class TcpFlow {
  readonly #shown: CapturedFlow
  readonly #limits: ReassemblyLimits
  readonly #counts: CaptureCounts
  readonly frontend = new Lane('frontend')
  readonly backend = new Lane('backend')
  readonly #begunAt: Micros
  lastAt: Micros
  #packets = 0
  #isSettled = false
  #isMidStream = false
  hasEnded = false
  /** in order, nothing waiting: a segment that comes next needs no further look */
  #isCalm = false
  /** has the client spoken after its SYN? Before, nothing is open. */
  #isHeard = false
  /** when data came whose beginning is not known, and the packets there were then */
  #unsettledSince: Micros | undefined
  #unsettledPackets = 0
  #reset: Lane | undefined
  #firstFin: Lane | undefined
  /** first byte of a SYN that would begin the connection anew, if the server answers it */
  #candidate: number | undefined

  constructor(shown: CapturedFlow, limits: ReassemblyLimits, counts: CaptureCounts, at: Micros) {
    this.#shown = shown
    this.#limits = limits
    this.#counts = counts
    this.#begunAt = at
    this.lastAt = at
  }

  /** bytes that wait, with what keeping them costs */
  get held(): number {
    return this.frontend.held + this.backend.held
  }

  /** Has it something to decide when time passes? */
  get isWaiting(): boolean {
    if (this.hasEnded || this.#isCalm) return false
    return this.#unsettledSince !== undefined || (this.#isSettled && !this.#isQuiet)
  }

  #patienceOver(since: Micros, packets: number, at: Micros): boolean {
    const { patience, patiencePackets } = this.#limits
    return at - since >= patience || this.#packets - packets >= patiencePackets
  }

  /**
   * Takes the packet that comes next on a connection where nothing waits: most do, and nothing else changes.
   * False for any other packet, which is to be given to {@link receive}.
   */
  next(packet: Packet, bytes: Bytes, from: Direction, at: Micros): boolean {
    if (!this.#isCalm || (packet.flags & (SYN | FIN | RST | ACK)) !== ACK) return false
    const lane = from === 'frontend' ? this.frontend : this.backend
    const peer = from === 'frontend' ? this.backend : this.frontend
    const { sequence, acknowledgement, start, end, length } = packet
    if (sequence !== lane.next || end - start !== length) return false
    if (after(acknowledgement, peer.next) > 0) return false
    this.lastAt = at
    this.#packets++
    lane.packets++
    peer.lastAck = acknowledgement
    if (length > 0) {
      this.#shown.chunk(from, bytes.subarray(start, end), at)
      lane.advance(plus(sequence, length))
    }
    return true
  }

  /** Takes any packet of this connection, sent by `from`. */
  receive(packet: Packet, bytes: Bytes, from: Direction, at: Micros): Received {
    const lane = from === 'frontend' ? this.frontend : this.backend
    const peer = from === 'frontend' ? this.backend : this.frontend
    this.lastAt = at
    this.#packets++
    lane.packets++
    return this.#consider(lane, peer, packet, bytes, at)
  }

  /** Time has passed: what was waited for may be lost by now. */
  check(at: Micros): void {
    if (!this.hasEnded) this.#proceed(at)
  }

  /** Ends the flow: everything that waits is shown, with the holes in it. */
  end(by: FlowEnd['by'], reason: string, at: Micros): void {
    if (this.hasEnded) return
    this.#settle(at, true)
    if (this.#isSettled) this.#drain(at, true)
    this.hasEnded = true
    this.#isCalm = false
    this.frontend.dropAll()
    this.backend.dropAll()
    // What was waited for may have been the connection's own end.
    const own = by === 'capture' ? this.#ownEnd() : undefined
    this.#shown.closed(own ?? { by, reason }, at)
  }

  /** Makes room: declares lost what is, or gives up what is furthest from its turn. */
  relieve(at: Micros, limit: number): void {
    while (!this.hasEnded && this.held > limit) {
      this.#settle(at, true)
      const before = this.held
      this.#deliver(at)
      if (this.held < before) continue
      const { frontend, backend } = this
      if (this.#mend(frontend, backend, at, 'now') || this.#mend(backend, frontend, at, 'now')) continue
      if (this.#ready(frontend, backend) === 'early' && this.#mend(backend, frontend, at, 'force')) continue
      if (this.#ready(backend, frontend) === 'early' && this.#mend(frontend, backend, at, 'force')) continue
      const fuller = frontend.held > backend.held ? frontend : backend
      fuller.dropLast()
    }
  }

  // ---- packets

  #consider(lane: Lane, peer: Lane, packet: Packet, bytes: Bytes, at: Micros): Received {
    if (this.hasEnded) return this.#isNew(lane, packet) ? 'anew' : 'taken'
    const isSyn = (packet.flags & SYN) !== 0
    const verdict = isSyn ? this.#syn(lane, packet) : this.#confirmsCandidate(lane, packet)
    if (verdict !== 'go') return verdict
    const sequence = isSyn ? plus(packet.sequence, 1) : packet.sequence
    if (lane.isKnown && Math.abs(after(sequence, lane.next)) > FURTHEST) {
      this.#counts.strays++
      return 'taken'
    }
    const acknowledged = this.#acknowledged(peer, packet)
    if (acknowledged !== undefined) peer.acknowledge(acknowledged)
    if (lane === this.frontend && !isSyn) this.#isHeard = true
    if ((packet.flags & RST) !== 0) this.#resetBy(lane, sequence)
    else this.#take(lane, packet, bytes, { sequence, acknowledged, at })
    this.#proceed(at)
    return 'taken'
  }

  #acknowledged(peer: Lane, { flags, acknowledgement }: Packet): number | undefined {
    if ((flags & ACK) === 0) return undefined
    if (peer.isKnown && Math.abs(after(acknowledgement, peer.next)) > FURTHEST) return undefined
    return acknowledgement
  }

  #syn(lane: Lane, packet: Packet): Received | 'go' {
    const first = plus(packet.sequence, 1)
    if ((packet.flags & ACK) !== 0) {
      if (lane !== this.backend) return 'taken'
      if (packet.acknowledgement === this.#candidate) return 'anew'
      if (lane.isKnown && first !== lane.first) return 'taken'
      // Of several SYNs it tells the one that the server took.
      const isOther = !this.#isSettled && this.frontend.first !== packet.acknowledgement
      if (!this.frontend.isKnown || isOther) this.frontend.begin(packet.acknowledgement)
      if (!lane.isKnown) lane.begin(first)
      return 'go'
    }
    if (lane !== this.frontend) return 'taken'
    if (!lane.isKnown) lane.begin(first)
    else if (first !== lane.first) return this.#otherSyn(first)
    return 'go'
  }

  /**
   * A SYN of another number: a new connection if nobody has answered to this one, else if it is answered.
   */
  #otherSyn(first: number): Received {
    const { frontend, backend } = this
    if (this.#reset !== undefined || backend.packets === 0) return 'anew'
    const before = after(frontend.first, first)
    const isLate = this.#isMidStream && before >= 0 && before < LATE_SYN_BYTES
    if (!isLate || this.#packets > LATE_SYN_PACKETS) this.#candidate = first
    return 'taken'
  }

  /** Where the answer to a new SYN was not captured, the client's first bytes behind it tell. */
  #confirmsCandidate(lane: Lane, { sequence, flags, length }: Packet): Received | 'go' {
    if (this.#candidate === undefined || lane !== this.frontend || length === 0) return 'go'
    if (sequence !== this.#candidate || (flags & ACK) === 0) return 'go'
    return Math.abs(after(sequence, lane.next)) > LATE_SYN_BYTES ? 'anew' : 'go'
  }

  /** After the end: does the packet belong to a new connection, or is this one not over after all? */
  #isNew(lane: Lane, { flags, sequence, length }: Packet): boolean {
    if ((flags & SYN) !== 0) {
      return (flags & ACK) === 0 && lane === this.frontend && plus(sequence, 1) !== lane.first
    }
    if (length === 0 || (flags & RST) !== 0) return false
    // What the peer of a reset sends may have been on its way; who reset has nothing more to say.
    if (this.#reset !== undefined && this.#reset !== lane) return false
    return after(plus(sequence, length), lane.next) > 0
  }

  /** A reset counts when it stands where its sender is, or where its peer believes it to be. */
  #resetBy(lane: Lane, sequence: number): void {
    if (lane.isKnown && after(sequence, lane.next) < 0 && after(sequence, lane.lastAck) < 0) {
      this.#counts.strays++
      return
    }
    this.#reset ??= lane
    if (!lane.isKnown) return
    lane.reach(sequence)
    lane.acknowledge(sequence)
  }

  #take(
    lane: Lane,
    { flags, start, end, length }: Packet,
    bytes: Bytes,
    { sequence, acknowledged, at }: { sequence: number; acknowledged: number | undefined; at: Micros },
  ): void {
    const behind = plus(sequence, length)
    lane.reach(behind)
    if (length > 0) {
      if (lane.fin !== undefined && after(behind, lane.fin) > 0) this.#takeFinBack(lane)
      if (lane.isKnown && after(behind, lane.next) <= 0) this.#counts.repeated += length
      else {
        // A slice of the shared pool would keep all of its slab.
        const copy = Buffer.allocUnsafeSlow(end - start)
        bytes.copy(copy, 0, start, end)
        const order = this.#packets
        const segment: Segment = { sequence, length, bytes: copy, at, acknowledged, order }
        this.#counts.repeated += lane.insert(segment)
        if (!this.#isSettled) this.#noteUnsettled(at)
      }
    }
    if ((flags & FIN) !== 0 && !lane.isFinished) lane.fin = behind
  }

  /** The sender goes on behind its FIN: it was none of its own. */
  #takeFinBack(lane: Lane): void {
    if (lane.isFinished) lane.next = lane.fin as number
    lane.isFinished = false
    lane.fin = undefined
  }

  #noteUnsettled(at: Micros): void {
    if (this.#unsettledSince !== undefined) return
    this.#unsettledSince = at
    this.#unsettledPackets = this.#packets
  }

  // ---- the beginning

  #settle(at: Micros, isForced: boolean): void {
    const { frontend, backend } = this
    if (this.#isSettled) {
      for (const lane of [frontend, backend]) if (!lane.isKnown) choose(lane, false)
      return
    }
    if (!frontend.isKnown || !backend.isKnown) {
      const since = this.#unsettledSince
      if (since === undefined) return
      if (!isForced && !this.#patienceOver(since, this.#unsettledPackets, at)) return
      const isMidStream = !frontend.isKnown
      for (const lane of [frontend, backend]) if (!lane.isKnown) choose(lane, isMidStream)
      if (isMidStream && frontend.pending.length + backend.pending.length === 0) return
      this.#isMidStream = isMidStream
    }
    this.#isSettled = true
    this.#unsettledSince = undefined
  }

  // ---- order

  #proceed(at: Micros): void {
    const { frontend, backend } = this
    this.#settle(at, false)
    if (this.#isSettled) {
      if (this.#isHeard) this.#shown.open(this.#begunAt, this.#isMidStream)
      this.#drain(at, false)
    }
    if (this.held > this.#limits.maxFlowBytes) this.relieve(at, this.#limits.maxFlowBytes)
    this.#finish(at)
    const isOrdered =
      this.#isSettled && this.#reset === undefined && !frontend.maybeByte && !backend.maybeByte
    this.#isCalm = !this.hasEnded && isOrdered && this.#shown.isOpen && this.#isQuiet
  }

  get #isQuiet(): boolean {
    return isQuiet(this.frontend) && isQuiet(this.backend)
  }

  #drain(at: Micros, isForced: boolean): void {
    const { frontend, backend } = this
    const how = isForced ? 'force' : 'wait'
    do this.#deliver(at)
    while (this.#mend(frontend, backend, at, how) || this.#mend(backend, frontend, at, how))
  }

  /** Shows what can be shown. */
  #deliver(at: Micros): void {
    if (!this.#isSettled) return
    const { frontend, backend } = this
    for (;;) {
      const asked = this.#ready(frontend, backend)
      const answered = this.#ready(backend, frontend)
      const isTie = asked === answered && asked !== undefined
      const isBlocked = (asked ?? 'early') === 'early' && (answered ?? 'early') === 'early'
      // Each waits for the other when a sender had repeated itself: the capture's order decides.
      if (isBlocked && !isTie) break
      const isFirst = isTie ? orderOf(frontend) <= orderOf(backend) : asked === 'now'
      if (isFirst) this.#show(frontend, at)
      else this.#show(backend, at)
    }
  }

  /** Can the lane's next bytes be shown `now`, or `early` before what their sender had received? */
  #ready(lane: Lane, peer: Lane): 'now' | 'early' | undefined {
    if (!lane.isKnown) return undefined
    const head = lane.pending[0]
    if (head === undefined) return lane.fin === lane.next && !lane.isFinished ? 'now' : undefined
    if (head.sequence !== lane.next) return undefined
    const { acknowledged } = head
    if (acknowledged === undefined || !peer.isKnown || after(acknowledged, peer.next) <= 0) return 'now'
    // What the peer was not believed to have sent need not be waited for.
    return peer.acked !== undefined && after(peer.acked, acknowledged) >= 0 ? 'early' : 'now'
  }

  #show(lane: Lane, at: Micros): void {
    if (lane.pending.length === 0) {
      lane.isFinished = true
      lane.next = plus(lane.next, 1)
      lane.holeSince = undefined
      this.#firstFin ??= lane
      return
    }
    const { sequence, length, bytes, at: captured } = lane.take()
    this.#shown.open(this.#begunAt, this.#isMidStream)
    if (lane.maybeByte) this.#shown.gap(lane.from, 1, captured)
    lane.maybeByte = false
    if (bytes.length > 0) this.#shown.chunk(lane.from, bytes, captured)
    if (bytes.length < length) this.#shown.gap(lane.from, length - bytes.length, Math.max(at, captured))
    lane.advance(plus(sequence, length))
  }

  // ---- loss

  /** Declares the hole before what waits lost, if it is; answers whether anything changed. */
  #mend(lane: Lane, peer: Lane, at: Micros, how: 'wait' | 'now' | 'force'): boolean {
    const end = holeEnd(lane)
    if (end === undefined) {
      lane.holeSince = undefined
      return false
    }
    const target = lane.notice(neededOf(lane, peer, end), at, this.#packets)
    const since = lane.holeSince as Micros
    const isAcked = lane.acked !== undefined && after(lane.acked, target) >= 0
    const isSent = lane.sent !== undefined && after(lane.sent, target) >= 0
    const isOneSided = lane.packets === 0 || peer.packets === 0
    const isSure = (isAcked && isSent) || isOneSided || this.#reset !== undefined
    const isPatient = how === 'wait' && !this.#patienceOver(since, lane.holePackets, at)
    const isEarly = at - since < (isAcked ? UNCONFIRMED_WAIT : UNACKED_WAIT)
    if (how !== 'force' && (isSure ? isPatient : isEarly)) return false
    const isBelieved = isSure || isAcked || how === 'force'
    if (!isBelieved || (!isSure && after(target, lane.next) > UNCONFIRMED_MOST)) return disbelieve(lane)
    this.#lose(lane, peer, target, at)
    return true
  }

  #lose(lane: Lane, peer: Lane, target: number, at: Micros): void {
    const missing = after(target, lane.next)
    const isLast = lane.pending.length === 0 && lane.fin === undefined && !lane.maybeByte
    // A FIN takes a number too: the last one that was acknowledged may be that.
    const mayEnd = isLast && (missing === 1 || peer.fin !== undefined)
    const bytes = missing + (lane.maybeByte ? 1 : 0) - (mayEnd ? 1 : 0)
    if (bytes > 0) {
      this.#shown.open(this.#begunAt, this.#isMidStream)
      this.#shown.gap(lane.from, bytes, at)
    }
    lane.maybeByte = mayEnd
    lane.advance(target)
  }

  // ---- the end

  #finish(at: Micros): void {
    const end = this.hasEnded ? undefined : this.#ownEnd()
    if (end === undefined) return
    if (this.#reset !== undefined && !(this.#isSettled ? this.#isQuiet : this.held === 0)) return
    if (end.reason === 'refused') this.#shown.open(this.#begunAt, false)
    this.end(end.by, end.reason, at)
  }

  /** How the connection ended by itself, if it did. */
  #ownEnd(): Pick<FlowEnd, 'by' | 'reason'> | undefined {
    const { frontend, backend } = this
    const first = this.#reset ?? this.#firstFin
    if (first === undefined) return undefined
    const by = first === frontend ? 'client' : 'server'
    if (this.#reset === undefined)
      return isOver(frontend) && isOver(backend) ? { by, reason: 'closed' } : undefined
    const isRefused = by === 'server' && frontend.isKnown && !backend.isKnown
    return { by, reason: isRefused ? 'refused' : 'reset' }
  }
}
