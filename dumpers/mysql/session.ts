/**
 * The MySQL session: bytes of two directions in, events out.
 *
 *   phase                        ends by
 *   greeting  ──version 10──▶ login       ──ERR──▶ over      ──anything else──▶ lost (gap foreign, mysqlx)
 *   login     ──SSLRequest──▶ opaque (gap tls)
 *             ──OK──▶ ready (compressed from here on, if that was agreed)    ──ERR──▶ over
 *   ready     ──COM_QUIT──▶ the frontend is not read any more
 *
 * What is sent behind the log-in before it is decided waits: it runs if that is accepted, and never ran if
 * not.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html}
 */
import { type AuditEvent, type GapReason, NO_EVENTS, type ServerError } from '../../src/event.ts'
import type { Bytes, Direction, Micros } from '../../src/flow.ts'
import { SKIP } from '../../src/framing/framer.ts'
import type { PayloadHandler } from '../../src/framing/mysql.ts'
import type { Refusal, Session, SessionContext, SessionTotals } from '../../src/session.ts'
import { type GapFacts, gapEvent } from '../common/gap-event.ts'
import { decodeGreeting } from './decode-login.ts'
import { EarlyBytes } from './early.ts'
import { EarlyIntents } from './early-intents.ts'
import { closeCommands, FATAL, giveUp, tellOpen } from './ending.ts'
import { FrontendPayloads } from './frontend.ts'
import { Intents } from './intents.ts'
import { Login } from './login.ts'
import { Memory } from './memory.ts'
import { MessageLines } from './message-detail.ts'
import { isMysqlx, MYSQLX_NOTICE } from './mysqlx.ts'
import { HEAD, type Ok } from './packets.ts'
import { refuse } from './refusal.ts'
import { addRows, keepOfReply, onReply, readError } from './replies.ts'
import { Resume } from './resume.ts'
import { MysqlState } from './state.ts'
import { onChanges } from './track.ts'
import { ReplyState } from './turn.ts'
import { Unknown } from './unknown.ts'
import { replyUnasked } from './unseen.ts'
import { Wires } from './wires.ts'

type Phase = 'greeting' | 'login' | 'ready' | 'opaque' | 'lost' | 'over'

/** Kept of a greeting, a log-in, and the server's answers to it. */
const MAX_LOGIN = 131_072
const VERSION_10 = 10
const VERSION_9 = 9

export class MysqlSession implements Session {
  readonly #state: MysqlState
  readonly #reply = new ReplyState()
  readonly #login: Login
  readonly #memory: Memory
  readonly #commands: FrontendPayloads
  readonly #wires: Wires
  /** commands are told of before they are sent on */
  #intents: Intents | undefined
  #earlyIntents: EarlyIntents | undefined
  #phase: Phase = 'greeting'
  /** what the client sent before it is known what it means */
  #early: EarlyBytes | undefined = new EarlyBytes(false)
  #mysqlx = false
  /** bytes were lost, and the session is not in step again */
  #resume: Resume | undefined
  /** a reply came while a command was coming: bytes of that are lost, which has yet to be told */
  #isAnsweredEarly = false
  fatal: ServerError | undefined

  constructor(context: SessionContext) {
    const state = new MysqlState(context)
    this.#state = state
    this.#login = new Login(state)
    this.#memory = new Memory(state)
    if (context.detail === 'message') state.lines = new MessageLines(state)
    else if (context.intents === true) state.intents = this.#intents = new Intents(state)
    this.#commands = new FrontendPayloads(
      state,
      this.#reply,
      () => this.#quit(),
      () => this.#stray(),
    )
    this.#wires = new Wires({
      state,
      login: this.#loginPayloads(),
      commands: this.#commands,
      replies: this.#backendPayloads(),
      pass: (side, chunk) => (side === 'frontend' ? this.#feedFrontend(chunk) : this.#feedBackend(chunk)),
      lost: (side) => this.#lostFraming(side),
    })
    this.#reply.framer = this.#wires.rows
    this.#memory.limit(false)
  }

  get login(): 'before' | 'loggedIn' | 'opaque' {
    if (this.#phase === 'ready') return 'loggedIn'
    return this.#phase === 'opaque' || this.#phase === 'lost' ? 'opaque' : 'before'
  }

  get totals(): SessionTotals {
    return {
      who: this.#state.identity.who,
      statements: this.#state.statements,
      undecodedIn: this.#wires.undecodedIn,
      undecodedOut: this.#wires.undecodedOut,
    }
  }

  feed(from: Direction, chunk: Bytes, at: Micros): readonly AuditEvent[] {
    this.#state.now = at
    this.#intents?.chunk(from === 'frontend' ? chunk : undefined)
    if (this.#state.context.budget !== undefined) this.#memory.limit(this.#phase === 'ready')
    const resume = this.#resume
    // a session that lost bytes takes the chunk, unless it is back in step
    if (resume === undefined || resume.feed(from, chunk)) {
      this.#resume = undefined
      if (from === 'backend') this.#feedBackend(chunk)
      else this.#feedFrontend(chunk)
    }
    const kept = (this.#early?.held ?? 0) + (this.#resume?.held ?? 0)
    this.#memory.account(this.#wires.held + kept)
    return this.#take()
  }

  midStream(at: Micros): readonly AuditEvent[] {
    this.#state.now = at
    this.#gap(undefined, 'mid-stream')
    this.#recover({ frontend: true, backend: true }, Number.POSITIVE_INFINITY)
    return this.#take()
  }

  gap(from: Direction, bytes: number, at: Micros): readonly AuditEvent[] {
    if (bytes <= 0) return NO_EVENTS
    this.#state.now = at
    const wire = this.#wires.of(from)
    if (!wire.stopped && this.#phase !== 'greeting' && wire.gap(bytes)) return this.#take()
    this.#wires.skip(from, bytes)
    if (from === 'frontend' && this.#isHole(bytes)) {
      this.#gap(from, 'lost', { gap_bytes: bytes })
      this.#state.afterGap = true
    } else if (this.#resume?.gap(from, bytes) ?? !wire.stopped) this.#losing(from, bytes)
    return this.#take()
  }

  /** Do lost bytes lie within a command? It keeps its place then, if it is not answered yet. */
  #isHole(bytes: number): boolean {
    const { frontend } = this.#wires
    const isEarly = this.#isAnsweredEarly
    this.#isAnsweredEarly = false
    return this.#phase === 'ready' && !frontend.stopped && !isEarly && frontend.hole(bytes)
  }

  /** Bytes were lost that matter: the session looks for a place to go on. */
  #losing(from: Direction, bytes: number): void {
    this.#gap(from, 'lost', { gap_bytes: bytes })
    if (this.#resume !== undefined) return
    const isEarly = this.#phase !== 'ready'
    if (this.#phase === 'login' && from === 'backend') this.#login.outcome('unknown')
    const lost = { frontend: isEarly || from === 'frontend', backend: isEarly || from === 'backend' }
    this.#recover(lost, bytes)
  }

  #recover(lost: Readonly<Record<Direction, boolean>>, bytes: number): void {
    if (this.#phase !== 'ready') {
      if (!this.#login.responded) this.#state.unknown = new Unknown(this.#state, this.#reply)
      this.#wires.undecodedIn += this.#early?.take().length ?? 0
      this.#early = undefined
      this.#phase = 'ready'
      this.#memory.limit(true)
    }
    this.#resume = new Resume(this.#state, this.#reply, this.#wires, lost, bytes)
  }

  sent(at: Micros, unsent = 0): void {
    this.#intents?.sent(at, unsent)
    if (this.#early !== undefined) this.#earlyIntents?.sent(this.#early, unsent)
  }

  get heldFrom(): number {
    return this.#intents?.heldFrom ?? 0
  }

  refusal(refusal: Refusal): Bytes | undefined {
    return refuse(refusal, this.#resume === undefined ? this.#phase : 'lost', this.#state, this.#wires)
  }

  close(at: Micros): readonly AuditEvent[] {
    const state = this.#state
    state.now = at
    this.#resume?.close()
    if (this.#phase === 'login' && this.#login.responded) this.#beginUndecided()
    if (this.#phase === 'ready') closeCommands(state, true)
    this.#login.release()
    this.#phase = 'over'
    this.#memory.release()
    return this.#take()
  }

  /** Nobody saw the log-in decided: what was sent along may have run. */
  #beginUndecided(): void {
    this.#login.outcome('unknown')
    this.#begin()
  }

  stillOpen(since: Micros): readonly AuditEvent[] {
    if (this.#phase === 'ready') tellOpen(this.#state, since)
    return this.#take()
  }

  #take(): readonly AuditEvent[] {
    this.#intents?.give(this.#phase === 'login')
    const { out } = this.#state
    if (out.length === 0) return NO_EVENTS
    this.#state.out = []
    return out
  }

  #feedFrontend(chunk: Bytes): void {
    if (this.#wires.frontend.stopped) this.#wires.undecodedIn += chunk.length
    else if (this.#early !== undefined) this.#hold(chunk)
    else {
      const rest = chunk.length - this.#wires.frontend.feed(chunk)
      if (rest === 0) return
      // behind the log-in
      if (this.#phase === 'login') this.#hold(chunk.subarray(chunk.length - rest))
      else this.#wires.undecodedIn += rest
    }
    if (this.#state.overflowed && !this.#wires.frontend.stopped) this.#stop('overflow')
  }

  #hold(chunk: Bytes): void {
    this.#early ??= new EarlyBytes(true)
    if (this.#early.add(chunk)) {
      if (this.#phase === 'greeting' && isMysqlx(this.#early.bytes)) this.#tellMysqlx()
      else if (this.#phase === 'login' && this.#intents !== undefined) {
        this.#earlyIntents ??= new EarlyIntents(this.#state, this.#intents)
        this.#earlyIntents.look(this.#early)
      }
      return
    }
    this.#wires.undecodedIn += chunk.length
    // the commands before these bytes may have been sent on, and run
    if (this.#phase === 'login' && this.#login.responded) this.#beginUndecided()
    this.#wires.undecodedIn += this.#early?.take().length ?? 0
    this.#stop('overflow')
  }

  /** A client that speaks first, and as the X protocol has it; told once. */
  #tellMysqlx(): void {
    if (this.#mysqlx) return
    this.#mysqlx = true
    this.#gap(undefined, 'mysqlx')
  }

  #feedBackend(chunk: Bytes): void {
    let at = 0
    // at the end of the log-in it is split, for what follows may be compressed
    while (at < chunk.length && !this.#wires.backend.stopped) {
      this.#wires.backend.paused = false
      at += this.#wires.backend.feed(at === 0 ? chunk : chunk.subarray(at))
    }
    this.#wires.undecodedOut += chunk.length - at
  }

  /** The client's first packet: its log-in, or the request for TLS. */
  #loginPayloads(): PayloadHandler {
    return {
      header: () => MAX_LOGIN,
      beyond: () => {},
      frame: (_seq, _first, bytes, start, end) => {
        this.#wires.frontend.paused = true
        if (this.#login.packet(bytes, start, end)) return
        this.#stop('tls')
        this.#phase = 'opaque'
      },
    }
  }

  #backendPayloads(): PayloadHandler {
    const state = this.#state
    const reply = this.#reply
    return {
      header: (seq, first, length) => {
        if (this.#phase === 'ready') {
          state.unknown?.reply(first, length)
          this.#resume?.header(seq, first, length)
          return keepOfReply(state, reply, first, length)
        }
        if (this.#phase === 'greeting') return this.#keepOfGreeting(seq, first)
        if (this.#phase === 'login' && first === HEAD.AUTH_MORE_DATA) return SKIP
        return MAX_LOGIN
      },
      beyond: () => {},
      run: (count, bytes) => addRows(state, reply, count, bytes),
      frame: (seq, first, bytes, start, end, length) => {
        if (this.#phase === 'ready') this.#answer(seq, first, bytes, start, end, length)
        else if (this.#phase === 'greeting') this.#greeting(first, bytes, start, end)
        else this.#loginReply(first, bytes, start, end)
      },
    }
  }

  /** What a server may begin with is known by its first five bytes. */
  #keepOfGreeting(seq: number, first: number): number {
    if (seq === 0 && (first === VERSION_10 || first === VERSION_9 || first === HEAD.ERR)) return MAX_LOGIN
    if (seq === 0 && first === MYSQLX_NOTICE) this.#tellMysqlx()
    this.#foreign()
    return SKIP
  }

  #greeting(first: number, bytes: Bytes, start: number, end: number): void {
    const state = this.#state
    if (first === HEAD.ERR) {
      this.#refused(readError(state, bytes, start, end))
      return
    }
    try {
      const greeting = decodeGreeting(state.cursor.reset(bytes, start, end))
      if (greeting.protocol !== VERSION_10) {
        this.#foreign('protocol version 9')
        return
      }
      this.#login.greeting(greeting)
    } catch {
      this.#foreign()
      return
    }
    this.#phase = 'login'
    const early = this.#early?.take()
    this.#early = undefined
    if (early !== undefined && early.length > 0) this.#feedFrontend(early)
  }

  #foreign(detail?: string): void {
    if (this.#mysqlx) {
      this.#wires.stopBoth()
      this.#phase = 'lost'
    } else this.#stop('foreign', detail)
    this.#wires.undecodedIn += this.#early?.take().length ?? 0
  }

  #loginReply(first: number, bytes: Bytes, start: number, end: number): void {
    if (first === HEAD.ERR) this.#refused(readError(this.#state, bytes, start, end))
    else {
      const ok = this.#login.reply(first, bytes, start, end)
      if (ok !== undefined) this.#accepted(ok)
    }
  }

  #refused(error: ServerError | undefined): void {
    // a report of progress is no error
    if (error === undefined) return
    this.fatal = error
    this.#login.outcome('error', error)
    this.#phase = 'over'
    this.#wires.stopBoth()
    this.#wires.undecodedIn += this.#early?.take().length ?? 0
  }

  #accepted(ok: Ok): void {
    onChanges(this.#state, ok.changes)
    this.#login.outcome('success')
    this.#wires.backend.paused = true
    // the server took the log-in without that answer, and takes no command behind it
    if (this.#early?.midAnswer === true) this.#lose('frontend', 'framing')
    this.#begin()
  }

  /** Commands are read from here on; those that came early first. */
  #begin(): void {
    this.#phase = 'ready'
    this.#memory.limit(true)
    this.#wires.beginCommands()
    const early = this.#early?.take()
    this.#early = undefined
    if (early === undefined || early.length === 0 || this.#wires.frontend.stopped) return
    const sent = this.#earlyIntents?.sentBytes ?? 0
    this.#feedFrontend(early.subarray(0, sent))
    this.#intents?.sent(this.#state.now, 0)
    this.#feedFrontend(early.subarray(sent))
  }

  #lostFraming(side: Direction): void {
    if (this.#resume === undefined) this.#lose(side, 'framing')
    else {
      this.#state.prepared.forget()
      this.#resume.gap(side, 0)
    }
  }

  #answer(seq: number, first: number, bytes: Bytes, start: number, end: number, length: number): void {
    const state = this.#state
    const { head } = state.queue
    const unasked = head === undefined || (seq === 0 && !head.answered && !state.compressed)
    if (first === HEAD.ERR && unasked) {
      // the server's last word, which answers nothing; or an answer to what nobody saw
      if (this.#wires.frontend.stopped || this.#resume !== undefined) {
        if (seq === 1) replyUnasked(state, first, length)
        return
      }
      this.fatal = readError(state, bytes, start, end) ?? this.fatal
      if (head === undefined && !FATAL.has(this.fatal?.error_number ?? 0)) this.#unasked()
      return
    }
    if (head === undefined) {
      if (seq === 1) replyUnasked(state, first, length)
      this.#unasked()
    }
    const error = onReply(state, this.#reply, first, bytes, start, end, length)
    this.fatal = error !== undefined && FATAL.has(error.error_number ?? 0) ? error : undefined
    if (state.ended && !this.#wires.frontend.stopped) this.#quit()
  }

  /** A reply to nothing: the server may have run what nobody saw. */
  #unasked(): void {
    this.#isAnsweredEarly ||= this.#wires.midFrame('frontend')
    if (!this.#wires.frontend.stopped && this.#resume === undefined)
      this.#state.doubt('backend', 'reply to no command')
  }

  #quit(): void {
    this.fatal = undefined
    this.#wires.frontend.stopped = true
  }

  /** A packet whose sequence id says that it belongs to nothing: the server refuses it, and says so. */
  #stray(): void {
    if (this.#resume !== undefined) this.#resume.stray()
    else this.#state.doubt('frontend', 'packet out of order')
  }

  /** Neither direction can be decoded any more. */
  #stop(reason: GapReason, detail?: string): void {
    this.#wires.stopBoth()
    this.#gap(undefined, reason, detail === undefined ? {} : { detail })
    if (this.#phase === 'ready') closeCommands(this.#state)
    this.#phase = 'lost'
  }

  /** That direction cannot be decoded any more. */
  #lose(from: Direction, reason: GapReason, bytes?: number): void {
    this.#wires.stop(from)
    this.#gap(from, reason, bytes === undefined ? {} : { gap_bytes: bytes })
    if (from === 'backend' && this.#phase === 'ready') giveUp(this.#state, 'replies_lost')
  }

  #gap(from: Direction | undefined, reason: GapReason, facts?: GapFacts): void {
    const { identity, now, out } = this.#state
    out.push(gapEvent(now, identity.who, reason, from, facts))
  }
}
