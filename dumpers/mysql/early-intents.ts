/**
 * Commands that a client sends along with its log-in, before the server has decided on it: they run if it is
 * accepted, so they are told of when they come. They are read once more when that is known.
 */
import type { Bytes } from '../../src/flow.ts'
import { MysqlFramer } from '../../src/framing/mysql.ts'
import { compressionOf } from './capabilities.ts'
import { Command } from './commands.ts'
import type { EarlyBytes } from './early.ts'
import type { Intents } from './intents.ts'
import { type Body, codeOf } from './requests.ts'
import type { MysqlState } from './state.ts'
import { Wire } from './wire.ts'

/** More than is held of what comes early. */
const KEEP_ALL = 131_072

export class EarlyIntents {
  readonly #state: MysqlState
  readonly #intents: Intents
  readonly #wire: Wire
  readonly #isCompressed: boolean
  /** how much of what is held was looked at, and was sent on */
  #seen = 0
  #sent = 0
  #framed: Bytes = Buffer.alloc(0)

  constructor(state: MysqlState, intents: Intents) {
    this.#state = state
    this.#intents = intents
    const compression = compressionOf(state.capabilities)
    this.#isCompressed = compression !== undefined
    this.#wire = new Wire(
      new MysqlFramer({
        header: () => KEEP_ALL,
        beyond: () => {},
        frame: (seq, first, bytes, start, end, length) => {
          // a file, or out of order
          if (seq !== 0 && !this.#isCompressed) return
          this.#command({ first, bytes, start, end, length, long: undefined, holed: false })
        },
      }),
    )
    if (compression !== undefined) this.#wire.compress(compression, () => {})
  }

  /** More is held. */
  look(early: EarlyBytes): void {
    if (early.midAnswer || !early.holdsCommands) return
    this.#framed = early.bytes.subarray(this.#seen)
    this.#seen = early.held
    this.#wire.feed(this.#framed)
  }

  /** What is held was sent on, but the last `unsent` bytes. */
  sent(early: EarlyBytes, unsent: number): void {
    this.#sent = Math.max(this.#sent, early.held - unsent)
  }

  /** How many of the bytes held were sent on. */
  get sentBytes(): number {
    return this.#sent
  }

  #command(body: Body): void {
    const command = new Command(codeOf(this.#state, body), this.#state.now)
    command.length = body.length
    this.#intents.early(command, body, this.#framed, this.#isCompressed)
  }
}
