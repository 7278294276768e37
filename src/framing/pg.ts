import type { Bytes } from '../flow.ts'
import { Framer } from './framer.ts'

/**
 * What the next header is: `startup` int32 length, no type (a startup, SSL, GSS or cancel request);
 * `typed` byte type, int32 length; `answer` one byte without a body, the reply to an SSL or GSS request;
 * `error` int32 length, behind an answer `E` of a server that knows no such request.
 * The lengths count themselves. {@link https://www.postgresql.org/docs/current/protocol-message-formats.html}
 */
export type PgHeader = 'startup' | 'typed' | 'answer' | 'error'

/** Type of a startup packet, which has none on the wire. */
export const STARTUP = 0
/** Added to the byte of a TLS answer, to tell it from a typed message's. */
export const ANSWER = 0x100

/** PostgreSQL's MAX_STARTUP_PACKET_LENGTH (src/include/libpq/pqcomm.h). */
export const MAX_STARTUP = 10_000
/** PostgreSQL's PQ_LARGE_MESSAGE_LIMIT: MaxAllocSize - 1, as a body's length. */
const MAX_BODY = 0x3fff_fffe
/** ErrorResponse 'E' */
const ERROR_RESPONSE = 0x45

/** Frames of one direction of a PostgreSQL conversation. */
export class PgFramer extends Framer {
  #header: PgHeader = 'startup'

  expect(header: PgHeader): void {
    this.#header = header
    this.headerSize = header === 'typed' ? 5 : header === 'answer' ? 1 : 4
  }

  protected override readHeader(bytes: Bytes, at: number): number {
    if (this.#header === 'typed') {
      this.type = bytes[at] as number
      const length = readInt32(bytes, at + 1) - 4
      return length > MAX_BODY ? -1 : length
    }
    if (this.#header === 'answer') {
      const byte = bytes[at] as number
      this.type = ANSWER | byte
      if (byte === ERROR_RESPONSE) this.expect('error')
      return 0
    }
    const length = readInt32(bytes, at) - 4
    this.type = this.#header === 'startup' ? STARTUP : ERROR_RESPONSE
    if (this.#header === 'error') this.expect('typed')
    return length < 4 || length > MAX_STARTUP ? -1 : length
  }
}

const readInt32 = (bytes: Bytes, at: number): number =>
  ((bytes[at] as number) << 24) |
  ((bytes[at + 1] as number) << 16) |
  ((bytes[at + 2] as number) << 8) |
  (bytes[at + 3] as number)
