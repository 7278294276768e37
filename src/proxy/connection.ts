/**
 * One client connection, from accept to the end of both sockets:
 *
 *   header ──PROXY header read──▶ dialogue ──dialled and handshake done──▶ relay ──▶ closed
 *      │                             │  └──dial failed, over the limit──▶ refusing ──understood──▶ closing
 *      └──broken──▶ closed           └──refused by the handshake──▶ closing ──▶ closed
 *
 * The dial runs beside the dialogue. Deadlines are looked at by the listener's sweep.
 */
import type { Socket } from 'node:net'
import type { Bytes, Direction, FlowEnd, FlowFacts, FlowObserver } from '../flow.ts'
import { localOf, peerOf, showAddress } from './address.ts'
import type { ListenerContext } from './context.ts'
import { Dialogue, type Stage } from './dialogue.ts'
import { dial, giveBack, HIGH_WATER, type Inlet } from './inlet.ts'
import { type Counts, Lane } from './pipe.ts'
import { ProxyHeaderReader } from './proxy-header-reader.ts'

/** What an unreached server has yet to be sent; past it the client is not read. */
const MOST_EARLY = 64 * 1024
/** How long a client that was told the end may take to leave, and one whose server left. */
const LINGER_MS = 5_000
const AFTER_SERVER_MS = 60_000

/** What becomes of a client that was just accepted. */
export type Verdict = 'welcome' | 'not_allowed' | 'limit' | 'limit_untold'

type Phase = 'header' | 'dialogue' | 'relay' | 'refusing' | 'closing'
type Cause = Pick<FlowEnd, 'by' | 'reason' | 'detail'>

const NEVER = Number.POSITIVE_INFINITY
const OWNER = { frontend: 'client', backend: 'server' } as const
const RESETS: readonly (string | undefined)[] = ['ECONNRESET', 'EPIPE']

const codeOf = (error: Error): string | undefined => (error as NodeJS.ErrnoException).code

const dialReason = (code: string | undefined): string => {
  if (code === 'ECONNREFUSED') return 'dial_refused'
  return code === 'ETIMEDOUT' ? 'dial_timeout' : 'dial_failed'
}

export class Connection implements Stage {
  readonly #context: ListenerContext
  readonly #client: Inlet
  readonly #counts: Counts = { frontend: 0, backend: 0 }
  #phase: Phase = 'dialogue'
  #facts: FlowFacts
  #observer!: FlowObserver
  #server: Inlet | undefined
  #connected = false
  #dialogue: Dialogue | undefined
  #header: ProxyHeaderReader | undefined
  #early: Bytes[] = []
  #earlyBytes = 0
  #replaying = false
  #lanes: { readonly frontend: Lane; readonly backend: Lane } | undefined
  #clientEnded = false
  #cause: Cause | undefined
  #openSockets = 1
  #dialBy = NEVER
  #loginBy = NEVER
  #leaveBy = NEVER

  constructor(context: ListenerContext, client: Inlet, verdict: Verdict) {
    const { options, clock, connId, openFlow } = context
    this.#context = context
    this.#client = client
    const at = clock.now()
    const listening = localOf(client.socket) ?? showAddress(options.address)
    this.#facts = {
      conn_id: connId(),
      ...(options.name !== undefined && { listener: options.name }),
      client_addr: peerOf(client.socket) ?? `unix:${listening}`,
      proxy_listen_addr: listening,
      remote_addr: showAddress(options.remote),
    }
    if (options.loginTimeout > 0) this.#loginBy = clock.steady() + options.loginTimeout
    this.#watch(client.socket, 'frontend')
    if (verdict === 'welcome' && options.proxyProtocol) this.#readHeader(at)
    else {
      this.#observer = openFlow(this.#facts, at)
      this.#begin(verdict)
    }
  }

  get facts(): FlowFacts {
    return this.#facts
  }

  /** Has it a place among the connections that are counted? */
  get refused(): boolean {
    return this.#phase === 'refusing' || this.#phase === 'closing'
  }

  /** Looks at the deadlines; false when there is none to look at any more. */
  sweep(now: number): boolean {
    if (now >= this.#leaveBy) this.#destroy()
    else if (this.#phase === 'relay') this.#sweepLogin(now)
    else if (now >= this.#loginBy) this.terminate('login_timeout')
    else if (now >= this.#dialBy) {
      const { options } = this.#context
      this.#dialFailed('dial_timeout', `no answer within ${options.dialTimeout / 1000} s`)
    }
    return this.#leaveBy < NEVER || this.#loginBy < NEVER || this.#dialBy < NEVER
  }

  /** The proxy ends it, now. */
  terminate(reason: string): void {
    this.#note('proxy', reason)
    this.#destroy()
  }

  #sweepLogin(now: number): void {
    if (this.#observer.loggedIn !== false) this.#loginBy = NEVER
    else if (now >= this.#loginBy) this.terminate('login_timeout')
  }

  // ---- the beginning

  #readHeader(acceptedAt: number): void {
    this.#phase = 'header'
    this.#header = new ProxyHeaderReader()
    this.#client.onChunk = (chunk, loan) => {
      const rest = this.#header?.feed(chunk) ?? undefined
      if (rest) this.#headerRead(rest, acceptedAt)
      if (loan) giveBack(loan)
      return true
    }
    this.#client.resume()
  }

  #headerRead(rest: Bytes, acceptedAt: number): void {
    const { openFlow, log } = this.#context
    const header = this.#header as ProxyHeaderReader
    this.#facts = { ...this.#facts, ...header.facts }
    this.#observer = openFlow(this.#facts, acceptedAt)
    if (header.invalid) {
      log.warn({ conn_id: this.#facts.conn_id, client_addr: this.#facts.client_addr }, header.invalid)
      this.#note('proxy', 'proxy_header', header.invalid)
      this.#destroy()
      return
    }
    if (this.#context.options.proxyProtocolForward) this.#keepEarly(Buffer.from(header.bytes))
    else this.#header = undefined
    this.#begin('welcome')
    if (rest.length > 0 && !this.#onFrontend(rest, undefined)) this.#client.socket.pause()
  }

  #begin(verdict: Verdict): void {
    this.#phase = 'dialogue'
    this.#dialogue = this.#newDialogue(this.#context.options.tlsClient)
    this.#client.onChunk = (chunk, loan) => this.#onFrontend(chunk, loan)
    if (verdict === 'welcome') this.#dial()
    else if (verdict === 'limit') this.refuseWith('proxy', 'connection_limit', 'too many connections')
    else {
      this.#note('proxy', verdict === 'not_allowed' ? 'not_allowed' : 'connection_limit')
      this.#destroy()
      return
    }
    if (!this.#dialogue.done || this.refused) this.#client.resume()
  }

  #newDialogue(tlsClient: 'refuse' | 'passthrough'): Dialogue {
    return new Dialogue(this.#context.dialect?.handshake?.({ tlsClient }), this)
  }

  #dial(): void {
    const { options, clock } = this.#context
    if (options.dialTimeout > 0) this.#dialBy = clock.steady() + options.dialTimeout
    this.#server = dial(options.remote, options, (chunk, loan) => this.#onBackend(chunk, loan))
    this.#openSockets++
    this.#watch(this.#server.socket, 'backend')
    this.#server.socket.once('connect', () => this.#dialled())
  }

  #dialled(): void {
    const server = this.#server as Inlet
    this.#dialBy = NEVER
    this.#connected = true
    const own = localOf(server.socket)
    const remote = peerOf(server.socket)
    this.#facts = {
      ...this.#facts,
      ...(own !== undefined && { proxy_client_addr: own }),
      ...(remote !== undefined && { remote_addr: remote }),
    }
    this.#observer.dialled(this.#facts, this.#context.clock.now())
    for (const bytes of this.#early) server.socket.write(bytes)
    this.#early = []
    if (this.#dialogue?.done) this.#relay()
    else this.#client.resume()
  }

  #relay(): void {
    const server = this.#server as Inlet
    const { clock, options } = this.#context
    const observed = {
      observer: this.#observer,
      clock,
      counts: this.#counts,
      gated: options.gated === true,
    }
    this.#phase = 'relay'
    this.#dialogue = undefined
    this.#lanes = {
      frontend: new Lane('frontend', this.#client, server, observed),
      backend: new Lane('backend', server, this.#client, observed),
    }
    if (this.#clientEnded) this.#lanes.frontend.end()
    else this.#client.resume()
  }

  // ---- bytes before the relay

  #onFrontend(chunk: Bytes, loan: Buffer | undefined): boolean {
    this.#counts.frontend += chunk.length
    if (this.#phase !== 'closing') this.#dialogue?.feed('frontend', chunk)
    if (loan) giveBack(loan)
    if (this.#phase === 'refusing') this.#tryRefuse()
    if (this.#phase !== 'dialogue') return true
    if (this.#dialogue?.done) {
      if (!this.#connected) return false
      this.#relay()
    }
    return this.#earlyBytes < MOST_EARLY && this.#client.socket.writableLength < HIGH_WATER
  }

  #onBackend(chunk: Bytes, loan: Buffer | undefined): boolean {
    this.#counts.backend += chunk.length
    if (this.#phase === 'dialogue') this.#dialogue?.feed('backend', chunk)
    if (loan) giveBack(loan)
    if (this.#phase === 'dialogue' && this.#dialogue?.done) this.#relay()
    return this.#client.socket.writableLength < HIGH_WATER
  }

  #keepEarly(bytes: Bytes): void {
    this.#early.push(bytes)
    this.#earlyBytes += bytes.length
  }

  send(to: Direction, bytes: Bytes): void {
    if (to === 'frontend') this.#client.socket.write(bytes)
    else if (this.#connected) this.#server?.socket.write(bytes)
    else if (!this.refused) this.#keepEarly(bytes)
  }

  show(from: Direction, bytes: Bytes): void {
    // What is said a second time, to a handshake that refuses, was seen the first time.
    if (this.#replaying && from === 'frontend') return
    this.#observer.chunk(from, bytes, this.#context.clock.now())
  }

  broken(error: unknown): void {
    this.#context.log.error({ conn_id: this.#facts.conn_id, err: error }, 'handshake failed, passing on')
  }

  // ---- refusals

  refuse(bytes: Bytes, reason: string): void {
    this.#note('proxy', reason)
    this.#leave(bytes)
  }

  /** Turns the client away as soon as it understands why. */
  refuseWith(by: Cause['by'], reason: string, message: string, detail?: string): void {
    this.#cause = { by, reason, ...(detail !== undefined && { detail }) }
    this.#server?.socket.destroy()
    this.#dialBy = NEVER
    this.#phase = 'refusing'
    this.#context.turnAway(this)
    this.#message = message
    if (this.#loginBy === NEVER) this.#leaveBy = this.#context.clock.steady() + AFTER_SERVER_MS
    if (this.#context.options.tlsClient === 'passthrough') this.#replay()
    this.#tryRefuse()
    if (this.#phase === 'refusing' && this.#clientEnded) this.#destroy()
    else this.#client.resume()
    this.#context.watch(this)
  }
  #message = ''

  /** The server that would have answered to a request for TLS is not there: a new handshake answers. */
  #replay(): void {
    this.#dialogue = this.#newDialogue('refuse')
    this.#replaying = true
    const said = this.#header ? this.#early.slice(1) : this.#early
    for (const bytes of said) if (this.#phase === 'refusing') this.#dialogue.feed('frontend', bytes)
    this.#replaying = false
  }

  #tryRefuse(): void {
    const refusable = this.#dialogue?.refusable === true
    if (this.#phase !== 'refusing' || (!refusable && !this.#dialogue?.done)) return
    const reason = this.#cause?.reason ?? ''
    const refusal = refusable
      ? this.#context.dialect?.refusal?.({ reason, message: this.#message })
      : undefined
    this.#leave(refusal)
  }

  /** The last bytes for the client; then it is listened to until it goes, or a reset would eat them. */
  #leave(bytes: Bytes | undefined): void {
    this.#phase = 'closing'
    this.#early = []
    this.#server?.socket.destroy()
    if (bytes) this.#client.socket.end(bytes)
    else this.#client.socket.end()
    this.#lingerFor(LINGER_MS)
  }

  #dialFailed(reason: string, detail: string): void {
    const { log, options } = this.#context
    const remote = showAddress(options.remote)
    log.warn({ conn_id: this.#facts.conn_id, remote_addr: remote, reason }, `dial failed: ${detail}`)
    const by = reason === 'dial_refused' ? 'server' : 'proxy'
    this.refuseWith(by, reason, `could not connect to the database server: ${detail}`, detail)
  }

  // ---- the end

  #watch(socket: Socket, side: Direction): void {
    socket.on('end', () => this.#ended(side))
    socket.on('error', (error: Error) => this.#failed(side, error))
    socket.on('drain', () => this.#drained(side))
    socket.on('close', () => this.#closed())
    if (side === 'frontend' && this.#loginBy < NEVER) this.#context.watch(this)
    if (side === 'backend' && this.#dialBy < NEVER) this.#context.watch(this)
  }

  #drained(side: Direction): void {
    if (this.#lanes) this.#lanes[side === 'frontend' ? 'backend' : 'frontend'].drained()
    else if (side === 'frontend') this.#client.resume()
    if (!this.#lanes) this.#server?.resume()
  }

  #ended(side: Direction): void {
    this.#note(OWNER[side], 'closed')
    if (this.#lanes) {
      this.#lanes[side].end()
      if (side === 'backend') this.#lingerFor(AFTER_SERVER_MS)
    } else if (side === 'backend') {
      if (this.#phase === 'dialogue') this.#leave(undefined)
    } else {
      this.#clientEnded = true
      const waits = this.#phase === 'dialogue' && this.#dialogue?.done === true
      if (!waits && this.#phase !== 'closing') this.#destroy()
    }
  }

  #failed(side: Direction, error: Error): void {
    const code = codeOf(error)
    if (side === 'backend' && !this.#connected) {
      if (!this.refused) this.#dialFailed(dialReason(code), code ?? error.message)
      return
    }
    const reset = RESETS.includes(code)
    this.#note(OWNER[side], reset ? 'reset' : 'lost', reset ? undefined : (code ?? error.message))
    const other = side === 'frontend' ? this.#server?.socket : this.#client.socket
    if (other) this.#reset(other)
  }

  /** Hands a reset on, behind what was not written yet. */
  #reset(socket: Socket): void {
    if (socket.writableLength > 0) {
      socket.destroySoon()
      this.#lingerFor(LINGER_MS)
    } else if (socket.remoteAddress !== undefined) socket.resetAndDestroy()
    else socket.destroy()
  }

  #lingerFor(milliseconds: number): void {
    this.#leaveBy = Math.min(this.#leaveBy, this.#context.clock.steady() + milliseconds)
    this.#context.watch(this)
  }

  #note(by: Cause['by'], reason: string, detail?: string): void {
    this.#cause ??= { by, reason, ...(detail !== undefined && { detail }) }
  }

  #destroy(): void {
    this.#client.socket.destroy()
    this.#server?.socket.destroy()
  }

  #closed(): void {
    if (--this.#openSockets > 0) return
    const { clock, openFlow } = this.#context
    this.#lanes?.frontend.close()
    this.#lanes?.backend.close()
    // A client that left inside its PROXY header was not opened yet.
    this.#observer ??= openFlow(this.#facts, clock.now())
    const cause = this.#cause ?? { by: 'proxy', reason: 'closed' }
    const { frontend, backend } = this.#counts
    this.#observer.closed({ ...cause, bytesIn: frontend, bytesOut: backend }, clock.now())
    this.#context.forget(this)
  }
}
