/** One statement's record in the making: from the command that starts it to the reply that settles it. */
import type { BoundValues, Outcome, QueryText, ServerError, Statement, Who } from '../../src/event.ts'
import type { Micros } from '../../src/flow.ts'
import type { Steps } from './steps.ts'

/** ER_QUERY_INTERRUPTED, ER_QUERY_TIMEOUT (MySQL), ER_STATEMENT_TIMEOUT (MariaDB) */
const CANCELLED: ReadonlySet<number> = new Set([1317, 3024, 1969])
/** What an execution holds beside its text and values, roughly. */
const HELD = 600
/** Most results of one statement that its record lists. */
const MAX_RESULTS = 1000

export type Protocol = 'text' | 'binary' | 'bulk' | 'command'

/** The outcome that an error means. */
export const outcomeOf = (error: ServerError | undefined): Outcome => {
  if (error === undefined) return 'success'
  return CANCELLED.has(error.error_number ?? 0) ? 'cancelled' : 'error'
}

export class Execution {
  /** `stmt_seq` of its record */
  seq: number
  readonly protocol: Protocol
  /** when the statement's last byte came */
  readonly at: Micros
  /** who ran it: as known when the server came to it */
  readonly who: Who
  /** when it was sent on, where it was fed before; 0: not yet, or that is not told */
  sent: Micros = 0
  /** below 0: what an intent named it by before it had its number */
  token = 0
  /** when the first and the last byte of its replies came; 0 is not yet */
  first: Micros = 0
  ended: Micros = 0
  text: QueryText | undefined = undefined
  executed: QueryText | undefined = undefined
  values: BoundValues | undefined = undefined
  /** bulk executes: the values of each row */
  bulk: { rows(): readonly BoundValues[] } | undefined = undefined
  stmtId: number | undefined = undefined
  prepareSeq: number | undefined = undefined
  command: string | undefined = undefined
  /** rows of all its result sets, and the bytes of their payloads */
  rows = 0
  bytes = 0
  hasRows = false
  affected: number | undefined = undefined
  insertId: number | string | undefined = undefined
  warnings: number | undefined = undefined
  /** which statement of its text is at hand; undefined for a text that works on data alone */
  steps: Steps | undefined = undefined
  /** results that came, and how many rows had come before the one at hand */
  results = 0
  #rowsBefore = 0
  #firstKind = ''
  #firstCount = 0
  tags: string[] | undefined = undefined
  /** COM_STMT_FETCHes of its cursor; undefined where it has none */
  fetches: number | undefined = undefined
  txnSeq: number | undefined = undefined
  txnStatus: string | undefined = undefined
  error: ServerError | undefined = undefined
  reason: string | undefined = undefined
  malformed = false
  bodyHex: string | undefined = undefined
  characterSet: string | undefined = undefined
  attributes: string | undefined = undefined
  afterGap = false
  /** its `statement.open` was given */
  opened = false
  /** its record was given */
  written = false

  constructor(seq: number, protocol: Protocol, at: Micros, who: Who) {
    this.seq = seq
    this.protocol = protocol
    this.at = at
    this.who = who
  }

  /** Bytes of memory that its text and values take, roughly. */
  get heldBytes(): number {
    const values = this.values as { readonly heldBytes?: number } | undefined
    return HELD + 2 * (this.text?.text.length ?? 0) + (values?.heldBytes ?? 0)
  }

  get settled(): Outcome {
    return outcomeOf(this.error)
  }

  /** A result without rows. */
  addAffected(affected: number, insertId: number | string, warnings: number): void {
    this.affected = (this.affected ?? 0) + affected
    if (insertId !== 0) this.insertId = insertId
    this.#warned(warnings)
    this.#addResult('OK', affected)
  }

  /** The end of a result set, or of the single row of OUT parameters. */
  addRows(warnings: number, outParams: boolean): void {
    const rows = this.rows - this.#rowsBefore
    this.#rowsBefore = this.rows
    this.hasRows = true
    this.#warned(warnings)
    this.#addResult(outParams ? 'OUT' : 'ROWS', rows)
  }

  #warned(warnings: number): void {
    if (warnings > 0) this.warnings = warnings
  }

  /** A list is made for a second result only. */
  #addResult(kind: string, count: number): void {
    this.results++
    this.steps?.ended(kind === 'OK')
    if (this.results === 1) {
      this.#firstKind = kind
      this.#firstCount = count
      return
    }
    this.tags ??= [`${this.#firstKind} ${this.#firstCount}`]
    if (this.tags.length < MAX_RESULTS) this.tags.push(`${kind} ${count}`)
  }

  /** The record. `ended` is when the last byte of its reply came; undefined while it runs. */
  event(
    event: 'statement' | 'statement.open',
    outcome: Outcome | undefined,
    ended: Micros | undefined,
  ): Statement {
    return new StatementRecord(this, event, outcome, ended, undefined)
  }

  /** The record, should nothing more be heard of it. */
  foretold(): Statement {
    return new StatementRecord(this, 'statement', 'unknown', undefined, true)
  }
}

/**
 * The event of an execution. A class and no literal: an object literal of so many keys is copied by the
 * runtime at several times the cost. The keys are in the order in which the log has them.
 */
class StatementRecord implements Statement {
  readonly event: 'statement' | 'statement.open'
  readonly at: Micros
  readonly who: Who
  readonly stmt_seq: number
  readonly protocol: Protocol
  readonly text: QueryText | undefined
  readonly executed: QueryText | undefined
  readonly values: BoundValues | undefined
  readonly rows: readonly BoundValues[] | undefined
  readonly stmt_id: number | undefined
  readonly prepare_seq: number | undefined
  readonly command: string | undefined
  readonly outcome: Outcome | undefined
  readonly reason: string | undefined
  readonly recovered: true | undefined
  readonly results: readonly string[] | undefined
  readonly rows_returned: number | undefined
  readonly rows_affected: number | undefined
  readonly bytes_returned: number | undefined
  readonly last_insert_id: number | string | undefined
  readonly warnings: number | undefined
  readonly duration_us: number | undefined
  readonly first_response_us: number | undefined
  readonly gate_wait_us: number | undefined
  readonly fetches: number | undefined
  readonly txn_seq: number | undefined
  readonly txn_status: string | undefined
  readonly character_set: string | undefined
  readonly query_attributes: string | undefined
  readonly malformed: true | undefined
  readonly body_hex: string | undefined
  readonly after_gap: true | undefined
  readonly error_number: number | undefined
  readonly error_code: string | undefined
  readonly error_message: string | undefined

  constructor(
    from: Execution,
    event: 'statement' | 'statement.open',
    outcome: Outcome | undefined,
    ended: Micros | undefined,
    recovered: true | undefined,
  ) {
    const { error, at, sent } = from
    const began = sent === 0 ? at : sent
    const hasRows = from.hasRows || from.rows > 0
    this.event = event
    this.at = at
    this.who = from.who
    this.stmt_seq = from.seq
    this.protocol = from.protocol
    this.text = from.text
    this.executed = from.executed
    this.values = from.values
    this.rows = from.bulk?.rows()
    this.stmt_id = from.stmtId
    this.prepare_seq = from.prepareSeq
    this.command = from.command
    this.outcome = outcome
    this.reason = from.reason
    this.recovered = recovered
    this.results = from.tags
    this.rows_returned = hasRows ? from.rows : undefined
    this.rows_affected = from.affected
    this.bytes_returned = hasRows ? from.bytes : undefined
    this.last_insert_id = from.insertId
    this.warnings = from.warnings
    this.duration_us = ended === undefined ? undefined : Math.max(0, ended - began)
    this.first_response_us = from.first === 0 ? undefined : Math.max(0, from.first - began)
    this.gate_wait_us = sent === 0 ? undefined : Math.max(0, sent - at)
    this.fetches = from.fetches
    this.txn_seq = from.txnSeq
    this.txn_status = from.txnStatus
    this.character_set = from.characterSet
    this.query_attributes = from.attributes
    this.malformed = from.malformed ? true : undefined
    this.body_hex = from.bodyHex
    this.after_gap = from.afterGap ? true : undefined
    this.error_number = error?.error_number
    this.error_code = error?.error_code
    this.error_message = error?.error_message
  }
}
