/**
 * The PostgreSQL session: bytes of two directions in, events out.
 *
 *   phase                      ends by
 *   startup   ──SSLRequest, GSSENCRequest──▶ asking ──'N'──▶ startup
 *                                            asking ──'S', 'G'──▶ opaque (gap tls, gss)
 *             ──CancelRequest──▶ over        ──anything else──▶ lost (gap foreign, tls)
 *             ──StartupMessage─▶ login ──ReadyForQuery──▶ ready
 *                                login ──ErrorResponse──▶ over
 *   login, ready               ──a length that makes no sense──▶ that direction is lost (gap framing)
 *
 * Commands sent before the log-in is decided wait on the queue: they run if it is accepted, and never ran
 * if not.
 * The manual's sections "Message Flow" and "Message Formats" are the source:
 * {@link https://www.postgresql.org/docs/current/protocol-flow.html}
 */
import { type AuditEvent, type GapReason, NO_EVENTS, type ServerError } from '../../src/event.ts'
import type { Bytes, Direction, Micros } from '../../src/flow.ts'
import type { FrameHandler } from '../../src/framing/framer.ts'
import { ANSWER, PgFramer, STARTUP } from '../../src/framing/pg.ts'
import type { Refusal, Session, SessionContext, SessionTotals } from '../../src/session.ts'
import { type GapFacts, gapEvent } from '../common/gap-event.ts'
import type { LongText } from '../common/long-text.ts'
import { giveUp } from './abandon.ts'
import type { LongBind } from './bound-values.ts'
import { mayTakeForData } from './copy-failure.ts'
import { decodeErrorResponse } from './decode.ts'
import { closeCommands, onErrorResponse } from './failures.ts'
import { refusal } from './handshake.ts'
import { HeldBytes } from './held-bytes.ts'
import { countReplies, keepOfReply, keepOfRequest } from './keep.ts'
import { Login, startupOf } from './login.ts'
import { Memory } from './memory.ts'
import { MessageLines } from './message-detail.ts'
import { B, F } from './messages.ts'
import { openHead } from './record-open.ts'
import * as replies from './replies.ts'
import * as requests from './requests.ts'
import { Resume } from './resume.ts'
import { PgState } from './state.ts'

type Phase = 'startup' | 'asking' | 'login' | 'ready' | 'opaque' | 'lost' | 'over'

/** First byte of a TLS record that holds a handshake. */
const TLS_HANDSHAKE = 0x16

export class PgSession implements Session {
  readonly #state: PgState
  readonly #login: Login
  #frontend: PgFramer
  #backend: PgFramer
  #phase: Phase = 'startup'
  /** what the server was asked while `asking` */
  #asked: 'tls' | 'gss' = 'tls'
  /** frontend bytes whose meaning awaits that answer */
  readonly #held = new HeldBytes()
  #firstByte = -1
  #unknownTold = false
  #undecodedIn = 0
  #undecodedOut = 0
  #long: LongText | LongBind | undefined
  readonly #memory: Memory
  /** bytes were lost, and the session is not yet back in step */
  #resume: Resume | undefined
  fatal: ServerError | undefined

  constructor(context: SessionContext) {
    this.#state = new PgState(context)
    this.#login = new Login(this.#state)
    this.#memory = new Memory(this.#state)
    if (context.detail === 'message') this.#state.lines = new MessageLines(this.#state)
    this.#frontend = new PgFramer(this.#frontendFrames())
    this.#backend = new PgFramer(this.#backendFrames())
    this.#frontend.expect('startup')
    this.#backend.expect('typed')
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
      undecodedIn: this.#undecodedIn,
      undecodedOut: this.#undecodedOut,
    }
  }

  feed(from: Direction, chunk: Bytes, at: Micros): readonly AuditEvent[] {
    this.#state.now = at
    if (from === 'frontend') this.#state.arrivals?.chunk(chunk.length)
    if (this.#state.context.budget !== undefined) this.#memory.limit(this.#phase === 'ready')
    const resume = this.#resume
    // a session that lost bytes takes the chunk, unless it is back in step
    if (resume === undefined || resume.feed(from, chunk)) {
      this.#resume = undefined
      if (from === 'backend') this.#feedBackend(chunk)
      else this.#feedFrontend(chunk)
    } else if (from === 'frontend') this.#state.arrivals?.forgetPlace()
    const kept = this.#held.length + (this.#resume?.held ?? 0)
    this.#memory.account(this.#frontend.held + this.#backend.held + kept)
    return this.#take()
  }

  midStream(at: Micros): readonly AuditEvent[] {
    this.#state.now = at
    this.#phase = 'ready'
    this.#memory.limit(true)
    this.#gap(undefined, 'mid-stream')
    this.#recover({ frontend: true, backend: true })
    return this.#take()
  }

  gap(from: Direction, bytes: number, at: Micros): readonly AuditEvent[] {
    if (bytes <= 0) return NO_EVENTS
    this.#state.now = at
    const framer = from === 'frontend' ? this.#frontend : this.#backend
    if (this.#phase === 'asking' && from === 'frontend') this.#dropHeld(bytes, 'lost')
    else if (framer.stopped || !framer.gap(bytes)) {
      this.#count(from, bytes)
      const isNews = this.#resume?.gap(from) ?? !framer.stopped
      if (isNews) this.#losing(from, bytes)
    }
    return this.#take()
  }

  /** Bytes were lost that matter: the session looks for a place to go on. */
  #losing(from: Direction, bytes: number): void {
    const isEarly = this.#phase === 'startup' || this.#phase === 'asking'
    if (this.#resume !== undefined) this.#gap(from, 'lost', { gap_bytes: bytes })
    else this.#lose(from, 'lost', bytes)
    if (this.#phase === 'login' && from === 'backend') this.#login.outcome('unknown')
    if (isEarly || from === 'backend') this.#phase = 'ready'
    if (this.#resume === undefined)
      this.#recover({ frontend: from === 'frontend' || isEarly, backend: from === 'backend' || isEarly })
  }

  #recover(lost: Readonly<Record<Direction, boolean>>): void {
    const framerOf = (side: Direction) => (side === 'frontend' ? this.#frontend : this.#backend)
    const stop = (side: Direction) => {
      framerOf(side).stopped = true
    }
    for (const side of ['frontend', 'backend'] as const) if (lost[side]) stop(side)
    const skipped = () => this.#undecodedIn
    this.#resume = new Resume(
      this.#state,
      {
        get skipped() {
          return skipped()
        },
        stop,
        renew: (side) => {
          if (side === 'frontend') this.#frontend = new PgFramer(this.#frontendFrames())
          else this.#backend = new PgFramer(this.#backendFrames())
          framerOf(side).expect('typed')
        },
        midFrame: (side) => framerOf(side).midFrame,
        pass: (side, chunk) => (side === 'frontend' ? this.#feedFrontend(chunk) : this.#feedBackend(chunk)),
        skip: (side, bytes) => this.#count(side, bytes),
      },
      lost,
    )
  }

  close(at: Micros): readonly AuditEvent[] {
    const state = this.#state
    state.now = at
    this.#resume?.close()
    if (this.#phase === 'login' && !state.ended) this.#closeLogin()
    if (this.#phase === 'ready') closeCommands(this.#state)
    this.#login.release()
    state.arrivals?.overAll()
    this.#phase = 'over'
    this.#memory.release()
    return this.#take()
  }

  /** Nobody saw the log-in decided: what was sent along may have run. */
  #closeLogin(): void {
    this.#login.outcome('unknown')
    if (!this.#login.mayHaveSucceeded) return
    if (this.#state.dropPlaceholders() > 0 && !this.#state.overflowed) this.#gap('frontend', 'overflow')
    closeCommands(this.#state)
  }

  sent(at: Micros, unsent = 0): void {
    this.#state.arrivals?.sent(at, unsent)
  }

  get heldFrom(): number {
    return this.#state.arrivals?.heldFrom ?? 0
  }

  /** Between two messages of the server, until it has ended the session itself. */
  refusal(why: Refusal): Bytes | undefined {
    const isPlain = this.#phase === 'startup' || this.#phase === 'login' || this.#phase === 'ready'
    const isLost = this.#backend.stopped || this.#backend.midFrame
    return isPlain && !isLost && !this.#state.ended ? refusal(why) : undefined
  }

  stillOpen(since: Micros): readonly AuditEvent[] {
    if (this.#phase !== 'ready' || this.#resume?.inTrial === true) return NO_EVENTS
    openHead(this.#state, since)
    return this.#take()
  }

  #take(): readonly AuditEvent[] {
    const { out } = this.#state
    if (out.length === 0) return NO_EVENTS
    this.#state.out = []
    return out
  }

  #feedFrontend(chunk: Bytes): void {
    if (this.#firstByte < 0 && chunk.length > 0) this.#firstByte = chunk[0] as number
    if (this.#phase === 'asking') this.#hold(chunk)
    else if (this.#frontend.stopped) this.#undecodedIn += chunk.length
    else {
      const used = this.#frontend.feed(chunk)
      if (used === chunk.length) return
      if ((this.#phase as Phase) === 'asking') this.#hold(chunk.subarray(used))
      else this.#undecodedIn += chunk.length - used
    }
  }

  /** A proxy's own dialogue never lets it come to more than is kept. */
  #hold(chunk: Bytes): void {
    if (!this.#held.add(chunk)) this.#dropHeld(chunk.length, 'overflow')
  }

  /** What was held does not join what follows: nobody can tell where a message begins. */
  #dropHeld(more: number, reason: GapReason): void {
    this.#undecodedIn += this.#held.take().length + more
    this.#stop(reason)
  }

  #feedBackend(chunk: Bytes): void {
    const used = this.#backend.stopped ? 0 : this.#backend.feed(chunk)
    this.#undecodedOut += chunk.length - used
  }

  #frontendFrames(): FrameHandler {
    return {
      header: (type, length) => this.#frontendHeader(type, length),
      run: (_type, count, bytes) => requests.pushCopyData(this.#state, bytes, count),
      frame: (type, bytes, start, end, length) => {
        if (this.#state.arrivals !== undefined) this.#state.arrivals.messageAt = this.#frontend.began
        if (type === STARTUP && this.#phase === 'startup') this.#startup(bytes, start, end)
        else this.#request({ type, bytes, start, end, length, long: this.#long })
        this.#long = undefined
        if (this.#state.overflowed) this.#stop('overflow')
      },
      beyond: (type, head, bytes, start, end) => {
        this.#long ??= requests.openLong(this.#state, type, head)
        this.#long?.add(bytes, start, end)
      },
      lost: () => {
        const tls = this.#phase === 'startup' && this.#firstByte === TLS_HANDSHAKE
        if (this.#phase === 'startup') this.#stop(tls ? 'tls' : 'foreign')
        else this.#lostFraming('frontend')
      },
    }
  }

  #frontendHeader(type: number, length: number): number {
    this.#resume?.request(type)
    if (type === F.Password) this.#login.passwords++
    return keepOfRequest(this.#state, type, length)
  }

  #startup(bytes: Bytes, start: number, end: number): void {
    const packet = startupOf(this.#state, bytes, start, end)
    switch (packet.kind) {
      case 'SSLRequest':
      case 'GSSENCRequest':
        if (this.#backend.midFrame) {
          // a server that speaks before it is asked speaks another protocol
          this.#stop('foreign')
          return
        }
        this.#phase = 'asking'
        this.#asked = packet.kind === 'SSLRequest' ? 'tls' : 'gss'
        this.#frontend.stopped = true
        this.#backend.expect('answer')
        return
      case 'CancelRequest':
        this.#login.cancel(packet)
        this.#end()
        return
      case 'UnknownStartup':
        this.#stop('foreign')
        return
      case 'StartupMessage':
        this.#login.startup(packet)
        this.#phase = 'login'
        this.#frontend.expect('typed')
    }
  }

  #request(body: requests.Body): void {
    // behind Terminate the server reads nothing, but an old one that copies
    if (body.type === F.Terminate) this.#frontend.stopped = !mayTakeForData(this.#state)
    else if (!requests.onRequest(this.#state, body)) this.#unknown('frontend')
  }

  /**
   * A type that the protocol does not have: told once; its place and length are sound, so framing goes
   * on.
   */
  #unknown(from: Direction): void {
    if (this.#resume?.inTrial === true) this.#resume.abort()
    if (this.#unknownTold || this.#resume !== undefined) return
    if (this.#phase === 'startup' || this.#phase === 'asking') {
      // a server that begins like this speaks another protocol
      this.#stop('foreign')
      return
    }
    this.#unknownTold = true
    this.#gap(from, 'framing', { detail: 'unknown message type' })
  }

  #backendFrames(): FrameHandler {
    return {
      header: (type, length) => {
        this.#resume?.header(type, length)
        return keepOfReply(this.#state, type, length)
      },
      run: (type, count, bytes) => countReplies(this.#state, type, count, bytes),
      frame: (type, bytes, start, end) => this.#reply(type, bytes, start, end),
      beyond: () => {},
      lost: () => {
        if (this.#phase === 'startup' || this.#phase === 'asking') this.#stop('foreign')
        else this.#lostFraming('backend')
      },
    }
  }

  /** Of a guess that was wrong nothing is told; else the direction is given up for good. */
  #lostFraming(from: Direction): void {
    const wasTrial = this.#resume?.inTrial === true
    this.#resume?.abort()
    if (wasTrial && this.#resume?.isLost(from) === true) return
    this.#resume = undefined
    this.#lose(from, 'framing')
  }

  #reply(type: number, bytes: Bytes, start: number, end: number): void {
    this.#resume?.reply(type, bytes, start, end)
    if ((type & ANSWER) !== 0) this.#answered(type & 0xff)
    else if (type === B.ReadyForQuery)
      this.#ready(end > start ? String.fromCharCode(bytes[start] as number) : '')
    else if (type === B.ErrorResponse) this.#error(bytes, start, end)
    else if (type === B.ParameterStatus) replies.onParameterStatus(this.#state, bytes, start, end)
    else if (type === B.BackendKeyData) this.#login.backendKey(bytes, start, end)
    else if (type === B.Authentication) this.#login.authentication(bytes, start, end)
    else if (type === B.NegotiateProtocolVersion) this.#login.negotiated(bytes, start, end)
    else if (!replies.onReply(this.#state, type, bytes, start, end)) this.#unknown('backend')
  }

  /** The one-byte answer to an SSL or GSS request. */
  #answered(byte: number): void {
    if (byte === 0x53 || byte === 0x47) {
      this.#phase = 'opaque'
      this.#undecodedIn += this.#held.take().length
      this.#backend.stopped = true
      this.#gap(undefined, this.#asked)
      return
    }
    // an 'E' is followed by the rest of an ErrorResponse, which ends the session
    if (byte === B.ErrorResponse) return
    if (byte !== 0x4e) {
      this.#stop('foreign')
      return
    }
    this.#phase = 'startup'
    this.#backend.expect('typed')
    this.#frontend.stopped = false
    const held = this.#held.take()
    this.#firstByte = -1
    if (held.length > 0) this.#feedFrontend(held)
    this.#state.arrivals?.forgetPlace()
  }

  #ready(status: string): void {
    if (this.#phase === 'login') {
      this.#phase = 'ready'
      this.#memory.limit(true)
      this.#login.outcome('success')
      this.#state.txn.status = status
      return
    }
    replies.onReadyForQuery(this.#state, status)
  }

  #error(bytes: Bytes, start: number, end: number): void {
    const state = this.#state
    if (this.#phase === 'ready') {
      const error = onErrorResponse(state, bytes, start, end)
      if (state.ended) this.fatal = error
      return
    }
    const error = decodeErrorResponse(state.cursor.reset(bytes, start, end), (text) =>
      state.decoding.text(text),
    )
    this.fatal = error
    if (this.#phase === 'login') this.#login.outcome('error', error)
    this.#end()
  }

  /** Both directions are done: nothing that follows is a statement. */
  #end(): void {
    this.#phase = 'over'
    this.#state.ended = true
    this.#frontend.stopped = true
    this.#backend.stopped = true
  }

  /** Neither direction can be decoded any more. */
  #stop(reason: GapReason): void {
    this.#frontend.stopped = true
    this.#backend.stopped = true
    this.#gap(undefined, reason)
    if (this.#phase === 'ready') closeCommands(this.#state)
    else if (this.#phase === 'login') this.#closeLogin()
    this.#phase = reason === 'tls' || reason === 'gss' ? 'opaque' : 'lost'
  }

  /** That direction cannot be decoded any more. */
  #lose(from: Direction, reason: GapReason, bytes?: number): void {
    const framer = from === 'frontend' ? this.#frontend : this.#backend
    framer.stopped = true
    this.#gap(from, reason, bytes === undefined ? {} : { gap_bytes: bytes })
    if (from === 'backend' && this.#phase === 'ready') giveUp(this.#state, 'replies_lost')
  }

  #gap(from: Direction | undefined, reason: GapReason, facts?: GapFacts): void {
    const { identity, now, out } = this.#state
    out.push(gapEvent(now, identity.who, reason, from, facts))
  }

  #count(from: Direction, bytes: number): void {
    if (from === 'frontend') this.#undecodedIn += bytes
    else this.#undecodedOut += bytes
  }
}
