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
import { MysqlFramer, type PayloadHandler } from '../../src/framing/mysql.ts'
import type { Session, SessionContext, SessionTotals } from '../../src/session.ts'
import {
  CLIENT_COMPRESS,
  CLIENT_MULTI_FACTOR_AUTHENTICATION,
  CLIENT_ZSTD_COMPRESSION_ALGORITHM,
  has,
} from './capabilities.ts'
import { decodeOk } from './decode.ts'
import { decodeAuthSwitch, decodeGreeting, decodeHandshakeResponse } from './decode-login.ts'
import { EarlyBytes } from './early.ts'
import { closeCommands, giveUp } from './ending.ts'
import { FrontendPayloads } from './frontend.ts'
import { Login } from './login.ts'
import { Memory } from './memory.ts'
import { MessageLines } from './message-detail.ts'
import { HEAD } from './packets.ts'
import { addRows, keepOfReply, onReply, readError } from './replies.ts'
import { MysqlState } from './state.ts'
import { onChanges } from './track.ts'
import { ReplyState } from './turn.ts'
import { Wire } from './wire.ts'

type Phase = 'greeting' | 'login' | 'ready' | 'opaque' | 'lost' | 'over'

/** Kept of a greeting, a log-in, and the server's answers to it. */
const MAX_LOGIN = 131_072
const VERSION_10 = 10
const VERSION_9 = 9
/** Mysqlx.ServerMessages.Type.NOTICE, by which a server of the X protocol may begin */
const MYSQLX_NOTICE = 0x0b
/**
 * Errors behind which the server closes the connection: ER_SERVER_SHUTDOWN, ER_NORMAL_SHUTDOWN,
 * ER_ABORTING_CONNECTION, the ER_NET_… ones, ER_NEW_ABORTING_CONNECTION, ER_CONNECTION_KILLED (MariaDB),
 * ER_CLIENT_INTERACTION_TIMEOUT (MySQL).
 */
const FATAL: ReadonlySet<number> = new Set([
  1053, 1077, 1152, 1153, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 1927, 4031,
])

export class MysqlSession implements Session {
  readonly #state: MysqlState
  readonly #reply = new ReplyState()
  readonly #login: Login
  readonly #memory: Memory
  readonly #commands: FrontendPayloads
  readonly #frontend: Wire
  readonly #backend: Wire
  #phase: Phase = 'greeting'
  /** what the client sent before it is known what it means */
  #early: EarlyBytes | undefined = new EarlyBytes(false)
  #mysqlx = false
  #undecodedIn = 0
  #undecodedOut = 0
  fatal: ServerError | undefined

  constructor(context: SessionContext) {
    const state = new MysqlState(context)
    this.#state = state
    this.#login = new Login(state)
    this.#memory = new Memory(state)
    if (context.detail === 'message') state.lines = new MessageLines(state)
    this.#commands = new FrontendPayloads(
      state,
      this.#reply,
      () => this.#quit(),
      () => this.#stray(),
    )
    this.#frontend = new Wire(new MysqlFramer(this.#loginPayloads()))
    this.#backend = new Wire(new MysqlFramer(this.#backendPayloads()))
    this.#reply.framer = this.#backend.framer
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
    if (this.#state.context.budget !== undefined) this.#memory.limit(this.#phase === 'ready')
    if (from === 'backend') this.#feedBackend(chunk)
    else this.#feedFrontend(chunk)
    this.#memory.account(this.#frontend.held + this.#backend.held + (this.#early?.held ?? 0))
    return this.#take()
  }

  gap(from: Direction, bytes: number, at: Micros): readonly AuditEvent[] {
    if (bytes <= 0) return NO_EVENTS
    this.#state.now = at
    const wire = from === 'frontend' ? this.#frontend : this.#backend
    if (wire.stopped) this.#count(from, bytes)
    else if (this.#phase === 'greeting' || (this.#phase === 'login' && from === 'frontend')) {
      this.#count(from, bytes)
      this.#stop('lost')
    } else if (!wire.gap(bytes)) {
      this.#count(from, bytes)
      this.#lose(from, 'lost', bytes)
    }
    return this.#take()
  }

  close(at: Micros): readonly AuditEvent[] {
    const state = this.#state
    state.now = at
    if (this.#phase === 'login' && this.#login.responded) this.#closeLogin()
    if (this.#phase === 'ready') closeCommands(state)
    this.#login.release()
    this.#phase = 'over'
    this.#memory.release()
    return this.#take()
  }

  /** Nobody saw the log-in decided: what was sent along may have run. */
  #closeLogin(): void {
    this.#login.outcome('unknown')
    this.#begin()
    closeCommands(this.#state)
  }

  stillOpen(since: Micros): readonly AuditEvent[] {
    const state = this.#state
    const { head } = state.queue
    const execution = head?.begun ? head.execution : undefined
    if (this.#phase !== 'ready' || head === undefined || head.at > since || execution === undefined)
      return NO_EVENTS
    state.writeOpen(execution)
    return this.#take()
  }

  #take(): readonly AuditEvent[] {
    const { out } = this.#state
    if (out.length === 0) return NO_EVENTS
    this.#state.out = []
    return out
  }

  #feedFrontend(chunk: Bytes): void {
    if (this.#frontend.stopped) this.#undecodedIn += chunk.length
    else if (this.#early !== undefined) this.#hold(chunk)
    else {
      const rest = chunk.length - this.#frontend.feed(chunk)
      if (rest === 0) return
      // behind the log-in
      if (this.#phase === 'login') this.#hold(chunk.subarray(chunk.length - rest))
      else this.#undecodedIn += rest
    }
    if (this.#state.overflowed && !this.#frontend.stopped) this.#stop('overflow')
  }

  #hold(chunk: Bytes): void {
    this.#early ??= new EarlyBytes(true)
    if (this.#early.add(chunk)) {
      if (this.#phase === 'greeting' && isMysqlx(this.#early.bytes)) this.#tellMysqlx()
      return
    }
    this.#undecodedIn += this.#early.take().length + chunk.length
    this.#early = undefined
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
    while (at < chunk.length && !this.#backend.stopped) {
      this.#backend.paused = false
      at += this.#backend.feed(at === 0 ? chunk : chunk.subarray(at))
    }
    this.#undecodedOut += chunk.length - at
  }

  /** The client's first packet: its log-in, or the request for TLS. */
  #loginPayloads(): PayloadHandler {
    return {
      header: () => MAX_LOGIN,
      beyond: () => {},
      frame: (_seq, _first, bytes, start, end) => this.#response(bytes, start, end),
    }
  }

  #response(bytes: Bytes, start: number, end: number): void {
    const state = this.#state
    this.#frontend.paused = true
    try {
      const cursor = state.cursor.reset(bytes, start, end)
      const secured = state.context.secured === true
      const packet = decodeHandshakeResponse(cursor, this.#login.server, secured)
      if (packet.kind === 'HandshakeResponse') this.#login.response(packet)
      else {
        this.#stop('tls')
        this.#phase = 'opaque'
      }
    } catch {
      this.#login.unreadable()
    }
  }

  #backendPayloads(): PayloadHandler {
    const state = this.#state
    const reply = this.#reply
    return {
      header: (seq, first, length) => {
        if (this.#phase === 'ready') return keepOfReply(state, reply, first, length)
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
      this.#frontend.stopped = true
      this.#backend.stopped = true
      this.#phase = 'lost'
    } else this.#stop('foreign', detail)
    this.#undecodedIn += this.#early?.take().length ?? 0
    this.#early = undefined
  }

  #loginReply(first: number, bytes: Bytes, start: number, end: number): void {
    const state = this.#state
    try {
      const cursor = state.cursor.reset(bytes, start, end)
      const factors = has(state.capabilities, CLIENT_MULTI_FACTOR_AUTHENTICATION)
      if (first === HEAD.ERR) this.#refused(readError(state, bytes, start, end))
      else if (first === HEAD.EOF || (first === HEAD.AUTH_NEXT_FACTOR && factors))
        this.#login.method(decodeAuthSwitch(cursor).plugin)
      else if (first === HEAD.OK && this.#login.responded)
        this.#accepted(decodeOk(cursor, state.capabilities))
    } catch {
      // the method stays unknown
    }
  }

  #refused(error: ServerError | undefined): void {
    // a report of progress is no error
    if (error === undefined) return
    this.fatal = error
    this.#login.outcome('error', error)
    this.#phase = 'over'
    this.#frontend.stopped = true
    this.#backend.stopped = true
    this.#undecodedIn += this.#early?.take().length ?? 0
    this.#early = undefined
  }

  #accepted(ok: ReturnType<typeof decodeOk>): void {
    onChanges(this.#state, ok.changes)
    this.#login.outcome('success')
    this.#backend.paused = true
    this.#begin()
  }

  /** Commands are read from here on; those that came early first. */
  #begin(): void {
    this.#phase = 'ready'
    this.#memory.limit(true)
    this.#frontend.framer = new MysqlFramer(this.#commands)
    this.#frontend.paused = false
    this.#compress()
    const early = this.#early?.take()
    this.#early = undefined
    if (early !== undefined && early.length > 0 && !this.#frontend.stopped) this.#feedFrontend(early)
  }

  /** Both directions are compressed from behind the OK on, if that was agreed. */
  #compress(): void {
    const { capabilities } = this.#state
    const zlib = has(capabilities, CLIENT_COMPRESS)
    if (!zlib && !has(capabilities, CLIENT_ZSTD_COMPRESSION_ALGORITHM)) return
    this.#state.compressed = true
    this.#frontend.compress(
      zlib ? 'zlib' : 'zstd',
      () => this.#lose('frontend', 'framing'),
      (midPacket) => this.#commands.began(midPacket),
    )
    this.#backend.compress(zlib ? 'zlib' : 'zstd', () => this.#lose('backend', 'framing'))
  }

  #answer(seq: number, first: number, bytes: Bytes, start: number, end: number, length: number): void {
    const state = this.#state
    const { head } = state.queue
    const unasked = head === undefined || (seq === 0 && !head.answered && !state.compressed)
    if (first === HEAD.ERR && unasked) {
      // the server's last word, which answers nothing; or an answer to what nobody saw
      if (this.#frontend.stopped) return
      this.fatal = readError(state, bytes, start, end) ?? this.fatal
      if (head === undefined && !FATAL.has(this.fatal?.error_number ?? 0)) this.#unasked()
      return
    }
    if (head === undefined) this.#unasked()
    const error = onReply(state, this.#reply, first, bytes, start, end, length)
    this.fatal = error !== undefined && FATAL.has(error.error_number ?? 0) ? error : undefined
    if (state.ended && !this.#frontend.stopped) this.#quit()
  }

  /** A reply to nothing: the server may have run what nobody saw. */
  #unasked(): void {
    if (!this.#frontend.stopped) this.#state.doubt('backend', 'reply to no command')
  }

  #quit(): void {
    this.fatal = undefined
    this.#frontend.stopped = true
  }

  /** A packet whose sequence id says that it belongs to nothing: the server refuses it, and says so. */
  #stray(): void {
    this.#state.doubt('frontend', 'packet out of order')
  }

  /** Neither direction can be decoded any more. */
  #stop(reason: GapReason, detail?: string): void {
    this.#frontend.stopped = true
    this.#backend.stopped = true
    this.#gap(undefined, reason, detail === undefined ? {} : { detail })
    if (this.#phase === 'ready') closeCommands(this.#state)
    this.#phase = 'lost'
  }

  /** That direction cannot be decoded any more. */
  #lose(from: Direction, reason: GapReason, bytes?: number): void {
    const wire = from === 'frontend' ? this.#frontend : this.#backend
    wire.stopped = true
    this.#gap(from, reason, bytes === undefined ? {} : { gap_bytes: bytes })
    if (from === 'backend' && this.#phase === 'ready') giveUp(this.#state, 'replies_lost')
  }

  #gap(
    from: Direction | undefined,
    reason: GapReason,
    more: { readonly gap_bytes?: number; readonly detail?: string } = {},
  ): void {
    const { identity, now } = this.#state
    const direction = from === undefined ? {} : ({ direction: from === 'frontend' ? '->' : '<-' } as const)
    this.#state.out.push({
      event: 'gap',
      at: now,
      who: identity.who,
      gap_reason: reason,
      ...direction,
      ...more,
    })
  }

  #count(from: Direction, bytes: number): void {
    if (from === 'frontend') this.#undecodedIn += bytes
    else this.#undecodedOut += bytes
  }
}

/** Bytes of a header of the X protocol: uint32 length of type and body, uint8 type. */
const MYSQLX_HEADER = 5
/** The last of Mysqlx.ClientMessages that may begin a connection: CON_CAPABILITIES_GET to SESS_CLOSE. */
const MYSQLX_LAST = 7

/** @see https://dev.mysql.com/doc/dev/mysql-server/latest/page_mysqlx_protocol_lifecycle.html */
const isMysqlx = (bytes: Bytes): boolean => {
  if (bytes.length < MYSQLX_HEADER) return false
  const length = bytes.readUInt32LE(0)
  const type = bytes[MYSQLX_HEADER - 1] as number
  return length > 0 && length < 0x1_0000 && type > 0 && type <= MYSQLX_LAST
}
