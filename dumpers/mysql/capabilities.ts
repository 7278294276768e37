/**
 * Numbers of the protocol by the names that the manuals give them.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html}
 * {@link https://mariadb.com/docs/server/reference/clientserver-protocol/1-connecting/connection}
 */

/**
 * What a connection was agreed to have: `flags` are the CLIENT_… bits, `mariadb` the MARIADB_CLIENT_… ones
 * (bits 32 and up of the 64 that MariaDB counts), 0 unless both sides are MariaDB's.
 */
export interface Capabilities {
  readonly flags: number
  readonly mariadb: number
}

/** MySQL's CLIENT_LONG_PASSWORD: a side that leaves it out speaks MariaDB's extensions. */
export const CLIENT_MYSQL = 1
export const CLIENT_FOUND_ROWS = 1 << 1
export const CLIENT_LONG_FLAG = 1 << 2
export const CLIENT_CONNECT_WITH_DB = 1 << 3
export const CLIENT_NO_SCHEMA = 1 << 4
export const CLIENT_COMPRESS = 1 << 5
export const CLIENT_ODBC = 1 << 6
export const CLIENT_LOCAL_FILES = 1 << 7
export const CLIENT_IGNORE_SPACE = 1 << 8
export const CLIENT_PROTOCOL_41 = 1 << 9
export const CLIENT_INTERACTIVE = 1 << 10
export const CLIENT_SSL = 1 << 11
export const CLIENT_IGNORE_SIGPIPE = 1 << 12
export const CLIENT_TRANSACTIONS = 1 << 13
export const CLIENT_RESERVED = 1 << 14
export const CLIENT_SECURE_CONNECTION = 1 << 15
export const CLIENT_MULTI_STATEMENTS = 1 << 16
export const CLIENT_MULTI_RESULTS = 1 << 17
export const CLIENT_PS_MULTI_RESULTS = 1 << 18
export const CLIENT_PLUGIN_AUTH = 1 << 19
export const CLIENT_CONNECT_ATTRS = 1 << 20
export const CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA = 1 << 21
export const CLIENT_CAN_HANDLE_EXPIRED_PASSWORDS = 1 << 22
export const CLIENT_SESSION_TRACK = 1 << 23
export const CLIENT_DEPRECATE_EOF = 1 << 24
export const CLIENT_OPTIONAL_RESULTSET_METADATA = 1 << 25
export const CLIENT_ZSTD_COMPRESSION_ALGORITHM = 1 << 26
export const CLIENT_QUERY_ATTRIBUTES = 1 << 27
export const CLIENT_MULTI_FACTOR_AUTHENTICATION = 1 << 28
/** MariaDB before 10.2; MySQL's CLIENT_CAPABILITY_EXTENSION */
export const CLIENT_PROGRESS_OBSOLETE = 1 << 29
export const CLIENT_SSL_VERIFY_SERVER_CERT = 1 << 30
export const CLIENT_REMEMBER_OPTIONS = 1 << 31

/** Bits of {@link Capabilities.mariadb}. */
export const MARIADB_CLIENT_PROGRESS = 1
export const MARIADB_CLIENT_COM_MULTI = 1 << 1
export const MARIADB_CLIENT_STMT_BULK_OPERATIONS = 1 << 2
export const MARIADB_CLIENT_EXTENDED_METADATA = 1 << 3
export const MARIADB_CLIENT_CACHE_METADATA = 1 << 4
export const MARIADB_CLIENT_BULK_UNIT_RESULTS = 1 << 5

/** Is the CLIENT_… flag agreed on? */
export const has = (capabilities: Capabilities, flag: number): boolean => (capabilities.flags & flag) !== 0

/** How packets are wrapped once logged in, if they are. */
export const compressionOf = (capabilities: Capabilities): 'zlib' | 'zstd' | undefined => {
  if (has(capabilities, CLIENT_COMPRESS)) return 'zlib'
  return has(capabilities, CLIENT_ZSTD_COMPRESSION_ALGORITHM) ? 'zstd' : undefined
}

/** Is the MARIADB_CLIENT_… flag agreed on? */
export const hasMariadb = (capabilities: Capabilities, flag: number): boolean =>
  (capabilities.mariadb & flag) !== 0

/**
 * What client and server both have. MariaDB's own count where neither sets {@link CLIENT_MYSQL}; the
 * protocol of 4.1 where the client says so: no server that is in use lacks it.
 */
export const agreed = (client: Capabilities, server: Capabilities): Capabilities => {
  const both = client.flags & server.flags
  const extended = ((client.flags | server.flags) & CLIENT_MYSQL) === 0
  return {
    flags: both | (client.flags & CLIENT_PROTOCOL_41),
    mariadb: extended ? client.mariadb & server.mariadb : 0,
  }
}

/** Bits of the server's status, in OK and EOF packets. */
export const SERVER_STATUS_IN_TRANS = 1
export const SERVER_STATUS_AUTOCOMMIT = 1 << 1
export const SERVER_MORE_RESULTS_EXISTS = 1 << 3
export const SERVER_QUERY_NO_GOOD_INDEX_USED = 1 << 4
export const SERVER_QUERY_NO_INDEX_USED = 1 << 5
export const SERVER_STATUS_CURSOR_EXISTS = 1 << 6
export const SERVER_STATUS_LAST_ROW_SENT = 1 << 7
export const SERVER_STATUS_DB_DROPPED = 1 << 8
export const SERVER_STATUS_NO_BACKSLASH_ESCAPES = 1 << 9
export const SERVER_STATUS_METADATA_CHANGED = 1 << 10
export const SERVER_QUERY_WAS_SLOW = 1 << 11
export const SERVER_PS_OUT_PARAMS = 1 << 12
export const SERVER_STATUS_IN_TRANS_READONLY = 1 << 13
export const SERVER_SESSION_STATE_CHANGED = 1 << 14
/** MariaDB */
export const SERVER_STATUS_ANSI_QUOTES = 1 << 15

/**
 * First bytes of commands. A packet of the frontend is a command when its sequence id is 0.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/my__command_8h.html}
 */
export const COM = {
  SLEEP: 0x00,
  QUIT: 0x01,
  INIT_DB: 0x02,
  QUERY: 0x03,
  FIELD_LIST: 0x04,
  CREATE_DB: 0x05,
  DROP_DB: 0x06,
  REFRESH: 0x07,
  SHUTDOWN: 0x08,
  STATISTICS: 0x09,
  PROCESS_INFO: 0x0a,
  CONNECT: 0x0b,
  PROCESS_KILL: 0x0c,
  DEBUG: 0x0d,
  PING: 0x0e,
  TIME: 0x0f,
  DELAYED_INSERT: 0x10,
  CHANGE_USER: 0x11,
  BINLOG_DUMP: 0x12,
  TABLE_DUMP: 0x13,
  CONNECT_OUT: 0x14,
  REGISTER_SLAVE: 0x15,
  STMT_PREPARE: 0x16,
  STMT_EXECUTE: 0x17,
  STMT_SEND_LONG_DATA: 0x18,
  STMT_CLOSE: 0x19,
  STMT_RESET: 0x1a,
  SET_OPTION: 0x1b,
  STMT_FETCH: 0x1c,
  DAEMON: 0x1d,
  /** MySQL; MariaDB knows no such command */
  BINLOG_DUMP_GTID: 0x1e,
  RESET_CONNECTION: 0x1f,
  /** MySQL 8.0.19 and later */
  CLONE: 0x20,
  /** MySQL 8.0.23 and later */
  SUBSCRIBE_GROUP_REPLICATION_STREAM: 0x21,
  /** MariaDB */
  STMT_BULK_EXECUTE: 0xfa,
  /** MariaDB inside a cluster */
  SLAVE_WORKER: 0xfb,
  SLAVE_IO: 0xfc,
  SLAVE_SQL: 0xfd,
  /** MariaDB 10.2 alone */
  MULTI: 0xfe,
} as const

const COM_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(COM).map(([name, code]) => [code, `COM_${name}`]),
)

/** A command's name as in the manuals; of an unknown one its code: `COM_0x42`. */
export const commandName = (code: number): string =>
  COM_NAMES.get(code) ?? `COM_0x${code.toString(16).padStart(2, '0')}`

/**
 * Types of columns and parameters.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html}
 */
export const TYPE = {
  DECIMAL: 0,
  TINY: 1,
  SHORT: 2,
  LONG: 3,
  FLOAT: 4,
  DOUBLE: 5,
  NULL: 6,
  TIMESTAMP: 7,
  LONGLONG: 8,
  INT24: 9,
  DATE: 10,
  TIME: 11,
  DATETIME: 12,
  YEAR: 13,
  NEWDATE: 14,
  VARCHAR: 15,
  BIT: 16,
  TIMESTAMP2: 17,
  DATETIME2: 18,
  TIME2: 19,
  VECTOR: 242,
  INVALID: 243,
  BOOL: 244,
  JSON: 245,
  NEWDECIMAL: 246,
  ENUM: 247,
  SET: 248,
  TINY_BLOB: 249,
  MEDIUM_BLOB: 250,
  LONG_BLOB: 251,
  BLOB: 252,
  VAR_STRING: 253,
  STRING: 254,
  GEOMETRY: 255,
} as const

const TYPE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(TYPE).map(([name, code]) => [code, name.toLowerCase()]),
)

/** A type's name, in small letters and without MYSQL_TYPE_: `var_string`; undefined for an unknown one. */
export const typeName = (code: number): string | undefined => TYPE_NAMES.get(code)
