/** What a listener is told and given. */
import type { LogGate, OpenFlow } from '../flow.ts'
import type { Log } from '../log.ts'
import type { Dumper } from '../session.ts'
import type { ListenAddress, Remote } from './address.ts'
import type { Clock, Timers } from './clock.ts'
import type { Gather } from './gather.ts'
import type { Turn } from './turn.ts'

export interface ListenerOptions {
  /** goes into each record as `listener` */
  readonly name?: string
  readonly address: ListenAddress
  readonly remote: Remote
  readonly tlsClient: 'refuse' | 'passthrough'
  /** milliseconds; 0 is without end */
  readonly dialTimeout: number
  /** milliseconds until a client must be logged in; 0 is without end */
  readonly loginTimeout: number
  /** 0 is without limit */
  readonly maxConnections: number
  /** networks from which clients may come (`10.0.0.0/8`, `::1`); none: all. Unix sockets are not asked. */
  readonly allow: readonly string[]
  /** milliseconds of silence before the first probe; 0 is off */
  readonly keepAlive: number
  readonly noDelay: boolean
  /** connections that the kernel may hold until they are accepted; 511 unless told */
  readonly backlog?: number
  /** each connection begins with a PROXY header */
  readonly proxyProtocol: boolean
  /** the header is passed on to the server as it came */
  readonly proxyProtocolForward: boolean
  /**
   * milliseconds that a frontend chunk may wait for the log, where there is a gate; then the session ends,
   * in words. 0, or absent: without end
   */
  readonly blockTimeout?: number
}

/** Sessions that wait, or waited, for the log; for the operational log. */
export interface Held {
  /** sessions that have something to say which waits for the log now */
  readonly now: number
  /** times that a session had to wait for longer than the turn of the event loop in which it spoke */
  readonly total: number
  /** sessions that were ended by `blockTimeout` */
  readonly timedOut: number
}

/** As much of the operational log as is used here. */
export type ProxyLog = Pick<Log, 'info' | 'warn' | 'error'>

export interface ListenerDeps {
  readonly openFlow: OpenFlow
  /** absent: bytes pass untouched from the first one on */
  readonly dialect?: Pick<Dumper, 'handshake' | 'refusal' | 'serverSpeaksFirst'>
  readonly clock: Clock
  readonly timers: Timers
  readonly log: ProxyLog
  readonly connId: () => string
  /** chunks are shown some at a time, unless they are gated; absent: each at once */
  readonly gather?: Gather | undefined
  /**
   * what frontend chunks wait for (guarantees `written` and `synced`): they are shown before they are sent,
   * and go when their tickets say so. Absent: they are sent first, and nobody is waited for
   */
  readonly gate?: LogGate | undefined
}

/** A connection, as its listener sees it. */
export interface Kept {
  /** looks at its deadlines; false when there is none to look at any more */
  sweep(steady: number): boolean
  /** ends it, now */
  terminate(reason: string): void
}

/** What a connection is given by its listener. */
export interface ListenerContext extends ListenerDeps {
  readonly options: ListenerOptions
  /** present where frontend chunks wait for the log */
  readonly turn: Turn | undefined
  readonly held: { -readonly [Key in keyof Held]: Held[Key] }
  /** its deadlines are to be looked at */
  watch(connection: Kept): void
  /** it is turned away, and no longer counts as a connection */
  turnAway(connection: Kept): void
  /** a warning of its dialogue, told once for all of them */
  warnOnce(message: string): void
  /** it is over */
  forget(connection: Kept): void
}
