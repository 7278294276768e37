/**
 * The X protocol, which MySQL's other port speaks.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_mysqlx_protocol_lifecycle.html}
 */
import type { Bytes } from '../../src/flow.ts'

/** Mysqlx.ServerMessages.Type.NOTICE, by which a server of the X protocol may begin */
export const MYSQLX_NOTICE = 0x0b
/** Bytes of a header of the X protocol: uint32 length of type and body, uint8 type. */
const HEADER = 5
/** The last of Mysqlx.ClientMessages that may begin a connection: CON_CAPABILITIES_GET to SESS_CLOSE. */
const LAST = 7

/** Does a client of the X protocol begin like this? */
export const isMysqlx = (bytes: Bytes): boolean => {
  if (bytes.length < HEADER) return false
  const length = bytes.readUInt32LE(0)
  const type = bytes[HEADER - 1] as number
  return length > 0 && length < 0x1_0000 && type > 0 && type <= LAST
}
