/**
 * The transaction a session is in, as the status flags of its replies and the verbs of its statements tell
 * it.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/mysql__com_8h.html} SERVER_STATUS_IN_TRANS
 */
import type { ServerError, TxnEnd, Who } from '../../src/event.ts'
import type { Micros } from '../../src/flow.ts'

/** What a statement's text asks of the transaction at hand. */
export type TransactionVerb = 'begin' | 'commit' | 'rollback' | 'rollback_to' | 'implicit_commit'

/**
 * Errors by which the server has rolled the whole transaction back: ER_LOCK_DEADLOCK, ER_XA_RBROLLBACK,
 * ER_XA_RBTIMEOUT, ER_XA_RBDEADLOCK, ER_TRANSACTION_ROLLBACK_DURING_COMMIT.
 */
const ROLLS_BACK: ReadonlySet<number> = new Set([1213, 1402, 1613, 1614, 3101])

/** `txn_status` of a record: PostgreSQL's letters. */
export const IN_TRANSACTION = 'T'
export const IDLE = 'I'

export class Transaction {
  /** number of the transaction at hand; statements outside a block are transactions of their own */
  seq = 1
  /** the server said that a transaction is open */
  block = false
  /** the block's last error, if nothing has succeeded since */
  #error: ServerError | undefined
  /** what the statement that met this error was to do */
  #failedVerb: TransactionVerb | undefined
  readonly #ended: (event: TxnEnd) => void

  constructor(ended: (event: TxnEnd) => void) {
    this.#ended = ended
  }

  /** A reply came that says whether a transaction is open, to a statement of that verb. */
  status(open: boolean, verb: TransactionVerb | undefined, at: Micros, who: Who): void {
    if (!this.block) {
      this.block = open
      return
    }
    const outcome = outcomeOfVerb(verb)
    if (outcome !== undefined) this.#tell(outcome, at, who)
    else if (!open) this.#tell(this.#endedUnseen(), at, who)
    this.block = open
    this.#error = undefined
    this.#failedVerb = undefined
  }

  /** It is over, and not by the statement at hand: DDL commits even where it fails itself. */
  #endedUnseen(): TxnEnd['txn_outcome'] {
    if (this.#error === undefined) return 'unknown'
    return this.#failedVerb === 'implicit_commit' ? 'committed' : 'rolled_back'
  }

  /** A statement failed: an error has no status flags. */
  failed(error: ServerError, verb: TransactionVerb | undefined, at: Micros, who: Who): void {
    if (!this.block) return
    this.#error = error
    this.#failedVerb = verb
    if (!ROLLS_BACK.has(error.error_number ?? 0)) return
    this.#tell('rolled_back', at, who)
    this.block = false
  }

  /** A statement of transaction `seq` is over: outside a block each is a transaction of its own. */
  statementEnded(seq: number): void {
    if (!this.block && this.seq === seq) this.seq++
  }

  /** The session was reset, or ended: an open block was rolled back, unless its COMMIT may be under way. */
  closed(outcome: 'rolled_back' | 'unknown', at: Micros, who: Who, reason: string): void {
    if (!this.block) return
    this.#tell(outcome, at, who, reason)
    this.block = false
  }

  #tell(outcome: TxnEnd['txn_outcome'], at: Micros, who: Who, reason?: string): void {
    const why = reason === undefined ? {} : { reason }
    const error = outcome === 'rolled_back' ? this.#error : undefined
    this.#error = undefined
    this.#ended({ event: 'txn.end', at, who, txn_seq: this.seq, txn_outcome: outcome, ...why, ...error })
    this.seq++
  }
}

const outcomeOfVerb = (verb: TransactionVerb | undefined): TxnEnd['txn_outcome'] | undefined => {
  if (verb === 'rollback') return 'rolled_back'
  return verb === undefined || verb === 'rollback_to' ? undefined : 'committed'
}
