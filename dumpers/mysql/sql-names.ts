/** Statements that SQL's PREPARE has named: name → text. Bounded by number and by bytes. */
import type { QueryText } from '../../src/event.ts'

export class SqlNames {
  readonly #max: number
  readonly #maxBytes: number
  readonly #byName = new Map<string, QueryText>()
  #bytes = 0

  constructor(max: number, maxBytes: number) {
    this.#max = max
    this.#maxBytes = maxBytes
  }

  /** bytes of names and texts held */
  get bytes(): number {
    return this.#bytes
  }

  get(name: string): QueryText | undefined {
    return this.#byName.get(name)
  }

  /** The oldest give way when it is full. */
  set(name: string, text: QueryText): void {
    this.delete(name)
    this.#byName.set(name, text)
    this.#bytes += costOf(name, text)
    for (const oldest of this.#byName.keys()) {
      if (this.#byName.size <= this.#max && this.#bytes <= this.#maxBytes) return
      this.delete(oldest)
    }
  }

  delete(name: string): void {
    const old = this.#byName.get(name)
    if (old === undefined) return
    this.#bytes -= costOf(name, old)
    this.#byName.delete(name)
  }

  clear(): void {
    this.#byName.clear()
    this.#bytes = 0
  }
}

const costOf = (name: string, text: QueryText): number => 200 + 2 * (name.length + text.text.length)
