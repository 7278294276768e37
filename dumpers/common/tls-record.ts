/** TLS, where nobody saw that it was agreed on. */
import type { Bytes } from '../../src/flow.ts'

const HEADER = 5
const MAX_RECORD = 16_640

/**
 * Do the bytes begin with a TLS record: uint8 type 20 to 23, uint16 version 3.0 to 3.4, uint16 length?
 * {@link https://www.rfc-editor.org/rfc/rfc8446#section-5.1}
 */
export const looksLikeTls = (bytes: Bytes): boolean => {
  if (bytes.length < HEADER) return false
  const [type = 0, major = 0, minor = 0] = bytes
  const length = bytes.readUInt16BE(3)
  return type >= 20 && type <= 23 && major === 3 && minor <= 4 && length > 0 && length <= MAX_RECORD
}
