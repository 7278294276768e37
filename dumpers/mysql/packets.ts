/**
 * MySQL's packets as far as an audit reads them, spelt as in the manual.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html}
 * {@link https://mariadb.com/docs/server/reference/clientserver-protocol}
 * Bytes are borrowed views of the payload that the packet was decoded from: copy what outlives the call.
 */
import type { Bytes } from '../../src/flow.ts'
import type { Capabilities } from './capabilities.ts'

/** First bytes of packets that a server answers with. What they mean depends on what is expected. */
export const HEAD = {
  OK: 0x00,
  AUTH_MORE_DATA: 0x01,
  AUTH_NEXT_FACTOR: 0x02,
  /** in the place of a column count: send me the file that the rest of the packet names */
  LOCAL_INFILE: 0xfb,
  /** EOF, OK with CLIENT_DEPRECATE_EOF, AuthSwitchRequest */
  EOF: 0xfe,
  ERR: 0xff,
} as const

/** Longest payload of an EOF packet; longer ones that begin with 0xfe are OK packets or rows. */
export const MAX_EOF = 8

/** Number of an ERR packet that is a progress report of MariaDB: another reply follows. */
export const PROGRESS = 0xffff

/** What a server says first: protocol version 10, or 9 of servers before 3.22. */
export interface Greeting {
  readonly kind: 'Greeting'
  readonly protocol: 9 | 10
  /** without the `5.5.5-` that MariaDB puts before its own */
  readonly serverVersion: string
  readonly threadId: number
  readonly capabilities: Capabilities
  /** the low byte of the default collation's id */
  readonly characterSet: number
  readonly status: number
  readonly authPlugin: string | undefined
  readonly mariadb: boolean
}

/** The client asks for TLS; its HandshakeResponse follows inside it. */
export interface SslRequest {
  readonly kind: 'SslRequest'
  readonly capabilities: Capabilities
}

/** The client's log-in, of 4.1 or before (320). Its secret is stepped over. */
export interface HandshakeResponse {
  readonly kind: 'HandshakeResponse'
  /** what both sides have */
  readonly capabilities: Capabilities
  readonly maxPacket: number
  /** id of the connection's collation; undefined before 4.1: the server's default */
  readonly collation: number | undefined
  readonly username: Bytes
  readonly database: Bytes | undefined
  readonly authPlugin: string | undefined
  /** name, value, name, value … in the order sent */
  readonly connectAttrs: readonly Bytes[]
  readonly zstdLevel: number | undefined
}

/** COM_CHANGE_USER: a log-in anew. Its secret is stepped over. */
export interface ChangeUser {
  readonly kind: 'ChangeUser'
  readonly username: Bytes
  readonly database: Bytes | undefined
  /** undefined: the server's default */
  readonly collation: number | undefined
  readonly authPlugin: string | undefined
  readonly connectAttrs: readonly Bytes[]
}

/** One change of session state, with CLIENT_SESSION_TRACK. Texts are UTF-8 whatever the connection's set. */
export type SessionChange =
  | { readonly kind: 'variable'; readonly name: string; readonly value: string }
  | { readonly kind: 'schema'; readonly name: string }
  /** eight characters, the first `_` outside a transaction, `T` or `I` inside one */
  | { readonly kind: 'transaction'; readonly state: string }
  | { readonly kind: 'other'; readonly type: number }

export interface Ok {
  readonly kind: 'Ok'
  /** decimal digits where it is over 2^53 - 1 */
  readonly affectedRows: number | string
  readonly lastInsertId: number | string
  /** 0 before 4.1 where the client does not know of transactions */
  readonly status: number
  readonly warnings: number | undefined
  readonly info: Bytes | undefined
  readonly changes: readonly SessionChange[]
}

export interface Err {
  readonly kind: 'Err'
  readonly number: number
  readonly sqlstate: string | undefined
  /** in the connection's character set for results; nothing in a progress report */
  readonly message: Bytes
  /** MariaDB: no error, but how far the statement is; the reply is yet to come */
  readonly progress: boolean
}

export interface Eof {
  readonly kind: 'Eof'
  readonly warnings: number | undefined
  readonly status: number
}

/** The first packet of the answer to COM_STMT_PREPARE. */
export interface PrepareOk {
  readonly kind: 'PrepareOk'
  readonly id: number
  readonly columns: number
  readonly params: number
  readonly warnings: number | undefined
  /** false: no definitions follow (MySQL's `resultset_metadata = NONE`) */
  readonly metadataFollows: boolean
}

/** The first packet of a result set. */
export interface ResultSetHeader {
  readonly kind: 'ResultSetHeader'
  readonly columns: number
  readonly metadataFollows: boolean
}

/** The server wants the log-in by another method. */
export interface AuthSwitchRequest {
  readonly kind: 'AuthSwitchRequest'
  readonly plugin: string
}

/** A column of a result, or a parameter. */
export interface ColumnDefinition {
  readonly kind: 'ColumnDefinition'
  readonly name: Bytes
  readonly type: number
  readonly flags: number
  /** id of its collation; undefined before 4.1 */
  readonly collation: number | undefined
}
