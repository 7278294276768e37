/**
 * The dialogue before a MySQL log-in that a proxy takes part in. The server speaks first: in its greeting
 * the capabilities are hidden that nobody here could follow (TLS with `tls.client = "refuse"`, zstd on a
 * Node that has none). A client that claims one even so is treated as by a server without it: the bit is
 * cleared, and a request for TLS is refused. Until the log-in is decided a PROXY header of the client's
 * own is refused as well.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html}
 */
import type { Bytes, Direction } from '../../src/flow.ts'
import type { Handshake, HandshakeOptions, HandshakeStep } from '../../src/session.ts'
import { CLIENT_PROTOCOL_41, CLIENT_SSL, CLIENT_ZSTD_COMPRESSION_ALGORITHM } from './capabilities.ts'
import { LoginWatch } from './login-watch.ts'
import { errPacket, HANDSHAKE_ERROR } from './refusal.ts'

/** A packet's header: uint24 length, uint8 sequence id; both little-endian. */
const HEADER = 4
const GREETING_10 = 10
/** Behind the server's version: uint32 thread id, 8 bytes of scramble, a filler. */
const TO_LOWER_FLAGS = 13
/** uint16 lower flags, uint8 collation, uint16 status, uint16 upper flags. */
const TO_UPPER_FLAGS = 5
const MYSQLX_AUTHENTICATE_START = 4
/** A greeting that is not complete by then is none of a MySQL server. */
const MAX_GREETING = 16 * 1024
/**
 * Longest packets that end before the user's name: uint32 flags, uint32 packet size, uint8 collation and 23
 * bytes of filler; before 4.1 uint16 flags and uint24 packet size.
 */
const SSL_REQUEST_41 = 32
const SSL_REQUEST_320 = 5

const ZSTD_HIDDEN =
  'this Node cannot decode zstd (22.15 or newer can): the server offers it, clients are not told'

/**
 * Does the client speak first, and as that of the X protocol does: uint32 length, a type from
 * CON_CAPABILITIES_GET to SESS_AUTHENTICATE_START? A server of this protocol refuses it, for sequence id 0
 * is out of order in a log-in.
 */
const isMysqlx = (bytes: Bytes): boolean => {
  const type = bytes[HEADER] ?? 0
  return bytes[3] === 0 && type >= 1 && type <= MYSQLX_AUTHENTICATE_START
}

/** Bytes that await others; the room doubles, so that a sender of single bytes costs no more than any. */
class Held {
  #room: Bytes = Buffer.alloc(0)
  #length = 0

  /** a view of what was appended, which later ones may leave behind */
  get bytes(): Bytes {
    return this.#room.subarray(0, this.#length)
  }

  append(chunk: Bytes): void {
    const length = this.#length + chunk.length
    if (length > this.#room.length) {
      const larger = Buffer.allocUnsafe(Math.max(length, 2 * this.#room.length))
      this.#room.copy(larger, 0, 0, this.#length)
      this.#room = larger
    }
    chunk.copy(this.#room, this.#length)
    this.#length = length
  }
}

export class MysqlHandshake implements Handshake {
  readonly #hidden: number
  #phase: 'greeting' | 'response' | 'login' | 'done' = 'greeting'
  /** the greeting, and what the client says to it, as far as they have come */
  readonly #greeting = new Held()
  readonly #response = new Held()
  /** of the hidden capabilities those that the server has */
  #withheld = 0
  /** the client was shown CLIENT_SSL */
  #offersTls = false
  readonly #watch = new LoginWatch()

  constructor(options: HandshakeOptions, canDecodeZstd: boolean) {
    const ssl = options.tlsClient === 'refuse' ? CLIENT_SSL : 0
    this.#hidden = ssl | (canDecodeZstd ? 0 : CLIENT_ZSTD_COMPRESSION_ALGORITHM)
  }

  /** In place of the greeting; behind it a client expects what its log-in asks for. */
  get refusable(): boolean {
    return this.#phase === 'greeting'
  }

  feed(from: Direction, chunk: Bytes): readonly HandshakeStep[] {
    const steps: HandshakeStep[] = []
    if (this.#phase === 'login') this.#follow(from, Buffer.from(chunk), steps)
    else if (from === 'frontend') {
      this.#response.append(chunk)
      if (this.#phase === 'response') this.#readResponse(steps)
      else if (isMysqlx(this.#response.bytes)) this.#done(steps)
    } else if (this.#phase === 'greeting') {
      this.#greeting.append(chunk)
      this.#readGreeting(steps)
    } else this.#follow(from, Buffer.from(chunk), steps)
    return steps
  }

  /** Passes on what belongs to the log-in, until the server has decided on it. */
  #follow(from: Direction, bytes: Bytes, steps: HandshakeStep[]): void {
    if (!this.#watch.passes(from, bytes)) {
      refuse(bytes, 'proxy_header', 'a PROXY header is not expected here', false, steps)
      return
    }
    steps.push({ kind: 'forward', from, bytes })
    if (!this.#watch.decided) return
    if (this.#phase === 'response') this.#done(steps)
    else steps.push({ kind: 'done' })
  }

  #readGreeting(steps: HandshakeStep[]): void {
    const { bytes } = this.#greeting
    const found = flagsOf(bytes)
    if (found === undefined && bytes.length < MAX_GREETING) return
    const isGreeting = found !== undefined && found !== NO_FLAGS
    if (isGreeting) this.#hide(bytes, found, steps)
    steps.push({ kind: 'forward', from: 'backend', bytes })
    this.#watch.passes('backend', bytes)
    this.#phase = 'response'
    if (isGreeting && !this.#watch.decided) this.#readResponse(steps)
    else this.#done(steps)
  }

  /** `bytes` is a copy of this handshake's own. */
  #hide(bytes: Bytes, { lower, upper }: Flags, steps: HandshakeStep[]): void {
    const flags = bytes.readUInt16LE(lower) | (upper === undefined ? 0 : bytes.readUInt16LE(upper) << 16)
    this.#withheld = flags & this.#hidden
    this.#offersTls = (flags & ~this.#hidden & CLIENT_SSL) !== 0
    if ((this.#withheld & CLIENT_ZSTD_COMPRESSION_ALGORITHM) !== 0) {
      steps.push({ kind: 'note', message: ZSTD_HIDDEN })
    }
    clear(bytes, lower, upper, this.#withheld)
  }

  #readResponse(steps: HandshakeStep[]): void {
    const { bytes } = this.#response
    if (bytes.length < HEADER) return
    const length = bytes.readUIntLE(0, 3)
    if (length < 2) {
      this.#toLogin(steps)
      return
    }
    if (bytes.length < HEADER + Math.min(length, 4)) return
    const lower = bytes.readUInt16LE(HEADER)
    const is41 = (lower & CLIENT_PROTOCOL_41) !== 0
    const isSslRequest = length <= (is41 ? SSL_REQUEST_41 : SSL_REQUEST_320)
    if ((lower & this.#withheld & CLIENT_SSL) !== 0 && isSslRequest) {
      const request = bytes.subarray(0, HEADER + length)
      const message = 'TLS is not offered here: connect without it'
      if (request.length === HEADER + length) refuse(request, 'tls_refused', message, is41, steps)
    } else if ((lower & CLIENT_SSL) !== 0 && this.#offersTls) this.#done(steps)
    else {
      clear(bytes, HEADER, is41 && length >= 4 ? HEADER + 2 : undefined, this.#withheld)
      this.#toLogin(steps)
    }
  }

  /** The response goes on; what follows is looked at until the log-in is decided. */
  #toLogin(steps: HandshakeStep[]): void {
    this.#phase = 'login'
    this.#follow('frontend', this.#response.bytes, steps)
  }

  #done(steps: HandshakeStep[]): void {
    this.#phase = 'done'
    const { bytes } = this.#response
    if (bytes.length > 0) steps.push({ kind: 'forward', from: 'frontend', bytes })
    steps.push({ kind: 'done' })
  }
}

const refuse = (
  shown: Bytes,
  reason: string,
  message: string,
  is41: boolean,
  steps: HandshakeStep[],
): void => {
  const bytes = errPacket(2, HANDSHAKE_ERROR, message, is41)
  steps.push({ kind: 'refuse', bytes, reason, shown })
}

/** Offsets of the two halves of the capability flags; the upper half came with 4.1. */
interface Flags {
  readonly lower: number
  readonly upper: number | undefined
}
const NO_FLAGS: Flags = { lower: 0, upper: undefined }

/** Undefined while they have not come yet; `NO_FLAGS` of what is no greeting with flags (ERR, for one). */
const flagsOf = (bytes: Bytes): Flags | undefined => {
  if (bytes.length <= HEADER) return undefined
  if (bytes[HEADER] !== GREETING_10) return NO_FLAGS
  const end = HEADER + bytes.readUIntLE(0, 3)
  const versionEnd = bytes.indexOf(0, HEADER + 1)
  if (versionEnd < 0 && bytes.length < end) return undefined
  const lower = versionEnd + 1 + TO_LOWER_FLAGS
  if (versionEnd < 0 || lower + 2 > end) return NO_FLAGS
  const upper = lower + TO_UPPER_FLAGS
  const hasUpper = upper + 2 <= end
  if (bytes.length < (hasUpper ? upper : lower) + 2) return undefined
  return { lower, upper: hasUpper ? upper : undefined }
}

/** Clears flags in place. */
const clear = (bytes: Bytes, lower: number, upper: number | undefined, flags: number): void => {
  bytes.writeUInt16LE(bytes.readUInt16LE(lower) & ~flags & 0xffff, lower)
  if (upper === undefined) return
  bytes.writeUInt16LE(bytes.readUInt16LE(upper) & ~(flags >>> 16) & 0xffff, upper)
}
