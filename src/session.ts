/**
 * CONTRACT observer → dumper. A dumper is one dialect (or a user's own module): it opens a session per flow,
 * and the session turns bytes into events. Sessions are pure: bytes, times and gaps in, events out; the same
 * calls give the same events, and a proxied, a captured and a recorded flow cannot be told apart.
 */
import type { AuditEvent, ServerError, Who } from './event.ts'
import type { Bytes, Direction, Micros, Refusal } from './flow.ts'

export type { Refusal }

export interface Session {
  /**
   * Bytes that were sent by `from`, in order. Never throws; answers `NO_EVENTS` when nothing ended.
   * The array and its events are the caller's.
   */
  feed(from: Direction, chunk: Bytes, at: Micros): readonly AuditEvent[]
  /**
   * What is fed begins in the middle of a connection: nobody saw the log-in, and the first chunks may begin
   * within a frame. Called before anything is fed, at most once; gives the `gap` of reason `mid-stream`.
   */
  midStream?(at: Micros): readonly AuditEvent[]
  /** `bytes` of `from` were lost or not shown; harmless inside a body that is not kept. */
  gap(from: Direction, bytes: number, at: Micros): readonly AuditEvent[]
  /**
   * The flow ended: unanswered commands end here, as such; those that were not {@link sent} are `skipped`,
   * reason `not_forwarded`. Nothing is fed after it.
   */
  close(at: Micros): readonly AuditEvent[]
  /**
   * The session's statements that still run since before `since`: gives their `statement.open`, each
   * once.
   */
  stillOpen?(since: Micros): readonly AuditEvent[]
  /**
   * With intents: everything that the frontend was fed with so far has been sent on to the server, but the
   * last `unsent` bytes; 0 unless told.
   */
  sent?(at: Micros, unsent?: number): void
  /**
   * With intents: offset in the frontend chunk fed last at which its first message with an intent began; 0
   * where that is in an earlier chunk or cannot be told.
   */
  readonly heldFrom?: number
  /**
   * The bytes that tell the client here and now, in its protocol, that its session is ended; undefined where
   * it would not understand them (in the midst of a reply, encrypted). Nothing is fed after it.
   */
  refusal?(refusal: Refusal): Bytes | undefined
  /** The server's last word, when it ended the session by an error (FATAL); told in `session.end`. */
  readonly fatal?: ServerError | undefined
  /** statements recorded so far, and bytes that no record describes: told in `session.end` */
  readonly totals?: SessionTotals
  /** `loggedIn` once a log-in was accepted; `loginTimeout` ends sessions that stay at `before` */
  readonly login?: 'before' | 'loggedIn' | 'opaque'
}

export interface SessionTotals {
  readonly who: Who
  readonly statements: number
  readonly undecodedIn: number
  readonly undecodedOut: number
}

/** Limits on what one session may keep, in bytes or entries; each is documented in config/schema.ts. */
export interface SessionLimits {
  /** kept bytes of one statement's text */
  readonly maxQueryBytes: number
  /** kept bytes of one bound value */
  readonly maxValueBytes: number
  /** statements and portals whose texts are kept per session */
  readonly maxStatements: number
  /** commands awaiting their reply that are kept whole; further ones become counted placeholders */
  readonly maxQueue: number
}

/**
 * Bytes kept by all sessions of the process together; past `limit` sessions keep only heads, lengths and
 * hashes.
 */
export interface MemoryBudget {
  readonly limit: number
  used: number
}

/** What a session is given at its start. */
export interface SessionContext {
  readonly limits: SessionLimits
  /** one record per statement, or one per wire message with tcpdp's keys */
  readonly detail: 'statement' | 'message'
  /** the flow's conn_id, for what links flows together */
  readonly connId: string
  /** what ties flows of one listener together (cancel keys, thread ids); never written out */
  readonly link: Link
  readonly budget?: MemoryBudget
  /** `intent` events are wanted: frontend bytes are fed before they are sent */
  readonly intents?: boolean
  /** PostgreSQL: the wire is TLS from the first byte on was agreed elsewhere, etc. Left for later issues. */
  readonly secured?: boolean
}

/** Remembers which flow holds a secret by which another flow names it (a cancel key, a thread id). */
export interface Link {
  claim(key: string, connId: string): void
  release(key: string, connId: string): void
  /** the conn_id of the flow that claimed the key */
  find(key: string): string | undefined
}

/**
 * One step of the dialogue before a session's plain protocol begins. Bytes are copies, owned by the
 * receiver.
 */
export type HandshakeStep =
  /** sent on to the peer of `from`, perhaps altered; shown to the observer as sent by `from` */
  | { readonly kind: 'forward'; readonly from: Direction; readonly bytes: Bytes }
  /** answered to `to` by the proxy itself; `shown` are the bytes that asked for it (shown, not forwarded) */
  | { readonly kind: 'reply'; readonly to: Direction; readonly bytes: Bytes; readonly shown: Bytes }
  /** the session is refused: the bytes go to the client, then both sides end with this reason */
  | { readonly kind: 'refuse'; readonly bytes: Bytes; readonly reason: string; readonly shown: Bytes }
  /** words for the operational log, told once per listener; never bytes of the traffic */
  | { readonly kind: 'note'; readonly message: string }
  /** everything from here on is forwarded untouched; `forward` steps for what is left over came before it */
  | { readonly kind: 'done' }

/** The pure dialogue before log-in that a proxy may alter: TLS answers, hidden capabilities. */
export interface Handshake {
  /**
   * Bytes of one side; at most 64 KiB may be unresolved. Never throws. Not called again after `done` or
   * `refuse`.
   */
  feed(from: Direction, chunk: Bytes): readonly HandshakeStep[]
  /**
   * Is the client at a point where it understands a refusal? (PostgreSQL: its startup message is complete;
   * MySQL: at once.) While not, the proxy waits for more bytes, up to the login timeout.
   */
  readonly refusable: boolean
}

export interface HandshakeOptions {
  /** the listener's `tls.client` */
  readonly tlsClient: 'refuse' | 'passthrough'
}

/** One dialect. A user's own module exports one as `dumper` or as its default export. */
export interface Dumper {
  readonly name: string
  /** the server's usual port, by which the dumper is chosen when none is named */
  readonly defaultPort?: number
  /**
   * The server speaks before its client does: a proxy dials and passes the server's first words on without
   * waiting for anything of the client's, a PROXY header included.
   */
  readonly serverSpeaksFirst?: boolean
  open(context: SessionContext): Session
  /** Absent: the wire is forwarded untouched from its first byte. */
  handshake?(options: HandshakeOptions): Handshake
  /** The bytes by which this dialect tells a client, before log-in, that it is turned away. */
  refusal?(refusal: Refusal): Bytes
}
