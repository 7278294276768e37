/** What the frontend sent and the backend has yet to answer: one queue, settled at its head. */

import type { Micros } from '../../src/flow.ts'
import type { Execution } from './execution.ts'
import type { Prepared } from './statements.ts'

/** A frontend message that has a reply, or that changes what a reply means; a Flush that is an error. */
export type CommandKind =
  | 'Query'
  | 'Parse'
  | 'Bind'
  | 'DescribeStatement'
  | 'DescribePortal'
  | 'Execute'
  | 'CloseStatement'
  | 'ClosePortal'
  | 'Describe'
  | 'Close'
  | 'Sync'
  | 'Flush'
  | 'FunctionCall'
  | 'CopyData'
  | 'CopyEnd'

/** Order in which kinds are numbered for the overflow ring. */
const KINDS: readonly CommandKind[] = [
  'Query',
  'Parse',
  'Bind',
  'DescribeStatement',
  'DescribePortal',
  'Execute',
  'CloseStatement',
  'ClosePortal',
  'Describe',
  'Close',
  'Sync',
  'Flush',
  'FunctionCall',
  'CopyData',
  'CopyEnd',
]

/** One command. One shape for all kinds, so that the queue's code sees a single hidden class. */
export class Command {
  readonly kind: CommandKind
  readonly at: Micros
  next: Command | undefined = undefined
  /** name of the statement (Parse, Bind, Describe, Close) */
  statement = ''
  /** name of the portal (Bind, Describe, Execute, Close) */
  portal = ''
  /** Query, Bind, FunctionCall: the record in the making */
  execution: Execution | undefined = undefined
  /** Parse: what it will define when it succeeds */
  prepared: Prepared | undefined = undefined
  /** CopyData: bytes of the bodies, and messages */
  bytes = 0
  messages = 0
  /** its body could not be decoded, so the names above may be missing */
  malformed = false
  bodyHex: string | undefined = undefined
  /** bytes of memory it holds, roughly */
  cost = 0
  /** what it names is not known: its contents were not kept, or could not be read */
  nameless = false

  constructor(kind: CommandKind, at: Micros) {
    this.kind = kind
    this.at = at
  }
}

/**
 * Most commands that are kept as one byte each when the queue is full; past it the direction is given up.
 */
const MAX_PLACEHOLDERS = 4_000_000

/**
 * First in, first out. Keeps `maxQueue` commands whole; further ones are counted placeholders of one byte
 * each,
 * that keep their place so that replies still find the right command.
 */
export class CommandQueue {
  readonly #max: number
  #head: Command | undefined
  #tail: Command | undefined
  #count = 0
  /** bytes of memory held by the commands, roughly */
  cost = 0
  #overflow: Uint8Array = new Uint8Array(0)
  #overflowAt = 0
  #overflowEnd = 0
  /** makes a placeholder's record when its turn comes */
  readonly #revive: (command: Command) => void

  constructor(max: number, revive: (command: Command) => void) {
    this.#max = max
    this.#revive = revive
  }

  get head(): Command | undefined {
    return this.#head
  }

  get tail(): Command | undefined {
    return this.#overflowAt < this.#overflowEnd ? undefined : this.#tail
  }

  /** Must a command pushed now become a placeholder? Behind one there are only placeholders. */
  get full(): boolean {
    return this.#count >= this.#max || this.#overflowAt < this.#overflowEnd
  }

  get length(): number {
    return this.#count + this.#overflowEnd - this.#overflowAt
  }

  push(command: Command): void {
    if (this.#tail === undefined) this.#head = command
    else this.#tail.next = command
    this.#tail = command
    this.#count++
    this.cost += command.cost
  }

  /** Puts a placeholder at the end; false when there is no room even for that. */
  pushPlaceholder(kind: CommandKind): boolean {
    if (this.#overflowEnd === this.#overflow.length && !this.#makeRoom()) return false
    this.#overflow[this.#overflowEnd++] = KINDS.indexOf(kind)
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

  #refill(): void {
    const command = new Command(KINDS[this.#overflow[this.#overflowAt++] as number] as CommandKind, 0)
    command.nameless = true
    this.#revive(command)
    this.push(command)
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
