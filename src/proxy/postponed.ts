/**
 * Keeps what is to be observed of a flow until its facts are known: a server that speaks first is heard
 * while the client's PROXY header is still to come.
 */
import { type Bytes, type Direction, type FlowFacts, type FlowObserver, GO, type Micros } from '../flow.ts'

const ignore = (): void => {}

/** Is shown the beginning of a conversation in place of its observer, who is shown it afterwards. */
export class Postponed implements FlowObserver {
  readonly #chunks: (readonly [Direction, Bytes, Micros])[] = []
  #dialledAt: Micros | undefined
  /** of the chunks that are kept */
  bytes = 0
  readonly secured = ignore
  readonly gap = ignore
  readonly closed = ignore

  dialled(_facts: FlowFacts, at: Micros): void {
    this.#dialledAt = at
  }

  chunk(from: Direction, chunk: Bytes, at: Micros): typeof GO {
    this.bytes += chunk.length
    this.#chunks.push([from, chunk, at])
    return GO
  }

  /** `facts` are all that are known by now. */
  showTo(observer: FlowObserver, facts: FlowFacts): void {
    if (this.#dialledAt !== undefined) observer.dialled(facts, this.#dialledAt)
    for (const [from, chunk, at] of this.#chunks) observer.chunk(from, chunk, at)
  }
}
