import type { Bytes } from '../flow.ts'
import { type FrameHandler, Framer } from './framer.ts'

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

  /** Rows and copied data in a row: a header is looked at, and no more. */
  protected override skipRun(handler: FrameHandler, chunk: Bytes, start: number): number {
    const { type } = this
    if (this.#header !== 'typed' || (type !== DATA_ROW && type !== COPY_DATA)) return start
    let at = start
    let count = 0
    for (const last = chunk.length - TYPED_HEADER; at <= last && chunk[at] === type; count++) {
      const length = readInt32(chunk, at + 1) - 4
      if (length < 0 || length > last - at) break
      at += TYPED_HEADER + length
    }
    if (count > 0) handler.run?.(type, count, at - start - count * TYPED_HEADER)
    return at
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

/** DataRow 'D' and CopyData 'd': the types that come by the million. */
const DATA_ROW = 0x44
const COPY_DATA = 0x64
const TYPED_HEADER = 5

const readInt32 = (bytes: Bytes, at: number): number =>
  ((bytes[at] as number) << 24) |
  ((bytes[at + 1] as number) << 16) |
  ((bytes[at + 2] as number) << 8) |
  (bytes[at + 3] as number)
