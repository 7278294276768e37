/**
 * One client connection, from accept to the end of both sockets:
 *
 *   header   ──PROXY header read──────────▶ dialogue        header  ──broken───────────▶ closed
 *   dialogue ──dialled, handshake done────▶ relay           relay   ──both sides ended─▶ closed
 *   dialogue ──no dial, over the limit────▶ refusing        closing ──client has gone──▶ closed
 *   dialogue ──refused by the handshake───▶ closing         header  ──no dial──────────▶ refusing
 *   refusing ──understood─────────────────▶ closing         relay   ──cut off──────────▶ closing
 *
 * The dial runs beside the dialogue; where the server speaks first, beside the reading of a PROXY header
 * too, and what the server says goes to the client meanwhile. Deadlines are looked at by the listener's
 * sweep.
 */
import type { Socket } from 'node:net'
import type { Bytes, Direction, FlowFacts, FlowObserver, Micros, Refusal } from '../flow.ts'
import { showAddress } from './address.ts'
import type { Kept, ListenerContext } from './context.ts'
import { Deadlines, NEVER } from './deadlines.ts'
import { Dialogue, opposite, type Stage } from './dialogue.ts'
import { Early } from './early.ts'
import { type Cause, dialReason, Ending, passReset, wordOf } from './ending.ts'
import { dialledFacts, firstFacts } from './facts.ts'
import { GatedLane } from './gate.ts'
import { Hold } from './hold.ts'
import { dial, giveBack, HIGH_WATER, type Inlet } from './inlet.ts'
import { AFTER_SERVER_MS, LINGER_MS, MOST_POSTPONED, MOST_UNRESOLVED, REFUSING_MS } from './limits.ts'
import { type AnyLane, type Counts, Lane } from './pipe.ts'
import { Postponed } from './postponed.ts'
import { type ProxyHeaderReader, readProxyHeader } from './proxy-header-reader.ts'
import { LOG_BLOCKED, REFUSALS, type Verdict } from './verdict.ts'

type Phase = 'header' | 'dialogue' | 'relay' | 'refusing' | 'closing'

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
  readonly #early = new Early()
  /** why the client is turned away, once it understands */
  #refusal: Refusal = LOG_BLOCKED
  #isReplaying = false
  /** what the client says, from its first word to its server on, where that waits for the log */
  #gated: GatedLane | undefined
  #lanes: { readonly frontend: AnyLane; readonly backend: AnyLane } | undefined
  #clientEnded = false
  #openSockets = 1
  readonly #by: Deadlines
  readonly #hold: Hold

  constructor(context: ListenerContext, client: Inlet, verdict: Verdict) {
    const { options, clock } = context
    this.#by = new Deadlines(clock, () => context.watch(this))
    this.#hold = new Hold(context, this.#by, (refusal) => this.#cutOff(refusal))
    this.#context = context
    this.#client = client
    this.#facts = firstFacts(context, client.socket)
    this.#by.set('login', options.loginTimeout)
    this.#attend(client.socket, 'frontend')
    const at = clock.now()
    const refusal = REFUSALS[verdict]
    if (options.proxyProtocol && (verdict === 'welcome' || refusal)) {
      this.#phase = 'header'
      if (refusal) this.#awaitHeaderInVain(refusal)
      else if (context.dialect?.serverSpeaksFirst) this.#listenFirst()
      readProxyHeader(client, (header, rest) => this.#headerRead(header, rest, verdict, at))
    } else {
      this.#observer = context.openFlow(this.#facts, at)
      this.#begin(verdict)
    }
  }

  sweep(now: number): boolean {
    const by = this.#by
    if (now >= by.leave) this.#destroy()
    else if (now >= by.block) this.#hold.timedOut()
    else if (this.#phase === 'relay' && this.#observer?.loggedIn !== false) by.login = NEVER
    else if (now >= by.login) this.terminate('login_timeout')
    else if (now >= by.dial) {
      this.#dialFailed('dial_timeout', `no answer within ${this.#context.options.dialTimeout / 1000} s`)
    }
    return by.isAny
  }

  terminate(reason: string): void {
    this.#ending.note('proxy', reason)
    this.#destroy()
  }

  // ---- the beginning

  /** A client over the limit takes no place while its header is waited for, nor may it take for ever. */
  #awaitHeaderInVain(refusal: Refusal): void {
    this.#ending.note('proxy', refusal.reason)
    if (refusal !== LOG_BLOCKED) this.#context.turnAway(this)
    if (this.#by.login === NEVER) this.#by.leaveIn(REFUSING_MS)
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
    // Its server may have let it through to the relay already.
    if (rest.length > 0 && !this.#client.onChunk(rest, undefined)) this.#client.socket.pause()
  }

  /** The server was dialled before, and has perhaps spoken, or failed. */
  #headerAfterDial(): void {
    this.#client.onChunk = (chunk, loan) => this.#onFrontend(chunk, loan)
    if (this.#phase !== 'header') return
    this.#phase = 'dialogue'
    if (!this.#connected || !this.#server) return
    if (this.#header) this.#server.socket.write(this.#header)
    this.#lane?.open(this.#server)
    this.#server.resume()
    if (this.#dialogue?.done) this.#relay(this.#server)
  }

  #begin(verdict: Verdict): void {
    this.#phase = 'dialogue'
    this.#dialogue = this.#newDialogue(this.#context.options.tlsClient)
    this.#client.onChunk = (chunk, loan) => this.#onFrontend(chunk, loan)
    if (verdict === 'not_allowed') this.terminate('not_allowed')
    else if (verdict === 'limit_untold') this.terminate('connection_limit')
    else if (REFUSALS[verdict]) this.#refuse('proxy', REFUSALS[verdict])
    else {
      this.#dial()
      if (!this.#dialogue.done) this.#client.resume()
    }
  }

  #newDialogue(tlsClient: 'refuse' | 'passthrough'): Dialogue {
    return new Dialogue(this.#context.dialect?.handshake?.({ tlsClient }), this)
  }

  #dial(): void {
    const { options } = this.#context
    this.#by.set('dial', options.dialTimeout)
    const server = dial(options.remote, options, (chunk, loan) => this.#onBackend(chunk, loan))
    this.#server = server
    this.#openSockets++
    this.#attend(server.socket, 'backend')
    server.socket.once('connect', () => this.#dialled(server))
  }

  #dialled(server: Inlet): void {
    this.#by.dial = NEVER
    this.#connected = true
    this.#facts = dialledFacts(this.#facts, server.socket)
    this.#observer?.dialled(this.#facts, this.#context.clock.now())
    if (this.#header) server.socket.write(this.#header)
    this.#early.sendTo(server.socket)
    if (!this.#postponed) this.#lane?.open(server)
    if (this.#phase === 'dialogue' && this.#dialogue?.done) this.#relay(server)
    else this.#client.resume()
  }

  #relay(server: Inlet): void {
    const { clock, gather } = this.#context
    const observed = { observer: this.#observer as FlowObserver, clock, counts: this.#counts, gather }
    const gated = this.#lane
    this.#phase = 'relay'
    this.#dialogue = undefined
    if (gated) this.#client.onChunk = gated.take
    this.#lanes = {
      frontend: gated ?? new Lane('frontend', this.#client, server, observed),
      backend: new Lane('backend', server, this.#client, observed),
    }
    if (this.#clientEnded) this.#lanes.frontend.end()
    else this.#client.resume()
  }

  /** Made when the observer is known, whose word it waits for. */
  get #lane(): GatedLane | undefined {
    const { turn, clock } = this.#context
    if (!turn) return undefined
    const common = { observer: this.#observer as FlowObserver, clock, counts: this.#counts }
    this.#gated ??= new GatedLane(this.#client, { ...common, turn, keeper: this.#hold })
    return this.#gated
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
    const isFull = this.#early.isFull || this.#gated?.isFull === true
    return !isFull && unresolved < MOST_UNRESOLVED && this.#client.socket.writableLength < HIGH_WATER
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

  pass(from: Direction, bytes: Bytes): void {
    const lane = from === 'frontend' ? this.#lane : undefined
    if (lane && (this.#phase === 'dialogue' || this.#mayBeAdmitted)) lane.forward(bytes, undefined)
    else {
      this.send(opposite(from), bytes)
      this.show(from, bytes)
    }
  }

  send(to: Direction, bytes: Bytes): void {
    if (to === 'frontend') this.#client.socket.write(bytes)
    else if (this.#connected) this.#server?.socket.write(bytes)
    else if (this.#phase === 'dialogue') this.#early.add(bytes)
  }

  show(from: Direction, bytes: Bytes): void {
    // What is said a second time, to a handshake that refuses, was seen the first time.
    if (this.#isReplaying && from === 'frontend') return
    this.#context.turn?.gather.show()
    this.#observer?.chunk(from, bytes, this.#context.clock.now())
  }

  note(message: string): void {
    this.#context.warnOnce(message)
  }

  broken(error: unknown): void {
    const fields = { err: error, conn_id: this.#facts.conn_id }
    this.#context.log.error(fields, 'handshake failed: its bytes are passed on as they are')
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
    const message = `could not connect to the database server: ${detail}`
    this.#refuse(by, { reason, message }, detail)
  }

  /** Turns the client away, in words, as soon as it understands them. */
  #refuse(by: Cause['by'], refusal: Refusal, detail?: string): void {
    this.#ending.insist(by, refusal.reason, detail)
    this.#phase = 'refusing'
    this.#refusal = refusal
    this.#by.dial = NEVER
    this.#server?.socket.destroy()
    // One that may be let in after all takes its place until it is told.
    if (refusal !== LOG_BLOCKED) this.#context.turnAway(this)
    if (this.#by.login === NEVER) this.#by.leaveIn(REFUSING_MS)
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
    const early = this.#gated?.drop() ?? this.#early.drop()
    for (const bytes of early) if (this.#phase === 'refusing') dialogue.feed('frontend', bytes)
    this.#isReplaying = false
  }

  #tryToTell(): void {
    const dialogue = this.#dialogue
    if (this.#phase !== 'refusing' || !dialogue) return
    if (dialogue.refusable) this.#leave(this.#context.dialect?.refusal?.(this.#refusal))
    else if (!dialogue.done) return
    else if (this.#mayBeAdmitted) this.#admit()
    else this.#leave(undefined)
  }

  /** Is it refused for the log's sake alone? */
  get #mayBeAdmitted(): boolean {
    return this.#phase === 'refusing' && this.#refusal === LOG_BLOCKED && !this.#gated?.isFull
  }

  /** What nobody understands a refusal of begins no session: it asks that a statement be cancelled. */
  #admit(): void {
    this.#ending.withdraw()
    this.#by.leave = NEVER
    this.#phase = 'dialogue'
    this.#dial()
  }

  /** The last bytes for the client; then it is listened to until it goes, or a reset would eat them. */
  #leave(bytes: Bytes | undefined): void {
    this.#phase = 'closing'
    this.#by.dial = NEVER
    this.#early.drop()
    this.#gated?.drop()
    this.#server?.socket.destroy()
    this.#context.turnAway(this)
    if (bytes) this.#client.socket.end(bytes)
    else this.#client.socket.end()
    this.#by.leaveIn(LINGER_MS)
  }

  /** Ends a session that was let in: nothing more is sent to its server, which is left at once. */
  #cutOff(refusal: Refusal): void {
    this.#gated?.shut()
    this.#ending.insist('proxy', refusal.reason)
    const words = this.#observer?.refusal?.(refusal)
    this.#leave(
      words ?? (this.#dialogue?.refusable ? this.#context.dialect?.refusal?.(refusal) : undefined),
    )
    this.#client.resume()
  }

  // ---- the end

  #attend(socket: Socket, side: Direction): void {
    socket.on('end', () => this.#ended(side))
    socket.on('error', (error: Error) => this.#failed(side, error))
    socket.on('drain', () => this.#drained(side))
    socket.on('close', () => this.#closed())
  }

  #drained(side: Direction): void {
    if (this.#lanes) this.#lanes[opposite(side)].drained()
    else {
      if (side === 'backend') this.#gated?.drained()
      this.#client.resume()
      this.#server?.resume()
    }
  }

  #ended(side: Direction): void {
    this.#ending.noteEnd(side)
    if (side === 'backend') this.#gated?.drop()
    if (this.#lanes) {
      this.#lanes[side].end()
      if (side === 'backend') this.#by.leaveIn(AFTER_SERVER_MS)
    } else if (side === 'backend') {
      if (this.#isBefore) this.#leave(undefined)
    } else {
      this.#clientEnded = true
      if (this.#phase === 'dialogue' && this.#isGreeted) (this.#gated ?? this.#server?.socket)?.end()
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
    this.#gated?.drop()
    const other = side === 'frontend' ? this.#server?.socket : this.#client.socket
    if (other && passReset(other)) this.#by.leaveIn(LINGER_MS)
  }

  #destroy(): void {
    this.#gated?.drop()
    this.#client.socket.destroy()
    this.#server?.socket.destroy()
  }

  #closed(): void {
    if (--this.#openSockets > 0) return
    const { clock } = this.#context
    this.#gated?.close()
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
