/** Who a session is: what its log-in asked, what the server's greeting and its replies told. */
import type { Who } from '../../src/event.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Most characters of a name that a client gave. */
const MAX_NAME = 256

export class Identity {
  #facts: Mutable<Who> = { dialect: 'mysql' }
  #who: Who | undefined

  /** Immutable, and the same object until something changes. */
  get who(): Who {
    this.#who ??= Object.freeze({ ...this.#facts })
    return this.#who
  }

  get database(): string | undefined {
    return this.#facts.database
  }

  set<K extends keyof Who>(key: K, value: Who[K] | undefined): void {
    const known = typeof value === 'string' && key !== 'connect_attrs' ? value.slice(0, MAX_NAME) : value
    if (this.#facts[key] === known) return
    if (known === undefined) delete this.#facts[key]
    else Object.assign(this.#facts, { [key]: known })
    this.#who = undefined
  }
}
