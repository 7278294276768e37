/** A dialect of lines, for tests of what is said before the relay. */
import type { Handshake, HandshakeStep } from '../../../src/session.ts'

/** A handshake: "tls" is answered with "no" (or passed on), the first other line is the startup. */
class LineHandshake implements Handshake {
  refusable = false
  readonly #answers: boolean
  #pending = ''

  constructor(answers: boolean) {
    this.#answers = answers
  }

  feed(from: 'frontend' | 'backend', chunk: Buffer): HandshakeStep[] {
    if (from === 'backend') return [{ kind: 'forward', from, bytes: Buffer.from(chunk) }]
    this.#pending += chunk.toString()
    const steps: HandshakeStep[] = []
    for (let end = this.#pending.indexOf('\n'); end >= 0; end = this.#pending.indexOf('\n')) {
      const line = this.#pending.slice(0, end + 1)
      this.#pending = this.#pending.slice(end + 1)
      const bytes = Buffer.from(line)
      if (line === 'tls\n' && this.#answers) {
        steps.push({ kind: 'reply', to: 'frontend', bytes: Buffer.from('no\n'), shown: bytes })
      } else if (line === 'bad\n') {
        steps.push({ kind: 'refuse', bytes: Buffer.from('go away\n'), reason: 'tls_refused', shown: bytes })
        return steps
      } else steps.push({ kind: 'forward', from, bytes })
      if (line === 'tls\n') continue
      this.refusable = true
      if (this.#pending) steps.push({ kind: 'forward', from, bytes: Buffer.from(this.#pending) })
      steps.push({ kind: 'done' })
      return steps
    }
    return steps
  }
}

export const DIALECT = {
  handshake: ({ tlsClient }: { tlsClient: string }) => new LineHandshake(tlsClient === 'refuse'),
  refusal: ({ reason, message }: { reason: string; message: string }) =>
    Buffer.from(`refused ${reason}: ${message}\n`),
}
