/** One statement's record in the making: from the command that starts it to the reply that settles it. */
import type { BoundValues, Outcome, QueryText, ServerError, Statement, Who } from '../../src/event.ts'
import type { Micros } from '../../src/flow.ts'
import type { Batch } from './batch.ts'

/** SQLSTATE query_canceled */
const QUERY_CANCELED = '57014'
/** Tags of statements that return rows, though there may be none. */
const ROWS_TAG = /^(?:SELECT|FETCH|SHOW|EXPLAIN)\b/

export class Execution {
  readonly seq: number
  readonly protocol: 'simple' | 'extended' | 'function'
  /** when the statement's last byte came: of its Query, its first Execute, or its Bind */
  at: Micros
  /** with intents: what it was sent on with, at what time; its duration counts from then */
  batch: Batch | undefined = undefined
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
    return new StatementRecord(this, event, who, outcome, ended, txnStatus, undefined)
  }

  /** The record that tells of it if nothing more is ever heard of it. */
  intent(who: Who): Statement {
    return new StatementRecord(this, 'statement', who, 'unknown', undefined, undefined, true)
  }
}

/**
 * The event of an execution. A class and no literal: an object literal of so many keys is copied by the
 * runtime
 * at several times the cost. The keys are in the order in which the log has them.
 */
class StatementRecord implements Statement {
  readonly event: 'statement' | 'statement.open'
  readonly at: Micros
  readonly who: Who
  readonly stmt_seq: number
  readonly protocol: Execution['protocol']
  readonly text: QueryText | undefined
  readonly executed: QueryText | undefined
  readonly values: BoundValues | undefined
  readonly stmt_name: string | undefined
  readonly prepare_seq: number | undefined
  readonly portal_name: string | undefined
  readonly function_oid: number | undefined
  readonly outcome: Outcome | undefined
  readonly reason: string | undefined
  readonly recovered: true | undefined
  readonly command_tag: string | undefined
  readonly command_tags: readonly string[] | undefined
  readonly rows_returned: number | undefined
  readonly rows_affected: number | undefined
  readonly bytes_returned: number | undefined
  readonly duration_us: number | undefined
  readonly first_response_us: number | undefined
  readonly gate_wait_us: number | undefined
  readonly fetches: number | undefined
  readonly copy_direction: 'in' | 'out' | 'both' | undefined
  readonly copy_rows: number | undefined
  readonly copy_bytes: number | undefined
  readonly txn_seq: number | undefined
  readonly txn_status: string | undefined
  readonly malformed: true | undefined
  readonly body_hex: string | undefined
  readonly after_gap: true | undefined
  readonly error_code: string | undefined
  readonly error_severity: string | undefined
  readonly error_message: string | undefined
  readonly error_detail: string | undefined
  readonly error_hint: string | undefined
  readonly error_internal_query: string | undefined
  readonly error_context: string | undefined

  constructor(
    from: Execution,
    event: 'statement' | 'statement.open',
    who: Who,
    outcome: Outcome | undefined,
    ended: Micros | undefined,
    txnStatus: string | undefined,
    recovered: true | undefined,
  ) {
    const { batch, error, copyDirection } = from
    const isSent = batch !== undefined && batch.at > 0
    const began = isSent ? batch.at : from.at
    const copying = copyDirection !== undefined
    const hasRows = !copying && (from.rows > 0 || (from.tag !== undefined && ROWS_TAG.test(from.tag)))
    this.event = event
    this.at = from.at
    this.who = who
    this.stmt_seq = from.seq
    this.protocol = from.protocol
    this.text = from.text
    this.executed = from.executed
    this.values = from.values
    this.stmt_name = from.stmtName
    this.prepare_seq = from.prepareSeq
    this.portal_name = from.portalName
    this.function_oid = from.functionOid
    this.outcome = outcome
    this.reason = from.reason
    this.recovered = recovered
    this.command_tag = from.tag
    this.command_tags = from.tags
    this.rows_returned = hasRows ? from.rows : undefined
    this.rows_affected = from.affected
    this.bytes_returned = hasRows ? from.bytes : undefined
    this.duration_us = ended === undefined ? undefined : Math.max(0, ended - began)
    this.first_response_us = from.first === 0 ? undefined : Math.max(0, from.first - began)
    this.gate_wait_us = isSent ? Math.max(0, batch.at - from.at) : undefined
    this.fetches = from.fetches === 1 ? undefined : from.fetches
    this.copy_direction = copyDirection
    this.copy_rows = copying ? (from.copyRows ?? from.copyMessages) : undefined
    this.copy_bytes = copying ? from.copyBytes : undefined
    this.txn_seq = from.txnSeq
    this.txn_status = txnStatus
    this.malformed = from.malformed ? true : undefined
    this.body_hex = from.bodyHex
    this.after_gap = from.afterGap ? true : undefined
    this.error_code = error?.error_code
    this.error_severity = error?.error_severity
    this.error_message = error?.error_message
    this.error_detail = error?.error_detail
    this.error_hint = error?.error_hint
    this.error_internal_query = error?.error_internal_query
    this.error_context = error?.error_context
  }
}
