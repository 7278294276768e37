/** Whom a log-in names. */
import type { Bytes } from '../../src/flow.ts'
import type { TextDecoding } from '../common/text-decoding.ts'
import { charsetOfCollation, decodingOfCharset } from './charsets.ts'
import type { ChangeUser, HandshakeResponse } from './packets.ts'

/** Most characters of the connection attributes that are recorded. */
const MAX_ATTRIBUTES = 4096

/** Whom a log-in, or COM_CHANGE_USER, names. */
export interface NewUser {
  readonly username: string
  readonly database: string | undefined
  readonly charset: string | undefined
  readonly method: string | undefined
  readonly attributes: string | undefined
  readonly program: string | undefined
}

/** Names are in the character set that the packet itself asks for. */
export const newUser = (
  packet: HandshakeResponse | ChangeUser,
  before: TextDecoding,
  mariadb: boolean,
): NewUser => {
  const { collation, connectAttrs } = packet
  const charset = collation === undefined ? undefined : charsetOfCollation(collation, mariadb)
  const decoding = charset === undefined ? before : decodingOfCharset(charset)
  const text = (bytes: Bytes): string => decoding.text(bytes)
  const pairs: Record<string, string> = {}
  for (let i = 0; i + 1 < connectAttrs.length; i += 2)
    pairs[text(connectAttrs[i] as Bytes)] = text(connectAttrs[i + 1] as Bytes)
  const json = connectAttrs.length === 0 ? undefined : JSON.stringify(pairs).slice(0, MAX_ATTRIBUTES)
  return {
    username: text(packet.username),
    database: packet.database && text(packet.database),
    charset,
    method: packet.authPlugin,
    attributes: json,
    program: pairs.program_name,
  }
}
