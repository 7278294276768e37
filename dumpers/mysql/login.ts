/**
 * From the greeting to OK or ERR: who logs in, by which method, with what result. Secrets are not looked
 * at.
 */
import type { ServerError, SessionAuth } from '../../src/event.ts'
import type { Bytes, Micros } from '../../src/flow.ts'
import { type Capabilities, CLIENT_MULTI_FACTOR_AUTHENTICATION, has } from './capabilities.ts'
import { charsetOfCollation } from './charsets.ts'
import { decodeOk } from './decode.ts'
import { decodeAgreed, decodeAuthSwitch, decodeHandshakeResponse } from './decode-login.ts'
import { threadKey } from './kill.ts'
import { type Greeting, type HandshakeResponse, HEAD, type Ok } from './packets.ts'
import type { MysqlState } from './state.ts'
import { type NewUser, newUser } from './user.ts'

export class Login {
  readonly #state: MysqlState
  #began: Micros = 0
  #method: string | undefined
  #version = '10'
  #server: Capabilities = { flags: 0, mariadb: 0 }
  #mariadb = false
  #claimed: string | undefined
  /** the client answered the greeting */
  responded = false

  constructor(state: MysqlState) {
    this.#state = state
  }

  get server(): Capabilities {
    return this.#server
  }

  greeting(greeting: Greeting): void {
    const { identity } = this.#state
    this.#version = String(greeting.protocol)
    this.#server = greeting.capabilities
    this.#mariadb = greeting.mariadb
    this.#method = greeting.authPlugin
    identity.set('server_version', greeting.serverVersion)
    identity.set('backend_pid', greeting.threadId)
    this.#state.serverCharset = charsetOfCollation(greeting.characterSet, greeting.mariadb) ?? ''
    this.#state.setCharset(this.#state.serverCharset)
  }

  response(response: HandshakeResponse): void {
    const state = this.#state
    this.responded = true
    this.#began = state.now
    state.agree(response.capabilities, this.#mariadb)
    const version = state.identity.who.server_version
    const user = newUser(response, state.decoding, this.#mariadb, version)
    this.#method = user.method ?? this.#method
    takeUser(state, user)
  }

  /** The client's first packet. Answers false for a request for TLS. */
  packet(bytes: Bytes, start: number, end: number): boolean {
    const { cursor, context } = this.#state
    try {
      const packet = decodeHandshakeResponse(
        cursor.reset(bytes, start, end),
        this.#server,
        context.secured === true,
      )
      if (packet.kind !== 'HandshakeResponse') return false
      this.response(packet)
    } catch {
      this.unreadable(bytes, start, end)
    }
    return true
  }

  /** What the server says to it, if that is no error. Answers the OK that accepts it. */
  reply(first: number, bytes: Bytes, start: number, end: number): Ok | undefined {
    const { cursor, capabilities } = this.#state
    const factors = has(capabilities, CLIENT_MULTI_FACTOR_AUTHENTICATION)
    cursor.reset(bytes, start, end)
    try {
      if (first === HEAD.EOF || (first === HEAD.AUTH_NEXT_FACTOR && factors))
        this.#method = decodeAuthSwitch(cursor).plugin
      else if (first === HEAD.OK && this.responded) return decodeOk(cursor, capabilities)
    } catch {
      // the method stays unknown
    }
    return undefined
  }

  /** A log-in that could not be read: the server's words are the outcome. */
  unreadable(bytes: Bytes, start: number, end: number): void {
    const state = this.#state
    this.responded = true
    this.#began = state.now
    state.resetCharset = state.charset
    try {
      state.agree(decodeAgreed(state.cursor.reset(bytes, start, end), this.#server), this.#mariadb)
    } catch {
      // not even its flags are there: no server takes it
    }
  }

  outcome(outcome: SessionAuth['outcome'], error?: ServerError): void {
    const { identity, now, context } = this.#state
    const threadId = identity.who.backend_pid
    if (outcome === 'success' && threadId !== undefined) {
      this.#claimed = threadKey(threadId)
      context.link.claim(this.#claimed, context.connId)
    }
    this.#state.emit({
      event: 'session.auth',
      at: now,
      who: identity.who,
      outcome,
      ...(this.#method === undefined || !this.responded ? {} : { auth_method: this.#method }),
      protocol_version: this.#version,
      ...(this.responded ? { duration_us: Math.max(0, now - this.#began) } : {}),
      ...error,
    })
  }

  /** The session is over: its thread's number names nothing any more. */
  release(): void {
    const { link, connId } = this.#state.context
    if (this.#claimed !== undefined) link.release(this.#claimed, connId)
    this.#claimed = undefined
  }
}

/** The session is that user's. */
export const takeUser = (state: MysqlState, user: NewUser): void => {
  const { identity } = state
  identity.set('username', user.username)
  identity.set('database', user.database)
  if (user.attributes !== undefined) {
    identity.set('connect_attrs', user.attributes)
    identity.set('application_name', user.program || undefined)
  }
  state.setCharset(user.charset ?? state.serverCharset)
  state.resetCharset = state.mariadb ? state.charset : state.serverCharset
}
