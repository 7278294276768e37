/** One statement's record in the making: from the command that starts it to the reply that settles it. */
import type { BoundValues, Outcome, QueryText, ServerError, Statement, Who } from '../../src/event.ts'
import type { Micros } from '../../src/flow.ts'

/** SQLSTATE query_canceled */
const QUERY_CANCELED = '57014'
/** Tags of statements that return rows, though there may be none. */
const ROWS_TAG = /^(?:SELECT|FETCH|SHOW|EXPLAIN)\b/

export class Execution {
  readonly seq: number
  readonly protocol: 'simple' | 'extended' | 'function'
  /** when the statement's last byte came: of its Query, its first Execute, or its Bind */
  at: Micros
  /** when the first and the last byte of its replies came; 0 is not yet */
  first: Micros = 0
  ended: Micros = 0
  /** who ran it: as known when its first reply came */
  who: Who | undefined = undefined
  text: QueryText | undefined = undefined
  executed: QueryText | undefined = undefined
  values: BoundValues | undefined = undefined
  stmtName: string | undefined = undefined
  prepareSeq: number | undefined = undefined
  portalName: string | undefined = undefined
  functionOid: number | undefined = undefined
  rows = 0
  bytes = 0
  affected: number | undefined = undefined
  tag: string | undefined = undefined
  tags: string[] | undefined = undefined
  /** Executes of a portal that were answered; undefined for what is not extended */
  fetches: number | undefined = undefined
  copyDirection: 'in' | 'out' | 'both' | undefined = undefined
  copyRows: number | undefined = undefined
  copyBytes = 0
  copyMessages = 0
  txnSeq: number | undefined = undefined
  error: ServerError | undefined = undefined
  reason: string | undefined = undefined
  malformed = false
  bodyHex: string | undefined = undefined
  afterGap = false
  /** its `statement.open` was given */
  opened = false
  /** its record was given */
  written = false
  /** runs a portal again whose record was given: recorded only if that did something */
  repeat = false
  /** a reply to it has come (tells a Query's own ReadyForQuery from a stale one) */
  answered = false

  constructor(seq: number, protocol: 'simple' | 'extended' | 'function', at: Micros) {
    this.seq = seq
    this.protocol = protocol
    this.at = at
  }

  /** The answered outcome: what the server's replies so far say. */
  get settled(): Outcome {
    const code = this.error?.error_code
    if (this.error === undefined) return 'success'
    return code === QUERY_CANCELED ? 'cancelled' : 'error'
  }

  addTag(tag: string): void {
    if (this.tag !== undefined) {
      if (this.tags === undefined) this.tags = [this.tag]
      this.tags.push(tag)
    }
    this.tag = tag
  }

  /** The record. `ended` is when the last byte of its reply came; undefined while it runs. */
  event(
    event: 'statement' | 'statement.open',
    who: Who,
    outcome: Outcome | undefined,
    ended: Micros | undefined,
    txnStatus: string | undefined,
  ): Statement {
    const error = this.error
    const rowsKnown = this.copyDirection === undefined && (this.rows > 0 || ROWS_TAG.test(this.tag ?? ''))
    return {
      event,
      at: this.at,
      who,
      stmt_seq: this.seq,
      protocol: this.protocol,
      text: this.text,
      executed: this.executed,
      values: this.values,
      stmt_name: this.stmtName,
      prepare_seq: this.prepareSeq,
      portal_name: this.portalName,
      function_oid: this.functionOid,
      outcome,
      reason: this.reason,
      command_tag: this.tag,
      command_tags: this.tags,
      rows_returned: rowsKnown ? this.rows : undefined,
      rows_affected: this.affected,
      bytes_returned: rowsKnown ? this.bytes : undefined,
      duration_us: ended === undefined ? undefined : Math.max(0, ended - this.at),
      first_response_us: this.first === 0 ? undefined : Math.max(0, this.first - this.at),
      fetches: this.fetches === 1 ? undefined : this.fetches,
      copy_direction: this.copyDirection,
      copy_rows: this.copyDirection === undefined ? undefined : (this.copyRows ?? this.copyMessages),
      copy_bytes: this.copyDirection === undefined ? undefined : this.copyBytes,
      txn_seq: this.txnSeq,
      txn_status: txnStatus,
      malformed: this.malformed ? true : undefined,
      body_hex: this.bodyHex,
      after_gap: this.afterGap ? true : undefined,
      error_code: error?.error_code,
      error_severity: error?.error_severity,
      error_message: error?.error_message,
      error_detail: error?.error_detail,
      error_hint: error?.error_hint,
      error_internal_query: error?.error_internal_query,
      error_context: error?.error_context,
    }
  }
}
