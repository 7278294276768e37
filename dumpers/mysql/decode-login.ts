/**
 * Packets of the connection phase. Secrets are stepped over, never read.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html}
 */
import type { Bytes } from '../../src/flow.ts'
import { MysqlCursor } from '../../src/framing/mysql-cursor.ts'
import {
  agreed,
  type Capabilities,
  CLIENT_CONNECT_ATTRS,
  CLIENT_CONNECT_WITH_DB,
  CLIENT_MYSQL,
  CLIENT_PLUGIN_AUTH,
  CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA,
  CLIENT_PROTOCOL_41,
  CLIENT_SECURE_CONNECTION,
  CLIENT_SSL,
  CLIENT_ZSTD_COMPRESSION_ALGORITHM,
  has,
} from './capabilities.ts'
import type { AuthSwitchRequest, ChangeUser, Greeting, HandshakeResponse, SslRequest } from './packets.ts'

const VERSION_10 = 10
const VERSION_9 = 9
/** first part of a scramble; shortest second part, its NUL included */
const SCRAMBLE_1 = 8
const SCRAMBLE_2 = 13
const FILLER = 1
const RESERVED = 6
/** what MariaDB puts before its version, for replicas of MySQL that know no 10 */
const REPLICATION_PREFIX = /^5\.5\.5-(?=\d+\.\d+\.\d+-MariaDB)/
/** bytes between the collation and MariaDB's capabilities in a log-in */
const RESPONSE_RESERVED = 19
const NO_ATTRIBUTES: readonly Bytes[] = Object.freeze([])
const NOTHING: Capabilities = { flags: 0, mariadb: 0 }

/** A string up to its NUL, or to the end where there is none. */
const readText = (body: MysqlCursor): Bytes => {
  const rest = body.rest()
  const nul = rest.indexOf(0)
  if (nul < 0) return rest
  body.at -= rest.length - nul - 1
  return rest.subarray(0, nul)
}

const orNone = (bytes: Bytes): Bytes | undefined => (bytes.length === 0 ? undefined : bytes)
const pluginOf = (bytes: Bytes): string | undefined => bytes.toString('latin1') || undefined

/**
 * Handshake: uint8 version, cstring server version, uint32 thread id; version 9: cstring scramble; version
 * 10: 8 bytes of scramble, a filler, uint16 lower capabilities and, since 4.1, uint8 collation, uint16
 * status, uint16 upper capabilities, uint8 length of the scramble, 6 reserved bytes, uint32 capabilities of
 * MariaDB (of a server without CLIENT_MYSQL; else reserved), the scramble's second part of 13 bytes or
 * more, cstring authentication method. `invalid` for a version that is neither: an ERR packet is not read
 * here.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html}
 */
export const decodeGreeting = (body: MysqlCursor): Greeting => {
  const protocol = body.uint8()
  if (protocol !== VERSION_10 && protocol !== VERSION_9) throw body.invalid('unknown protocol version')
  const version = body.cstring()
  const serverVersion = version.replace(REPLICATION_PREFIX, '')
  const threadId = body.uint32()
  const old: Greeting = {
    kind: 'Greeting',
    protocol,
    serverVersion,
    threadId,
    capabilities: NOTHING,
    characterSet: 0,
    status: 0,
    authPlugin: undefined,
    mariadb: version.includes('MariaDB'),
  }
  if (protocol === VERSION_9) return old
  body.skip(SCRAMBLE_1 + FILLER)
  const lower = body.uint16()
  if (body.left === 0) return { ...old, capabilities: { flags: lower, mariadb: 0 } }
  const characterSet = body.uint8()
  const status = body.uint16()
  const flags = lower | (body.uint16() << 16)
  const scramble = body.uint8()
  body.skip(RESERVED)
  const reserved = body.uint32()
  const isExtended = (flags & CLIENT_MYSQL) === 0
  const capabilities = { flags, mariadb: isExtended ? reserved : 0 }
  const greeting = { ...old, capabilities, characterSet, status, mariadb: old.mariadb || isExtended }
  if (!has(capabilities, CLIENT_PLUGIN_AUTH)) return greeting
  if (has(capabilities, CLIENT_SECURE_CONNECTION)) body.skip(Math.max(SCRAMBLE_2, scramble - SCRAMBLE_1))
  return { ...greeting, authPlugin: pluginOf(readText(body)) }
}

/** Capabilities of a log-in of 4.1: uint32 flags now, MariaDB's behind the reserved bytes. */
const readFlags41 = (body: MysqlCursor): Capabilities & { maxPacket: number; collation: number } => {
  const flags = body.int32()
  const maxPacket = body.uint32()
  const collation = body.uint8()
  body.skip(RESPONSE_RESERVED)
  const reserved = body.uint32()
  return { flags, mariadb: (flags & CLIENT_MYSQL) === 0 ? reserved : 0, maxPacket, collation }
}

/** Steps over the answer to the scramble. */
const skipSecret = (body: MysqlCursor, capabilities: Capabilities): void => {
  if (!has(capabilities, CLIENT_SECURE_CONNECTION)) body.cend()
  else if (has(capabilities, CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA)) body.lenencSkip()
  else body.skip(body.uint8())
}

/**
 * lenenc length, and in it lenenc name, lenenc value … What is broken is left out, be it inside or the
 * length itself: MariaDB takes the log-in (10.11 was asked), and logs no more of it either.
 */
const readAttributes = (body: MysqlCursor): readonly Bytes[] => {
  if (body.left === 0) return NO_ATTRIBUTES
  const attributes: Bytes[] = []
  try {
    const entries = new MysqlCursor(body.lenencBytes())
    while (entries.left > 0) attributes.push(entries.lenencBytes(), entries.lenencBytes())
  } catch {
    return attributes
  }
  return attributes
}

interface Sent extends Capabilities {
  readonly maxPacket: number
  readonly collation?: number
}

const readSent = (body: MysqlCursor): Sent => {
  const lower = body.uint16()
  body.at -= 2
  if ((lower & CLIENT_PROTOCOL_41) !== 0) return readFlags41(body)
  return { flags: body.uint16(), mariadb: 0, maxPacket: body.uint24() }
}

/** What a log-in agrees on, whatever is broken behind it: some servers take one whose rest is. */
export const decodeAgreed = (body: MysqlCursor, server: Capabilities): Capabilities =>
  agreed(readSent(body), server)

/**
 * HandshakeResponse41: uint32 capabilities, uint32 longest packet, uint8 collation, 19 reserved bytes,
 * uint32 capabilities of MariaDB (of a client without CLIENT_MYSQL), cstring user, the secret (lenenc, or
 * uint8 and bytes, or a cstring), cstring database, cstring authentication method, lenenc connection
 * attributes, uint8 zstd level, each as the capabilities have it. HandshakeResponse320: uint16
 * capabilities, uint24 longest packet, cstring user, cstring secret, cstring database. Servers go by what
 * both sides have.
 *
 * A packet with CLIENT_SSL is an SslRequest to a server that has it, however long it is, unless it came
 * inside TLS (`secured`). Of the collation servers read the low byte alone, whatever stands behind it.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_response.html}
 */
export const decodeHandshakeResponse = (
  body: MysqlCursor,
  server: Capabilities,
  secured: boolean,
): SslRequest | HandshakeResponse => {
  const sent = readSent(body)
  const capabilities = agreed(sent, server)
  if (!secured && has(capabilities, CLIENT_SSL)) return { kind: 'SslRequest', capabilities }
  const username = body.cbytes()
  const { maxPacket, collation } = sent
  const rest = readRest(body, capabilities)
  return { kind: 'HandshakeResponse', capabilities, maxPacket, collation, username, ...rest }
}

type Rest = Pick<HandshakeResponse, 'database' | 'authPlugin' | 'connectAttrs' | 'zstdLevel'>

/** What stands behind the user's name, up to where it breaks: servers take some that do (two were asked). */
const readRest = (body: MysqlCursor, capabilities: Capabilities): Rest => {
  let database: Bytes | undefined
  let authPlugin: string | undefined
  let connectAttrs = NO_ATTRIBUTES
  let zstdLevel: number | undefined
  try {
    skipSecret(body, capabilities)
    if (has(capabilities, CLIENT_CONNECT_WITH_DB)) database = orNone(readText(body))
    if (has(capabilities, CLIENT_PLUGIN_AUTH)) authPlugin = pluginOf(readText(body))
    if (has(capabilities, CLIENT_CONNECT_ATTRS)) connectAttrs = readAttributes(body)
    if (has(capabilities, CLIENT_ZSTD_COMPRESSION_ALGORITHM) && body.left > 0) zstdLevel = body.uint8()
  } catch {
    // what came before stands
  }
  return { database, authPlugin, connectAttrs, zstdLevel }
}

/**
 * COM_CHANGE_USER 0x11: cstring user, the secret (uint8 and bytes, or a cstring), cstring database, uint16
 * collation, cstring authentication method, lenenc connection attributes. What comes behind the database
 * may be missing.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_change_user.html}
 */
export const decodeChangeUser = (body: MysqlCursor, capabilities: Capabilities): ChangeUser => {
  body.skip(1)
  const username = body.cbytes()
  if (has(capabilities, CLIENT_SECURE_CONNECTION)) body.skip(body.uint8())
  else body.cend()
  const database = orNone(readText(body))
  const collation = body.left >= 2 ? body.uint16() : undefined
  const authPlugin = has(capabilities, CLIENT_PLUGIN_AUTH) ? pluginOf(readText(body)) : undefined
  const connectAttrs = has(capabilities, CLIENT_CONNECT_ATTRS) ? readAttributes(body) : NO_ATTRIBUTES
  return { kind: 'ChangeUser', username, database, collation, authPlugin, connectAttrs }
}

/**
 * AuthSwitchRequest 0xfe and AuthNextFactor 0x02: cstring method, its data. 0xfe alone asks for the
 * password as servers before 4.1 took it.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_auth_switch_request.html}
 */
export const decodeAuthSwitch = (body: MysqlCursor): AuthSwitchRequest => {
  body.skip(1)
  if (body.left === 0) return { kind: 'AuthSwitchRequest', plugin: 'mysql_old_password' }
  return { kind: 'AuthSwitchRequest', plugin: readText(body).toString('latin1') }
}
