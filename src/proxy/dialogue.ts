/**
 * What is said before a session's bytes pass untouched: runs the dialect's Handshake, and keeps what the
 * client says to a server that is not reached yet.
 */
import type { Bytes, Direction } from '../flow.ts'
import type { Handshake, HandshakeStep } from '../session.ts'

/** What the dialogue does to the world. The bytes are the receiver's. */
export interface Stage {
  /** sends bytes of `from` on to the other side, and shows them */
  pass(from: Direction, bytes: Bytes): void
  send(to: Direction, bytes: Bytes): void
  show(from: Direction, bytes: Bytes): void
  /** the client was told in `bytes` why it is turned away */
  refuse(bytes: Bytes, reason: string): void
  /** words for the operational log, told once per listener */
  note(message: string): void
  /** the handshake broke: its words are for the operational log */
  broken(error: unknown): void
}

export const opposite = (direction: Direction): Direction =>
  direction === 'frontend' ? 'backend' : 'frontend'

export class Dialogue {
  readonly #stage: Stage
  #handshake: Handshake | undefined
  /** what comes from here on passes untouched */
  done: boolean
  /** bytes that the client has sent since the handshake last made something of them: it holds them */
  unresolved = 0

  constructor(handshake: Handshake | undefined, stage: Stage) {
    this.#handshake = handshake
    this.#stage = stage
    this.done = handshake === undefined
  }

  /** Would the client understand a refusal now? Without a handshake nobody knows better. */
  get refusable(): boolean {
    return this.#handshake?.refusable ?? true
  }

  /** The chunk may be reused once this returns. */
  feed(from: Direction, chunk: Bytes): void {
    try {
      if (from === 'frontend' && !this.done) this.unresolved += chunk.length
      for (const step of this.#stepsFor(from, chunk)) {
        if (step.kind !== 'forward' || step.from === 'frontend') this.unresolved = 0
        if (step.kind === 'forward') this.#stage.pass(step.from, step.bytes)
        else if (step.kind === 'note') this.#stage.note(step.message)
        else if (step.kind === 'done') this.done = true
        else if (step.kind === 'refuse') {
          this.#stage.show('frontend', step.shown)
          this.#stage.refuse(step.bytes, step.reason)
          return
        } else {
          this.#stage.send(step.to, step.bytes)
          this.#stage.show(step.to, step.shown)
          this.#stage.show(opposite(step.to), step.bytes)
        }
      }
    } catch (error) {
      this.done = true
      this.unresolved = 0
      this.#stage.broken(error)
      this.#stage.pass(from, Buffer.from(chunk))
    }
  }

  #stepsFor(from: Direction, chunk: Bytes): readonly HandshakeStep[] {
    if (!this.done && this.#handshake) return this.#handshake.feed(from, chunk)
    return [{ kind: 'forward', from, bytes: Buffer.from(chunk) }]
  }
}
