/** What the two directions of a session share: the queue between them, and what is known by now. */
import type { AuditEvent, BoundValues, Outcome, QueryText, ServerError } from '../../src/event.ts'
import type { Bytes, Direction, Micros } from '../../src/flow.ts'
import { MysqlCursor } from '../../src/framing/mysql-cursor.ts'
import type { SessionContext, SessionLimits } from '../../src/session.ts'
import type { TextForm } from '../common/query-text.ts'
import { CommandQueue } from '../common/queue.ts'
import { type TextDecoding, UTF8 } from '../common/text-decoding.ts'
import type { ValueOptions } from './bound-values.ts'
import { type Capabilities, CLIENT_QUERY_ATTRIBUTES, COM, has } from './capabilities.ts'
import { decodingOfCharset } from './charsets.ts'
import { Command, type CommandBody, EMPTY_PACKET } from './commands.ts'
import type { Execution } from './execution.ts'
import { Identity } from './identity.ts'
import type { LocalFile } from './infile.ts'
import { SqlNames } from './sql-names.ts'
import { StatementStore } from './statements.ts'
import { Transaction } from './transaction.ts'

/** Prepared statements may hold this many times `maxQueryBytes` per session; so may open cursors. */
const STORE_FACTOR = 4

const BACKSLASHES: TextForm = { dialect: 'mysql', standardConformingStrings: false }
const NO_BACKSLASHES: TextForm = { dialect: 'mysql', standardConformingStrings: true }
const ANSI_QUOTES: TextForm = { ...BACKSLASHES, ansiQuotes: true }
const ANSI_NO_BACKSLASHES: TextForm = { ...NO_BACKSLASHES, ansiQuotes: true }
const NO_CAPABILITIES: Capabilities = { flags: 0, mariadb: 0 }

/** Writes a line for each command (`detail = "message"`). */
export interface MessageLog {
  query(text: QueryText | undefined, executed: QueryText | undefined): void
  prepare(text: QueryText | undefined): void
  /** also a bulk execution, without its values; `stmtId` is absent when it cannot be read */
  execute(
    code: number,
    stmtId: number | undefined,
    text: QueryText | undefined,
    values: BoundValues | undefined,
  ): void
}

/** What the log-in would have told, where nobody saw it: found out by what is sent. */
export interface UnknownLogin {
  /** Can the values of an execution be told from query attributes? */
  readonly areValuesKnown: boolean
  /** Packets are wrapped in others. */
  compressed(by: 'zlib' | 'zstd'): void
  /** A COM_QUERY, from its code on. */
  query(bytes: Bytes, start: number, end: number): void
  /** A COM_STMT_EXECUTE, whole, from its code on. */
  execute(bytes: Bytes, start: number, end: number): void
  /** A payload of a reply begins. */
  reply(first: number, length: number): void
  /** The client speaks again. */
  finish(): void
}

/** Tells of commands before they are sent on: see `intents.ts`. */
export interface IntentLog {
  /** A command came that is not begun yet. */
  waits(command: Command, body: CommandBody): void
  /** The same of one of which its code alone is kept. */
  waitsBare(command: Command, code: number, body: CommandBody): void
  /** A command came and was begun; `before` is the last number that was given before it. */
  begun(command: Command, before: number, body: CommandBody): void
  /** A placeholder's turn has come. */
  revived(command: Command): void
  /** What was taken out of the queue was no command: it, or its placeholder's code. */
  taken(packet: Command | number | undefined): void
  /** All that is queued is about to be forgotten. */
  dropped(): void
  /** What was named by that token is told, or gives no record. */
  over(token: number): void
}

/** The session tries to go on behind lost bytes: what it is told of the client's packets. */
export interface Trial {
  /** A packet of another sequence id than 0: of a file, or an answer. */
  continued(seq: number): void
}

export class MysqlState {
  readonly context: SessionContext
  readonly limits: SessionLimits
  readonly queue: CommandQueue<Command>
  readonly prepared: StatementStore
  /** SQL's PREPARE */
  readonly names: SqlNames
  readonly identity = new Identity()
  readonly txn: Transaction
  readonly cursor = new MysqlCursor()
  lines: MessageLog | undefined
  /** events since the last feed */
  out: AuditEvent[] = []
  /** time of the chunk at hand */
  now: Micros = 0
  /** number of the last statement or prepare of this session */
  seq = 0
  /** `statement` records given */
  statements = 0
  /** what both sides are capable of */
  capabilities = NO_CAPABILITIES
  #mariadb = false
  /** how values are read by now: a new object at each change */
  valueOptions: ValueOptions
  /** the server's own, of its greeting: what SET NAMES DEFAULT sets */
  serverCharset = ''
  /** what COM_RESET_CONNECTION sets: MySQL the server's own, MariaDB that of the log-in */
  resetCharset = ''
  charset = ''
  decoding: TextDecoding = UTF8
  form: TextForm = BACKSLASHES
  /** executions whose rows wait to be fetched, by statement id */
  readonly cursors = new Map<number, Execution>()
  /** the file that the client is sending; its packets are no commands, whatever their ids */
  file: LocalFile | undefined
  /** the client has sent a command before the one before was answered */
  pipelines = false
  /** commands that were answered before another one came */
  rounds = 0
  /** most bytes of a text that are kept: less before the log-in, and when the process is short of memory */
  textLimit = Number.POSITIVE_INFINITY
  /** most bytes that queued commands may hold before they become placeholders */
  queueLimit = 0
  /** more commands are unanswered than even placeholders can stand for */
  overflowed = false
  /** replies are lost: what is sent is recorded, what came of it is not known */
  uncertain: string | undefined
  /** packets are wrapped in others: nobody looks at the sequence ids inside */
  compressed = false
  /** what follows may be answers to the server, and secrets: see `answers.ts` */
  mayBeAnswers = false
  /** COM_QUIT's turn has come: the server reads nothing behind it */
  ended = false
  /** what the server ran may be something else than what was seen: see {@link doubt} */
  afterGap = false
  readonly #doubts = new Set<string>()
  /** nobody saw what the log-in agreed on, and not all of it is found out yet */
  unknown: UnknownLogin | undefined
  /** commands are told of before they are sent on */
  intents: IntentLog | undefined
  /** what is decoded may be none of the client's commands */
  trial: Trial | undefined
  /** ends of transactions, told behind the record of the statement that ended them */
  readonly #later: AuditEvent[] = []

  constructor(context: SessionContext) {
    this.context = context
    this.limits = context.limits
    const { maxQueue, maxStatements, maxQueryBytes } = context.limits
    this.queue = new CommandQueue<Command>(maxQueue, (code) => this.#revive(code))
    this.prepared = new StatementStore(maxStatements, maxQueryBytes * STORE_FACTOR)
    this.names = new SqlNames(maxStatements, maxQueryBytes * STORE_FACTOR)
    this.txn = new Transaction((event) => this.#later.push(event))
    this.valueOptions = this.#valueOptions()
  }

  /** A placeholder's turn has come: it has a record like any other, without its contents. */
  #revive(code: number): Command {
    const command = new Command(code === EMPTY_PACKET ? COM.SLEEP : code, this.now)
    command.placeholder = true
    this.intents?.revived(command)
    return command
  }

  /** most bytes of a text that are kept now */
  get maxText(): number {
    return Math.min(this.limits.maxQueryBytes, this.textLimit)
  }

  /** The client may have changed its character set unseen: texts are UTF-8, or shown as bytes too. */
  forgetCharset(): void {
    this.charset = ''
    this.decoding = UTF8
    this.valueOptions = this.#valueOptions()
  }

  setCharset(name: string): void {
    if (name === this.charset || name === '') return
    this.charset = name
    this.decoding = decodingOfCharset(name)
    this.valueOptions = this.#valueOptions()
  }

  /** What both sides are capable of is known. */
  agree(capabilities: Capabilities, mariadb: boolean): void {
    this.capabilities = capabilities
    this.#mariadb = mariadb
    this.prepared.knowsLast = mariadb
    this.valueOptions = this.#valueOptions()
  }

  #valueOptions(): ValueOptions {
    const { decoding, limits, capabilities } = this
    const queryAttributes = has(capabilities, CLIENT_QUERY_ATTRIBUTES)
    return { decoding, mariadb: this.#mariadb, maxValueBytes: limits.maxValueBytes, queryAttributes }
  }

  /** How the server lexes: are backslashes in literals themselves, are `"…"` names? */
  setForm(noBackslashEscapes: boolean, ansiQuotes: boolean): void {
    if (noBackslashEscapes) this.form = ansiQuotes ? ANSI_NO_BACKSLASHES : NO_BACKSLASHES
    else this.form = ansiQuotes ? ANSI_QUOTES : BACKSLASHES
  }

  /**
   * Something is not as it looks, which is told once; records from here on say so. `detail`: in short words.
   */
  doubt(from: Direction, detail: string): void {
    if (this.#doubts.has(detail)) return
    this.#doubts.add(detail)
    this.afterGap = true
    this.out.push({
      event: 'gap',
      at: this.now,
      who: this.identity.who,
      gap_reason: 'framing',
      direction: from === 'frontend' ? '->' : '<-',
      detail,
    })
  }

  emit(event: AuditEvent): void {
    if (this.context.detail === 'statement') this.out.push(event)
  }

  /** Writes the record of an execution, once, and what waited for it. */
  write(execution: Execution, outcome: Outcome, ended: Micros): void {
    if (execution.written) return
    execution.written = true
    this.statements++
    this.emit(execution.event('statement', outcome, ended))
    if (execution.token !== 0) this.intents?.over(execution.token)
    this.flush()
  }

  /** Gives the ends of transactions that waited for their statement's record. */
  flush(): void {
    if (this.#later.length === 0) return
    for (const event of this.#later) this.emit(event)
    this.#later.length = 0
  }

  /** Tells, once, of an execution that is suspended or runs for long. */
  writeOpen(execution: Execution): void {
    if (execution.written || execution.opened) return
    execution.opened = true
    this.emit(execution.event('statement.open', undefined, undefined))
  }

  writePrepare(command: Command, stmtId: number | undefined, outcome: Outcome, error?: ServerError): void {
    const { preparing } = command
    if (preparing === undefined) return
    this.emit({
      event: 'prepare',
      at: command.at,
      who: this.identity.who,
      stmt_seq: preparing.seq,
      text: preparing.text,
      stmt_id: stmtId,
      outcome,
      duration_us: Math.max(0, this.now - (command.sent || command.at)),
      malformed: preparing.malformed ? true : undefined,
      body_hex: preparing.bodyHex,
      after_gap: this.afterGap ? true : undefined,
      error_number: error?.error_number,
      error_code: error?.error_code,
      error_message: error?.error_message,
    })
  }

  /** The cursor of a statement is gone: the record of what it did. */
  closeCursor(stmtId: number, reason: string | undefined): void {
    const execution = this.cursors.get(stmtId)
    if (execution === undefined) return
    this.cursors.delete(stmtId)
    if (reason !== undefined) execution.reason ??= reason
    this.write(execution, execution.settled, execution.ended || this.now)
  }

  /** Bytes that statements with open cursors hold. */
  get cursorBytes(): number {
    let bytes = 0
    for (const execution of this.cursors.values()) bytes += execution.heldBytes
    return bytes
  }

  /** Open cursors are bounded by number and by bytes: the oldest are recorded as they are. */
  limitCursors(): void {
    const { maxStatements, maxQueryBytes } = this.limits
    let bytes = this.cursorBytes
    for (const [id, { heldBytes }] of this.cursors) {
      const { size } = this.cursors
      if (size <= maxStatements && (bytes <= maxQueryBytes * STORE_FACTOR || size === 1)) return
      bytes -= heldBytes
      this.closeCursor(id, 'overflow')
    }
  }

  closeCursors(reason: string): void {
    for (const id of [...this.cursors.keys()]) this.closeCursor(id, reason)
  }

  /** Statements, cursors and names are gone: RESET_CONNECTION, CHANGE_USER. */
  reset(reason: string): void {
    this.closeCursors(reason)
    this.prepared.clear()
    this.names.clear()
    this.txn.closed('rolled_back', this.now, this.identity.who, reason)
  }

  get mariadb(): boolean {
    return this.#mariadb
  }

  text(bytes: Bytes): string {
    return this.decoding.text(bytes)
  }
}
