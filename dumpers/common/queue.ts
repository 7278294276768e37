/** What the frontend sent and the backend has yet to answer: one queue, settled at its head. */

/** What the queue must know of a command. */
export interface Queued<C> {
  next: C | undefined
  /** bytes of memory it holds, roughly */
  readonly cost: number
}

/**
 * Most commands that are kept as one byte each when the queue is full; past it the direction is given up.
 */
const MAX_PLACEHOLDERS = 4_000_000

/**
 * First in, first out. Keeps `maxQueue` commands whole; further ones are counted placeholders of one byte
 * each, that keep their place so that replies still find the right command.
 */
export class CommandQueue<C extends Queued<C>> {
  readonly #max: number
  #head: C | undefined
  #tail: C | undefined
  #count = 0
  /** bytes of memory held by the commands, roughly */
  cost = 0
  #overflow: Uint8Array = new Uint8Array(0)
  #overflowAt = 0
  #overflowEnd = 0
  readonly #revive: (code: number) => C

  /** `revive` makes a command of a placeholder's code when its turn comes. */
  constructor(max: number, revive: (code: number) => C) {
    this.#max = max
    this.#revive = revive
  }

  get head(): C | undefined {
    return this.#head
  }

  get tail(): C | undefined {
    return this.#overflowAt < this.#overflowEnd ? undefined : this.#tail
  }

  /** Must a command pushed now become a placeholder? Behind one there are only placeholders. */
  get full(): boolean {
    return this.#count >= this.#max || this.#overflowAt < this.#overflowEnd
  }

  get length(): number {
    return this.#count + this.placeholders
  }

  /** placeholders that wait for their turn */
  get placeholders(): number {
    return this.#overflowEnd - this.#overflowAt
  }

  push(command: C): void {
    if (this.#tail === undefined) this.#head = command
    else this.#tail.next = command
    this.#tail = command
    this.#count++
    this.cost += command.cost
  }

  /** Puts a placeholder of that code, a byte, at the end; false when there is no room even for that. */
  pushPlaceholder(code: number): boolean {
    if (this.#overflowEnd === this.#overflow.length && !this.#makeRoom()) return false
    this.#overflow[this.#overflowEnd++] = code
    return true
  }

  shift(): void {
    const head = this.#head
    if (head === undefined) return
    this.#head = head.next
    this.#count--
    this.cost -= head.cost
    if (this.#head === undefined) this.#tail = undefined
    if (this.#overflowAt < this.#overflowEnd) this.#refill()
  }

  /** Forgets all. */
  clear(): void {
    this.dropPlaceholders()
    this.#head = undefined
    this.#tail = undefined
    this.#count = 0
    this.cost = 0
  }

  /** Forgets the placeholders; answers how many there were. */
  dropPlaceholders(): number {
    const dropped = this.#overflowEnd - this.#overflowAt
    this.#overflow = new Uint8Array(0)
    this.#overflowAt = 0
    this.#overflowEnd = 0
    return dropped
  }

  /** Takes out the command behind the head. */
  dropSecond(): void {
    const second = this.#head?.next
    if (this.#head === undefined || second === undefined) return
    this.#head.next = second.next
    if (second.next === undefined) this.#tail = this.#head
    this.#count--
    this.cost -= second.cost
  }

  /** Takes out what is behind the head: a command, or a placeholder's code; undefined when nothing is. */
  takeSecond(): C | number | undefined {
    const second = this.#head?.next
    if (second !== undefined) {
      this.dropSecond()
      return second
    }
    if (this.#head === undefined || this.#overflowAt === this.#overflowEnd) return undefined
    return this.#overflow[this.#overflowAt++]
  }

  #refill(): void {
    this.push(this.#revive(this.#overflow[this.#overflowAt++] as number))
    if (this.#overflowAt === this.#overflowEnd) {
      this.#overflow = new Uint8Array(0)
      this.#overflowAt = 0
      this.#overflowEnd = 0
    }
  }

  #makeRoom(): boolean {
    const waiting = this.#overflow.subarray(this.#overflowAt, this.#overflowEnd)
    if (waiting.length >= MAX_PLACEHOLDERS) return false
    const grown = new Uint8Array(Math.max(1024, waiting.length * 2))
    grown.set(waiting)
    this.#overflow = grown
    this.#overflowEnd = waiting.length
    this.#overflowAt = 0
    return true
  }
}
