/**
 * One client connection, from accept to the end of both sockets:
 *
 *   header   ──PROXY header read──────────▶ dialogue        header  ──broken───────────▶ closed
 *   dialogue ──dialled, handshake done────▶ relay           relay   ──both sides ended─▶ closed
 *   dialogue ──no dial, over the limit────▶ refusing        closing ──client has gone──▶ closed
 *   dialogue ──refused by the handshake───▶ closing         header  ──no dial──────────▶ refusing
 *   refusing ──understood─────────────────▶ closing
 *
 * The dial runs beside the dialogue; where the server speaks first, beside the reading of a PROXY header
 * too, and what the server says goes to the client meanwhile. Deadlines are looked at by the listener's
 * sweep.
 */
import type { Socket } from 'node:net'
import type { Bytes, Direction, FlowFacts, FlowObserver, Micros } from '../flow.ts'
import { clientOf, localOf, peerOf, showAddress } from './address.ts'
import type { Kept, ListenerContext } from './context.ts'
import { Dialogue, type Stage } from './dialogue.ts'
import { type Cause, dialReason, Ending, passReset, wordOf } from './ending.ts'
import { dial, giveBack, HIGH_WATER, type Inlet } from './inlet.ts'
import { type Counts, Lane } from './pipe.ts'
import { Postponed } from './postponed.ts'
import { type ProxyHeaderReader, readProxyHeader } from './proxy-header-reader.ts'

/** What an unreached server has yet to be sent; past it the client is not read. */
const MOST_EARLY = 64 * 1024
/** What a handshake may hold whose meaning awaits the server's answer; past it the client is not read. */
const MOST_UNRESOLVED = 64 * 1024
/** What a server may say before its client's PROXY header has come; past it the server is not read. */
const MOST_POSTPONED = 64 * 1024
/** How long a client that was told the end may take to leave, and one whose server left. */
const LINGER_MS = 5_000
const AFTER_SERVER_MS = 60_000
/** How long a client may take to understand a refusal, where there is no login timeout. */
const REFUSING_MS = 60_000
const NEVER = Number.POSITIVE_INFINITY

/** What becomes of a client that was accepted; `limit_untold`: without words, too many wait for theirs. */
export type Verdict = 'welcome' | 'not_allowed' | 'limit' | 'limit_untold'

type Phase = 'header' | 'dialogue' | 'relay' | 'refusing' | 'closing'

/** What is known of a connection before its server is dialled. */
const firstFacts = ({ options, connId }: ListenerContext, client: Socket): FlowFacts => {
  const listening = localOf(client) ?? showAddress(options.address)
  const addr = clientOf(client, options.address)
  return {
    conn_id: connId(),
    ...(options.name !== undefined && { listener: options.name }),
    ...(addr !== undefined && { client_addr: addr }),
    proxy_listen_addr: listening,
    remote_addr: showAddress(options.remote),
  }
}

export class Connection implements Stage, Kept {
  readonly #context: ListenerContext
  readonly #client: Inlet
  readonly #counts: Counts = { frontend: 0, backend: 0 }
  readonly #ending = new Ending()
  #phase: Phase = 'dialogue'
  #facts: FlowFacts
  #observer: FlowObserver | undefined
  /** in the observer's place until the PROXY header was read */
  #postponed: Postponed | undefined
  #server: Inlet | undefined
  #connected = false
  #dialogue: Dialogue | undefined
  /** a PROXY header that is passed on */
  #header: Bytes | undefined
  #early: Bytes[] = []
  #earlyBytes = 0
  #refusal = ''
  #isReplaying = false
  #lanes: { readonly frontend: Lane; readonly backend: Lane } | undefined
  #clientEnded = false
  #openSockets = 1
  #dialBy = NEVER
  #loginBy = NEVER
  #leaveBy = NEVER

  constructor(context: ListenerContext, client: Inlet, verdict: Verdict) {
    const { options, clock } = context
    this.#context = context
    this.#client = client
    this.#facts = firstFacts(context, client.socket)
    if (options.loginTimeout > 0) {
      this.#loginBy = clock.steady() + options.loginTimeout
      context.watch(this)
    }
    this.#attend(client.socket, 'frontend')
    const at = clock.now()
    if (options.proxyProtocol && (verdict === 'welcome' || verdict === 'limit')) {
      this.#phase = 'header'
      if (verdict === 'limit') this.#awaitHeaderInVain()
      else if (context.dialect?.serverSpeaksFirst) this.#listenFirst()
      readProxyHeader(client, (header, rest) => this.#headerRead(header, rest, verdict, at))
    } else {
      this.#observer = context.openFlow(this.#facts, at)
      this.#begin(verdict)
    }
  }

  sweep(now: number): boolean {
    if (now >= this.#leaveBy) this.#destroy()
    else if (this.#phase === 'relay' && this.#observer?.loggedIn !== false) this.#loginBy = NEVER
    else if (now >= this.#loginBy) this.terminate('login_timeout')
    else if (now >= this.#dialBy) {
      this.#dialFailed('dial_timeout', `no answer within ${this.#context.options.dialTimeout / 1000} s`)
    }
    return this.#leaveBy < NEVER || this.#loginBy < NEVER || this.#dialBy < NEVER
  }

  terminate(reason: string): void {
    this.#ending.note('proxy', reason)
    this.#destroy()
  }

  // ---- the beginning

  /** A client over the limit takes no place while its header is waited for, nor may it take for ever. */
  #awaitHeaderInVain(): void {
    this.#ending.note('proxy', 'connection_limit')
    this.#context.turnAway(this)
    if (this.#loginBy === NEVER) this.#lingerFor(REFUSING_MS)
  }

  /** Dials before the header has come. */
  #listenFirst(): void {
    this.#postponed = new Postponed()
    this.#observer = this.#postponed
    this.#dialogue = this.#newDialogue(this.#context.options.tlsClient)
    this.#dial()
  }

  /** All facts are known that there will be before a dial: the flow's records begin. */
  #open(at: Micros): FlowObserver {
    const observer = this.#context.openFlow(this.#facts, at)
    this.#observer = observer
    this.#postponed?.showTo(observer, this.#facts)
    this.#postponed = undefined
    return observer
  }

  #headerRead(header: ProxyHeaderReader, rest: Bytes, verdict: Verdict, acceptedAt: Micros): void {
    const { log, options } = this.#context
    this.#facts = { ...this.#facts, ...header.facts }
    this.#open(acceptedAt)
    if (header.invalid !== undefined) {
      const { conn_id, client_addr } = this.#facts
      log.warn({ conn_id, client_addr }, `broken PROXY header: ${header.invalid}`)
      this.#ending.note('proxy', 'proxy_header', header.invalid)
      this.#destroy()
      return
    }
    if (options.proxyProtocolForward) this.#header = Buffer.from(header.bytes)
    if (this.#server) this.#headerAfterDial()
    else this.#begin(verdict)
    if (rest.length > 0 && !this.#onFrontend(rest, undefined)) this.#client.socket.pause()
  }

  /** The server was dialled before, and has perhaps spoken, or failed. */
  #headerAfterDial(): void {
    this.#client.onChunk = (chunk, loan) => this.#onFrontend(chunk, loan)
    if (this.#phase !== 'header') return
    this.#phase = 'dialogue'
    if (!this.#connected || !this.#server) return
    if (this.#header) this.#server.socket.write(this.#header)
    this.#server.resume()
    if (this.#dialogue?.done) this.#relay(this.#server)
  }

  #begin(verdict: Verdict): void {
    this.#phase = 'dialogue'
    this.#dialogue = this.#newDialogue(this.#context.options.tlsClient)
    this.#client.onChunk = (chunk, loan) => this.#onFrontend(chunk, loan)
    if (verdict === 'not_allowed') this.terminate('not_allowed')
    else if (verdict === 'limit_untold') this.terminate('connection_limit')
    else if (verdict === 'limit') this.#refuse('proxy', 'connection_limit', 'too many connections')
    else {
      this.#dial()
      if (!this.#dialogue.done) this.#client.resume()
    }
  }

  #newDialogue(tlsClient: 'refuse' | 'passthrough'): Dialogue {
    return new Dialogue(this.#context.dialect?.handshake?.({ tlsClient }), this)
  }

  #dial(): void {
    const { options, clock } = this.#context
    if (options.dialTimeout > 0) {
      this.#dialBy = clock.steady() + options.dialTimeout
      this.#context.watch(this)
    }
    const server = dial(options.remote, options, (chunk, loan) => this.#onBackend(chunk, loan))
    this.#server = server
    this.#openSockets++
    this.#attend(server.socket, 'backend')
    server.socket.once('connect', () => this.#dialled(server))
  }

  #dialled(server: Inlet): void {
    this.#dialBy = NEVER
    this.#connected = true
    const own = localOf(server.socket)
    const remote = peerOf(server.socket)
    this.#facts = {
      ...this.#facts,
      ...(own !== undefined && { proxy_client_addr: own }),
      ...(remote !== undefined && { remote_addr: remote }),
    }
    this.#observer?.dialled(this.#facts, this.#context.clock.now())
    if (this.#header) server.socket.write(this.#header)
    for (const bytes of this.#early) server.socket.write(bytes)
    this.#early = []
    this.#earlyBytes = 0
    if (this.#phase === 'dialogue' && this.#dialogue?.done) this.#relay(server)
    else this.#client.resume()
  }

  #relay(server: Inlet): void {
    const { clock, gate } = this.#context
    const observer = this.#observer as FlowObserver
    const gather = gate ? undefined : this.#context.gather
    const observed = { observer, clock, counts: this.#counts, gate, gather }
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
    if (this.#phase === 'refusing') this.#tryToTell()
    if (this.#phase !== 'dialogue') return true
    if (this.#dialogue?.done) {
      if (!this.#connected || !this.#server) return false
      this.#relay(this.#server)
    }
    return this.#takesMore()
  }

  /** Is the client read on before the relay? */
  #takesMore(): boolean {
    const unresolved = this.#dialogue?.unresolved ?? 0
    const isRoom = this.#earlyBytes < MOST_EARLY && unresolved < MOST_UNRESOLVED
    return isRoom && this.#client.socket.writableLength < HIGH_WATER
  }

  #onBackend(chunk: Bytes, loan: Buffer | undefined): boolean {
    this.#counts.backend += chunk.length
    if (this.#isBefore) this.#dialogue?.feed('backend', chunk)
    if (loan) giveBack(loan)
    if (this.#phase === 'dialogue' && this.#server) {
      if (this.#dialogue?.done) this.#relay(this.#server)
      else if (this.#takesMore()) this.#client.resume()
    }
    if ((this.#postponed?.bytes ?? 0) > MOST_POSTPONED) return false
    return this.#client.socket.writableLength < HIGH_WATER
  }

  /** Has a server that speaks first spoken? It answers what its client said before it ended its side. */
  get #isGreeted(): boolean {
    return this.#context.dialect?.serverSpeaksFirst === true && this.#counts.backend > 0
  }

  /** Is this before the relay, and nobody turned away? */
  get #isBefore(): boolean {
    return this.#phase === 'dialogue' || this.#phase === 'header'
  }

  send(to: Direction, bytes: Bytes): void {
    if (to === 'frontend') this.#client.socket.write(bytes)
    else if (this.#connected) this.#server?.socket.write(bytes)
    else if (this.#phase === 'dialogue') {
      this.#early.push(bytes)
      this.#earlyBytes += bytes.length
    }
  }

  show(from: Direction, bytes: Bytes): void {
    // What is said a second time, to a handshake that refuses, was seen the first time.
    if (this.#isReplaying && from === 'frontend') return
    this.#observer?.chunk(from, bytes, this.#context.clock.now())
  }

  note(message: string): void {
    this.#context.warnOnce(message)
  }

  broken(error: unknown): void {
    const { conn_id } = this.#facts
    this.#context.log.error(
      { err: error, conn_id },
      'handshake failed: its bytes are passed on as they are',
    )
  }

  // ---- refusals

  refuse(bytes: Bytes, reason: string): void {
    this.#ending.note('proxy', reason)
    this.#leave(bytes)
  }

  #dialFailed(reason: string, detail: string): void {
    const { log, options } = this.#context
    const fields = { conn_id: this.#facts.conn_id, remote_addr: showAddress(options.remote), reason }
    log.warn(fields, `dial failed: ${detail}`)
    const by = reason === 'dial_refused' ? 'server' : 'proxy'
    this.#refuse(by, reason, `could not connect to the database server: ${detail}`, detail)
  }

  /** Turns the client away, in words, as soon as it understands them. */
  #refuse(by: Cause['by'], reason: string, message: string, detail?: string): void {
    this.#ending.insist(by, reason, detail)
    this.#phase = 'refusing'
    this.#refusal = message
    this.#dialBy = NEVER
    this.#server?.socket.destroy()
    this.#context.turnAway(this)
    if (this.#loginBy === NEVER) this.#lingerFor(REFUSING_MS)
    if (this.#context.options.tlsClient === 'passthrough') this.#replay()
    this.#tryToTell()
    if (this.#phase === 'refusing' && this.#clientEnded) this.#destroy()
    else this.#client.resume()
  }

  /** The server that would have answered to a request for TLS is not there: a new handshake answers. */
  #replay(): void {
    const dialogue = this.#newDialogue('refuse')
    this.#dialogue = dialogue
    this.#isReplaying = true
    for (const bytes of this.#early) if (this.#phase === 'refusing') dialogue.feed('frontend', bytes)
    this.#isReplaying = false
  }

  #tryToTell(): void {
    const dialogue = this.#dialogue
    if (this.#phase !== 'refusing' || !dialogue) return
    const { reason } = this.#ending.cause
    if (dialogue.refusable)
      this.#leave(this.#context.dialect?.refusal?.({ reason, message: this.#refusal }))
    else if (dialogue.done) this.#leave(undefined)
  }

  /** The last bytes for the client; then it is listened to until it goes, or a reset would eat them. */
  #leave(bytes: Bytes | undefined): void {
    this.#phase = 'closing'
    this.#early = []
    this.#server?.socket.destroy()
    this.#context.turnAway(this)
    if (bytes) this.#client.socket.end(bytes)
    else this.#client.socket.end()
    this.#lingerFor(LINGER_MS)
  }

  // ---- the end

  #attend(socket: Socket, side: Direction): void {
    socket.on('end', () => this.#ended(side))
    socket.on('error', (error: Error) => this.#failed(side, error))
    socket.on('drain', () => this.#drained(side))
    socket.on('close', () => this.#closed())
  }

  #drained(side: Direction): void {
    if (this.#lanes) this.#lanes[side === 'frontend' ? 'backend' : 'frontend'].drained()
    else {
      this.#client.resume()
      this.#server?.resume()
    }
  }

  #ended(side: Direction): void {
    this.#ending.noteEnd(side)
    if (this.#lanes) {
      this.#lanes[side].end()
      if (side === 'backend') this.#lingerFor(AFTER_SERVER_MS)
    } else if (side === 'backend') {
      if (this.#isBefore) this.#leave(undefined)
    } else {
      this.#clientEnded = true
      if (this.#phase === 'dialogue' && this.#isGreeted) this.#server?.socket.end()
      else if (!(this.#phase === 'dialogue' && this.#dialogue?.done) && this.#phase !== 'closing') {
        this.#destroy()
      }
    }
  }

  #failed(side: Direction, error: Error): void {
    if (side === 'backend' && !this.#connected) {
      if (this.#isBefore) this.#dialFailed(dialReason(error), wordOf(error))
      return
    }
    this.#ending.noteError(side, error)
    const other = side === 'frontend' ? this.#server?.socket : this.#client.socket
    if (other && passReset(other)) this.#lingerFor(LINGER_MS)
  }

  #lingerFor(milliseconds: number): void {
    this.#leaveBy = Math.min(this.#leaveBy, this.#context.clock.steady() + milliseconds)
    this.#context.watch(this)
  }

  #destroy(): void {
    this.#client.socket.destroy()
    this.#server?.socket.destroy()
  }

  #closed(): void {
    if (--this.#openSockets > 0) return
    const { clock } = this.#context
    this.#lanes?.frontend.close()
    this.#lanes?.backend.close()
    const at = clock.now()
    // A client that left inside its PROXY header was not opened yet.
    const isOpen = this.#observer !== undefined && this.#postponed === undefined
    const observer = isOpen ? (this.#observer as FlowObserver) : this.#open(at)
    const { frontend, backend } = this.#counts
    this.#context.gather?.show()
    observer.closed({ ...this.#ending.cause, bytesIn: frontend, bytesOut: backend }, at)
    this.#context.forget(this)
  }
}
