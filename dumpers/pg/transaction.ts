/**
 * The transaction a session is in, as ReadyForQuery and command tags tell it.
 * {@link https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT}
 */
import type { ServerError, TxnEnd, Who } from '../../src/event.ts'
import type { Micros } from '../../src/flow.ts'

export type TxnOutcome = TxnEnd['txn_outcome']

/** ReadyForQuery's transaction status: in none. No portal outlives that, but one WITH HOLD. */
export const IDLE = 'I'

export class Transaction {
  /** number of the transaction at hand; statements outside a block are transactions of their own */
  seq = 1
  /** last status the server reported */
  status: string | undefined
  /** an explicit block is open */
  block = false
  /** statements that succeeded in this transaction */
  #succeeded = 0
  #error: ServerError | undefined
  readonly #ended: (event: TxnEnd) => void
  readonly #changed: (rolledBack: boolean) => void

  /** `ended` gets the `txn.end` events; `changed` hears of every transaction's end, recorded or not. */
  constructor(ended: (event: TxnEnd) => void, changed: (rolledBack: boolean) => void) {
    this.#ended = ended
    this.#changed = changed
  }

  succeeded(): void {
    this.#succeeded++
  }

  failed(error: ServerError): void {
    this.#error ??= error
  }

  begin(): void {
    this.block = true
    this.#error = undefined
  }

  /** ROLLBACK TO: the failure is undone, the block goes on. */
  rolledBackTo(): void {
    this.#error = undefined
  }

  /** COMMIT, ROLLBACK or PREPARE TRANSACTION succeeded. With `chain` the next block is open at once. */
  end(outcome: TxnOutcome, chain: boolean, at: Micros, who: Who, reason?: string): void {
    const error = outcome === 'rolled_back' ? this.#error : undefined
    if (this.block) this.#tell(outcome, error, at, who, reason)
    this.#next(outcome === 'rolled_back')
    this.block = chain
  }

  /** ReadyForQuery. */
  ready(status: string, at: Micros, who: Who): void {
    this.status = status
    if (status !== IDLE) {
      this.block = true
      return
    }
    const error = this.#error
    if (this.block) this.#tell(error === undefined ? 'unknown' : 'rolled_back', error, at, who)
    else if (error !== undefined && this.#succeeded > 0) this.#tell('rolled_back', error, at, who)
    if (this.block || this.#succeeded > 0 || error !== undefined) this.#next(error !== undefined)
    this.block = false
  }

  /** The session ended: an open block was rolled back, unless its COMMIT may have been under way. */
  closed(commitPending: boolean, at: Micros, who: Who): void {
    if (!this.block) return
    this.#tell(commitPending ? 'unknown' : 'rolled_back', this.#error, at, who, 'connection_closed')
    this.block = false
  }

  #tell(outcome: TxnOutcome, error: ServerError | undefined, at: Micros, who: Who, reason?: string): void {
    const why = reason === undefined ? {} : { reason }
    this.#ended({ event: 'txn.end', at, who, txn_seq: this.seq, txn_outcome: outcome, ...why, ...error })
  }

  #next(rolledBack: boolean): void {
    this.seq++
    this.#succeeded = 0
    this.#error = undefined
    this.#changed(rolledBack)
  }
}
