/** Connections only, as tcpdp's dumper of this name: when, from where, how long, how many bytes. */
import { NO_EVENTS } from '../../src/event.ts'
import type { Bytes, Direction } from '../../src/flow.ts'
import type { Dumper, Session, SessionTotals } from '../../src/session.ts'

const WHO = Object.freeze({ dialect: 'conn' })

/** Looks at no byte. What passed is told in `session.end`, all of it as undecoded. */
class ConnSession implements Session {
  readonly login = 'opaque'
  #in = 0
  #out = 0

  feed(from: Direction, chunk: Bytes) {
    return this.gap(from, chunk.length)
  }

  gap(from: Direction, bytes: number) {
    if (from === 'frontend') this.#in += bytes
    else this.#out += bytes
    return NO_EVENTS
  }

  close() {
    return NO_EVENTS
  }

  get totals(): SessionTotals {
    return { who: WHO, statements: 0, undecodedIn: this.#in, undecodedOut: this.#out }
  }
}

/** `-d conn`: no records but `session.start` and `session.end`. */
export const conn: Dumper = { name: 'conn', open: () => new ConnSession() }
