/**
 * Behind lost bytes nobody knows where a message begins. The session goes on where whole chunks of the
 * client read as messages and the server's replies, one by one, are those that such messages have.
 *
 *   waiting ──chunks that read as messages, the server being idle or out of step──▶ trial
 *   trial   ──the server is done with all of them and the client speaks again, or leaves──▶ in step
 *           ──a reply that none of them has, broken framing, more bytes lost──▶ waiting
 *
 * What a trial gives is held until it is over. If it failed, commands that were never in doubt (only replies
 * were lost) are recorded with their outcome unknown, and those that were guessed are forgotten.
 */
import type { AuditEvent, Prepare, Statement } from '../../src/event.ts'
import type { Bytes, Direction } from '../../src/flow.ts'
import { shortString } from '../../src/framing/short-strings.ts'
import { SeriesSearch } from '../common/series-search.ts'
import { looksLikeTls } from '../common/tls-record.ts'
import { giveUp } from './abandon.ts'
import type { Command } from './commands.ts'
import { B, F } from './messages.ts'
import { readSeries } from './series.ts'
import type { PgState } from './state.ts'

/** What a resumption does with the session's wires. */
export interface Wire {
  /** That side's framing begins anew: the next byte is the first one of a message. */
  renew(side: Direction): void
  /** That side is framed no more. */
  stop(side: Direction): void
  /** Is that side within a message? */
  midFrame(side: Direction): boolean
  /** Shows bytes to that side's framer. */
  pass(side: Direction, chunk: Bytes): void
  /** Counts bytes that no record describes. */
  skip(side: Direction, bytes: number): void
  /** how many of the client's were counted so far */
  readonly skipped: number
}

export class Resume {
  readonly #state: PgState
  readonly #wire: Wire
  readonly #lost: Record<Direction, boolean>
  /** the server is in step, and its last word was ReadyForQuery */
  #idle = false
  #inTrial = false
  /** of a trial: a reply came that nothing else would have */
  #isConfirmed = false
  /** of a trial: what it gave, the numbers to go back to, and the client's bytes in it */
  #held: AuditEvent[] = []
  #before = { seq: 0, statements: 0 }
  #tried = 0
  /** that the client seems to speak TLS was told */
  #isTold = false
  readonly #search: SeriesSearch

  constructor(state: PgState, wire: Wire, lost: Readonly<Record<Direction, boolean>>) {
    this.#state = state
    this.#wire = wire
    this.#search = new SeriesSearch(
      (bytes) => readSeries(bytes, state.cursor),
      (bytes) => wire.skip('frontend', bytes),
    )
    this.#lost = { ...lost }
    // a loss that is noticed late has had its answer
    this.#idle =
      state.stray === 'ready' &&
      state.queue.head === undefined &&
      !wire.midFrame('backend') &&
      !lost.backend
    state.stray = 'reply'
    if (lost.frontend && lost.backend) this.#forgetNames()
  }

  get inTrial(): boolean {
    return this.#inTrial
  }

  /** bytes of memory held for it */
  get held(): number {
    return this.#search.held
  }

  isLost(side: Direction): boolean {
    return this.#lost[side]
  }

  /** Answers true when both sides are in step again: the chunk, not used, goes the usual way. */
  feed(from: Direction, chunk: Bytes): boolean {
    if (from === 'backend') this.#feedBackend(chunk)
    else if (this.#inTrial && this.#isSettled()) {
      this.#commit()
      return true
    } else this.#feedFrontend(chunk)
    if (this.#inTrial) this.#hold()
    return false
  }

  /** More was lost. Answers true when that side was in step until now. */
  gap(from: Direction): boolean {
    const isNews = this.#inTrial || !this.#lost[from]
    if (this.#inTrial && from === 'frontend' && this.#isSettled()) this.#commit()
    // what was confirmed was sent, though its outcome is lost
    else if (this.#isConfirmed) this.#lost.frontend = false
    this.abort()
    this.#search.drop()
    this.#lost[from] = true
    if (from === 'backend') this.#idle = false
    this.#wire.stop(from)
    if (this.#lost.frontend && this.#lost.backend) this.#forgetNames()
    else if (from === 'backend') giveUp(this.#state, 'replies_lost')
    return isNews
  }

  close(): void {
    if (!this.#inTrial) this.#search.drop()
    else if (this.#isSettled()) this.#commit()
    else this.abort()
  }

  /** A reply's header was read: does it fit? Called before the message is acted on. */
  header(type: number, length: number): void {
    if (isAsync(type)) return
    if (this.#inTrial && !(fitsLength(type, length) && fits(this.#state, type))) this.abort()
    this.#isConfirmed ||= this.#inTrial && (TELLING.has(type) || this.#isErrorOfQuery(type))
    this.#idle = type === B.ReadyForQuery
  }

  /** In a series an error may be that of a command before it; a Query is alone. */
  #isErrorOfQuery(type: number): boolean {
    return type === B.ErrorResponse && this.#state.queue.head?.kind === 'Query'
  }

  /** A message of the client begins. Copied data belongs to a COPY that the server has agreed to. */
  request(type: number): void {
    const isCopied = type === F.CopyData || type === F.CopyDone || type === F.CopyFail
    const isOdd = type === F.Password || (isCopied && !this.#state.copyIn)
    if (this.#inTrial && this.#lost.frontend && isOdd) this.abort()
  }

  /** A reply that is kept has come: what does it say of commands that nobody saw? */
  reply(type: number, bytes: Bytes, start: number, end: number): void {
    if (this.#lost.backend && !this.#inTrial) return
    const tag = type === B.CommandComplete ? shortString(bytes, start, Math.max(start, end - 1)) : ''
    if (this.#inTrial) {
      if (tag !== '' && !isTagOf(this.#state, tag)) this.abort()
      else this.#isConfirmed ||= tag !== ''
      return
    }
    const { prepared, queue } = this.#state
    if (queue.head !== undefined || isAsync(type)) return
    prepared.delete('')
    if (type === B.CloseComplete || /^(?:DEALLOCATE|DISCARD)/.test(tag)) prepared.clear()
  }

  /** More commands are unanswered than are kept. Answers whether the one at hand is known to be one. */
  overflow(): boolean {
    this.abort()
    return !this.#lost.frontend
  }

  /** The trial failed. */
  abort(): void {
    if (!this.#inTrial) return
    const state = this.#state
    const { queue } = state
    this.#inTrial = false
    this.#isConfirmed = false
    state.tentative = undefined
    if (this.#lost.frontend) {
      while (queue.head !== undefined) queue.shift()
      this.#hold()
      this.#forgetHeld()
      state.statements = this.#before.statements
      this.#forgetNames()
      this.#wire.skip('frontend', this.#tried)
      this.#wire.stop('frontend')
    } else {
      giveUp(state, 'replies_lost')
      state.endPortals()
      this.#hold()
      state.out.push(...this.#held.flatMap(asUnknown))
    }
    state.forgetUnfinished()
    state.arrivals?.overAll()
    this.#held = []
    if (this.#lost.backend) this.#wire.stop('backend')
  }

  /** What a guess gave never was; a number that an intent has told is not given again. */
  #forgetHeld(): void {
    const state = this.#state
    if (state.arrivals === undefined) state.seq = this.#before.seq
    else {
      for (const event of this.#held) {
        if (event.event !== 'statement') continue
        const { at, who, stmt_seq: token } = event
        state.out.push({ event: 'intent.over', at, who, token })
      }
    }
  }

  #feedFrontend(chunk: Bytes): void {
    if (this.#inTrial) this.#try(chunk)
    else if (!this.#lost.frontend) {
      this.#begin()
      this.#try(chunk)
    } else if (!this.#lost.backend && !this.#idle) {
      this.#search.drop()
      this.#wire.skip('frontend', chunk.length)
    } else this.#look(chunk)
  }

  #feedBackend(chunk: Bytes): void {
    if (!this.#inTrial) this.#search.drop()
    if (this.#lost.backend && !this.#inTrial) this.#wire.skip('backend', chunk.length)
    else this.#wire.pass('backend', chunk)
  }

  /** Does this chunk, or what came before together with it, read as messages? */
  #look(chunk: Bytes): void {
    const series = this.#search.look(chunk)
    if (series === undefined) {
      if (this.#search.held === 0) this.#tellTls(chunk)
      return
    }
    this.#begin()
    this.#try(series)
  }

  /** Passes bytes of the client on; those of a guess that turns out wrong by them are counted once. */
  #try(bytes: Bytes): void {
    const before = this.#wire.skipped + this.#tried
    this.#wire.pass('frontend', bytes)
    if (this.#inTrial) this.#tried += bytes.length
    else if (this.#lost.frontend) this.#wire.skip('frontend', bytes.length - (this.#wire.skipped - before))
  }

  /** Nothing will ever be read of such a session, which its user should know. It is looked at even so. */
  #tellTls(bytes: Bytes): void {
    if (this.#isTold || !this.#lost.backend || !looksLikeTls(bytes)) return
    this.#isTold = true
    const { identity, now, out } = this.#state
    out.push({ event: 'gap', at: now, who: identity.who, gap_reason: 'tls', detail: 'looks like TLS' })
  }

  #begin(): void {
    const state = this.#state
    // whatever was unanswered until now stays so: the server is idle, or its answers are lost
    giveUp(state, 'replies_lost')
    state.endPortals()
    state.flushTransactions()
    state.forgetUnfinished()
    state.arrivals?.overAll()
    state.uncertain = undefined
    state.stray = 'none'
    state.afterGap = true
    state.tentative = this
    this.#before = { seq: state.seq, statements: state.statements }
    this.#tried = 0
    this.#idle = false
    this.#inTrial = true
    this.#held = []
    this.#told = state.out
    state.out = []
    for (const side of ['frontend', 'backend'] as const) if (this.#lost[side]) this.#wire.renew(side)
  }

  /** events from before the trial in the feed that began it */
  #told: AuditEvent[] = []

  /** Takes what the trial gave out of the session's sight; what came before it stays. */
  #hold(): void {
    const state = this.#state
    const told = this.#told
    for (const event of state.out) (isOfIntents(event) ? told : this.#held).push(event)
    state.out = told
    this.#told = []
  }

  /** Everything was answered, and nothing is half said. */
  #isSettled(): boolean {
    const { queue, ended, skipping } = this.#state
    const isQuiet = !this.#wire.midFrame('backend') && !this.#wire.midFrame('frontend')
    return (this.#idle || ended) && queue.head === undefined && isQuiet && !skipping
  }

  #commit(): void {
    this.#inTrial = false
    this.#isConfirmed = false
    this.#lost.frontend = false
    this.#lost.backend = false
    this.#state.tentative = undefined
    this.#state.out.push(...this.#held)
    this.#held = []
  }

  /** Names may mean anything by now. */
  #forgetNames(): void {
    this.#state.prepared.clear()
    this.#state.forgetSkipped()
  }
}

/** Intents are told at once, whatever comes of the guess. */
const isOfIntents = ({ event }: AuditEvent): boolean => event === 'intent' || event === 'intent.over'

/** Replies that come at any time. */
const isAsync = (type: number): boolean =>
  type === B.NoticeResponse || type === B.NotificationResponse || type === B.ParameterStatus

const EMPTY: ReadonlySet<number> = new Set([
  ...[B.ParseComplete, B.BindComplete, B.CloseComplete],
  ...[B.NoData, B.PortalSuspended, B.EmptyQueryResponse, B.CopyDone],
])
const MAX_TAG = 64

/** Replies that only the kind of command has which is at the head. */
const TELLING: ReadonlySet<number> = new Set([
  ...[B.RowDescription, B.ParseComplete, B.BindComplete, B.CloseComplete, B.ParameterDescription],
  ...[B.NoData, B.PortalSuspended, B.EmptyQueryResponse, B.FunctionCallResponse],
  ...[B.CopyInResponse, B.CopyOutResponse, B.CopyBothResponse],
])

const fitsLength = (type: number, length: number): boolean => {
  if (EMPTY.has(type)) return length === 0
  if (type === B.ReadyForQuery) return length === 1
  return type === B.CommandComplete ? length > 1 && length <= MAX_TAG : length > 0
}

const RUNS: readonly number[] = [
  ...[B.DataRow, B.CommandComplete, B.EmptyQueryResponse],
  ...[B.CopyInResponse, B.CopyOutResponse, B.CopyBothResponse, B.CopyData, B.CopyDone],
]

/** Replies of each kind of command, an error apart, which each may have. */
const REPLIES: Readonly<Partial<Record<Command['kind'], readonly number[]>>> = {
  Query: [...RUNS, B.RowDescription, B.ReadyForQuery],
  Parse: [B.ParseComplete],
  Bind: [B.BindComplete],
  DescribeStatement: [B.ParameterDescription, B.RowDescription, B.NoData],
  DescribePortal: [B.RowDescription, B.NoData],
  Execute: [...RUNS, B.PortalSuspended],
  CloseStatement: [B.CloseComplete],
  ClosePortal: [B.CloseComplete],
  Sync: [B.ReadyForQuery],
  FunctionCall: [B.FunctionCallResponse, B.ReadyForQuery],
}

const fits = ({ queue, copyIn, ended }: PgState, type: number): boolean => {
  const { head } = queue
  if (copyIn || ended) return true
  if (head === undefined) return type === B.ErrorResponse
  // an error in a series may be that of a command before it: what it cut short tells no more
  if (type === B.ErrorResponse) return head.kind === 'Query'
  const wanted = REPLIES[head.kind]
  if (wanted === undefined) return true
  const isEarly = type === B.ReadyForQuery && head.kind !== 'Sync' && head.execution?.answered !== true
  return wanted.includes(type) && !isEarly
}

const FIRST_WORD = /^\s*([a-z]+)\b/i
/** Statements whose tag begins with another word, or with one of several; null: with any. */
const TAGS: Readonly<Record<string, readonly string[] | null>> = {
  ABORT: ['ROLLBACK'],
  ANALYSE: ['ANALYZE'],
  COMMIT: ['COMMIT', 'ROLLBACK'],
  CREATE: ['CREATE', 'SELECT'],
  END: ['COMMIT', 'ROLLBACK'],
  EXECUTE: null,
  PREPARE: ['PREPARE', 'ROLLBACK'],
  TABLE: ['SELECT'],
  VALUES: ['SELECT'],
  WITH: null,
}

/** Can a statement of that text have this tag? The tag's first word is the statement's, mostly. */
const isTagOf = ({ queue, portals }: PgState, tag: string): boolean => {
  const head = queue.head
  const execution = head?.execution ?? (head && portals.get(head.portal)?.execution)
  if (execution?.tag !== undefined) return true
  const word = FIRST_WORD.exec(execution?.text?.text ?? '')?.[1]?.toUpperCase()
  if (word === undefined) return true
  const wanted = Object.hasOwn(TAGS, word) ? TAGS[word] : [word]
  return wanted === null || wanted?.includes(tag.split(' ', 1)[0] as string) === true
}

/** What stays of a record whose reply may have been another's. */
const asUnknown = (event: AuditEvent): AuditEvent[] => {
  if (event.event === 'statement') return [unknownStatement(event)]
  if (event.event === 'prepare') return [unknownPrepare(event)]
  return event.event === 'message' || event.event === 'cancel' ? [event] : []
}

const unknownStatement = (event: Statement): Statement => {
  const { at, who, stmt_seq, protocol, text, values, stmt_name, prepare_seq, portal_name } = event
  const { function_oid, malformed, body_hex, after_gap } = event
  const kept = { event: 'statement', at, who, stmt_seq, protocol, text, values } as const
  const names = { stmt_name, prepare_seq, portal_name, function_oid, malformed, body_hex, after_gap }
  return { ...kept, ...names, outcome: 'unknown', reason: 'replies_lost' }
}

const unknownPrepare = (event: Prepare): Prepare => {
  const { at, who, stmt_seq, text, stmt_name, malformed, body_hex, after_gap } = event
  const kept = { event: 'prepare', at, who, stmt_seq, text, stmt_name } as const
  return { ...kept, outcome: 'unknown', malformed, body_hex, after_gap }
}
