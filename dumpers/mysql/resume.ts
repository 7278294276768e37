/**
 * Behind lost bytes nobody knows where a packet begins. The session goes on where whole chunks of the client
 * read as commands, each with the sequence id 0, and the server's replies, packet by packet, are those that
 * such commands have, with the ids that follow.
 *
 *   waiting ──chunks that read as commands, the server being idle or out of step──▶ trial
 *   trial   ──all of them answered, a few one at a time, and the client speaks again, or leaves──▶ in step
 *           ──a packet that none of their replies has, broken framing, more bytes lost──▶ waiting
 *
 * What a trial gives is held until it is over. If it failed, commands that were never in doubt (only replies
 * were lost, or their reply had begun as it should) are recorded with their outcome unknown, and those that
 * were guessed are forgotten.
 *
 * Replies name no command. Where the client has been seen to send one before the one before was answered any
 * reply may be to an earlier command: such a session never gets in step again.
 */
import type { AuditEvent, Who } from '../../src/event.ts'
import type { Bytes, Direction } from '../../src/flow.ts'
import type { Compression } from '../../src/framing/compressed.ts'
import { type Series, SeriesSearch } from '../common/series-search.ts'
import { looksLikeTls } from '../common/tls-record.ts'
import { type Command, firstIdOf, isUnanswered, WHOLE } from './commands.ts'
import { giveUp } from './ending.ts'
import { fitsReply } from './fits.ts'
import { readFrames, readPackets } from './series.ts'
import type { MysqlState, Trial } from './state.ts'
import { FIRST, type ReplyState } from './turn.ts'
import { Unknown } from './unknown.ts'
import { allUnseen, asUnknown, commandsUnseen, loseCursors, textUnseen, whoUnseen } from './unseen.ts'

/** What a resumption does with the session's wires. */
export interface ResumedWires {
  /** That side's framing begins anew: the next byte is the first one of a packet. */
  renew(side: Direction): void
  /** That side is framed no more. */
  stop(side: Direction): void
  /** the server's framer, which tells rows in a row */
  readonly rows: { rows: boolean }
  /** Is that side within a packet? */
  midFrame(side: Direction): boolean
  /** Shows bytes to that side's framer. */
  pass(side: Direction, chunk: Bytes): void
  /** Counts bytes that no record describes. */
  skip(side: Direction, bytes: number): void
  /** how many of the client's were counted so far */
  readonly skipped: number
}

/**
 * Commands answered one at a time from which on a client is one that waits for each answer. One that is
 * always a command ahead looks the same for a while, until a reply does not fit.
 */
const MIN_ROUNDS = 5
/** no sequence id: any may come */
const ANY = -1

/** The session when a trial began. */
interface Before {
  readonly seq: number
  readonly statements: number
  readonly isUnknown: boolean
  readonly who: Who
  readonly charset: string
}

const beforeOf = ({ seq, statements, unknown, identity, charset }: MysqlState): Before => ({
  ...{ seq, statements, isUnknown: unknown !== undefined, who: identity.who, charset },
})

export class Resume implements Trial {
  readonly #state: MysqlState
  readonly #reply: ReplyState
  readonly #wires: ResumedWires
  readonly #lost: Record<Direction, boolean>
  readonly #search: SeriesSearch
  #inTrial = false
  /** of a trial: replies have come as they should */
  #isConfirmed = false
  /** sequence id of the next packet of the server */
  #nextId = ANY
  /** of a trial: what it gave, the numbers to go back to, and the client's bytes in it */
  #held: AuditEvent[] = []
  #before: Before
  #tried = 0
  /** events from before the trial in the feed that began it */
  #told: AuditEvent[] = []
  /**
   * Commands came before what was sent was answered, unless that answer is lost, which has yet to be told.
   */
  #isAhead = false
  /** no more than one command was unanswered when replies were lost */
  #isAlone = false
  /** that the client seems to speak TLS was told */
  #isTlsTold = false

  /** `bytes` of the sides that are `lost` are missing. */
  constructor(
    state: MysqlState,
    reply: ReplyState,
    wires: ResumedWires,
    lost: Readonly<Record<Direction, boolean>>,
    bytes: number,
  ) {
    this.#state = state
    this.#before = beforeOf(state)
    this.#reply = reply
    this.#wires = wires
    this.#lost = { frontend: false, backend: false }
    this.#search = new SeriesSearch(
      (series) => this.#judge(series),
      (skipped) => this.#wires.skip('frontend', skipped),
    )
    this.#isAlone = !lost.frontend && state.queue.length <= 1
    for (const side of ['frontend', 'backend'] as const) if (lost[side]) this.#lose(side, bytes)
  }

  get inTrial(): boolean {
    return this.#inTrial
  }

  /** bytes of memory held for it */
  get held(): number {
    return this.#search.held
  }

  /** Answers true when both sides are in step again: the chunk, not used, goes the usual way. */
  feed(from: Direction, chunk: Bytes): boolean {
    if (from === 'backend') this.#feedBackend(chunk)
    else if (this.#inTrial && this.#isSettled() && this.#isSure) {
      this.#commit()
      return true
    } else this.#feedFrontend(chunk)
    if (this.#inTrial) this.#hold()
    return false
  }

  /** More was lost. Answers true when that side was in step until now. */
  gap(from: Direction, bytes: number): boolean {
    const isNews = this.#inTrial || !this.#lost[from]
    if (from === 'backend') this.#isAhead = false
    const { rounds, queue } = this.#state
    // a reply that began as it should, to a command that was alone
    const isBegun = this.#isConfirmed && queue.length === 1 && from === 'backend'
    const isWithin = isBegun && (this.#reply.phase !== FIRST || this.#wires.midFrame('backend'))
    const isAlone = this.#isAlone && from === 'backend' && queue.length <= 1
    if (this.#inTrial && from === 'frontend' && this.#isSettled() && this.#isSure) this.#commit()
    // what was confirmed was sent, though its outcome is lost
    else if (this.#isConfirmed) this.#lost.frontend = false
    if (this.#inTrial) {
      this.abort()
      this.#state.rounds = isWithin ? rounds + 1 : 0
    }
    this.#isAlone = isAlone
    this.#search.drop()
    this.#lose(from, bytes)
    return isNews
  }

  close(): void {
    if (!this.#inTrial) this.#search.drop()
    else if (this.#isSettled()) this.#commit()
    else {
      if (this.#isConfirmed) this.#lost.frontend = false
      this.abort()
    }
  }

  /** A packet of the server begins: is it the next one of a reply? Called before it is acted on. */
  header(seq: number, first: number, length: number): void {
    if (!this.#inTrial) return
    const { queue } = this.#state
    const { head } = queue
    const isFit =
      head !== undefined &&
      this.#isNext(seq, head) &&
      fitsReply(this.#state, this.#reply, head, first, length)
    if (!isFit) {
      this.abort()
      return
    }
    this.#isConfirmed = true
    this.#nextId = length === WHOLE ? ANY : (seq + 1) & 0xff
  }

  /** Ids of what answers commands that came in one compressed frame may be any. */
  #isNext(seq: number, head: Command): boolean {
    if (this.#state.compressed && head.next !== undefined) return true
    const isFirst = this.#reply.phase === FIRST && !head.answered
    // where packets are wrapped they go on from the ids of the frames
    if (isFirst) return this.#state.compressed ? seq >= firstIdOf(head) : seq === firstIdOf(head)
    return this.#nextId === ANY || seq === this.#nextId
  }

  continued(seq: number): void {
    this.#nextId = (seq + 1) & 0xff
  }

  /** A packet of the client came that no command accounts for. */
  stray(): void {
    if (this.#lost.frontend) this.abort()
  }

  /** The trial failed. */
  abort(): void {
    if (!this.#inTrial) return
    const state = this.#state
    this.#inTrial = false
    this.#isConfirmed = false
    this.#isAlone = false
    state.trial = undefined
    state.prepared.deleteSince(this.#before.seq)
    state.rounds = 0
    if (this.#lost.frontend) {
      state.queue.clear()
      state.cursors.clear()
      this.#hold()
      state.seq = this.#before.seq
      state.statements = this.#before.statements
      state.file = undefined
      if (this.#before.isUnknown) this.#forgetLogin()
      commandsUnseen(state, Number.POSITIVE_INFINITY)
      allUnseen(state, Number.POSITIVE_INFINITY)
      this.#wires.skip('frontend', this.#tried)
      this.#wires.stop('frontend')
    } else {
      giveUp(state, 'replies_lost')
      loseCursors(state)
      this.#hold()
      whoUnseen(state, this.#before.who)
      const { seq, who, charset } = this.#before
      const known = { seq, charset, who, left: state.identity.who }
      state.out.push(...this.#held.flatMap((event) => asUnknown(event, known)))
      textUnseen(state)
    }
    this.#reply.framer = this.#wires.rows
    this.#reply.target = undefined
    this.#reply.enter(FIRST)
    this.#held = []
    if (this.#lost.backend) this.#wires.stop('backend')
  }

  /** What was found out from what was guessed. */
  #forgetLogin(): void {
    this.#state.compressed = false
    this.#state.unknown = new Unknown(this.#state, this.#reply)
  }

  #lose(from: Direction, bytes: number): void {
    const state = this.#state
    this.#lost[from] = true
    this.#wires.stop(from)
    if (from === 'frontend') commandsUnseen(state, bytes)
    else if (!this.#lost.frontend) giveUp(state, 'replies_lost')
    if (this.#lost.frontend && this.#lost.backend) {
      giveUp(state, 'replies_lost')
      allUnseen(state, bytes)
    }
    if (from === 'backend') {
      this.#reply.target = undefined
      this.#reply.enter(FIRST)
    }
  }

  #feedFrontend(chunk: Bytes): void {
    if (this.#inTrial) this.#try(chunk)
    else if (!this.#lost.frontend) {
      this.#begin()
      this.#try(chunk)
    } else if (this.#state.pipelines || (!this.#lost.backend && !this.#isIdle())) {
      this.#isAhead ||= this.#state.queue.head?.files === undefined && this.#judge(chunk) === 'whole'
      this.#search.drop()
      this.#wires.skip('frontend', chunk.length)
    } else this.#look(chunk)
    this.#lookAhead()
  }

  /** Several commands are unanswered at a time: by which of them a reply is asked for nobody can tell. */
  #lookAhead(): void {
    const { queue, pipelines } = this.#state
    if (!this.#inTrial) return
    let next = queue.head?.next
    while (next !== undefined && isUnanswered(next.code)) next = next.next
    if (next !== undefined) this.#isAhead = true
    if (pipelines) this.abort()
  }

  #feedBackend(chunk: Bytes): void {
    if (!this.#inTrial) this.#search.drop()
    if (this.#lost.backend && !this.#inTrial) this.#wires.skip('backend', chunk.length)
    else this.#wires.pass('backend', chunk)
    if (!this.#isAhead) return
    this.#state.pipelines = true
    // what was confirmed was sent, whatever came of it
    if (this.#isConfirmed) this.#lost.frontend = false
    if (this.#isConfirmed) this.#lost.backend = true
    this.abort()
  }

  /** Nothing that was seen is unanswered. */
  #isIdle(): boolean {
    return (
      this.#state.queue.head === undefined &&
      this.#reply.phase === FIRST &&
      !this.#wires.midFrame('backend')
    )
  }

  #look(chunk: Bytes): void {
    const series = this.#search.look(chunk)
    if (series === undefined) {
      if (this.#search.held === 0) this.#tellTls(chunk)
      return
    }
    this.#begin()
    this.#try(series)
  }

  /** By what is known of the connection; where nothing is, it is found out whether packets are wrapped. */
  #judge(series: Bytes): Series {
    const { compressed, unknown } = this.#state
    if (compressed) return readFrames(series).series
    const plain = readPackets(series)
    if (plain !== 'none' || unknown === undefined) return plain
    const frames = readFrames(series)
    if (frames.series === 'whole') this.#unwrap(frames.compression ?? 'zlib')
    return frames.series
  }

  #unwrap(compression: Compression): void {
    this.#state.compressed = true
    this.#state.unknown?.compressed(compression)
  }

  /** Passes bytes of the client on; those of a guess that turns out wrong by them are counted once. */
  #try(bytes: Bytes): void {
    const before = this.#wires.skipped + this.#tried
    this.#wires.pass('frontend', bytes)
    if (this.#inTrial) this.#tried += bytes.length
    else if (this.#lost.frontend)
      this.#wires.skip('frontend', bytes.length - (this.#wires.skipped - before))
  }

  /** Nothing will ever be read of such a session, which its user should know. It is looked at even so. */
  #tellTls(bytes: Bytes): void {
    if (this.#isTlsTold || !this.#lost.backend || !looksLikeTls(bytes)) return
    this.#isTlsTold = true
    const { identity, now, out } = this.#state
    out.push({ event: 'gap', at: now, who: identity.who, gap_reason: 'tls', detail: 'looks like TLS' })
  }

  #begin(): void {
    const state = this.#state
    // whatever was unanswered until now stays so: the server is idle, or its answers are lost
    giveUp(state, 'replies_lost')
    loseCursors(state)
    state.txn.closed('unknown', state.now, state.identity.who, 'replies_lost')
    state.flush()
    state.uncertain = undefined
    state.afterGap = true
    state.trial = this
    this.#before = beforeOf(state)
    this.#tried = 0
    this.#nextId = ANY
    this.#inTrial = true
    this.#held = []
    this.#told = state.out
    state.out = []
    for (const side of ['frontend', 'backend'] as const) if (this.#lost[side]) this.#wires.renew(side)
    this.#reply.target = undefined
    this.#reply.enter(FIRST)
    // in a trial each row is looked at
    this.#reply.framer = { rows: false }
  }

  /** Takes what the trial gave out of the session's sight; what came before it stays. */
  #hold(): void {
    const state = this.#state
    this.#held.push(...state.out)
    state.out = this.#told
    this.#told = []
  }

  /** The client is one that waits for each answer. */
  get #isSure(): boolean {
    return this.#isAlone || this.#state.rounds >= MIN_ROUNDS
  }

  /** Everything was answered, as it should be, and nothing is half said. */
  #isSettled(): boolean {
    this.#state.unknown?.finish()
    const isWhole = this.#isIdle() && !this.#wires.midFrame('frontend')
    return this.#isConfirmed && isWhole && !this.#state.pipelines
  }

  #commit(): void {
    this.#inTrial = false
    this.#isConfirmed = false
    this.#lost.frontend = false
    this.#lost.backend = false
    this.#state.trial = undefined
    this.#reply.framer = this.#wires.rows
    this.#state.out.push(...this.#held)
    this.#held = []
  }
}
