/** From the startup message to the first ReadyForQuery: who logs in, by which method, with what result. */
import type { ServerError, SessionAuth } from '../../src/event.ts'
import type { Bytes, Micros } from '../../src/flow.ts'
import {
  decodeAuthentication,
  decodeBackendKeyData,
  decodeNegotiateProtocolVersion,
  decodeStartup,
} from './decode.ts'
import type { CancelRequest, StartupMessage, StartupPacket } from './messages.ts'
import type { PgState } from './state.ts'

/** Most characters of the startup options that are recorded. */
const MAX_OPTIONS = 1024

/** What names a session to whoever would cancel it; the key is a secret and stays in memory. */
const cancelKey = (pid: number, key: Bytes): string => `${pid}:${key.toString('hex')}`

/** `-c role=x` or `--role=x` in `options`, blanks in the value escaped by a backslash. */
const ROLE_OPTION = /(?:^|\s)(?:-c\s*|--)role=((?:\\.|[^\s\\])*)/gi

/** The role that the startup message sets: a parameter of its own goes before one within `options`. */
const startupRole = (parameters: readonly string[]): string | undefined => {
  let within: string | undefined
  for (let i = parameters.length - 2; i >= 0; i -= 2) {
    const name = parameters[i]?.toLowerCase()
    const value = parameters[i + 1] ?? ''
    if (name === 'role') return value
    if (name === 'options') within ??= [...value.matchAll(ROLE_OPTION)].at(-1)?.[1]?.replace(/\\(.)/g, '$1')
  }
  return within
}

/** The first packet of a client. The server refuses one that cannot be read: its words are the outcome. */
export const startupOf = ({ cursor }: PgState, bytes: Bytes, start: number, end: number): StartupPacket => {
  try {
    return decodeStartup(cursor.reset(bytes, start, end))
  } catch {
    return { kind: 'StartupMessage', major: 3, minor: 0, parameters: [] }
  }
}

export class Login {
  readonly #state: PgState
  #began: Micros = 0
  #method: string | undefined
  #version = ''
  #replication: string | undefined
  #options: string | undefined
  #role: string | undefined
  #claimed: string | undefined
  /** messages of the client that answered a request for authentication, or were sent unasked */
  passwords = 0
  #asked = false
  #accepted = false

  constructor(state: PgState) {
    this.#state = state
  }

  startup(message: StartupMessage): void {
    const { identity, now } = this.#state
    this.#began = now
    this.#version = `${message.major}.${message.minor}`
    const options: string[] = []
    for (let i = 0; i + 1 < message.parameters.length; i += 2) {
      const name = message.parameters[i] as string
      const value = message.parameters[i + 1] as string
      if (name === 'user') identity.set('username', value)
      else if (name === 'database') identity.set('database', value || undefined)
      else if (name === 'application_name') identity.set('application_name', value || undefined)
      else if (name === 'replication') this.#replication = value
      else options.push(`${name}=${value}`)
    }
    this.#role = startupRole(message.parameters)
    // the server's own rule: the database is named as its user when it is not named
    if (identity.database === undefined) identity.set('database', identity.who.username)
    if (options.length > 0) this.#options = options.join(' ').slice(0, MAX_OPTIONS)
  }

  negotiated(bytes: Bytes, start: number, end: number): void {
    try {
      const { minor } = decodeNegotiateProtocolVersion(this.#state.cursor.reset(bytes, start, end))
      this.#version = `3.${minor}`
    } catch {
      // the version asked for stands
    }
  }

  /** Authentication: the method asked for; what is exchanged is neither read nor kept. */
  authentication(bytes: Bytes, start: number, end: number): void {
    try {
      const { code, method } = decodeAuthentication(this.#state.cursor.reset(bytes, start, end))
      this.#method = method ?? this.#method
      if (code === 0) this.#accepted = true
      else this.#asked = true
    } catch {
      // the method stays unknown
    }
  }

  /** False when the server asked for a proof and was given none. */
  get mayHaveSucceeded(): boolean {
    return this.#accepted || !this.#asked || this.passwords > 0
  }

  backendKey(bytes: Bytes, start: number, end: number): void {
    const { context, identity, cursor } = this.#state
    try {
      const { pid, key } = decodeBackendKeyData(cursor.reset(bytes, start, end))
      identity.set('backend_pid', pid)
      this.release()
      this.#claimed = cancelKey(pid, key)
      context.link.claim(this.#claimed, context.connId)
    } catch {
      // cancels of this session cannot be linked to it then
    }
  }

  cancel(request: CancelRequest): void {
    const { context, identity, now } = this.#state
    const target = context.link.find(cancelKey(request.pid, request.key))
    this.#state.emit({
      event: 'cancel',
      at: now,
      who: identity.who,
      target_backend_pid: request.pid,
      ...(target === undefined ? {} : { target_conn_id: target }),
    })
  }

  /** The log-in was accepted (first ReadyForQuery), refused, or never decided. */
  outcome(outcome: SessionAuth['outcome'], error?: ServerError): void {
    const { identity, now } = this.#state
    if (outcome === 'success' && this.#role !== undefined) identity.beginAs(this.#role)
    this.#state.emit({
      event: 'session.auth',
      at: now,
      who: identity.who,
      outcome,
      ...(this.#method === undefined ? {} : { auth_method: this.#method }),
      protocol_version: this.#version,
      ...(this.#replication === undefined ? {} : { replication: this.#replication }),
      ...(this.#options === undefined ? {} : { startup_options: this.#options }),
      duration_us: Math.max(0, now - this.#began),
      ...error,
    })
  }

  /** The session is over: its key names nothing any more. */
  release(): void {
    if (this.#claimed !== undefined)
      this.#state.context.link.release(this.#claimed, this.#state.context.connId)
    this.#claimed = undefined
  }
}
