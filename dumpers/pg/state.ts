/** What the two directions of a session share: the queue between them, and what names mean by now. */
import type { AuditEvent, BoundValues, Outcome, QueryText, ServerError } from '../../src/event.ts'
import type { Micros } from '../../src/flow.ts'
import { Cursor } from '../../src/framing/cursor.ts'
import type { SessionContext, SessionLimits } from '../../src/session.ts'
import type { SqlStatement } from '../../src/sql/scan.ts'
import { CommandQueue } from '../common/queue.ts'
import { type TextDecoding, UTF8 } from '../common/text-decoding.ts'
import { Arrivals } from './arrivals.ts'
import { NO_OIDS, type PgBoundValues } from './bound-values.ts'
import { type Command, commandOfCode, NUMBERED } from './commands.ts'
import { Execution } from './execution.ts'
import { Identity } from './identity.ts'
import { type Portal, PortalStore, type Prepared, PreparedStore } from './statements.ts'
import { Transaction } from './transaction.ts'

/** Texts of prepared statements may hold this many times `maxQueryBytes` per session. */
const STORE_FACTOR = 4

/** SQL that may drop or make prepared statements. */
const DROPS_NAMES = /deallocate|discard|prepare/i

/** Writes a line for each message that names a query. */
export interface MessageLog {
  query(text: QueryText | undefined): void
  parse(command: Command): void
  bind(command: Command, values: BoundValues | undefined): void
  execute(command: Command): void
}

/** What was found in a text: kept from its second tag to its last, so that it is not scanned for each. */
export interface Scan {
  readonly text: QueryText
  readonly mayExecute: boolean
  statements: readonly SqlStatement[] | undefined
}

export class PgState {
  readonly limits: SessionLimits
  readonly context: SessionContext
  readonly queue: CommandQueue<Command>
  readonly prepared: PreparedStore
  readonly portals: PortalStore
  readonly identity = new Identity()
  readonly txn: Transaction
  /** gives intents, where they are wanted */
  readonly arrivals: Arrivals | undefined
  readonly cursor = new Cursor()
  /** `detail = "message"`: writes a line per message instead of records */
  lines: MessageLog | undefined
  /** events since the last feed */
  out: AuditEvent[] = []
  /** time of the chunk at hand */
  now: Micros = 0
  /** number of the last statement or prepare of this session */
  seq = 0
  /** `statement` records given */
  statements = 0
  decoding: TextDecoding = UTF8
  standardConformingStrings = true
  /** an error came in an extended series: the server ignores everything until Sync */
  skipping = false
  /** a COPY failed with a Sync amid its data: the server skips what comes, or not, until the next Sync */
  afterCopy = false
  /** why nobody can tell which reply is whose: commands came before that Sync, or replies are lost */
  uncertain: 'after_copy_failure' | 'replies_lost' | undefined
  /** replies came that no command seen had asked for, ReadyForQuery last; or none may be seen to have */
  stray: 'none' | 'reply' | 'ready' = 'none'
  /** bytes were lost before what is decoded now */
  afterGap = false
  /** the session tries to go on behind lost bytes; told when more commands are unanswered than are kept */
  tentative: { overflow(): boolean } | undefined
  /** the server is in COPY IN or COPY BOTH, where Sync and Flush mean nothing */
  copyIn = false
  /** most bytes of a text that are kept: less before the log-in, and when the process is short of memory */
  textLimit = Number.POSITIVE_INFINITY
  /** most bytes that queued commands may hold before they become placeholders: less before the log-in */
  queueLimit = 0
  /** more commands are unanswered than even placeholders can stand for */
  overflowed = false
  /** FATAL: nothing sent after it is run */
  ended = false
  /** the execution that rows belong to; found again when undefined */
  target: Execution | undefined
  /** what was found in the text of a message with several statements */
  scan: Scan | undefined
  /** whose tag is being acted on: its record is written behind that, though its portal may end by it */
  settling: Execution | undefined
  /** a finished execution that waits for its Sync's ReadyForQuery, for txn_status */
  finished: Execution | undefined
  /** ends of transactions, told behind the record of the statement that ended them */
  readonly #later: AuditEvent[] = []
  /** Parse that failed or was never answered, by name: what a Bind of it meant */
  readonly meant: PreparedStore
  /** portals whose Bind was skipped: their Executes are told in its record */
  readonly skippedPortals = new Set<string>()

  constructor(context: SessionContext) {
    this.context = context
    this.limits = context.limits
    const { maxQueue, maxStatements, maxQueryBytes } = context.limits
    this.queue = new CommandQueue(maxQueue, (code) => this.#revive(code))
    this.prepared = new PreparedStore(maxStatements, maxQueryBytes * STORE_FACTOR)
    this.meant = new PreparedStore(maxStatements, maxQueryBytes * STORE_FACTOR)
    this.portals = new PortalStore(maxStatements, maxQueryBytes * STORE_FACTOR)
    const isWanted = context.intents === true && context.detail === 'statement'
    this.arrivals = isWanted ? new Arrivals(this) : undefined
    this.txn = new Transaction(
      (event) => this.#later.push(event),
      (rolledBack) => {
        this.identity.transactionEnded(rolledBack)
        this.closePortals(false)
      },
    )
  }

  /** A placeholder's turn has come: it has a record like any other, without its text. */
  #revive(code: number): Command {
    const command = commandOfCode(code, this.now)
    const { kind } = command
    command.batch = this.arrivals?.batchBehind(this.queue.placeholders)
    const number = (code & NUMBERED) === 0 ? 0 : (this.arrivals?.revived() ?? 0)
    if (kind === 'Execute' && number > 0) command.reserved = new Execution(number, 'extended', this.now)
    if (kind !== 'Query' && kind !== 'Bind' && kind !== 'FunctionCall') return command
    const protocol = kind === 'Query' ? 'simple' : kind === 'Bind' ? 'extended' : 'function'
    const execution = new Execution(number || ++this.seq, protocol, this.now)
    execution.reason = 'overflow'
    execution.batch = command.batch
    if (kind === 'Bind') execution.fetches = 0
    command.execution = execution
    return command
  }

  /** Nobody saw whether they ran. Answers how many there were. */
  dropPlaceholders(): number {
    this.arrivals?.leaveHeld()
    return this.queue.dropPlaceholders()
  }

  /** A reply has come for it: what it ran as is known from here on. */
  touch(execution: Execution): void {
    if (execution.answered) return
    execution.answered = true
    execution.first = this.now
    execution.who = this.identity.who
    execution.txnSeq = this.txn.seq
  }

  /** Writes the record of an execution, once. */
  write(execution: Execution, outcome: Outcome, ended: Micros, txnStatus?: string): void {
    if (execution.written) return
    execution.written = true
    execution.afterGap = this.afterGap
    this.statements++
    if (outcome !== 'skipped') execution.txnSeq ??= this.txn.seq
    this.arrivals?.recorded(execution.seq)
    const who = execution.who ?? this.identity.who
    this.emit(execution.event('statement', who, outcome, ended, txnStatus))
  }

  writePrepare(command: Command, outcome: Outcome, error?: ServerError): void {
    const { prepared } = command
    if (prepared === undefined) return
    const { name, seq, text } = prepared
    this.emit({
      event: 'prepare',
      at: command.at,
      who: this.identity.who,
      stmt_seq: seq,
      text,
      stmt_name: name === '' ? undefined : name,
      outcome,
      duration_us: Math.max(0, this.now - (command.batch?.at || command.at)),
      malformed: command.malformed ? true : undefined,
      body_hex: command.bodyHex,
      after_gap: this.afterGap ? true : undefined,
      error_code: error?.error_code,
      error_severity: error?.error_severity,
      error_message: error?.error_message,
      error_detail: error?.error_detail,
      error_hint: error?.error_hint,
    })
  }

  /** An Execute has no record of its own: the number that it was given stays unused. */
  unreserve(command: Command): void {
    if (command.reserved === undefined) return
    this.arrivals?.over(command.reserved.seq)
    command.reserved = undefined
  }

  /** Gives the ends of transactions that waited for their statement's record. */
  flushTransactions(): void {
    if (this.#later.length === 0) return
    for (const event of this.#later) this.emit(event)
    this.#later.length = 0
  }

  /** Tells, once, of an execution that is suspended or runs for long. */
  writeOpen(execution: Execution): void {
    if (execution.written || execution.opened) return
    execution.opened = true
    execution.txnSeq ??= this.txn.seq
    this.emit(execution.event('statement.open', this.identity.who, undefined, undefined, undefined))
  }

  emit(event: AuditEvent): void {
    if (this.context.detail === 'statement') this.out.push(event)
  }

  /** Writes a finished execution that waited for its ReadyForQuery. */
  release(txnStatus?: string): void {
    const execution = this.finished
    if (execution === undefined) return
    this.finished = undefined
    this.write(execution, execution.settled, execution.ended, txnStatus)
  }

  /**
   * What ties a Bind to the statement that it names, as names stand now. A body that could not be decoded
   * is given a text only if it `ran`.
   */
  bindTo(command: Command, execution: Execution, ran = false): void {
    const { nameless, statement } = command
    const values = execution.values as PgBoundValues | undefined
    if (values !== undefined) values.oids = NO_OIDS
    if (nameless) return
    execution.stmtName = statement === '' ? undefined : statement
    if (this.uncertain === 'after_copy_failure' || (execution.malformed && !ran)) return
    const store = this.storeOf(statement)
    const prepared = store.get(statement)
    execution.text = prepared?.text
    if (execution.text === undefined) {
      execution.prepareSeq = prepared?.seq ?? store.evicted(statement)
      if (execution.prepareSeq === undefined) execution.reason ??= 'text_unknown'
    }
    if (values !== undefined && prepared !== undefined) values.oids = prepared.oids
  }

  /** Where that name means what a Bind of it now means: behind an error, what was sent means more. */
  storeOf(statement: string): PreparedStore {
    const known = this.meant.get(statement) !== undefined || this.meant.evicted(statement) !== undefined
    return known || this.meant.forgot ? this.meant : this.prepared
  }

  /** A Bind of that portal was skipped: so are its Executes, and its record tells of them. */
  skipPortal(name: string): void {
    if (this.skippedPortals.size < this.limits.maxStatements) this.skippedPortals.add(name)
  }

  /** A portal is gone: the record of what it did, if it was not given yet. */
  closePortal(portal: Portal | undefined): void {
    const execution = portal?.execution
    if (execution === undefined || execution.written || execution === this.finished) return
    if (execution === this.settling) return
    if (this.stray !== 'none' && execution.tag === undefined && execution.error === undefined) {
      execution.reason ??= 'replies_lost'
      this.write(execution, 'unknown', this.now)
      return
    }
    if (execution.opened && execution.tag === undefined) execution.reason ??= 'portal_closed'
    this.write(execution, execution.settled, execution.ended || this.now)
  }

  /** What was skipped is over: names mean again what the server's replies made of them. */
  forgetSkipped(): void {
    this.meant.clear()
    this.skippedPortals.clear()
  }

  /** Nobody can tell any more what becomes of portals: those that are not done are so recorded. */
  endPortals(): void {
    this.stray = 'reply'
    this.closePortals(true)
  }

  /** What was under way is given up; nobody will end it. */
  forgetUnfinished(): void {
    this.finished = undefined
    this.target = undefined
    this.settling = undefined
    this.scan = undefined
    this.skipping = false
    this.afterCopy = false
    this.copyIn = false
    this.portals.drain(true, () => {})
    this.#later.length = 0
    this.forgetSkipped()
  }

  /**
   * A Parse whose reply is lost. One of a new name, or of none, defined it, or else the name means nothing.
   * One of a known name failed, unless the name was dropped unseen.
   */
  parsedUnseen(prepared: Prepared): void {
    const known = this.prepared.get(prepared.name)
    if (prepared.name === '' || (known === undefined && this.prepared.evicted(prepared.name) === undefined))
      this.prepared.set(prepared)
    else if (known?.text?.text !== prepared.text?.text) this.prepared.delete(prepared.name)
  }

  /** A statement whose reply is lost may have dropped or made names. */
  ranUnseen(text: QueryText | undefined): void {
    if (text === undefined || text.truncated !== undefined || DROPS_NAMES.test(text.text))
      this.prepared.clear()
  }

  setPortal(portal: Portal): void {
    this.portals.set(portal, this.#portalGone)
  }

  closePortals(all: boolean): void {
    this.portals.drain(all, this.#portalGone)
  }

  readonly #portalGone = (portal: Portal): void => this.closePortal(portal)
}
