/**
 * Payload → packet, nothing else. Each throws ProtocolError on a payload that breaks the protocol, and is
 * as lenient about what follows as servers and clients are: none of them minds bytes left over.
 */
import type { Bytes } from '../../src/flow.ts'
import { MysqlCursor } from '../../src/framing/mysql-cursor.ts'
import {
  type Capabilities,
  CLIENT_OPTIONAL_RESULTSET_METADATA,
  CLIENT_PROTOCOL_41,
  CLIENT_SESSION_TRACK,
  CLIENT_TRANSACTIONS,
  has,
  hasMariadb,
  MARIADB_CLIENT_CACHE_METADATA,
  MARIADB_CLIENT_EXTENDED_METADATA,
  SERVER_SESSION_STATE_CHANGED,
} from './capabilities.ts'
import {
  type ColumnDefinition,
  type Eof,
  type Err,
  type Ok,
  PROGRESS,
  type PrepareOk,
  type ResultSetHeader,
  type SessionChange,
} from './packets.ts'

const SQLSTATE_MARK = 0x23
const SQLSTATE_LENGTH = 5
const NOTHING: Bytes = Buffer.alloc(0)
const NO_CHANGES: readonly SessionChange[] = Object.freeze([])

/** Types of session changes (enum_session_state_type). */
const TRACK_SYSTEM_VARIABLES = 0
const TRACK_SCHEMA = 1
const TRACK_TRANSACTION_STATE = 5

const utf8 = (bytes: Bytes): string => bytes.toString('utf8')

/**
 * One or more changes of a kind: uint8 type, lenenc length, and by type a lenenc name and a lenenc value,
 * or a lenenc string.
 */
const readChanges = (body: MysqlCursor): SessionChange[] => {
  const changes: SessionChange[] = []
  while (body.left > 0) {
    const type = body.uint8()
    const entry = new MysqlCursor(body.lenencBytes())
    if (type === TRACK_SYSTEM_VARIABLES) {
      while (entry.left > 0) {
        changes.push({
          kind: 'variable',
          name: utf8(entry.lenencBytes()),
          value: utf8(entry.lenencBytes()),
        })
      }
    } else if (type === TRACK_SCHEMA) changes.push({ kind: 'schema', name: utf8(entry.lenencBytes()) })
    else if (type === TRACK_TRANSACTION_STATE) {
      changes.push({ kind: 'transaction', state: utf8(entry.lenencBytes()) })
    } else changes.push({ kind: 'other', type })
  }
  return changes
}

/** The info of an OK packet: lenenc on the wire, whatever the manual says; all that is left if it is not. */
const readInfo = (body: MysqlCursor): Bytes => {
  const at = body.at
  try {
    const info = body.lenencBytes()
    if (body.left === 0) return info
  } catch {
    // not length-encoded
  }
  body.at = at
  return body.rest()
}

/**
 * OK: 0x00 or 0xfe, lenenc affected rows, lenenc last insert id, uint16 status and uint16 warnings (4.1) or
 * uint16 status (CLIENT_TRANSACTIONS), lenenc info if there is any, lenenc session changes if the status
 * says so. {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_ok_packet.html}
 */
export const decodeOk = (body: MysqlCursor, capabilities: Capabilities): Ok => {
  body.skip(1)
  const affectedRows = body.lenencFigure()
  const lastInsertId = body.lenencFigure()
  const is41 = has(capabilities, CLIENT_PROTOCOL_41)
  const status = is41 || (has(capabilities, CLIENT_TRANSACTIONS) && body.left >= 2) ? body.uint16() : 0
  const warnings = is41 ? body.uint16() : undefined
  let info: Bytes | undefined
  let changes = NO_CHANGES
  if (body.left > 0) {
    if (has(capabilities, CLIENT_SESSION_TRACK) && (status & SERVER_SESSION_STATE_CHANGED) !== 0) {
      info = body.lenencBytes()
      if (body.left > 0) changes = readChanges(new MysqlCursor(body.lenencBytes()))
    } else info = readInfo(body)
    if (info.length === 0) info = undefined
  }
  return { kind: 'Ok', affectedRows, lastInsertId, status, warnings, info, changes }
}

const isStateChar = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a)

/** '#' and five capital letters or digits; nothing is read where they are not. */
const readSqlstate = (body: MysqlCursor): string | undefined => {
  if (body.peek() !== SQLSTATE_MARK || body.left <= SQLSTATE_LENGTH) return undefined
  const at = body.at
  body.skip(1)
  const state = body.bytes(SQLSTATE_LENGTH)
  if (state.every(isStateChar)) return state.toString('latin1')
  body.at = at
  return undefined
}

/**
 * ERR: 0xff, uint16 number, '#' and five characters of SQLSTATE, the message to the end. There is no
 * SQLSTATE for a client before 4.1, and none from most servers before they know their client; one that is
 * there is read in any case. A progress report has the number 0xffff: uint8 1, uint8 stage, uint8 stages,
 * uint24 thousandths of a percent, lenenc text.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_err_packet.html}
 */
export const decodeErr = (body: MysqlCursor): Err => {
  body.skip(1)
  const number = body.uint16()
  const progress = number === PROGRESS
  const sqlstate = progress ? undefined : readSqlstate(body)
  return { kind: 'Err', number, sqlstate, message: progress ? NOTHING : body.rest(), progress }
}

/** EOF: 0xfe and, since 4.1, uint16 warnings, uint16 status. At most 8 bytes, or it is something else. */
export const decodeEof = (body: MysqlCursor, capabilities: Capabilities): Eof => {
  body.skip(1)
  const is41 = has(capabilities, CLIENT_PROTOCOL_41)
  const warnings = is41 ? body.uint16() : undefined
  return { kind: 'Eof', warnings, status: is41 ? body.uint16() : 0 }
}

/**
 * COM_STMT_PREPARE_OK: 0x00, uint32 id, uint16 columns, uint16 parameters, a filler, uint16 warnings, and
 * with CLIENT_OPTIONAL_RESULTSET_METADATA uint8 whether definitions follow.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_stmt_prepare.html}
 */
export const decodePrepareOk = (body: MysqlCursor, capabilities: Capabilities): PrepareOk => {
  body.skip(1)
  const id = body.uint32()
  const columns = body.uint16()
  const params = body.uint16()
  // the filler and the count of warnings came with 4.1.1
  const warnings = body.left >= 3 ? body.uint24() >> 8 : undefined
  const optional = has(capabilities, CLIENT_OPTIONAL_RESULTSET_METADATA) && body.left > 0
  return {
    kind: 'PrepareOk',
    id,
    columns,
    params,
    warnings,
    metadataFollows: !optional || body.uint8() !== 0,
  }
}

/**
 * The first packet of a result set: lenenc count of columns; with CLIENT_OPTIONAL_RESULTSET_METADATA, and
 * with MARIADB_CLIENT_CACHE_METADATA, uint8 whether their definitions follow.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset.html}
 */
export const decodeResultSetHeader = (body: MysqlCursor, capabilities: Capabilities): ResultSetHeader => {
  const columns = body.lenenc()
  const optional =
    has(capabilities, CLIENT_OPTIONAL_RESULTSET_METADATA) ||
    hasMariadb(capabilities, MARIADB_CLIENT_CACHE_METADATA)
  const metadataFollows = !optional || body.left === 0 || body.uint8() !== 0
  return { kind: 'ResultSetHeader', columns, metadataFollows }
}

/**
 * ColumnDefinition41: lenenc catalog, schema, table, original table, name, original name; with
 * MARIADB_CLIENT_EXTENDED_METADATA lenenc type information; lenenc 12, uint16 collation, uint32 length,
 * uint8 type, uint16 flags, uint8 decimals, two fillers. Before 4.1: lenenc table, lenenc name, lenenc 3
 * and uint24 length, lenenc 1 and uint8 type, lenenc 2 or 3 and uint8 or uint16 flags, uint8 decimals.
 */
export const decodeColumnDefinition = (body: MysqlCursor, capabilities: Capabilities): ColumnDefinition => {
  if (!has(capabilities, CLIENT_PROTOCOL_41)) return decodeColumnDefinition320(body)
  for (let i = 0; i < 4; i++) body.lenencSkip()
  const name = body.lenencBytes()
  body.lenencSkip()
  if (hasMariadb(capabilities, MARIADB_CLIENT_EXTENDED_METADATA)) body.lenencSkip()
  body.lenenc()
  const collation = body.uint16()
  body.skip(4)
  return { kind: 'ColumnDefinition', name, collation, type: body.uint8(), flags: body.uint16() }
}

const decodeColumnDefinition320 = (body: MysqlCursor): ColumnDefinition => {
  body.lenencSkip()
  const name = body.lenencBytes()
  body.lenencSkip()
  const type = body.lenencBytes()[0] ?? 0
  const flags = body.lenenc() === 3 ? body.uint16() : body.uint8()
  return { kind: 'ColumnDefinition', name, type, flags, collation: undefined }
}
