/**
 * The dialogue before a PostgreSQL log-in that a proxy takes part in: it answers SSLRequest and
 * GSSENCRequest
 * with 'N' (`tls.client = "refuse"`), or lets the server answer (`"passthrough"`) and holds back what the
 * client
 * sends meanwhile, so that nothing is forwarded whose meaning awaits that answer.
 * {@link https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL}
 */
import type { Bytes, Direction } from '../../src/flow.ts'
import { MAX_STARTUP } from '../../src/framing/pg.ts'
import type { Handshake, HandshakeOptions, HandshakeStep, Refusal } from '../../src/session.ts'
import { CANCEL_REQUEST, GSSENC_REQUEST, SSL_REQUEST } from './messages.ts'

const NO = Buffer.from('N')
/** TLS alert, level fatal, description handshake_failure (RFC 8446 section 6). */
const TLS_ALERT = Buffer.from([0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28])
const TLS_HANDSHAKE = 0x16
/** More requests for encryption than any client makes: libpq asks for GSS, then SSL. */
const MAX_REQUESTS = 4
const EMPTY = Buffer.alloc(0)

const SQLSTATES: Readonly<Record<string, string>> = {
  connection_limit: '53300',
  not_allowed: '28000',
  shutdown: '57P01',
  login_timeout: '57P05',
  log_blocked: '58030',
  undecodable: '08P01',
}
/** sqlclient_unable_to_establish_sqlconnection */
const UNREACHABLE = '08001'

/** ErrorResponse 'E', severity FATAL: a refusal that every client shows to its user. */
export const refusal = ({ reason, message }: Refusal): Bytes => {
  const fields = [
    'SFATAL',
    'VFATAL',
    `C${SQLSTATES[reason] ?? UNREACHABLE}`,
    `M${message.replaceAll('\0', '')}`,
  ]
  const body = Buffer.from(`${fields.join('\0')}\0\0`)
  const head = Buffer.alloc(5)
  head.write('E')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

export class PgHandshake implements Handshake {
  readonly #answersItself: boolean
  /** bytes of the client that are not resolved */
  #pending: Bytes = EMPTY
  /** passthrough: the server has yet to answer a request */
  #asked = false
  #requests = 0
  refusable = false

  constructor(options: HandshakeOptions) {
    this.#answersItself = options.tlsClient === 'refuse'
  }

  feed(from: Direction, chunk: Bytes): readonly HandshakeStep[] {
    const steps: HandshakeStep[] = []
    if (from === 'backend') this.#backend(chunk, steps)
    else {
      this.#pending =
        this.#pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk])
      this.#frontend(steps)
    }
    return steps
  }

  #backend(chunk: Bytes, steps: HandshakeStep[]): void {
    steps.push({ kind: 'forward', from: 'backend', bytes: Buffer.from(chunk) })
    if (!this.#asked) return
    this.#asked = false
    if (chunk[0] === NO[0]) this.#frontend(steps)
    else this.#done(steps)
  }

  #frontend(steps: HandshakeStep[]): void {
    while (!this.#asked && this.#pending.length > 0) {
      const pending = this.#pending
      // also behind a request of which the server never heard: to one that knows direct TLS these are
      // first bytes
      if (pending[0] === TLS_HANDSHAKE && (this.#answersItself || this.#requests === 0)) {
        if (!this.#answersItself) this.#done(steps)
        else
          steps.push({
            kind: 'refuse',
            bytes: TLS_ALERT,
            reason: 'tls_refused',
            shown: this.#take(pending.length),
          })
        return
      }
      if (pending.length < 4) return
      const length = pending.readInt32BE(0)
      if (length < 8 || length > MAX_STARTUP + 4) {
        this.#done(steps)
        return
      }
      if (pending.length < length) return
      const code = pending.readInt32BE(4)
      if (code !== SSL_REQUEST && code !== GSSENC_REQUEST) {
        this.refusable = code !== CANCEL_REQUEST
        this.#done(steps)
        return
      }
      // the server looks at the code alone: a request may be longer than it need be
      if (!this.#request(steps, length)) return
    }
  }

  /** One SSLRequest or GSSENCRequest; false when the dialogue is over by it. */
  #request(steps: HandshakeStep[], length: number): boolean {
    const request = this.#take(length)
    this.#requests++
    if (this.#requests > MAX_REQUESTS) {
      const bytes = refusal({ reason: 'handshake', message: 'too many requests for encryption' })
      steps.push({ kind: 'refuse', bytes, reason: 'handshake', shown: request })
      return false
    }
    if (this.#answersItself) steps.push({ kind: 'reply', to: 'frontend', bytes: NO, shown: request })
    else {
      this.#asked = true
      steps.push({ kind: 'forward', from: 'frontend', bytes: request })
    }
    return true
  }

  #take(count: number): Bytes {
    const taken = this.#pending.subarray(0, count)
    this.#pending = this.#pending.subarray(count)
    return taken
  }

  #done(steps: HandshakeStep[]): void {
    if (this.#pending.length > 0) {
      steps.push({ kind: 'forward', from: 'frontend', bytes: this.#take(this.#pending.length) })
    }
    steps.push({ kind: 'done' })
  }
}
