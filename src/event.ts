/**
 * CONTRACT dumper → audit. An event is what the session found out; the audit pipeline filters, redacts,
 * encodes and writes it. Keys of an event that are spelt as in the log (snake_case) go to the log as they
 * stand; `at`, `who`, `text`, `values` are turned into keys by the encoder.
 */
import type { FlowFacts, Micros, Ticket } from './flow.ts'

export type { FlowFacts, Micros }

/**
 * What is known of a session by now: goes into each of its records. Immutable: a session makes a new object
 * when something changes, so that its encoded form can be kept per object.
 */
export interface Who {
  readonly dialect: string
  readonly username?: string
  readonly database?: string
  readonly application_name?: string
  readonly connect_attrs?: string
  /** where it differs from `username` (SET ROLE, SET SESSION AUTHORIZATION) */
  readonly effective_username?: string
  readonly is_superuser?: boolean
  readonly server_version?: string
  /** PostgreSQL's process id, MySQL's thread id */
  readonly backend_pid?: number
  readonly tls_client_version?: string
  readonly tls_server_version?: string
}

/**
 * The text of a statement as it was sent, decoded. One object serves the `prepare` record and every
 * execution, so what is derived from it (redaction, encoding) is worked out once.
 */
export interface QueryText {
  /** the text, or its first `maxQueryBytes` when `truncated` */
  readonly text: string
  /** bytes that are not valid in the client's encoding were met: the text's bytes as `\x` hex (capped) */
  readonly hex?: string
  /**
   * present when the text was longer than what is kept: whole length in bytes, SHA-256 of the whole, its
   * last bytes
   */
  readonly truncated?: { readonly bytes: number; readonly sha256: string; readonly tail?: string }
  /**
   * how the server lexes it; PostgreSQL's standard_conforming_strings, true unless the server said
   * otherwise
   */
  readonly standardConformingStrings: boolean
  /** MariaDB said that `"…"` is an identifier; other servers do not tell */
  readonly ansiQuotes?: boolean
  readonly dialect: 'postgresql' | 'mysql'
  /** filled in by audit/encode.ts: this text, encoded */
  cache?: unknown
  /** filled in by audit/redact.ts: what it found in this text */
  masking?: unknown
}

/** The bound values of one execution. Decoded on request, for an event that will be written. */
export interface BoundValues {
  readonly count: number
  /** text form, binary values decoded by type, else `\x` hex; null is NULL; of long ones the head */
  text(index: number): string | null
  /** length on the wire in bytes, -1 for NULL */
  byteLength(index: number): number
  /** name of the type where it is known, e.g. `int4` */
  type(index: number): string | undefined
  /** SHA-256 of a value that was longer than what is kept */
  sha256(index: number): string | undefined
  /** how many values' types are known (0: `bind_types` is left out) */
  readonly typesKnown: boolean
}

export type Outcome = 'success' | 'error' | 'skipped' | 'cancelled' | 'unknown'

/** Error keys, as the server gave them. */
export interface ServerError {
  /** SQLSTATE */
  readonly error_code?: string
  /** MySQL's number */
  readonly error_number?: number
  readonly error_severity?: string
  readonly error_message?: string
  readonly error_detail?: string
  readonly error_hint?: string
  /** PostgreSQL: the statement inside a function at which it failed, and where */
  readonly error_internal_query?: string
  readonly error_context?: string
}

interface EventBase {
  readonly at: Micros
  readonly who: Who
}

export interface SessionAuth extends EventBase, ServerError {
  readonly event: 'session.auth'
  readonly outcome: 'success' | 'error' | 'unknown'
  /** `trust`, `password`, `md5`, `scram-sha-256`, `gss`, `sspi`, `cert`… as far as the wire tells */
  readonly auth_method?: string
  readonly protocol_version?: string
  readonly replication?: string
  /** startup parameters other than user, database, application_name, as sent (capped) */
  readonly startup_options?: string
  readonly duration_us?: number
}

/**
 * Optional keys may also be present and undefined: events of one kind then share one shape, which the
 * encoder likes.
 */
type Loose<T> = { [K in keyof T]: undefined extends T[K] ? T[K] | undefined : T[K] }

/** One statement, settled (or `statement.open`: suspended, or running for long). */
export type Statement = Loose<StatementKeys>
interface StatementKeys extends EventBase, ServerError {
  readonly event: 'statement' | 'statement.open'
  readonly stmt_seq: number
  readonly protocol: 'simple' | 'extended' | 'function' | 'text' | 'binary' | 'bulk' | 'command'
  readonly text?: QueryText
  readonly values?: BoundValues
  /** bulk executes */
  readonly rows?: readonly BoundValues[]
  readonly stmt_name?: string
  readonly stmt_id?: number
  readonly portal_name?: string
  /** `stmt_seq` of the `prepare` record that has the text, when the text was evicted */
  readonly prepare_seq?: number
  /** text that a SQL-level EXECUTE ran */
  readonly executed?: QueryText
  readonly command?: string
  readonly command_tag?: string
  readonly command_tags?: readonly string[]
  /** MySQL: each of several results in order: `OK 3` rows affected, `ROWS 2`, `OUT 1` returned */
  readonly results?: readonly string[]
  readonly function_oid?: number
  readonly outcome?: Outcome
  readonly reason?: string
  readonly malformed?: boolean
  readonly body_hex?: string
  readonly rows_returned?: number
  readonly rows_affected?: number
  readonly bytes_returned?: number
  readonly duration_us?: number
  readonly first_response_us?: number
  readonly gate_wait_us?: number
  readonly fetches?: number
  readonly copy_direction?: 'in' | 'out' | 'both'
  readonly copy_rows?: number
  readonly copy_bytes?: number
  readonly txn_seq?: number
  /** PostgreSQL's `I`, `T`, `E`; MySQL's SERVER_STATUS_IN_TRANS as `T`, without it `I` */
  readonly txn_status?: string
  readonly warnings?: number
  readonly character_set?: string
  readonly query_attributes?: string
  readonly last_insert_id?: number | string
  readonly after_gap?: boolean
  /** made of an intent, after a crash: whether it ran, and what came of it, nobody has seen */
  readonly recovered?: true
}

export type Prepare = Loose<PrepareKeys>
interface PrepareKeys extends EventBase, ServerError {
  readonly event: 'prepare'
  readonly stmt_seq: number
  readonly text?: QueryText
  readonly stmt_name?: string
  readonly stmt_id?: number
  readonly outcome: Outcome
  readonly malformed?: boolean
  readonly body_hex?: string
  readonly duration_us?: number
  readonly after_gap?: boolean
}

export interface TxnEnd extends EventBase, ServerError {
  readonly event: 'txn.end'
  readonly txn_seq: number
  readonly txn_outcome: 'committed' | 'rolled_back' | 'unknown'
  readonly reason?: string
}

export interface Cancel extends EventBase {
  readonly event: 'cancel'
  /** process or thread id of the session that is to be cancelled */
  readonly target_backend_pid?: number
  /** MariaDB's KILL USER: all sessions of that user */
  readonly target_username?: string
  /** conn_id of the session whose statement is to be cancelled; absent when no session here has that key */
  readonly target_conn_id?: string
  /** MySQL: the statement (KILL, COM_PROCESS_KILL) that asks for it, in its own session */
  readonly stmt_seq?: number
  /** MySQL: the whole connection is to end, or the statement that it runs */
  readonly cancel_scope?: 'connection' | 'query'
}

/** MySQL's COM_CHANGE_USER: a new log-in on the same connection. `who` is the new user when it succeeded. */
export interface ChangeUser extends EventBase, ServerError {
  readonly event: 'change_user'
  readonly outcome: 'success' | 'error' | 'skipped' | 'unknown'
  readonly reason?: string
  /** whom the client asked to become, and with which database */
  readonly new_username?: string
  readonly new_database?: string
  /** who it was before */
  readonly previous_username?: string
  readonly auth_method?: string
  readonly character_set?: string
  readonly malformed?: boolean
  readonly duration_us?: number
}

/** LOAD DATA LOCAL INFILE: the server asked the client for a file. The name is the server's choice. */
export interface LocalInfile extends EventBase {
  readonly event: 'local_infile'
  /** of the statement to which the server answered with the request */
  readonly stmt_seq: number
  readonly infile_name: string
  /** the name's bytes as `\x` hex, where they are not valid in the connection's character set */
  readonly infile_name_hex?: string
  /** what the client sent: bytes, and their SHA-256; 0 bytes when it refused */
  readonly infile_bytes: number
  readonly infile_sha256?: string
  readonly duration_us?: number
}

export interface Replication extends EventBase {
  readonly event: 'replication'
  readonly stmt_seq?: number
  readonly text?: QueryText
  readonly command?: string
}

export type GapReason =
  | 'lost'
  | 'tls'
  | 'gss'
  | 'framing'
  | 'mid-stream'
  | 'foreign'
  | 'mysqlx'
  | 'overflow'
  | 'observer'

/**
 * Bytes that could not be decoded, told once when they begin; the count of what followed is in
 * `session.end`.
 */
export interface Gap extends EventBase {
  readonly event: 'gap'
  readonly gap_reason: GapReason
  readonly direction?: '->' | '<-'
  readonly gap_bytes?: number
  /** captures: packets that were dropped before they were captured; of no connection */
  readonly gap_packets?: number
  /** short words for a person; never bytes of the traffic */
  readonly detail?: string
}

/**
 * tcpdp's line per wire message (`detail = "message"`), or a user's own record: keys go to the log as
 * they stand.
 * A string, number, boolean or array of strings and nulls each. `text` is redacted and written under
 * `text_key`.
 */
export interface MessageEvent extends EventBase {
  readonly event: 'message'
  readonly direction: '->' | '<-'
  /** which key the text goes to: `query`, `parse_query`, `execute_query`, `stmt_prepare_query` */
  readonly text_key?: string
  readonly text?: QueryText
  /** which key the values go to: `bind_values`, `stmt_execute_values` */
  readonly values_key?: string
  readonly values?: BoundValues
  /**
   * the text that the values are bound to, and the one that an EXECUTE in `text` runs: not written, they
   * tell secrets
   */
  readonly bound_text?: QueryText
  readonly executed?: QueryText
  readonly fields: Readonly<Record<string, string | number | boolean>>
}

/** Events of the observer itself, about the flow. */
export interface SessionStart {
  readonly event: 'session.start'
  readonly at: Micros
  readonly who: Who
}
export interface SessionEnd extends ServerError {
  readonly event: 'session.end'
  readonly at: Micros
  readonly who: Who
  readonly end_by: 'client' | 'server' | 'proxy' | 'capture'
  readonly end_reason: string
  readonly end_detail?: string
  readonly bytes_in: number
  readonly bytes_out: number
  readonly statements: number
  readonly duration_us: number
  /** bytes that no record describes, when there were some */
  readonly undecoded_bytes_in?: number
  readonly undecoded_bytes_out?: number
}

/** The audit's own life; no flow, no `who`. */
export interface AuditLife {
  readonly event:
    | 'audit.start'
    | 'audit.stop'
    | 'audit.rotate'
    | 'audit.delete'
    | 'audit.loss'
    | 'audit.checkpoint'
  readonly at: Micros
  readonly fields: Readonly<Record<string, string | number | boolean>>
}

/**
 * The last byte of something that makes the server act was fed, and is about to be sent on. Made only where
 * the session's context asks for it (guarantees `written` and `synced`).
 */
export interface Intent extends EventBase {
  readonly event: 'intent'
  /**
   * `stmt_seq` of its record; below 0 where that is not given yet (an {@link IntentOver} ends it); 0 for
   * what runs nothing but is recorded (Parse): it waits while the log cannot be written
   */
  readonly token: number
  /** its record if nothing more is heard of it: `outcome` `unknown`, `recovered`; absent with token 0 */
  readonly statement?: Statement
}

/** What became of the intent of that token is told in the events before this one. */
export interface IntentOver extends EventBase {
  readonly event: 'intent.over'
  readonly token: number
}

/** Keys that each record has of its connection and session: no event may have one of them. */
type TakenKey = keyof Who | keyof FlowFacts | 'ts' | 'log_seq' | 'schema_version' | 'host'
type Distinct<E extends { readonly event: string } & Partial<Record<TakenKey, never>>> = E

export type AuditEvent = Distinct<
  | SessionStart
  | SessionAuth
  | SessionEnd
  | Statement
  | Prepare
  | TxnEnd
  | Cancel
  | ChangeUser
  | LocalInfile
  | Replication
  | Gap
  | MessageEvent
  | AuditLife
  | Intent
  | IntentOver
>

export const NO_EVENTS: readonly AuditEvent[] = Object.freeze([])

/** Where what a session found is put. Never throws; `flow` is absent for the audit's own life. */
export interface Sink {
  emit(flow: FlowFacts | undefined, event: AuditEvent): void
}

/** Where the intents of one flow are kept until what came of them is in the log. Never throws. */
export interface FlowIntents {
  take(facts: FlowFacts, intent: Intent): void
  /** The record of that `stmt_seq`, or what ends the intent of that token, was given to the sink. */
  settled(token: number): void
  /** What the chunk at hand waits for: `GO` when nothing was taken of it. `from`: see {@link Wait}. */
  ticket(from: number): Ticket
  /** The flow is over, and its records were given to the sink. */
  close(): void
}

export type Intents = { open(facts: FlowFacts): FlowIntents }

/**
 * One encoded record on its way to an output, which writes `head`, the record's `log_seq`, and `tail`, and a
 * line feed of its own. Numbers are given as records are written, so that dropped ones leave no hole; a line
 * whose `tail` is empty carries no number.
 */
export interface Line {
  readonly head: string
  readonly tail: string
  readonly at: Micros
}

/**
 * Writes a record, its number and a line feed straight into an output's buffer: for the kinds that come by
 * the thousand. Answers the offset behind it, or -1 for an event that it leaves to the encoder of lines.
 */
export interface DirectEncoder {
  encode(buffer: Buffer, at: number, seq: number, flow: FlowFacts | undefined, event: AuditEvent): number
}

/** Why a checkpoint was written; docs/integrity.md tells of each. */
export type SealReason = 'start' | 'continue' | 'interval' | 'adopt' | 'rotate' | 'stop'

/** How a file ends: what its successor says of it. */
export interface FileEnd {
  /** name of the file */
  readonly file: string
  /** its last seal, in hex; empty when it has none */
  readonly seal: string
  /** whole lines behind its last checkpoint, and the bytes there, a torn line included */
  readonly records: number
  readonly bytes: number
  /** SHA-256, in hex, from that checkpoint's seal on, the seal included, or from the file's beginning */
  readonly sha256: string
}

/** A checkpoint's line, to be written next, and what it says. */
export interface Checkpoint {
  readonly line: Buffer
  readonly seal: string
  /** in hex; empty without a key */
  readonly signature: string
}

/** The hash chain of one file. It is told every byte that the file has got, in order. */
export interface Chain {
  /** its last seal, in hex; empty before the first */
  readonly seal: string
  /** is there a line behind the last checkpoint? */
  readonly isOpen: boolean
  /** These bytes were written, and so many line feeds among them. */
  add(bytes: Uint8Array, lines: number): void
  /** Makes the checkpoint that may be written now; `before` is another file that it is to vouch for. */
  checkpoint(reason: SealReason, seq: number, at: Micros, before?: FileEnd): Checkpoint
  /** The checkpoint's line is in the file, whole, and nothing was added before it. */
  settle(checkpoint: Checkpoint): void
  end(): FileEnd
}

/** Makes chains, and reads what they left in files. What the file system throws, it throws. */
export interface Chains {
  /** The chain of a file that is about to be written; the `size` bytes that are in it already are read. */
  open(name: string, path: string, size: number): Chain
  /** How a file ends that has no writer any more; undefined when it is empty or not there. */
  endOf(name: string, path: string): FileEnd | undefined
  /** What is said of a file that is about to be deleted. */
  describe(path: string): Promise<AuditLife['fields']>
}
