/**
 * Numbers of commands of which a full queue keeps a byte each, in their order. They follow one another but
 * for the few that were given to something else meanwhile, so that only those cost memory.
 */
export class HeldNumbers {
  /** 0: none waits */
  #next = 0
  #last = 0
  /** numbers between those two that are no placeholder's */
  readonly #others: number[] = []

  push(seq: number): void {
    if (this.#next === 0) this.#next = seq
    else for (let other = this.#last + 1; other < seq; other++) this.#others.push(other)
    this.#last = seq
  }

  /** The first one, which is taken out; 0 when none waits. */
  shift(): number {
    const seq = this.#next
    if (seq === 0) return 0
    let next = seq + 1
    for (; this.#others[0] === next; next++) this.#others.shift()
    this.#next = seq === this.#last ? 0 : next
    return seq
  }
}
