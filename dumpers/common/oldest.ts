/**
 * The order in which entries came, for stores that give up their oldest. A Map keeps that order too, but
 * walks over every deleted entry to find its first one: a client could make each message cost a thousand
 * steps.
 */
export class Order<T> {
  #entries: T[] = []
  #first = 0

  /** `live` tells whether an entry is in the store still, `size` how many are. */
  push(entry: T, live: (entry: T) => boolean, size: number): void {
    this.#entries.push(entry)
    if (this.#entries.length - this.#first > 2 * size + 64) {
      this.#entries = this.#entries.slice(this.#first).filter(live)
      this.#first = 0
    }
  }

  /** Takes out the oldest entry that is live. */
  shift(live: (entry: T) => boolean): T | undefined {
    while (this.#first < this.#entries.length) {
      const entry = this.#entries[this.#first++] as T
      if (this.#first > 512 && this.#first * 2 > this.#entries.length) {
        this.#entries = this.#entries.slice(this.#first)
        this.#first = 0
      }
      if (live(entry)) return entry
    }
    return undefined
  }

  clear(): void {
    this.#entries = []
    this.#first = 0
  }
}
