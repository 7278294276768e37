/** `querytap proxy`: builds the parts, joins them, waits, shuts down in order. */
import { formatAddress } from '../../config/address.ts'
import type { Config, ListenerConfig } from '../../config/load.ts'
import { loadDumper } from '../../dumpers/index.ts'
import { ConfigError } from '../errors.ts'
import type { AuditLife } from '../event.ts'
import { type OpenLog, openLog } from '../log.ts'
import { openLink } from '../observe/link.ts'
import { StillOpenTimer } from '../observe/still-open.ts'
import type { ListenAddress } from '../proxy/address.ts'
import { type Clock, systemClock, systemTimers } from '../proxy/clock.ts'
import { connIds } from '../proxy/conn-id.ts'
import { Gather } from '../proxy/gather.ts'
import { type Listener, listen } from '../proxy/listener.ts'
import type { Dumper, Link, MemoryBudget } from '../session.ts'
import { type AuditLog, openAuditLog } from './audit-log.ts'
import { isOnSameDisk } from './log-thread.ts'
import { openObservation } from './observation.ts'
import { type Pidfile, takePidfile } from './pidfile.ts'
import { type AuditPromise, promiseOf } from './promise.ts'
import { type Signals, type Stop, watchSignals } from './signals.ts'
import { assignSockets, type InheritedSocket, inheritedSockets, showSocket } from './sockets.ts'
import { startFacts } from './start-facts.ts'
import { warnAtStart } from './start-warnings.ts'

export interface ProxyOptions {
  /** records go to the standard output as well (`--stdout`) */
  readonly stdout: boolean
  /** called when all listeners are there, with their addresses */
  readonly onListening?: (addresses: readonly string[]) => void
  /** the process's own signals unless told */
  readonly signals?: Signals
  readonly env?: NodeJS.ProcessEnv
}

type ListenerWithDumper = ListenerConfig & { readonly loaded: Dumper }

/** One running proxy. */
class RunningProxy {
  readonly #config: Config
  readonly #openLog: OpenLog
  readonly #audit: AuditLog
  readonly #promise: AuditPromise
  readonly #clock: Clock = systemClock()
  readonly #stillOpen: StillOpenTimer | undefined
  readonly #budget: MemoryBudget
  readonly #links = new Map<string, Link>()
  readonly #connId = connIds()
  readonly #gather = new Gather()
  readonly listeners: Listener[] = []

  constructor(config: Config, log: OpenLog, audit: AuditLog, promise: AuditPromise) {
    this.#promise = promise
    this.#config = config
    this.#openLog = log
    this.#audit = audit
    this.#budget = { limit: config.dumpLog.sessionBytes, used: 0 }
    const { openAfter } = config.dumpLog
    if (openAfter > 0) {
      const now = () => this.#clock.now()
      this.#stillOpen = new StillOpenTimer({ openAfter, now, setInterval, clearInterval })
    }
  }

  tell(event: AuditLife['event'], fields: AuditLife['fields']): void {
    this.#audit.sink.emit(undefined, {
      event,
      at: this.#clock.now(),
      fields: { pid: process.pid, ...fields },
    })
  }

  async listen(listener: ListenerWithDumper, address: ListenAddress): Promise<void> {
    const { log } = this.#openLog
    const { dumpLog } = this.#config
    const openFlow = openObservation({
      dumper: listener.loaded,
      sink: this.#audit.sink,
      limits: dumpLog,
      detail: dumpLog.detail,
      link: this.#linkTo(listener),
      budget: this.#budget,
      stillOpen: this.#stillOpen,
      intents: this.#audit.held?.intents,
      refusesUndecodable: this.#promise.onUndecodable === 'refuse',
      log,
    })
    const options = {
      ...listener,
      address,
      tlsClient: listener.tls.client,
      noDelay: true,
      backlog: listener.listenBacklog,
      blockTimeout: dumpLog.blockTimeout,
    } as const
    const deps = {
      openFlow,
      dialect: listener.loaded,
      clock: this.#clock,
      timers: systemTimers,
      log,
      connId: this.#connId,
      gather: this.#gather,
      gate: this.#audit.held?.gate,
    }
    const listening = await listen(options, deps)
    this.listeners.push(listening)
    const { name, remote, loaded } = listener
    const fields = { listener: name, remote_addr: formatAddress(remote), dumper: loaded.name }
    log.info({ listen_addr: listening.address, ...fields }, 'listening')
    if (!isLocal(listening.address) && listener.tls.client === 'refuse' && loaded.handshake) {
      log.warn(
        { listener: name },
        'clients are told that there is no TLS: what they send can be read on the way',
      )
    }
  }

  /** Cancel keys mean something to one server only. */
  #linkTo({ remote }: ListenerConfig): Link {
    const server = formatAddress(remote)
    const link = this.#links.get(server) ?? openLink()
    this.#links.set(server, link)
    return link
  }

  reopen(): void {
    this.#openLog.reopen()
    this.#audit.reopen()
    this.#openLog.log.info({}, 'logs reopened')
  }

  get connections(): number {
    return this.listeners.reduce((sum, listener) => sum + listener.connections, 0)
  }

  /** Lets sessions run out, as long as they may, and ends those that are left. */
  async shutDown(how: Stop, now: Promise<void>): Promise<void> {
    const stopped = Promise.all(this.listeners.map((listener) => listener.stop()))
    const drained = () => Promise.all(this.listeners.map((listener) => listener.drained()))
    if (how === 'drain' && this.connections > 0) {
      this.#openLog.log.info({ connections: this.connections }, 'waiting for sessions to end')
      await before(this.#config.proxy.drainTimeout, Promise.race([drained(), now]))
    }
    if (this.connections > 0) this.#openLog.log.info({ connections: this.connections }, 'ending sessions')
    for (const listener of this.listeners) listener.end('shutdown')
    await drained()
    await stopped
  }

  /** sessions that waited for the log for longer than they may, where there were some */
  get timedOut(): { readonly ended_by_block_timeout?: number } {
    const count = this.listeners.reduce((sum, { held }) => sum + held.timedOut, 0)
    return count > 0 ? { ended_by_block_timeout: count } : {}
  }

  close(): void {
    this.#stillOpen?.stop()
  }
}

const LOCAL = /^(?:127\.|\[::1\]|\/)/
const isLocal = (address: string): boolean => LOCAL.test(address)

/** Waits for the promise, but no longer than so many milliseconds; 0 is as long as it takes. */
const before = async (milliseconds: number, promise: Promise<unknown>): Promise<void> => {
  if (milliseconds === 0) return void (await promise)
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds)
  })
  await Promise.race([promise, over])
  clearTimeout(timer)
}

/** Where each listener listens. */
const addressesOf = (
  config: Config,
  inherited: readonly InheritedSocket[],
  log: OpenLog,
): ListenAddress[] => {
  if (!config.proxy.useServerStarter) {
    return config.listeners.map(({ listen: own, name }) => {
      if (own === undefined)
        throw new ConfigError('usage', 'proxy.listenAddr', `no address for listener ${name}`)
      return 'path' in own ? own : { port: own.port, host: own.host || undefined }
    })
  }
  const { assigned, left } = assignSockets(inherited, config.listeners)
  for (const socket of left)
    log.log.warn({ listen_addr: showSocket(socket) }, 'inherited socket is not used')
  return assigned.map((socket) => ({ fd: socket.fd, name: showSocket(socket) }))
}

const withDumpers = (listeners: readonly ListenerConfig[]): Promise<ListenerWithDumper[]> =>
  Promise.all(
    listeners.map(async (listener) => ({ ...listener, loaded: await loadDumper(listener.dumper) })),
  )

const serve = async (
  proxy: RunningProxy,
  listeners: readonly ListenerWithDumper[],
  addresses: readonly ListenAddress[],
  signals: Signals,
  onListening: ProxyOptions['onListening'],
): Promise<NodeJS.Signals> => {
  for (const [index, listener] of listeners.entries()) {
    await proxy.listen(listener, addresses[index] as ListenAddress)
  }
  onListening?.(proxy.listeners.map((listener) => listener.address))
  const { how, signal } = await signals.stop
  await proxy.shutDown(how, signals.now)
  return signal
}

/**
 * Runs until a signal ends it, and answers the exit code. Throws ConfigError for what its user, or the
 * machine's owner, has to mend; what was opened by then is closed again.
 */
export const runProxy = async (config: Config, options: ProxyOptions): Promise<number> => {
  const toStdout = options.stdout || config.dumpLog.stdout
  const listeners = await withDumpers(config.listeners)
  const { useServerStarter } = config.proxy
  const inherited = useServerStarter ? inheritedSockets(options.env ?? process.env, process.pid) : []
  const opened = await openLog(config.log, toStdout ? process.stderr : process.stdout)
  let pidfile: Pidfile | undefined
  let audit: AuditLog | undefined
  let proxy: RunningProxy | undefined
  let signals: Signals | undefined
  let reason = 'failed'
  try {
    const addresses = addressesOf(config, inherited, opened)
    if (config.querytap.pidfile) pidfile = takePidfile(config.querytap.pidfile, useServerStarter)
    warnAtStart(config, toStdout, opened.log)
    const promise = promiseOf(config.dumpLog)
    const thread = promise.guarantee === 'observe'
    const onHang = isOnSameDisk(config.log.dir, config.dumpLog.dir) ? opened.hold : undefined
    audit = openAuditLog(config.dumpLog, toStdout, opened.log, { promise, thread, onHang })
    await audit.opened
    proxy = new RunningProxy(config, opened, audit, promise)
    const { guarantee, onFailure: on_failure, onUndecodable: on_undecodable } = promise
    const { detail } = config.dumpLog
    const facts = { listeners: listeners.length, ...startFacts(config, audit.keyId) }
    proxy.tell('audit.start', { detail, guarantee, on_failure, on_undecodable, ...facts })
    signals = options.signals ?? watchSignals(() => proxy?.reopen())
    reason = await serve(proxy, listeners, addresses, signals, options.onListening)
    return 0
  } catch (err) {
    opened.log.error({ err }, 'failed')
    throw err
  } finally {
    if (proxy && reason === 'failed') await proxy.shutDown('now', Promise.resolve())
    proxy?.tell('audit.stop', { reason })
    proxy?.close()
    await audit?.close()
    pidfile?.release()
    opened.log.info({ reason, ...proxy?.timedOut }, 'stopped')
    await opened.close()
    signals?.off()
  }
}
