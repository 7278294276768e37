/**
 * The transaction a session is in, as the status flags of its replies and the verbs of its statements tell
 * it. An outcome is told only where it is certain:
 *
 * - a statement that succeeds ends a transaction if it is COMMIT, ROLLBACK or what begins another, or if the
 *   flag goes out behind it; a flag that stays says that DDL committed nothing
 * - DDL that fails has committed, unless its error says that the server never came to it
 * - a procedure may commit and begin again, and all that tells of it is the flag
 *
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/mysql__com_8h.html} SERVER_STATUS_IN_TRANS
 * {@link https://dev.mysql.com/doc/refman/8.4/en/implicit-commit.html}
 */
import type { ServerError, TxnEnd, Who } from '../../src/event.ts'
import type { Micros } from '../../src/flow.ts'
import type { MysqlTransactionVerb } from '../../src/sql/scan.ts'

/** What a statement's text asks of the transaction at hand; undefined: nothing. */
export type TransactionVerb = MysqlTransactionVerb

type TxnOutcome = TxnEnd['txn_outcome']

/** ER_LOCK_DEADLOCK: in MariaDB also of GET_LOCK, which rolls nothing back */
const DEADLOCK = 1213
/** ER_OPTION_PREVENTS_STATEMENT: of COMMIT when the server is read-only by now, which rolls back */
const READ_ONLY = 1290
const GETS_LOCK = /get_lock/i

/**
 * Errors by which the server has rolled the whole transaction back: ER_LOCK_TABLE_FULL, ER_LOCK_DEADLOCK,
 * ER_XA_RBROLLBACK, ER_XA_RBTIMEOUT, ER_XA_RBDEADLOCK, ER_TRANSACTION_ROLLBACK_DURING_COMMIT.
 */
const ROLLS_BACK: ReadonlySet<number> = new Set([1206, DEADLOCK, 1402, 1613, 1614, 3101])
/**
 * Errors by which it may have: ER_CHECKREAD (MariaDB's innodb_snapshot_isolation), ER_LOCK_WAIT_TIMEOUT
 * (innodb_rollback_on_timeout).
 */
const MAY_ROLL_BACK: ReadonlySet<number> = new Set([1020, 1205])
/**
 * Errors of statements that the server never came to: ER_PARSE_ERROR, ER_SYNTAX_ERROR, and the
 * ER_XAER_… ones of XA amid another transaction, or of others amid XA.
 */
const NOT_RUN: ReadonlySet<number> = new Set([1064, 1149, 1397, 1398, 1399, 1400, 1440])
/**
 * Errors that DDL meets when it has committed: a thing is there or is not. Not those that the parser may
 * find too (ER_NO_DB_ERROR), nor of lacking rights, which INSTALL PLUGIN of MySQL 5.6 meets before.
 */
const RUN: ReadonlySet<number> = new Set([
  ...[1007, 1008, 1050, 1051, 1060, 1061, 1072, 1091, 1113, 1146, 1147],
  ...[1304, 1305, 1359, 1360, 1396, 1418, 1476, 1477, 1537, 1539, 1959, 4091, 4092, 4146],
])

/** `txn_status` of a record: PostgreSQL's letters. */
export const IN_TRANSACTION = 'T'
export const IDLE = 'I'

/** What may have become, unseen, of what the transaction did so far. */
const COMMITTED = 1
const ROLLED_BACK = 2

export class Transaction {
  /** number of the transaction at hand; statements outside a block are transactions of their own */
  seq = 1
  /** the server said that a transaction is open */
  block = false
  /** the statement that failed last, if nothing has succeeded since */
  #failed: { readonly error: ServerError; readonly verb: TransactionVerb | undefined } | undefined
  /** what may have become of it unseen; and by failed statements, which a flag may refute */
  #fates = 0
  #fatesByFailure = 0
  /** XA PREPARE: it outlives the session */
  #prepared = false
  readonly #ended: (event: TxnEnd) => void

  constructor(ended: (event: TxnEnd) => void) {
    this.#ended = ended
  }

  /**
   * A statement of that verb succeeded, and its reply says whether a transaction is open, and whether
   * statements without BEGIN commit by themselves.
   */
  status(
    open: boolean,
    autocommits: boolean,
    verb: TransactionVerb | undefined,
    at: Micros,
    who: Who,
  ): void {
    if (this.block) this.#settle(open, autocommits, verb, at, who)
    this.block = open
  }

  #settle(
    open: boolean,
    autocommits: boolean,
    verb: TransactionVerb | undefined,
    at: Micros,
    who: Who,
  ): void {
    // with autocommit only BEGIN opens one: what is open now was open before
    const refuted = open && autocommits && (verb === undefined || !OPENING.has(verb))
    if (!refuted) this.#fates |= this.#fatesByFailure
    this.#fatesByFailure = 0
    const outcome = outcomeOf(verb, open) ?? (open ? undefined : this.#unseen(verb))
    if (outcome !== undefined) this.#tell(outcome, at, who, verb === 'prepare' ? 'prepared' : undefined)
    else if (verb === 'opaque' || verb === 'other') this.#fates = COMMITTED | ROLLED_BACK
    else if (verb === 'prepare') this.#prepared = true
    this.#failed = undefined
  }

  /** It is over, though the statement at hand ends none. */
  #unseen(verb: TransactionVerb | undefined): TxnOutcome {
    const failed = this.#failed
    if (failed === undefined || verb === 'opaque' || verb === 'other' || verb === 'prepare')
      return 'unknown'
    if (failed.verb === 'implicit_commit' || failed.verb === 'begin') return 'committed'
    return failed.verb === undefined || failed.verb === 'rollback_to' ? 'rolled_back' : 'unknown'
  }

  /** A statement failed: an error has no status flags. `text` is what it ran. */
  failed(
    error: ServerError,
    verb: TransactionVerb | undefined,
    at: Micros,
    who: Who,
    text: string | undefined,
  ): void {
    if (!this.block) return
    const number = error.error_number ?? 0
    this.#failed = { error, verb }
    if (verb === 'opaque') this.#fates = COMMITTED | ROLLED_BACK
    else if (NOT_RUN.has(number)) return
    else if (verb === 'other') this.#fates = COMMITTED | ROLLED_BACK
    else if (verb === 'implicit_commit' || verb === 'begin') {
      if (RUN.has(number)) this.#close('committed', at, who)
      else this.#fatesByFailure |= COMMITTED
    } else if (number === DEADLOCK && GETS_LOCK.test(text ?? '')) this.#fates |= ROLLED_BACK
    else if (ROLLS_BACK.has(number) || (verb === 'commit' && number === READ_ONLY))
      this.#close('rolled_back', at, who)
    else if (verb === 'commit' || verb === 'rollback') this.#fatesByFailure = COMMITTED | ROLLED_BACK
    else if (MAY_ROLL_BACK.has(number)) this.#fates |= ROLLED_BACK
  }

  /** A statement of transaction `seq` is over: outside a block each is a transaction of its own. */
  statementEnded(seq: number): void {
    if (!this.block && this.seq === seq) this.seq++
  }

  /** The session was reset, or ended: an open block was rolled back, unless its COMMIT may be under way. */
  closed(outcome: 'rolled_back' | 'unknown', at: Micros, who: Who, reason: string): void {
    if (!this.block) return
    this.#fates |= this.#fatesByFailure
    if (this.#prepared) this.#close('unknown', at, who, 'prepared')
    else this.#close(outcome, at, who, reason)
  }

  #close(outcome: TxnOutcome, at: Micros, who: Who, reason?: string): void {
    this.#tell(outcome, at, who, reason)
    this.block = false
  }

  #tell(outcome: TxnOutcome, at: Micros, who: Who, reason?: string): void {
    const why = reason === undefined ? {} : { reason }
    const against = outcome === 'committed' ? ROLLED_BACK : COMMITTED
    const told = (this.#fates & against) === 0 ? outcome : 'unknown'
    const error = told === 'rolled_back' ? this.#failed?.error : undefined
    this.#failed = undefined
    this.#fates = this.#fatesByFailure = 0
    this.#prepared = false
    this.#ended({ event: 'txn.end', at, who, txn_seq: this.seq, txn_outcome: told, ...why, ...error })
    this.seq++
  }
}

/** Behind them the open transaction may be another one. */
const OPENING: ReadonlySet<TransactionVerb> = new Set<TransactionVerb>([
  'begin',
  'commit',
  'rollback',
  'opaque',
])

const outcomeOf = (verb: TransactionVerb | undefined, open: boolean): TxnOutcome | undefined => {
  if (verb === 'rollback') return 'rolled_back'
  if (verb === 'commit' || verb === 'begin') return 'committed'
  return verb === 'implicit_commit' && !open ? 'committed' : undefined
}
