/**
 * Body → message, nothing else. Each throws ProtocolError on a body that breaks the protocol. Names of
 * statements and portals are in the client's encoding, UTF-8 unless `decoding` is given.
 */
import type { ServerError } from '../../src/event.ts'
import type { Bytes } from '../../src/flow.ts'
import type { Cursor } from '../../src/framing/cursor.ts'
import type { TextDecoding } from '../common/text-decoding.ts'
import {
  type Bind,
  CANCEL_REQUEST,
  type Execute,
  type FunctionCall,
  GSSENC_REQUEST,
  type Named,
  type Parse,
  type Span,
  SSL_REQUEST,
  type StartupPacket,
} from './messages.ts'
import { readName } from './names.ts'

/** PostgreSQL 3 is the only major version in use since 2003. */
const MAJOR = 3

/**
 * Startup packet: int32 code, then by code: a StartupMessage's (cstring name, cstring value)…, NUL;
 * a CancelRequest's int32 pid and key; nothing.
 */
export const decodeStartup = (body: Cursor): StartupPacket => {
  const code = body.int32()
  if (code === SSL_REQUEST) return { kind: 'SSLRequest' }
  if (code === GSSENC_REQUEST) return { kind: 'GSSENCRequest' }
  if (code === CANCEL_REQUEST) return { kind: 'CancelRequest', pid: body.int32(), key: body.rest() }
  if (code >> 16 !== MAJOR) return { kind: 'UnknownStartup', code }
  const parameters: string[] = []
  for (;;) {
    const name = body.cstring()
    if (name === '') break
    parameters.push(name, body.cstring())
  }
  return { kind: 'StartupMessage', major: MAJOR, minor: code & 0xffff, parameters }
}

/** Query 'Q': cstring query. */
export const decodeQuery = (body: Cursor): Span => {
  const query = { start: body.at, end: body.cend() }
  body.finish()
  return query
}

/** Parse 'P': cstring statement, cstring query, uint16 n, n × uint32 parameter OID. */
export const decodeParse = (body: Cursor, decoding?: TextDecoding): Parse => {
  const statement = readName(body, decoding)
  const query = { start: body.at, end: body.cend() }
  const oids = body.uint32s(body.uint16())
  body.finish()
  return { kind: 'Parse', statement, query, oids }
}

/** Steps over `count` values: int32 length (-1: NULL), bytes. Answers where they lie. */
const readValues = (body: Cursor, count: number): Span => {
  if (count * 4 > body.left) throw body.short(count * 4)
  const start = body.at
  for (let i = 0; i < count; i++) {
    const length = body.int32()
    if (length < -1) throw body.invalid('negative length')
    if (length > 0) body.skip(length)
  }
  return { start, end: body.at }
}

/**
 * Bind 'B': cstring portal, cstring statement, uint16 n, n × int16 format, uint16 n, n × value,
 * uint16 n, n × int16 result format. A value is int32 length (-1: NULL), bytes.
 */
export const decodeBind = (body: Cursor, decoding?: TextDecoding): Bind => {
  const portal = readName(body, decoding)
  const statement = readName(body, decoding)
  const formats = body.int16s(body.uint16())
  const count = body.uint16()
  const values = readValues(body, count)
  body.skip(body.uint16() * 2)
  body.finish()
  return { kind: 'Bind', portal, statement, formats, count, values }
}

/**
 * FunctionCall 'F': uint32 function OID, uint16 n, n × int16 format, uint16 n, n × value, int16 result
 * format.
 */
export const decodeFunctionCall = (body: Cursor): FunctionCall => {
  const oid = body.uint32()
  const formats = body.int16s(body.uint16())
  const count = body.uint16()
  const values = readValues(body, count)
  body.skip(2)
  body.finish()
  return { kind: 'FunctionCall', oid, formats, count, values }
}

/** Execute 'E': cstring portal, int32 maximum number of rows. */
export const decodeExecute = (body: Cursor, decoding?: TextDecoding): Execute => {
  const portal = readName(body, decoding)
  const maxRows = body.int32()
  body.finish()
  return { kind: 'Execute', portal, maxRows }
}

/** Describe 'D' and Close 'C': byte 'S' or 'P', cstring name. */
export const decodeNamed = (body: Cursor, decoding?: TextDecoding): Named => {
  const of = body.uint8()
  if (of !== 0x53 && of !== 0x50) throw body.invalid('neither a statement nor a portal')
  const name = readName(body, decoding)
  body.finish()
  return { of: of === 0x53 ? 'S' : 'P', name }
}

/** ParameterStatus 'S': cstring name, cstring value. */
export const decodeParameterStatus = (body: Cursor): { name: string; value: string } => ({
  name: body.cstring(),
  value: body.cstring(),
})

/** BackendKeyData 'K': int32 process id, key of 4 bytes (up to 256 since protocol 3.2). */
export const decodeBackendKeyData = (body: Cursor): { pid: number; key: Bytes } => ({
  pid: body.int32(),
  key: body.rest(),
})

/** ParameterDescription 't': uint16 n, n × uint32 OID. */
export const decodeParameterDescription = (body: Cursor): readonly number[] => body.uint32s(body.uint16())

/**
 * NegotiateProtocolVersion 'v': int32 newest minor version (sent as a whole version since 18), int32 n, n
 * × cstring.
 */
export const decodeNegotiateProtocolVersion = (body: Cursor): { minor: number } => ({
  minor: body.int32() & 0xffff,
})

/**
 * Authentication 'R': int32 code, then what it needs. The exchange itself is never kept; of SASL (10) the
 * first
 * mechanism's name is. {@link https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP}
 */
export const decodeAuthentication = (body: Cursor): { code: number; method?: string } => {
  const code = body.int32()
  switch (code) {
    case 2:
      return { code, method: 'kerberos' }
    case 3:
      return { code, method: 'password' }
    case 5:
      return { code, method: 'md5' }
    case 7:
      return { code, method: 'gss' }
    case 9:
      return { code, method: 'sspi' }
    case 10:
      return { code, method: body.cstring().toLowerCase() }
    default:
      return { code }
  }
}

type ErrorKey = Exclude<keyof ServerError, 'error_number'>

/** Fields of an ErrorResponse that go to the record, by their type byte. */
const ERROR_KEYS: Readonly<Record<number, ErrorKey>> = {
  67: 'error_code', // C
  77: 'error_message', // M
  68: 'error_detail', // D
  72: 'error_hint', // H
  113: 'error_internal_query', // q
  87: 'error_context', // W
  86: 'error_severity', // V, never localised; S stands before it and may be
}

/**
 * ErrorResponse 'E': (byte field type, cstring)…, NUL. Texts are in the client's encoding. A body that
 * was cut
 * gives the fields that came whole.
 */
export const decodeErrorResponse = (body: Cursor, text: (bytes: Bytes) => string): ServerError => {
  const fields: Partial<Record<ErrorKey, string>> = {}
  try {
    for (let type = body.uint8(); type !== 0; type = body.uint8()) {
      const value = body.cbytes()
      const key = type === 83 ? 'error_severity' : ERROR_KEYS[type]
      if (key !== undefined) fields[key] = text(value)
    }
  } catch {
    // what came before the cut is the error as far as it is known
  }
  return fields
}
