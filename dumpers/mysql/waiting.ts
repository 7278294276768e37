/**
 * Commands that came before the ones before them were answered: what can be said of them by now, without a
 * trace in what the session knows. Their turn may find it otherwise.
 */
import type { QueryText } from '../../src/event.ts'
import { formOf } from '../common/query-text.ts'
import { isCut, readBulk, readExecute } from './begin-execute.ts'
import { COM, commandName } from './capabilities.ts'
import type { Command } from './commands.ts'
import { readOther, readPrepare, readQuery } from './contents.ts'
import { Execution, type Protocol } from './execution.ts'
import { type CommandBody, markMalformed } from './record.ts'
import type { MysqlState } from './state.ts'
import { type ExecutedStore, LAST_STATEMENT, type ParamTypes, type Prepared } from './statements.ts'

const protocolOf = (code: number): Protocol => {
  if (code === COM.QUERY) return 'text'
  if (code === COM.STMT_EXECUTE) return 'binary'
  return code === COM.STMT_BULK_EXECUTE ? 'bulk' : 'command'
}

/** The session's prepared statements, and what queued commands will have changed of them. */
class WaitingStore implements ExecutedStore {
  readonly #state: MysqlState
  readonly #types = new Map<number, ParamTypes | undefined>()
  /** statements to which long data is on its way, or of which one cannot tell */
  readonly #unsure = new Set<number>()
  /** what is being prepared: the last statement by then */
  last: { readonly text: QueryText | undefined } | undefined
  /** all that is, whose ids a client can guess; their length, endless where one is not among them */
  readonly #texts: QueryText[] = []
  #kept = 0

  constructor(state: MysqlState) {
    this.#state = state
  }

  clear(): void {
    this.last = undefined
    if (this.#texts.length > 0) this.#texts.length = 0
    this.#kept = 0
    if (this.#types.size > 0) this.#types.clear()
    if (this.#unsure.size > 0) this.#unsure.clear()
  }

  prepares(text: QueryText | undefined): void {
    this.last = { text }
    this.#kept += text?.text.length ?? Number.POSITIVE_INFINITY
    if (text === undefined || this.#kept > this.#state.limits.maxQueryBytes) return
    this.#texts.push(text)
  }

  /** The text of a statement whose id is not known: those that are being prepared. */
  guess(): { readonly isSure: boolean; readonly text: QueryText } | undefined {
    const [first] = this.#texts
    if (first === undefined) return undefined
    const isAll = this.#kept <= this.#state.limits.maxQueryBytes
    if (this.#texts.length === 1 && isAll) return { isSure: true, text: first }
    const text = this.#texts.map((one) => one.text).join(';\n')
    return { isSure: false, text: { ...formOf(first), text } }
  }

  /** Values sent to that statement cannot be read any more. */
  doubt(id: number): void {
    const known = this.#state.prepared.get(id)
    this.#unsure.add(known?.id ?? id)
  }

  isUnsure(id: number): boolean {
    if (id === LAST_STATEMENT && this.last !== undefined) return true
    const known = this.#state.prepared.get(id)
    return known === undefined || known.long !== undefined || known.longLost || this.#unsure.has(known.id)
  }

  /** A copy, for it is written to. */
  get(id: number): Prepared | undefined {
    const { prepared } = this.#state
    const { last } = this
    if (id === LAST_STATEMENT && last !== undefined && prepared.knowsLast)
      return { ...NO_STATEMENT, id, text: last.text }
    const known = prepared.get(id)
    if (known === undefined) return undefined
    const types = this.#types.has(known.id) ? this.#types.get(known.id) : known.types
    return { ...known, types }
  }

  setTypes({ id }: Prepared, types: ParamTypes | undefined): void {
    this.#types.set(id, types)
  }

  takeLong(): undefined {
    return undefined
  }

  forgetOf({ id }: Prepared): void {
    this.#types.set(id, undefined)
  }
}

const NO_STATEMENT: Omit<Prepared, 'id' | 'text'> = {
  params: 0,
  columns: 0,
  seq: 0,
  types: undefined,
  long: undefined,
  longLost: false,
  givesUnits: false,
  longUnsure: false,
}

/** Bytes of an execution up to its statement's id, and the id's offset. */
const ID_END = 5

export class Waiting {
  readonly #state: MysqlState
  readonly #store: WaitingStore

  constructor(state: MysqlState) {
    this.#state = state
    this.#store = new WaitingStore(state)
  }

  /** Nothing waits any more. */
  clear(): void {
    this.#store.clear()
  }

  /** A text is being prepared. */
  prepares(text: QueryText | undefined): void {
    this.#store.prepares(text)
  }

  /** The same of a command that came. */
  prepare(command: Command, body: CommandBody): void {
    const isGone = command.holed || command.placeholder
    this.prepares(isGone ? undefined : readPrepare(this.#state, command, body))
  }

  /** Long data is on its way, or a command of which nothing is kept. */
  longData({ bytes, start, end }: CommandBody): void {
    if (end - start >= ID_END) this.#store.doubt(bytes.readUInt32LE(start + 1))
  }

  /** The record of the command as far as it is known; `seq` is its number. */
  executionOf(command: Command, body: CommandBody, seq: number): Execution {
    const state = this.#state
    const execution = new Execution(seq, protocolOf(command.code), command.at, state.identity.who)
    if (state.charset !== '') execution.characterSet = state.charset
    execution.afterGap = state.afterGap
    if (command.placeholder) execution.reason = 'overflow'
    else if (command.holed) markMalformed(execution, body)
    if (!command.holed) this.#read(execution, command, body)
    return execution
  }

  #read(execution: Execution, command: Command, body: CommandBody): void {
    const state = this.#state
    const { code } = command
    if (code === COM.STMT_FETCH) this.#readCursor(execution, command, body)
    else if (execution.protocol === 'command') readOther(state, execution, command, body)
    else if (command.placeholder) return
    else if (code === COM.QUERY) readQuery(state, execution, command, body)
    else this.#execute(execution, command, body)
  }

  #execute(execution: Execution, command: Command, body: CommandBody): void {
    const store = this.#store
    const { bytes, start, end } = body
    const isUnsure = end - start >= ID_END && store.isUnsure(bytes.readUInt32LE(start + 1))
    const read = command.code === COM.STMT_EXECUTE ? readExecute : readBulk
    read(this.#state, store, execution, command, body, isUnsure || isCut(command, body))
    if (execution.reason === 'text_unknown') this.#guess(execution)
  }

  /** Its statement may be one whose PREPARE waits as well, and nothing but this would have its text. */
  #guess(execution: Execution): void {
    const guess = this.#store.guess()
    if (guess === undefined) return
    if (!guess.isSure) execution.executed = guess.text
    else {
      execution.text = guess.text
      execution.reason = undefined
    }
  }

  #readCursor(execution: Execution, command: Command, body: CommandBody): void {
    const { bytes, start, end } = body
    execution.command = commandName(COM.STMT_FETCH)
    if (command.placeholder) return
    if (end - start < ID_END) {
      markMalformed(execution, body)
      return
    }
    const id = bytes.readUInt32LE(start + 1)
    execution.stmtId = this.#state.prepared.get(id)?.id ?? id
  }
}
