/**
 * What a MySQL server sends: payloads, to be numbered by `packets`.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html}
 */
import {
  CLIENT_DEPRECATE_EOF,
  CLIENT_OPTIONAL_RESULTSET_METADATA,
  CLIENT_PLUGIN_AUTH,
  CLIENT_SECURE_CONNECTION,
  CLIENT_SESSION_TRACK,
  TYPE,
} from '../../dumpers/mysql/capabilities.ts'
import type { Bytes } from '../../src/flow.ts'
import { lenenc, lenencString, nullBitmap, type Text, uint8, uint16, uint24, uint32 } from './my-bytes.ts'
import { cstring } from './pg-wire.ts'

/** What servers announce. */
export const SERVERS = {
  mysql56: { version: '5.6.51-log', flags: 0x807f_f7ff | 0, mariadb: 0, plugin: 'mysql_native_password' },
  mysql80: { version: '8.0.36', flags: 0xdfff_ffff | 0, mariadb: 0, plugin: 'caching_sha2_password' },
  mariadb: {
    version: '5.5.5-10.11.6-MariaDB',
    flags: 0x81ff_f7fe | 0,
    mariadb: 0x1d,
    plugin: 'mysql_native_password',
  },
} as const

export interface GreetingOptions {
  readonly version?: string
  readonly threadId?: number
  readonly flags?: number
  readonly mariadb?: number
  readonly plugin?: string
  readonly status?: number
  readonly characterSet?: number
}

const SCRAMBLE = Buffer.from('abcdefghijklmnopqrst')

const UTF8MB4 = 45

/** A variable of the session that has changed, or its schema, or its transaction's state. */
export type Change = readonly ['variable', string, string] | readonly ['schema' | 'transaction', string]

const changeOf = (change: Change): Bytes => {
  const [kind, ...texts] = change
  const type = kind === 'variable' ? 0 : kind === 'schema' ? 1 : 5
  return Buffer.concat([uint8(type), lenencString(Buffer.concat(texts.map(lenencString)))])
}

const STATE_CHANGED = 1 << 14

export interface OkOptions {
  readonly affected?: number | bigint
  readonly insertId?: number | bigint
  readonly status?: number
  readonly warnings?: number
  readonly info?: string
  readonly changes?: readonly Change[]
  /** 0xfe: in the place of an EOF */
  readonly head?: number
}

const AUTOCOMMIT = 2
const FIELD_LENGTH = 255

/** What a server sends: payloads. */
export const backend = {
  greeting: (options: GreetingOptions = {}): Bytes => {
    const { version, flags, mariadb, plugin } = { ...SERVERS.mariadb, ...options }
    const { threadId = 42, status = AUTOCOMMIT, characterSet = 8 } = options
    const hasPlugin = (flags & CLIENT_PLUGIN_AUTH) !== 0
    return Buffer.concat([
      uint8(10),
      cstring(version),
      uint32(threadId),
      SCRAMBLE.subarray(0, 8),
      uint8(0),
      uint16(flags & 0xffff),
      uint8(characterSet),
      uint16(status),
      uint16(flags >>> 16),
      uint8(hasPlugin ? SCRAMBLE.length + 1 : 0),
      Buffer.alloc(6),
      uint32(mariadb),
      ...((flags & CLIENT_SECURE_CONNECTION) === 0 ? [] : [cstring(SCRAMBLE.subarray(8))]),
      ...(hasPlugin ? [cstring(plugin)] : []),
    ])
  },
  /** protocol version 9 */
  greeting9: (version = '3.21.33', threadId = 42): Bytes =>
    Buffer.concat([uint8(9), cstring(version), uint32(threadId), cstring('abcdefgh')]),
  ok: ({ affected = 0, insertId = 0, warnings = 0, info, changes, head = 0, ...rest }: OkOptions = {}) => {
    const { status = AUTOCOMMIT } = rest
    return Buffer.concat([
      uint8(head),
      lenenc(affected),
      lenenc(insertId),
      uint16(changes === undefined ? status : status | STATE_CHANGED),
      uint16(warnings),
      ...(info === undefined && changes === undefined ? [] : [lenencString(info ?? '')]),
      ...(changes === undefined ? [] : [lenencString(Buffer.concat(changes.map(changeOf)))]),
    ])
  },
  err: (number: number, message: Text, sqlstate: string | null = 'HY000'): Bytes =>
    Buffer.concat([
      uint8(0xff),
      uint16(number),
      Buffer.from(sqlstate === null ? '' : `#${sqlstate}`),
      Buffer.from(message as string),
    ]),
  /** MariaDB */
  progress: (stage = 1, stages = 2, thousandths = 50_000, text = 'copy to tmp table'): Bytes =>
    Buffer.concat([
      ...[uint8(0xff), uint16(0xffff), uint8(1), uint8(stage), uint8(stages)],
      ...[uint24(thousandths), lenencString(text)],
    ]),
  eof: (status = AUTOCOMMIT, warnings = 0): Bytes =>
    Buffer.concat([uint8(0xfe), uint16(warnings), uint16(status)]),
  authSwitch: (plugin = 'mysql_native_password', data: Text = SCRAMBLE): Bytes =>
    Buffer.concat([uint8(0xfe), cstring(plugin), cstring(data)]),
  /** as servers before 4.1 asked for a password */
  oldAuthSwitch: (): Bytes => uint8(0xfe),
  authMoreData: (data: Text): Bytes => Buffer.concat([uint8(1), Buffer.from(data as string)]),
  /** caching_sha2_password: the cache knows the user; OK follows */
  fastAuthSuccess: (): Bytes => Buffer.from([1, 3]),
  /** caching_sha2_password: the password itself is wanted */
  performFullAuthentication: (): Bytes => Buffer.from([1, 4]),
  authNextFactor: (plugin: string, data: Text = ''): Bytes =>
    Buffer.concat([uint8(2), cstring(plugin), Buffer.from(data as string)]),
  localInfile: (name: Text): Bytes => Buffer.concat([uint8(0xfb), Buffer.from(name as string)]),
  /** `follows`: the flag of optional metadata, where it was agreed on */
  columnCount: (count: number, follows?: boolean): Bytes =>
    Buffer.concat([lenenc(count), ...(follows === undefined ? [] : [uint8(follows ? 1 : 0)])]),
  column: (name: Text, type: number = TYPE.VAR_STRING, collation = UTF8MB4, extended?: Bytes): Bytes =>
    Buffer.concat([
      ...['def', 'db', 't', 't'].map(lenencString),
      lenencString(name),
      lenencString(name),
      ...(extended === undefined ? [] : [lenencString(extended)]),
      uint8(12),
      uint16(collation),
      uint32(FIELD_LENGTH),
      uint8(type),
      uint16(0),
      uint8(0),
      uint16(0),
    ]),
  textRow: (values: readonly (Text | null)[]): Bytes => Buffer.concat(values.map(lenencString)),
  /** values as they stand on the wire */
  binaryRow: (values: readonly (Bytes | null)[]): Bytes =>
    Buffer.concat([uint8(0), nullBitmap(values, 2), ...values.filter((value) => value !== null)]),
  prepareOk: (id: number, columns: number, params: number, warnings = 0, follows?: boolean): Bytes =>
    Buffer.concat([
      uint8(0),
      uint32(id),
      uint16(columns),
      uint16(params),
      uint8(0),
      uint16(warnings),
      ...(follows === undefined ? [] : [uint8(follows ? 1 : 0)]),
    ]),
}

export interface ResultOptions {
  /** what was agreed on: decides on EOF packets and on the flag of optional metadata */
  readonly flags?: number
  readonly status?: number
  readonly warnings?: number
  /** MARIADB_CLIENT_CACHE_METADATA: the definitions are not sent (false), or are (true) */
  readonly cached?: boolean
  readonly types?: readonly number[]
}

/** A result set, its end included: payloads. `rows` are rows' payloads. */
export const resultSet = (
  columns: readonly string[],
  rows: readonly Bytes[],
  { flags = 0, status = AUTOCOMMIT, warnings = 0, cached, types = [] }: ResultOptions = {},
): Bytes[] => {
  const noEof = (flags & CLIENT_DEPRECATE_EOF) !== 0
  const optional = (flags & CLIENT_OPTIONAL_RESULTSET_METADATA) !== 0
  const follows = cached ?? (optional ? true : undefined)
  const changes = (flags & CLIENT_SESSION_TRACK) === 0 ? {} : { info: '' }
  return [
    backend.columnCount(columns.length, follows),
    ...(follows === false ? [] : columns.map((name, index) => backend.column(name, types[index]))),
    ...(noEof ? [] : [backend.eof(status)]),
    ...rows,
    noEof ? backend.ok({ status, warnings, head: 0xfe, ...changes }) : backend.eof(status, warnings),
  ]
}

/** The answer to COM_STMT_PREPARE: payloads. */
export const prepared = (
  id: number,
  params: number,
  columns: readonly string[],
  { flags = 0, warnings = 0 }: ResultOptions = {},
): Bytes[] => {
  const eof = (flags & CLIENT_DEPRECATE_EOF) === 0 ? [backend.eof()] : []
  const follows = (flags & CLIENT_OPTIONAL_RESULTSET_METADATA) === 0 ? undefined : true
  return [
    backend.prepareOk(id, columns.length, params, warnings, follows),
    ...(params === 0 ? [] : [...Array.from({ length: params }, () => backend.column('?')), ...eof]),
    ...(columns.length === 0 ? [] : [...columns.map((name) => backend.column(name)), ...eof]),
  ]
}
