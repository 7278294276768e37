/**
 * What a MySQL client sends: packets.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html}
 */
import {
  CLIENT_CONNECT_ATTRS,
  CLIENT_CONNECT_WITH_DB,
  CLIENT_MYSQL,
  CLIENT_PLUGIN_AUTH,
  CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA,
  CLIENT_PROTOCOL_41,
  CLIENT_SECURE_CONNECTION,
  CLIENT_SSL,
  CLIENT_ZSTD_COMPRESSION_ALGORITHM,
  COM,
  TYPE,
} from '../../dumpers/mysql/capabilities.ts'
import type { Bytes } from '../../src/flow.ts'
import {
  lenenc,
  lenencString,
  nullBitmap,
  packet,
  type Text,
  uint8,
  uint16,
  uint24,
  uint32,
  uint64,
} from './my-bytes.ts'
import { cstring } from './pg-wire.ts'

/** What clients ask for unless told otherwise: 4.1, the database and method they name, attributes. */
export const CLIENT_DEFAULT =
  CLIENT_PROTOCOL_41 |
  CLIENT_SECURE_CONNECTION |
  CLIENT_PLUGIN_AUTH |
  CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA |
  CLIENT_MYSQL

export interface ResponseOptions {
  readonly seq?: number
  readonly user?: Text
  readonly secret?: Bytes
  readonly database?: Text
  readonly plugin?: string
  readonly attrs?: Readonly<Record<string, string>>
  readonly flags?: number
  /** MariaDB's capabilities; CLIENT_MYSQL is left out when they are given */
  readonly mariadb?: number
  readonly collation?: number
  readonly maxPacket?: number
  readonly zstdLevel?: number
}

const attributesOf = (attrs: Readonly<Record<string, string>>): Bytes =>
  lenencString(
    Buffer.concat(
      Object.entries(attrs).flatMap(([name, value]) => [lenencString(name), lenencString(value)]),
    ),
  )

/** The flags of a log-in: those asked for, and those of what it brings. */
const flagsOf = ({
  flags = CLIENT_DEFAULT,
  database,
  attrs,
  mariadb,
  zstdLevel,
}: ResponseOptions): number =>
  (flags |
    (database === undefined ? 0 : CLIENT_CONNECT_WITH_DB) |
    (attrs === undefined ? 0 : CLIENT_CONNECT_ATTRS) |
    (zstdLevel === undefined ? 0 : CLIENT_ZSTD_COMPRESSION_ALGORITHM)) &
  (mariadb === undefined ? -1 : ~CLIENT_MYSQL)

const secretOf = (flags: number, secret: Bytes): Bytes => {
  if ((flags & CLIENT_SECURE_CONNECTION) === 0) return cstring(secret)
  if ((flags & CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA) !== 0) return lenencString(secret)
  return Buffer.concat([uint8(secret.length), secret])
}

const SECRET = Buffer.from('0123456789abcdefghij')
const UTF8MB4 = 45

const header41 = (flags: number, maxPacket: number, collation: number, mariadb: number): Bytes =>
  Buffer.concat([uint32(flags), uint32(maxPacket), uint8(collation), Buffer.alloc(19), uint32(mariadb)])

const response41 = (options: ResponseOptions): Bytes => {
  const flags = flagsOf(options)
  const {
    user = 'u',
    secret = SECRET,
    database,
    plugin = 'mysql_native_password',
    attrs,
    zstdLevel,
  } = options
  const { collation = UTF8MB4, maxPacket = 1 << 24, mariadb = 0 } = options
  return Buffer.concat([
    header41(flags, maxPacket, collation, mariadb),
    cstring(user),
    secretOf(flags, secret),
    ...(database === undefined ? [] : [cstring(database)]),
    ...((flags & CLIENT_PLUGIN_AUTH) === 0 ? [] : [cstring(plugin)]),
    ...(attrs === undefined ? [] : [attributesOf(attrs)]),
    ...(zstdLevel === undefined ? [] : [uint8(zstdLevel)]),
  ])
}

/** A parameter of an execute: its type (TYPE, | UNSIGNED), its bytes as they stand on the wire, its name. */
export interface Param {
  readonly type: number
  readonly value: Bytes | null
  readonly name?: string
}

/** Added to a type. */
export const UNSIGNED = 0x8000

/** A parameter that is a string. */
export const stringParam = (text: Text | null, name?: string): Param => ({
  type: TYPE.VAR_STRING,
  value: text === null ? null : lenencString(text),
  ...(name === undefined ? {} : { name }),
})

/** A parameter that is an int. */
export const longParam = (value: number | null): Param => ({
  type: TYPE.LONG,
  value: value === null ? null : uint32(value),
})

const paramBlock = (params: readonly Param[], types: boolean, named: boolean): Bytes => {
  if (params.length === 0) return Buffer.alloc(0)
  const values = params.map(({ value }) => value)
  const told = params.flatMap(({ type, name = '' }) => [
    uint16(type),
    ...(named ? [lenencString(name)] : []),
  ])
  return Buffer.concat([
    nullBitmap(values),
    uint8(types ? 1 : 0),
    ...(types ? told : []),
    ...values.filter((value) => value !== null),
  ])
}

export interface ExecuteOptions {
  /** cursor type: 0 none, 1 read only; 8 is added for query attributes */
  readonly flags?: number
  readonly iterations?: number
  /** false: re-execution with the types of the last one */
  readonly types?: boolean
  /** with CLIENT_QUERY_ATTRIBUTES: parameters behind those of the statement */
  readonly attributes?: readonly Param[]
  /** CLIENT_QUERY_ATTRIBUTES was agreed on: parameters have names, and their number may be told */
  readonly queryAttributes?: boolean
}

const PARAMETER_COUNT_AVAILABLE = 8

const executeBody = (id: number, params: readonly Param[], options: ExecuteOptions): Bytes => {
  const { flags = 0, iterations = 1, types = true, attributes = [], queryAttributes = false } = options
  const all = [...params, ...attributes]
  const isCounted = queryAttributes && (attributes.length > 0 || (flags & PARAMETER_COUNT_AVAILABLE) !== 0)
  return Buffer.concat([
    uint32(id),
    uint8(isCounted ? flags | PARAMETER_COUNT_AVAILABLE : flags),
    uint32(iterations),
    ...(isCounted ? [lenenc(all.length)] : []),
    paramBlock(all, types, queryAttributes),
  ])
}

/** What stands in a bulk execute in the place of a value; or its bytes. */
export type BulkValue = Bytes | 'null' | 'default' | 'ignore'
const INDICATORS = ['none', 'null', 'default', 'ignore']

const bulkValue = (value: BulkValue): Bytes =>
  typeof value === 'string' ? uint8(INDICATORS.indexOf(value)) : Buffer.concat([uint8(0), value])

const SEND_TYPES = 128

const bulkBody = (
  id: number,
  types: readonly number[] | undefined,
  rows: readonly (readonly BulkValue[])[],
  flags: number,
): Bytes =>
  Buffer.concat([
    uint32(id),
    uint16(types === undefined ? flags : flags | SEND_TYPES),
    ...(types ?? []).map(uint16),
    ...rows.flat().map(bulkValue),
  ])

/** The command with this first byte, as the one packet (or more) that it is. */
export const command = (code: number, body: Text = '', seq = 0): Bytes =>
  packet(seq, Buffer.concat([uint8(code), Buffer.from(body as string)]))

/** What a client sends: packets. Commands have sequence id 0. */
export const frontend = {
  response41: (options: ResponseOptions = {}): Bytes => packet(options.seq ?? 1, response41(options)),
  /** of clients before 4.1 */
  response320: ({
    user = 'u',
    secret = 'GDSCQYR_',
    database,
    flags = 0,
    seq = 1,
  }: {
    readonly user?: Text
    readonly secret?: Text
    readonly database?: Text
    readonly flags?: number
    readonly seq?: number
  } = {}): Bytes =>
    packet(
      seq,
      Buffer.concat([
        uint16(flags | (database === undefined ? 0 : CLIENT_CONNECT_WITH_DB)),
        uint24(1 << 20),
        cstring(user),
        database === undefined ? cstring(secret) : Buffer.concat([cstring(secret), cstring(database)]),
      ]),
    ),
  sslRequest: (flags = CLIENT_DEFAULT, seq = 1): Bytes =>
    packet(seq, header41(flags | CLIENT_SSL, 1 << 24, UTF8MB4, 0)),
  /** answer to an authentication request */
  authResponse: (seq: number, secret: Text = SECRET): Bytes => packet(seq, secret),
  quit: (): Bytes => command(COM.QUIT),
  ping: (): Bytes => command(COM.PING),
  statistics: (): Bytes => command(COM.STATISTICS),
  debug: (): Bytes => command(COM.DEBUG),
  processInfo: (): Bytes => command(COM.PROCESS_INFO),
  initDb: (name: Text): Bytes => command(COM.INIT_DB, name),
  createDb: (name: Text): Bytes => command(COM.CREATE_DB, name),
  dropDb: (name: Text): Bytes => command(COM.DROP_DB, name),
  fieldList: (table: Text, wildcard: Text = ''): Bytes =>
    command(COM.FIELD_LIST, Buffer.concat([cstring(table), Buffer.from(wildcard as string)])),
  refresh: (what: number): Bytes => command(COM.REFRESH, uint8(what)),
  shutdown: (level = 0): Bytes => command(COM.SHUTDOWN, uint8(level)),
  processKill: (threadId: number): Bytes => command(COM.PROCESS_KILL, uint32(threadId)),
  setOption: (option: number): Bytes => command(COM.SET_OPTION, uint16(option)),
  resetConnection: (): Bytes => command(COM.RESET_CONNECTION),
  query: (text: Text): Bytes => command(COM.QUERY, text),
  /** COM_QUERY of a connection that has CLIENT_QUERY_ATTRIBUTES */
  queryWithAttributes: (text: Text, attributes: readonly Param[] = []): Bytes =>
    command(
      COM.QUERY,
      Buffer.concat([
        lenenc(attributes.length),
        lenenc(1),
        paramBlock(attributes, true, true),
        Buffer.from(text as string),
      ]),
    ),
  prepare: (text: Text): Bytes => command(COM.STMT_PREPARE, text),
  execute: (id: number, params: readonly Param[] = [], options: ExecuteOptions = {}): Bytes =>
    command(COM.STMT_EXECUTE, executeBody(id, params, options)),
  /** MariaDB; `types` undefined: those of the last execution */
  bulkExecute: (
    id: number,
    types: readonly number[] | undefined,
    rows: readonly (readonly BulkValue[])[],
    flags = 0,
  ): Bytes => command(COM.STMT_BULK_EXECUTE, bulkBody(id, types, rows, flags)),
  sendLongData: (id: number, param: number, data: Text): Bytes =>
    command(
      COM.STMT_SEND_LONG_DATA,
      Buffer.concat([uint32(id), uint16(param), Buffer.from(data as string)]),
    ),
  close: (id: number): Bytes => command(COM.STMT_CLOSE, uint32(id)),
  reset: (id: number): Bytes => command(COM.STMT_RESET, uint32(id)),
  fetch: (id: number, rows: number): Bytes =>
    command(COM.STMT_FETCH, Buffer.concat([uint32(id), uint32(rows)])),
  changeUser: (options: ResponseOptions = {}): Bytes => {
    const { user = 'u', secret = SECRET, database = '', plugin = 'mysql_native_password', attrs } = options
    const { collation = UTF8MB4, flags = CLIENT_DEFAULT } = options
    const isSecure = (flags & CLIENT_SECURE_CONNECTION) !== 0
    return command(
      COM.CHANGE_USER,
      Buffer.concat([
        cstring(user),
        isSecure ? Buffer.concat([uint8(secret.length), secret]) : cstring(secret),
        cstring(database),
        uint16(collation),
        ...((flags & CLIENT_PLUGIN_AUTH) === 0 ? [] : [cstring(plugin)]),
        ...(attrs === undefined ? [] : [attributesOf(attrs)]),
      ]),
    )
  },
  registerSlave: (serverId: number, host = 'replica'): Bytes =>
    command(
      COM.REGISTER_SLAVE,
      Buffer.concat([
        uint32(serverId),
        ...[host, 'user', 'password'].flatMap((text) => [uint8(text.length), Buffer.from(text)]),
        uint16(3306),
        uint64(0),
      ]),
    ),
  binlogDump: (position: number, file: string, serverId = 2): Bytes =>
    command(
      COM.BINLOG_DUMP,
      Buffer.concat([uint32(position), uint16(0), uint32(serverId), Buffer.from(file)]),
    ),
  tableDump: (database: string, table: string): Bytes =>
    command(
      COM.TABLE_DUMP,
      Buffer.concat([database, table].flatMap((text) => [uint8(text.length), Buffer.from(text)])),
    ),
  /** a piece of the file that the server asked for; an empty one ends it */
  fileData: (seq: number, data: Text): Bytes => packet(seq, data),
}
