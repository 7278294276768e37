/**
 * What a client's commands are about to do, told before they are sent on (guarantees `written`, `synced`).
 *
 * A record's number is given when its command comes, but where what comes may be no command, or have no
 * record of its own: packets of a compressed connection that wait (a file, an answer), and a COM_STMT_FETCH
 * that does. Those are told with a token below 0.
 */
import type { AuditEvent } from '../../src/event.ts'
import type { Bytes, Micros } from '../../src/flow.ts'
import { isClearlyCommand } from './answers.ts'
import { COM } from './capabilities.ts'
import { type Command, isUnanswered } from './commands.ts'
import { Execution } from './execution.ts'
import type { CommandBody } from './record.ts'
import type { IntentLog, MysqlState } from './state.ts'
import { Waiting } from './waiting.ts'

/** The number of a record that has none yet: its key is left out. */
const UNNUMBERED = undefined as unknown as number

/** Has it a `statement` record? `prepare` and `change_user` are others. */
const runs = (code: number): boolean => {
  switch (code) {
    case COM.STMT_PREPARE:
    case COM.CHANGE_USER:
    case COM.STMT_SEND_LONG_DATA:
    case COM.STMT_CLOSE:
    case COM.STMT_RESET:
    case COM.PING:
    case COM.STATISTICS:
    case COM.SET_OPTION:
    case COM.QUIT:
      return false
    default:
      return true
  }
}

/** What was sent of the placeholders at the queue's end: their numbers or tokens, 0 for none. */
class Places {
  #numbers: number[] = []
  #at = 0
  /** those at the end that were not sent on yet */
  unsent = 0

  get length(): number {
    return this.#numbers.length - this.#at
  }

  push(number: number): void {
    this.#numbers.push(number)
    this.unsent++
  }

  shift(): number {
    const number = this.#numbers[this.#at++] ?? 0
    if (this.#at * 2 > this.#numbers.length) {
      this.#numbers = this.#numbers.slice(this.#at)
      this.#at = 0
    }
    this.unsent = Math.min(this.unsent, this.length)
    return number
  }
}

export class Intents implements IntentLog {
  readonly #state: MysqlState
  readonly #waiting: Waiting
  readonly #places = new Places()
  /** the last token below 0 */
  #token = 0
  /** commands that were not sent on yet */
  #unsent: Command[] = []
  /** a COM_CHANGE_USER waits: where ids say nothing, what comes behind it may be an answer, and a secret */
  #isChanging = false
  /** tokens of a log-in's undecided commands, and of a trial that is not over */
  #early: number[] = []
  #trial: number[] = []
  /** what a trial gives is held back, and may turn out to be none: what is told in it goes by here */
  #aside: AuditEvent[] = []
  /** the number that the next record of such commands has, and are there answered ones among them */
  #earlySeq = 0
  #isEarlyAhead = false
  /** what is framed of the frontend's chunk, up to that chunk's end, and the chunk's length */
  #framed: Bytes | undefined
  #length = 0
  #heldFrom: number | undefined
  /** bytes that the client has sent, with that chunk; and the same when the last placeholder was kept */
  #fed = 0
  #placedAt = 0

  constructor(state: MysqlState) {
    this.#state = state
    this.#waiting = new Waiting(state)
  }

  /** See {@link Session.heldFrom}. */
  get heldFrom(): number {
    return this.#heldFrom ?? 0
  }

  /** A chunk of the frontend; undefined for other bytes, which nothing is held of. */
  chunk(chunk: Bytes | undefined): void {
    this.#framed = chunk
    if (chunk === undefined) return
    this.#length = chunk.length
    this.#fed += chunk.length
    this.#heldFrom = undefined
  }

  /** A chunk of which only a part was sent on counts as not sent: that part runs nothing. */
  sent(at: Micros, unsent: number): void {
    const end = this.#fed - unsent
    for (const command of this.#unsent) if (command.fed <= end) send(command, at)
    this.#unsent = unsent === 0 ? [] : this.#unsent.filter(({ fed }) => fed > end)
    if (this.#placedAt <= end) this.#places.unsent = 0
  }

  #keep(command: Command): void {
    command.fed = this.#fed
    this.#unsent.push(command)
  }

  begun(command: Command, before: number, body: CommandBody): void {
    const { code, execution } = command
    this.#waiting.clear()
    this.#isChanging = code === COM.CHANGE_USER
    const isTold = !isUnanswered(code) || this.#state.uncertain !== undefined
    if (!isTold) return
    this.#keep(command)
    if (execution !== undefined && execution.seq > before) this.#tell(execution.seq, execution, body)
    else if (code === COM.STMT_PREPARE || code === COM.CHANGE_USER) this.#tell(0, undefined, body)
    if (command.preparing !== undefined) this.#waiting.prepares(command.preparing.text)
  }

  waits(command: Command, body: CommandBody): void {
    this.#keep(command)
    const number = this.#foretell(command, command.code, body)
    if (number > 0) command.seq = number
    else command.token = number
  }

  waitsBare(command: Command, code: number, body: CommandBody): void {
    command.placeholder = true
    this.#placedAt = this.#fed
    this.#places.push(this.#foretell(command, code, body))
  }

  /** Tells of a command that waits. Answers its number, or what it is named by instead; 0 for none. */
  #foretell(command: Command, code: number, body: CommandBody): number {
    const { compressed } = this.#state
    const execution = this.#executionOf(command, code, body, UNNUMBERED, compressed)
    if (execution === undefined)
      return code === COM.STMT_PREPARE && this.#isNumbered(code) ? ++this.#state.seq : 0
    if (this.#isNumbered(code)) execution.seq = ++this.#state.seq
    return this.#tell(execution.seq ?? --this.#token, execution, body)
  }

  /** The record in the making of a command that is not begun; undefined where it has none. */
  #executionOf(
    command: Command,
    code: number,
    body: CommandBody,
    seq: number,
    isCompressed: boolean,
  ): Execution | undefined {
    const isSecret = isCompressed && this.#isChanging && this.#mayBeSecret(command, body)
    this.#isChanging ||= code === COM.CHANGE_USER
    if (isSecret) {
      const execution = new Execution(seq, 'command', command.at, this.#state.identity.who)
      execution.reason = 'may_be_secret'
      return execution
    }
    if (code === COM.STMT_SEND_LONG_DATA) this.#waiting.longData(body)
    else if (code === COM.STMT_PREPARE) this.#waiting.prepare(command, body)
    if (code === COM.STMT_PREPARE || code === COM.CHANGE_USER) this.#tell(0, undefined, body)
    return runs(code) ? this.#waiting.executionOf(command, body, seq) : undefined
  }

  #mayBeSecret({ code, placeholder }: Command, body: CommandBody): boolean {
    return placeholder || !isClearlyCommand(this.#state, code, body)
  }

  /** Is it certain by now that it has a record, which tells of it alone? */
  #isNumbered(code: number): boolean {
    const { compressed, trial } = this.#state
    return !compressed && trial === undefined && code !== COM.STMT_FETCH
  }

  revived(command: Command): void {
    const isUnsent = this.#places.unsent >= this.#places.length
    const number = this.#places.shift()
    if (number > 0) command.seq = number
    else command.token = number
    if (isUnsent) this.#keep(command)
    else command.sent = command.at
  }

  taken(packet: Command | number | undefined): void {
    if (packet === undefined) return
    const token = typeof packet === 'number' ? this.#places.shift() : packet.token
    if (token !== 0) this.over(token)
  }

  dropped(): void {
    for (let head = this.#state.queue.head; head !== undefined; head = head.next)
      if (head.token !== 0) this.over(head.token)
    while (this.#places.length > 0) {
      const token = this.#places.shift()
      if (token !== 0) this.over(token)
    }
  }

  over(token: number): void {
    const { now, identity, out } = this.#state
    out.push({ event: 'intent.over', at: now, who: identity.who, token })
  }

  /**
   * A command that was sent along with the log-in: it runs if that is accepted. `framed` are the bytes at
   * hand up to the chunk's end.
   */
  early(command: Command, body: CommandBody, framed: Bytes, isCompressed: boolean): void {
    const { code } = command
    this.#framed = framed
    const isLate = code === COM.STMT_FETCH && this.#isEarlyAhead && !isCompressed
    this.#isEarlyAhead ||= !isUnanswered(code)
    if (!isLate && (runs(code) || code === COM.STMT_PREPARE)) this.#earlySeq++
    const seq = isLate ? UNNUMBERED : this.#earlySeq
    const execution = this.#executionOf(command, code, body, seq, isCompressed)
    if (execution === undefined) return
    this.#early.push(--this.#token)
    this.#tell(this.#token, execution, body)
  }

  /** Events that are about to be given: what was told for a while is over. */
  give(isLogin: boolean): void {
    const state = this.#state
    if (this.#aside.length > 0) state.out.push(...this.#aside.splice(0))
    if (!isLogin && this.#early.length > 0) for (const token of this.#early.splice(0)) this.over(token)
    if (this.#trial.length === 0 || state.trial !== undefined) return
    for (const token of this.#trial.splice(0)) this.over(token)
  }

  /** Answers the token that the command keeps. */
  #tell(token: number, execution: Execution | undefined, body: CommandBody): number {
    const { now: at, identity, out, trial } = this.#state
    this.#hold(body)
    if (execution === undefined) {
      const told = { event: 'intent', at, who: identity.who, token } as const
      if (trial === undefined) out.push(told)
      else this.#aside.push(told)
      return token
    }
    const { who } = execution
    const statement = execution.foretold()
    if (trial === undefined) {
      out.push({ event: 'intent', at, who, token, statement })
      return token
    }
    this.#trial.push(--this.#token)
    const unnumbered = { ...statement, stmt_seq: UNNUMBERED }
    this.#aside.push({ event: 'intent', at, who, token: this.#token, statement: unnumbered })
    return 0
  }

  /** Where the first message begins that was told of. */
  #hold({ bytes, start }: CommandBody): void {
    const framed = this.#framed
    if (framed === undefined || this.#heldFrom !== undefined) return
    const isWhole = bytes === framed && start >= HEADER && !this.#state.compressed
    this.#heldFrom = isWhole ? Math.max(0, this.#length - framed.length + start - HEADER) : 0
  }
}

const send = (command: Command, at: Micros): void => {
  command.sent = at
  const { execution, placeholder } = command
  if (execution === undefined || placeholder || execution.sent !== 0) return
  // rows that are fetched are those of another command
  if (command.code !== COM.STMT_FETCH || execution.command !== undefined) execution.sent = at
}

/** Bytes before a payload. */
const HEADER = 4
