/** Whom a log-in names. */
import type { Bytes } from '../../src/flow.ts'
import type { TextDecoding } from '../common/text-decoding.ts'
import { charsetOfCollation, decodingOfCharset } from './charsets.ts'
import type { ChangeUser, HandshakeResponse } from './packets.ts'

/** Most characters of the connection attributes that are recorded. */
const MAX_ATTRIBUTES = 4096

/** Whom a log-in, or COM_CHANGE_USER, names. */
export interface NewUser {
  readonly username: string | undefined
  readonly database: string | undefined
  readonly charset: string | undefined
  readonly method: string | undefined
  readonly attributes: string | undefined
  readonly program: string | undefined
}

/** Names are in the character set that the packet itself asks for; `version` is the server's. */
export const newUser = (
  packet: HandshakeResponse | ChangeUser,
  before: TextDecoding,
  mariadb: boolean,
  version = '',
): NewUser => {
  const { collation, connectAttrs } = packet
  const charset = collation === undefined ? undefined : charsetOfCollation(collation, mariadb, version)
  const decoding = charset === undefined ? before : decodingOfCharset(charset)
  const text = (bytes: Bytes): string => decoding.text(bytes)
  const attributes = readAttributes(connectAttrs, text)
  return {
    username: text(packet.username),
    database: packet.database && text(packet.database),
    charset,
    method: packet.authPlugin,
    attributes: attributes && JSON.stringify(attributes),
    program: attributes?.program_name,
  }
}

/** What comes behind too many characters is left out. */
const readAttributes = (
  parts: readonly Bytes[],
  text: (bytes: Bytes) => string,
): Record<string, string> | undefined => {
  if (parts.length === 0) return undefined
  const pairs: Record<string, string> = Object.create(null)
  let room = MAX_ATTRIBUTES
  for (let i = 0; i + 1 < parts.length; i += 2) {
    const name = text(parts[i] as Bytes)
    const value = text(parts[i + 1] as Bytes)
    room -= name.length + value.length
    if (room < 0) break
    pairs[name] = value
  }
  return pairs
}
