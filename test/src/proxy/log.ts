/** A log as the proxy knows it: chunks with a `!` in them wait for it, and it is written when a test says so. */
import type { FlowFacts, LogGate, Refusal, Ticket } from '../../../src/flow.ts'
import { GO } from '../../../src/flow.ts'
import { Seen } from './wire.ts'

/** `auto`: at each settle, as with guarantee `written`. */
export class FakeLog implements LogGate {
  isBlocked = false
  auto = true
  settles = 0
  /** what waits, oldest first; `taken` since the last settle, `waiting` since before */
  #taken: Entry[] = []
  #waiting: Entry[] = []

  settle(): void {
    this.settles++
    this.#waiting.push(...this.#taken)
    this.#taken = []
    if (this.auto && !this.isBlocked) this.write()
  }

  /** how many chunks are in the log's hands, and not written */
  get open(): number {
    return this.#taken.length + this.#waiting.length
  }

  /** is one of its calls back under way? Then it takes nothing */
  #isCalling = false

  /** All that was settled is written; or so many of it. */
  write(count = this.#waiting.length): void {
    this.#isCalling = true
    for (const entry of this.#waiting.splice(0, count)) entry.write()
    this.#isCalling = false
  }

  take(): Entry {
    if (this.#isCalling) throw new Error('shown amid the work of the log')
    const entry = new Entry()
    this.#taken.push(entry)
    return entry
  }
}

class Entry {
  isWritten = false
  #callback: (() => void) | undefined

  whenReady(callback: () => void): void {
    if (this.#callback) throw new Error('asked twice')
    this.#callback = callback
    if (this.isWritten) callback()
  }

  write(): void {
    this.isWritten = true
    this.#callback?.()
  }
}

/**
 * An observer whose statements are `!`: a chunk waits from its first one on, and what follows it waits with it.
 * A `?` is refused.
 */
export class Auditor extends Seen {
  readonly notes: string[] = []
  readonly sentAt: number[] = []
  refusals: Refusal[] = []
  words: Buffer | undefined = Buffer.from('FATAL')
  readonly #log: FakeLog
  #last: Entry | undefined
  readonly #entries: { readonly entry: Entry; readonly statements: number }[] = []

  constructor(facts: FlowFacts, log: FakeLog) {
    super(facts)
    this.#log = log
  }

  override chunk(from: 'frontend' | 'backend', chunk: Buffer): Ticket {
    super.chunk(from, chunk)
    this.notes.push(`${from} ${chunk.length > 40 ? chunk.length : chunk}`)
    if (this.refusals.length > 0) throw new Error('shown behind its refusal')
    if (from === 'backend') return GO
    if (chunk.includes('?')) return { kind: 'refuse', reason: 'undecodable', message: 'what is this' }
    const at = chunk.indexOf('!')
    const waits = this.#last !== undefined && !this.#last.isWritten
    if (at < 0 && !waits) return GO
    const entry = at < 0 ? (this.#last as Entry) : this.#log.take()
    if (at >= 0) this.#entries.push({ entry, statements: chunk.toString('latin1').split('!').length - 1 })
    this.#last = entry
    const shared = at < 0 ? follower(entry) : entry
    return { kind: 'wait', from: waits ? 0 : at, whenReady: (callback) => shared.whenReady(callback) }
  }

  /** statements (`!`) that may reach the server by now */
  get written(): number {
    let sum = 0
    for (const { entry, statements } of this.#entries) if (entry.isWritten) sum += statements
    return sum
  }

  sent(at: number, unsent = 0): void {
    this.notes.push(unsent === 0 ? 'sent' : `sent but ${unsent}`)
    this.sentAt.push(at)
  }

  refusal(refusal: Refusal): Buffer | undefined {
    this.refusals.push(refusal)
    return this.words
  }
}

/** What has no intent of its own goes when the one before it is written. */
const follower = (leader: Entry): Pick<Entry, 'whenReady'> => ({
  whenReady: (callback) => {
    if (leader.isWritten) callback()
    else throw new Error('asked before what stands in front of it was written')
  },
})
