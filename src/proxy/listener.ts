/** Accepts connections, keeps their number and their deadlines, and lets them run out at the end. */
import { existsSync } from 'node:fs'
import { BlockList, createServer, isIPv4, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { ConfigError } from '../errors.ts'
import type { LogGate, OpenFlow } from '../flow.ts'
import { hostPort, type ListenAddress, plainHost, showAddress } from './address.ts'
import type { Clock, Timers } from './clock.ts'
import { Connection } from './connection.ts'
import type { Held, Kept, ListenerContext, ListenerDeps, ListenerOptions, ProxyLog } from './context.ts'
import { Gather } from './gather.ts'
import { adopt } from './inlet.ts'
import { type Turn, turnOf } from './turn.ts'
import { clearStaleSocket } from './unix-socket.ts'
import { LOG_BLOCKED, type Verdict } from './verdict.ts'

export interface Listener {
  /** where it listens, with the port that the system chose */
  readonly address: string
  readonly port: number | undefined
  /** connections that are not over yet */
  readonly connections: number
  readonly held: Held
  /** accepts no more; what the kernel has queued on an inherited socket is left to whoever shares it */
  stop(): Promise<void>
  /** no connection is left */
  drained(): Promise<void>
  /** ends all connections, now */
  end(reason: string): void
}

const SWEEP_MS = 100
/** Clients over the limit that are kept until they understand the refusal; further ones are just closed. */
const MOST_REFUSALS = 64
const BACKLOG = 511

/** Networks as `address/prefix` or single addresses. Throws ConfigError on anything else. */
export const networks = (allow: readonly string[], option = 'proxy.allow'): BlockList => {
  const list = new BlockList()
  for (const network of allow) {
    const [host = '', prefix] = network.split('/')
    const family = isIPv4(host) ? 'ipv4' : 'ipv6'
    try {
      if (prefix === undefined) list.addAddress(host, family)
      else list.addSubnet(host, /^\d+$/.test(prefix) ? Number(prefix) : Number.NaN, family)
    } catch {
      throw new ConfigError(
        'invalid-value',
        option,
        `${option}: a network such as 10.0.0.0/8 wanted, got ${network}`,
      )
    }
  }
  return list
}

class Listening implements Listener, ListenerContext {
  readonly options: ListenerOptions
  readonly openFlow: OpenFlow
  readonly dialect: NonNullable<ListenerDeps['dialect']>
  readonly clock: Clock
  readonly timers: Timers
  readonly log: ProxyLog
  readonly connId: () => string
  readonly gather: Gather | undefined
  readonly gate: LogGate | undefined
  readonly turn: Turn | undefined
  readonly held = { now: 0, total: 0, timedOut: 0 }
  readonly #server: Server
  readonly #allowed: BlockList | undefined
  readonly #all = new Set<Kept>()
  readonly #watched = new Set<Kept>()
  /** of all, those that are turned away */
  readonly #turnedAway = new Set<Kept>()
  readonly #warned = new Set<string>()
  /** the last client to come was refused for the log's sake */
  #isRefusing = false
  #stopSweep: (() => void) | undefined
  #whenDrained: (() => void)[] = []

  constructor(options: ListenerOptions, deps: ListenerDeps) {
    this.options = options
    this.openFlow = deps.openFlow
    this.dialect = deps.dialect ?? {}
    this.clock = deps.clock
    this.timers = deps.timers
    this.log = deps.log
    this.connId = deps.connId
    this.gate = deps.gate
    this.turn = deps.gate && turnOf(deps.gate, deps.gather ?? new Gather(), deps.clock)
    this.gather = this.turn?.gather ?? deps.gather
    this.#allowed = options.allow.length > 0 ? networks(options.allow) : undefined
    const { noDelay, keepAlive } = options
    this.#server = createServer(
      {
        pauseOnConnect: true,
        allowHalfOpen: true,
        noDelay,
        keepAlive: keepAlive > 0,
        keepAliveInitialDelay: keepAlive,
      },
      (accepted) => this.#accept(accepted),
    )
  }

  async start(): Promise<this> {
    const { address } = this.options
    if ('path' in address)
      await clearStaleSocket(address.path).catch((error: NodeJS.ErrnoException) => {
        throw listenError(error, address)
      })
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, address)))
      this.#server.listen({ ...address, backlog: this.options.backlog ?? BACKLOG }, resolve)
    })
    this.#server.removeAllListeners('error')
    this.#server.on('error', (error) => {
      this.log.error({ err: error, listen_addr: this.address }, 'accept failed')
    })
    return this
  }

  get address(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') return address ?? showAddress(this.options.address)
    return hostPort(address.address, address.port)
  }

  get port(): number | undefined {
    const address = this.#server.address()
    return address !== null && typeof address === 'object' ? address.port : undefined
  }

  get connections(): number {
    return this.#all.size
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
    })
  }

  drained(): Promise<void> {
    if (this.#all.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#whenDrained.push(resolve)
    })
  }

  end(reason: string): void {
    for (const connection of this.#all) connection.terminate(reason)
  }

  watch(connection: Kept): void {
    this.#watched.add(connection)
    this.#stopSweep ??= this.timers.every(SWEEP_MS, () => this.#sweep())
  }

  /** Are clients refused for the log's sake? Tells when that begins, and when it is over. */
  #refusesAll(): boolean {
    const isBlocked = this.gate?.isBlocked === true
    if (isBlocked !== this.#isRefusing) {
      this.#isRefusing = isBlocked
      const fields = this.#fields
      if (isBlocked) this.log.warn(fields, `${LOG_BLOCKED.message}: new connections are refused`)
      else this.log.info(fields, 'the audit log is written again: new connections are accepted')
    }
    return isBlocked
  }

  turnAway(connection: Kept): void {
    this.#turnedAway.add(connection)
  }

  warnOnce(message: string): void {
    if (this.#warned.has(message)) return
    this.#warned.add(message)
    this.log.warn(this.#fields, message)
  }

  get #fields(): Record<string, unknown> {
    const { name } = this.options
    return { listen_addr: this.address, ...(name !== undefined && { listener: name }) }
  }

  forget(connection: Kept): void {
    this.#all.delete(connection)
    this.#watched.delete(connection)
    this.#turnedAway.delete(connection)
    if (this.#all.size > 0) return
    for (const resolve of this.#whenDrained) resolve()
    this.#whenDrained = []
  }

  #accept(accepted: Socket): void {
    const verdict = this.#verdict(accepted)
    const client = adopt(accepted, () => true)
    this.#all.add(new Connection(this, client, verdict))
  }

  #verdict(accepted: Socket): Verdict {
    const { maxConnections } = this.options
    if (this.#allowed && !isAllowed(this.#allowed, accepted)) return 'not_allowed'
    if (maxConnections === 0 || this.#all.size - this.#turnedAway.size < maxConnections) {
      return this.#refusesAll() ? 'blocked' : 'welcome'
    }
    return this.#turnedAway.size < MOST_REFUSALS ? 'limit' : 'limit_untold'
  }

  #sweep(): void {
    const now = this.clock.steady()
    for (const connection of this.#watched) {
      if (!connection.sweep(now)) this.#watched.delete(connection)
    }
    if (this.#watched.size > 0) return
    this.#stopSweep?.()
    this.#stopSweep = undefined
  }
}

/** A TCP client that has left already has no address: its server need not be dialled. */
const isAllowed = (networks: BlockList, { remoteAddress, localAddress }: Socket): boolean => {
  if (remoteAddress === undefined) return localAddress === undefined
  const host = plainHost(remoteAddress)
  return networks.check(host, isIPv4(host) ? 'ipv4' : 'ipv6')
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'address already in use',
  EACCES: 'permission denied',
  EADDRNOTAVAIL: 'no such address on this machine',
  ENOTFOUND: 'no such host',
  ENOENT: 'no such directory',
}

// libuv's uv_pipe_bind gives EACCES for a missing directory too.
const listenCode = (error: NodeJS.ErrnoException, address: ListenAddress): string | undefined =>
  error.syscall === 'listen' && 'path' in address && !existsSync(dirname(address.path))
    ? 'ENOENT'
    : error.code

const listenError = (error: NodeJS.ErrnoException, address: ListenAddress): ConfigError => {
  const code = listenCode(error, address)
  const reason = REASONS[code ?? ''] ?? code ?? error.message
  return new ConfigError('environment', 'proxy.listenAddr', `listen ${showAddress(address)}: ${reason}`)
}

/**
 * Listens, and passes each connection on to the remote. Throws ConfigError when it cannot listen there
 * (`environment`), or when a network of `allow` is none.
 */
export const listen = (options: ListenerOptions, deps: ListenerDeps): Promise<Listener> =>
  new Listening(options, deps).start()
