/** What one connection has in the journal, and what its chunks wait for. */
import type { FlowFacts, FlowIntents, Intent, Statement } from '../event.ts'
import { GO, type Ticket, type Wait } from '../flow.ts'
import { type Batch, PartWait } from './batch.ts'
import type { Live } from './journal-files.ts'

/** A chunk that waits for its turn besides: too many intents of its connection are unsettled. */
class TurnWait implements Wait {
  readonly kind = 'wait'
  readonly from: number
  readonly #batch: Batch
  readonly #whenSettled: (callback: () => void) => void

  constructor(from: number, batch: Batch, whenSettled: (callback: () => void) => void) {
    this.from = from
    this.#batch = batch
    this.#whenSettled = whenSettled
  }

  get isForReplies(): boolean {
    return this.#batch.isReady
  }

  whenReady(callback: () => void): void {
    this.#batch.whenReady(() => this.#whenSettled(callback))
  }
}

/** What a connection asks of the journal that all share. */
export interface SharedJournal {
  readonly isBlocked: boolean
  /** what the chunks of this turn wait for */
  readonly batch: Batch
  /** unsettled intents of all connections; kept by them */
  live: number
  /** so many intents of a connection may be unsettled */
  readonly mostUnsettled: number
  /**
   * Undefined for a statement that is not written; and where nothing waits for what cannot be written, when
   * there is more of that than is kept.
   */
  take(token: number, facts: FlowFacts, statement: Statement): Live | undefined
  /** The log's writer gets the intent's own record. */
  record(live: Live): void
  /** The log's writer has the record of that intent. */
  end(live: Live): void
}

/** The intents of one connection. */
export class FlowJournal implements FlowIntents {
  readonly #journal: SharedJournal
  readonly #live = new Map<number, Live>()
  /** intents taken and settled so far, and those taken in the chunks before this one */
  #taken = 0
  #settled = 0
  #takenBefore = 0
  /** who waits until so many are settled */
  #waiting: { readonly settled: number; readonly callback: () => void }[] = []
  #batch: Batch | undefined
  #hasTaken = false

  constructor(journal: SharedJournal) {
    this.#journal = journal
  }

  take(facts: FlowFacts, intent: Intent): void {
    const journal = this.#journal
    const { token, statement } = intent
    if (token === 0 || statement === undefined) {
      if (!journal.isBlocked) return
    } else {
      const live = journal.take(token, facts, statement)
      if (live === undefined) return
      this.settled(token)
      this.#live.set(token, live)
      this.#taken++
      journal.live++
    }
    this.#batch = journal.batch
    this.#hasTaken = true
  }

  settled(token: number): void {
    const live = this.#live.get(token)
    if (live === undefined) return
    this.#live.delete(token)
    this.#journal.end(live)
    this.#journal.live--
    this.#settled++
    while ((this.#waiting[0]?.settled ?? Number.POSITIVE_INFINITY) <= this.#settled)
      this.#waiting.shift()?.callback()
  }

  ticket(from: number): Ticket {
    const before = this.#takenBefore
    this.#takenBefore = this.#taken
    const batch = this.#batch
    if (batch === undefined) return GO
    const most = this.#journal.mostUnsettled
    if (this.#hasTaken && before - this.#settled > most) return this.#turnWait(from, batch, before - most)
    if (batch.isReady) {
      this.#batch = undefined
      this.#hasTaken = false
      return GO
    }
    const isNew = this.#hasTaken
    this.#hasTaken = false
    return isNew && from > 0 ? new PartWait(from, batch) : batch
  }

  /** What nobody gave a record to, as a session that failed does not, is recorded as it was taken. */
  close(): void {
    for (const live of this.#live.values()) this.#journal.record(live)
    this.#journal.live -= this.#live.size
    this.#live.clear()
    this.#waiting = []
  }

  #turnWait(from: number, batch: Batch, settled: number): Wait {
    this.#hasTaken = false
    return new TurnWait(from, batch, (callback) => {
      if (settled <= this.#settled) callback()
      else this.#waiting.push({ settled, callback })
    })
  }
}
