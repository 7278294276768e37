/**
 * PostgreSQL's messages, built: what a frontend and a backend send, and by {@link message} what neither
 * should.
 * {@link https://www.postgresql.org/docs/current/protocol-message-formats.html}
 */
import { serialize } from 'pg-protocol'
import type { Bytes } from '../../src/flow.ts'

export const int16 = (value: number): Bytes => {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value & 0xffff)
  return bytes
}

export const int32 = (value: number): Bytes => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value | 0)
  return bytes
}

export const cstring = (text: string | Bytes): Bytes => Buffer.concat([Buffer.from(text), Buffer.alloc(1)])

/** Bytes of a hex text; blanks, and what follows a `#` up to the line's end, are for its reader. */
export const fromHex = (hex: string): Bytes => {
  const digits = hex.replace(/#.*$/gm, '').replace(/\s/g, '')
  if (!/^(?:[0-9a-f]{2})*$/.test(digits)) throw new Error(`not hex: ${digits}`)
  return Buffer.from(digits, 'hex')
}

/** Type byte, length, body. `length` overrides the length that is told, for messages that lie. */
export const message = (type: string, body: Bytes | string = '', length?: number): Bytes => {
  const bytes = Buffer.from(body)
  return Buffer.concat([Buffer.from(type, 'latin1'), int32(length ?? bytes.length + 4), bytes])
}

/** Length and body without a type: a startup packet's form. */
export const untyped = (body: Bytes, length?: number): Bytes =>
  Buffer.concat([int32(length ?? body.length + 4), body])

export interface BindOptions {
  readonly portal?: string
  readonly statement?: string
  /** 0 text, 1 binary: none, one for all, or one for each */
  readonly formats?: readonly number[]
  readonly values?: readonly (string | Bytes | null)[]
  readonly results?: readonly number[]
}

const value = (bytes: string | Bytes | null): Bytes =>
  bytes === null ? int32(-1) : Buffer.concat([int32(Buffer.from(bytes).length), Buffer.from(bytes)])

const counted = (codes: readonly number[]): Bytes =>
  Buffer.concat([int16(codes.length), ...codes.map(int16)])

const valuesOf = (values: readonly (string | Bytes | null)[]): Bytes =>
  Buffer.concat([int16(values.length), ...values.map(value)])

/** The body of a Bind. */
export const bindBody = ({ portal = '', statement = '', formats, values, results }: BindOptions): Bytes =>
  Buffer.concat([
    cstring(portal),
    cstring(statement),
    counted(formats ?? []),
    valuesOf(values ?? []),
    counted(results ?? []),
  ])

/** What a client sends. */
export const frontend = {
  /** `version` 3.0 is 196608, 3.2 is 196610 */
  startup: (parameters: Readonly<Record<string, string>>, version = 196608): Bytes =>
    untyped(
      Buffer.concat([
        int32(version),
        ...Object.entries(parameters).flatMap(([name, text]) => [cstring(name), cstring(text)]),
        Buffer.alloc(1),
      ]),
    ),
  sslRequest: (): Bytes => serialize.requestSsl(),
  gssencRequest: (): Bytes => untyped(int32(80877104)),
  cancelRequest: (pid: number, key: Bytes): Bytes =>
    untyped(Buffer.concat([int32(80877102), int32(pid), key])),
  password: (text: string): Bytes => serialize.password(text),
  query: (text: string | Bytes): Bytes => message('Q', cstring(text)),
  parse: (text: string | Bytes, statement = '', oids: readonly number[] = []): Bytes =>
    message(
      'P',
      Buffer.concat([cstring(statement), cstring(text), int16(oids.length), ...oids.map(int32)]),
    ),
  bind: (options: BindOptions = {}): Bytes => message('B', bindBody(options)),
  execute: (portal = '', rows = 0): Bytes => serialize.execute({ portal, rows }),
  describeStatement: (name = ''): Bytes => serialize.describe({ type: 'S', name }),
  describePortal: (name = ''): Bytes => serialize.describe({ type: 'P', name }),
  closeStatement: (name = ''): Bytes => serialize.close({ type: 'S', name }),
  closePortal: (name = ''): Bytes => serialize.close({ type: 'P', name }),
  sync: (): Bytes => message('S'),
  flush: (): Bytes => message('H'),
  terminate: (): Bytes => message('X'),
  copyData: (data: string | Bytes): Bytes => message('d', Buffer.from(data)),
  copyDone: (): Bytes => message('c'),
  copyFail: (why: string): Bytes => message('f', cstring(why)),
  functionCall: (
    oid: number,
    values: readonly (string | Bytes | null)[] = [],
    formats: readonly number[] = [],
  ): Bytes => message('F', Buffer.concat([int32(oid), counted(formats), valuesOf(values), int16(0)])),
}

/** Fields of an ErrorResponse or NoticeResponse by their type byte: `{ S: 'ERROR', C: '42601', M: '…' }`. */
export type ErrorFields = Readonly<Record<string, string>>

const errorBody = (fields: ErrorFields): Bytes =>
  Buffer.concat([
    ...Object.entries(fields).map(([type, text]) => cstring(`${type}${text}`)),
    Buffer.alloc(1),
  ])

/** What a server sends. */
export const backend = {
  authentication: (code: number, more: Bytes = Buffer.alloc(0)): Bytes =>
    message('R', Buffer.concat([int32(code), more])),
  authenticationOk: (): Bytes => message('R', int32(0)),
  parameterStatus: (name: string, text: string): Bytes =>
    message('S', Buffer.concat([cstring(name), cstring(text)])),
  backendKeyData: (pid: number, key: Bytes): Bytes => message('K', Buffer.concat([int32(pid), key])),
  negotiateProtocolVersion: (minor: number, options: readonly string[] = []): Bytes =>
    message('v', Buffer.concat([int32(minor), int32(options.length), ...options.map(cstring)])),
  readyForQuery: (status: 'I' | 'T' | 'E' = 'I'): Bytes => message('Z', status),
  rowDescription: (columns: readonly string[], oid = 25): Bytes =>
    message(
      'T',
      Buffer.concat([
        int16(columns.length),
        ...columns.flatMap((name) => [
          ...[cstring(name), int32(0), int16(0), int32(oid)],
          ...[int16(-1), int32(-1), int16(0)],
        ]),
      ]),
    ),
  dataRow: (values: readonly (string | Bytes | null)[]): Bytes => message('D', valuesOf(values)),
  commandComplete: (tag: string): Bytes => message('C', cstring(tag)),
  emptyQueryResponse: (): Bytes => message('I'),
  error: (fields: ErrorFields): Bytes => message('E', errorBody(fields)),
  notice: (fields: ErrorFields): Bytes => message('N', errorBody(fields)),
  notification: (pid: number, channel: string, text: string): Bytes =>
    message('A', Buffer.concat([int32(pid), cstring(channel), cstring(text)])),
  parseComplete: (): Bytes => message('1'),
  bindComplete: (): Bytes => message('2'),
  closeComplete: (): Bytes => message('3'),
  noData: (): Bytes => message('n'),
  portalSuspended: (): Bytes => message('s'),
  parameterDescription: (oids: readonly number[]): Bytes =>
    message('t', Buffer.concat([int16(oids.length), ...oids.map(int32)])),
  copyInResponse: (): Bytes => message('G', fromHex('00 0000')),
  copyOutResponse: (): Bytes => message('H', fromHex('00 0000')),
  copyBothResponse: (): Bytes => message('W', fromHex('00 0000')),
  copyData: (data: string | Bytes): Bytes => message('d', Buffer.from(data)),
  copyDone: (): Bytes => message('c'),
  functionCallResponse: (bytes: string | Bytes | null): Bytes => message('V', value(bytes)),
}

/** What a server that trusts everybody answers to a startup message. */
export const loggedIn = ({ pid = 4711, key = int32(1234), encoding = 'UTF8' } = {}): Bytes =>
  Buffer.concat([
    backend.authenticationOk(),
    backend.parameterStatus('client_encoding', encoding),
    backend.parameterStatus('standard_conforming_strings', 'on'),
    backend.parameterStatus('server_version', '15.13'),
    backend.backendKeyData(pid, key),
    backend.readyForQuery('I'),
  ])
