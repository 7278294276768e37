/** Names of statements and portals, as the server tells them apart. */
import type { Bytes } from '../../src/flow.ts'
import type { Cursor } from '../../src/framing/cursor.ts'
import { type TextDecoding, UTF8 } from '../common/text-decoding.ts'

/** NAMEDATALEN - 1: the server's tables of statements and portals compare no more bytes of a name. */
const MAX_NAME_BYTES = 63
const ASCII = /^[\0-\x7f]*$/
const REPLACEMENT = '\ufffd'

/**
 * A NUL-terminated name of a statement or portal. Two names that the server takes for one are one here, and
 * two that it tells apart stay two, even when their bytes are no text.
 */
export const readName = (body: Cursor, decoding: TextDecoding = UTF8): string => {
  const start = body.at
  const name = body.cstring()
  if (name === '') return name
  if (name.length <= MAX_NAME_BYTES && ASCII.test(name)) return name
  body.at = start
  return serverName(body.cbytes(), decoding)
}

/** The name by which the server knows it: in its own encoding, taken to be UTF-8, and cut. */
export const serverName = (bytes: Bytes, decoding: TextDecoding): string => {
  const name = decoding.text(bytes)
  const valid = decoding.valid(bytes, 0, bytes.length, name)
  const stored = valid ? Buffer.from(name) : bytes
  if (valid && stored.length <= MAX_NAME_BYTES && !name.includes(REPLACEMENT)) return name
  const cut = stored.subarray(0, MAX_NAME_BYTES)
  const text = cut.toString()
  return text.includes(REPLACEMENT) ? `${REPLACEMENT}\\x${cut.toString('hex')}` : text
}
