/**
 * PostgreSQL's messages as far as an audit reads them, spelt as in the manual's section "Message Formats".
 * {@link https://www.postgresql.org/docs/current/protocol-message-formats.html}
 * A {@link Span} is a part of the body that the message was decoded from: nothing is copied by decoding.
 */
import type { Bytes } from '../../src/flow.ts'

/** Where in the chunk at hand some bytes lie. */
export interface Span {
  readonly start: number
  readonly end: number
}

export interface StartupMessage {
  readonly kind: 'StartupMessage'
  readonly major: number
  readonly minor: number
  /** name, value, name, value … in the order sent */
  readonly parameters: readonly string[]
}

/** What a startup packet may be instead, by its code. */
export interface StartupRequest {
  readonly kind: 'SSLRequest' | 'GSSENCRequest'
}
export interface CancelRequest {
  readonly kind: 'CancelRequest'
  readonly pid: number
  /** 4 bytes, or up to 256 since protocol 3.2; a secret */
  readonly key: Bytes
}
/** A packet in the place of a startup packet that is none of PostgreSQL's. */
export interface UnknownStartup {
  readonly kind: 'UnknownStartup'
  readonly code: number
}
export type StartupPacket = StartupMessage | StartupRequest | CancelRequest | UnknownStartup

export interface Parse {
  readonly kind: 'Parse'
  readonly statement: string
  /** in the client's encoding, without its NUL */
  readonly query: Span
  /** parameter types; 0 leaves one to the server */
  readonly oids: readonly number[]
}

export interface Bind {
  readonly kind: 'Bind'
  readonly portal: string
  readonly statement: string
  /** 0 text, 1 binary: none, one for all, or one for each */
  readonly formats: readonly number[]
  readonly count: number
  /** `count` values: int32 length (-1: NULL), bytes */
  readonly values: Span
}

export interface FunctionCall {
  readonly kind: 'FunctionCall'
  readonly oid: number
  readonly formats: readonly number[]
  readonly count: number
  readonly values: Span
}

/** Describe and Close: 'S' a statement, 'P' a portal. */
export interface Named {
  readonly of: 'S' | 'P'
  readonly name: string
}

export interface Execute {
  readonly kind: 'Execute'
  readonly portal: string
  /** 0: no limit */
  readonly maxRows: number
}

/** Frontend message types. */
export const F = {
  Bind: 0x42,
  Close: 0x43,
  Describe: 0x44,
  Execute: 0x45,
  FunctionCall: 0x46,
  Flush: 0x48,
  Parse: 0x50,
  Query: 0x51,
  Sync: 0x53,
  Terminate: 0x58,
  CopyDone: 0x63,
  CopyData: 0x64,
  CopyFail: 0x66,
  Password: 0x70,
} as const

/** Backend message types. */
export const B = {
  NotificationResponse: 0x41,
  CommandComplete: 0x43,
  DataRow: 0x44,
  ErrorResponse: 0x45,
  CopyInResponse: 0x47,
  CopyOutResponse: 0x48,
  EmptyQueryResponse: 0x49,
  BackendKeyData: 0x4b,
  NoticeResponse: 0x4e,
  Authentication: 0x52,
  ParameterStatus: 0x53,
  RowDescription: 0x54,
  FunctionCallResponse: 0x56,
  CopyBothResponse: 0x57,
  ReadyForQuery: 0x5a,
  ParseComplete: 0x31,
  BindComplete: 0x32,
  CloseComplete: 0x33,
  CopyDone: 0x63,
  CopyData: 0x64,
  NoData: 0x6e,
  PortalSuspended: 0x73,
  ParameterDescription: 0x74,
  NegotiateProtocolVersion: 0x76,
} as const

/** Codes in the place of a startup packet's protocol version. */
export const CANCEL_REQUEST = 80877102
export const SSL_REQUEST = 80877103
export const GSSENC_REQUEST = 80877104
