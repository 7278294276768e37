/**
 * CONTRACT source → observer. A source (live sockets, later captured packets or a recording) makes flows:
 * one flow is one client connection and what passes on it. An observer watches a flow and can neither
 * alter nor delay it, unless it answers a chunk with a `Wait` (see {@link Ticket}).
 */

/** Bytes of the traffic. Borrowed and read-only: never write to them, copy what outlives the call. */
export type Bytes = Buffer

/** Microseconds since the Unix epoch, UTC, as an integer (exact up to the year 2255). */
export type Micros = number

/** Which side sent the bytes: the database's client, or the database server. */
export type Direction = 'frontend' | 'backend'

/**
 * What identifies a flow in each of its records. The names are the record's own (tcpdp's), so that an
 * encoder can copy them. An observer is given a new object when something becomes known (the dial).
 * Addresses are `host:port`, `[v6]:port`, or a Unix socket's path.
 */
export interface FlowFacts {
  /** unique for ever and over all processes */
  readonly conn_id: string
  /** name of the listener, for several in one process */
  readonly listener?: string
  readonly client_addr?: string
  readonly proxy_listen_addr?: string
  readonly proxy_client_addr?: string
  readonly remote_addr?: string
  /** captures */
  readonly src_addr?: string
  readonly dst_addr?: string
  readonly probe_target_addr?: string
  readonly interface?: string
  /** from a PROXY protocol header */
  readonly proxy_protocol_src_addr?: string
  readonly proxy_protocol_dst_addr?: string
}

/** Who ended a flow, why, and what had passed. */
export interface FlowEnd {
  /** `capture`: the connection may live on, but nothing more of it is shown */
  readonly by: 'client' | 'server' | 'proxy' | 'capture'
  /**
   * short stable words: `closed`, `reset`, `dial_refused`, `dial_timeout`, `dial_failed`, `login_timeout`,
   * `connection_limit`, `not_allowed`, `proxy_header`, `tls_refused`, `handshake`, `shutdown`, `idle`,
   * `log_blocked` (the log could not be written), `undecodable` (what it sent cannot be audited); of
   * captures also `refused` (the server reset the first SYN), `reused` (the same addresses and ports began
   * anew), `capture_end`, `flow_limit`
   */
  readonly reason: string
  /** the system's or the peer's own words, where there are some */
  readonly detail?: string
  /** bytes received from the client and from the server */
  readonly bytesIn: number
  readonly bytesOut: number
}

/**
 * What to do with a frontend chunk that was shown: send it on, let it wait until `whenReady` calls back, or
 * send it never and end the flow with words.
 */
export type Ticket = typeof GO | Wait | Refuse
export const GO = 'go'
export interface Wait {
  readonly kind: 'wait'
  /** offset in the chunk of the first byte that has to wait; those before it need not */
  readonly from: number
  /** calls back once, at once if that is so already */
  whenReady(callback: () => void): void
  /** it waits no longer for the log, but for replies to what was sent on its connection before */
  readonly isForReplies?: boolean
}
export interface Refuse extends Refusal {
  readonly kind: 'refuse'
}

/** Why a client is turned away, in words for the client. `reason` is {@link FlowEnd.reason}. */
export interface Refusal {
  readonly reason: string
  readonly message: string
}

/**
 * What frontend chunks wait for (guarantees `written` and `synced`): the intents found in them are written
 * together, once a turn of the event loop.
 */
export interface LogGate {
  /** The chunks of this turn were shown: writes what was found in them, and calls back who may go on. */
  settle(): void
  /** the log cannot be written, and nothing that would have to be in it may begin (`onFailure = "block"`) */
  readonly isBlocked: boolean
}

/**
 * Watches one flow. The source calls `opened` (by {@link OpenFlow}) first and `closed` last and once; the
 * bytes shown are those of the client's side of the conversation, in the order in which the source saw them.
 */
export interface FlowObserver {
  /** false until the client is logged in (`loginTimeout`); absent where nobody can tell */
  readonly loggedIn?: boolean | undefined
  /** the server was reached; `facts` replaces what `opened` was given */
  dialled(facts: FlowFacts, at: Micros): void
  /** the connection on that side is encrypted from here on and its chunks are plain text again */
  secured(side: Direction, tlsVersion: string, at: Micros): void
  chunk(from: Direction, chunk: Bytes, at: Micros): Ticket
  /**
   * What is shown begins in the middle of a connection: log-in and whatever came before were not seen.
   * Called at most once, before the first chunk, by sources that can miss a beginning.
   */
  midStream?(at: Micros): void
  /** so many bytes were lost, or not shown */
  gap(from: Direction, bytes: number, at: Micros): void
  closed(end: FlowEnd, at: Micros): void
  /**
   * Of a source that shows them first: all frontend bytes shown so far were sent on, but the last `unsent`
   * ones; 0 unless told.
   */
  sent?(at: Micros, unsent?: number): void
  /** The bytes that end this flow for its client, with words; undefined where none can be said now. */
  refusal?(refusal: Refusal): Bytes | undefined
}

/** A connection was accepted (or its first packet seen). */
export type OpenFlow = (facts: FlowFacts, at: Micros) => FlowObserver
