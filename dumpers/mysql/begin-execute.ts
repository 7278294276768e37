/** COM_STMT_EXECUTE and MariaDB's COM_STMT_BULK_EXECUTE: which statement, with which values. */
import { decodeExecute, decodeExecuteHead, type Execute, LongExecute } from './bound-values.ts'
import { type BulkExecute, decodeBulk, decodeBulkHead, LongBulk, SEND_UNIT_RESULTS } from './bulk.ts'
import { hasMariadb, MARIADB_CLIENT_BULK_UNIT_RESULTS } from './capabilities.ts'
import type { Command } from './commands.ts'
import type { Execution } from './execution.ts'
import { type CommandBody, markMalformed } from './record.ts'
import type { MysqlState } from './state.ts'
import type { ExecutedStore } from './statements.ts'

/** Reads what is to be run into the record. */
export const beginExecute = (
  state: MysqlState,
  execution: Execution,
  command: Command,
  body: CommandBody,
): void => {
  if (command.placeholder) {
    state.lines?.execute(command.code, undefined, undefined, undefined)
    return
  }
  const execute = readExecute(state, state.prepared, execution, command, body, isCut(command, body))
  // it used up what was sent ahead, whatever that was
  if (state.unknown !== undefined && execute?.prepared !== undefined) execute.prepared.longLost = false
  bindTo(state, execution, command)
  state.lines?.execute(command.code, execute?.id, execution.text, execution.values)
}

/** The same of a bulk execution, whose rows are decoded when the record is written. */
export const beginBulk = (
  state: MysqlState,
  execution: Execution,
  command: Command,
  body: CommandBody,
): void => {
  if (command.placeholder) {
    state.lines?.execute(command.code, undefined, undefined, undefined)
    return
  }
  const bulk = readBulk(state, state.prepared, execution, command, body, isCut(command, body))
  bindTo(state, execution, command)
  const mayAsk = hasMariadb(state.capabilities, MARIADB_CLIENT_BULK_UNIT_RESULTS)
  if (mayAsk && ((bulk?.flags ?? 0) & SEND_UNIT_RESULTS) !== 0) command.unitsOf = bulk?.prepared
  state.lines?.execute(command.code, bulk?.id, execution.text, undefined)
}

/**
 * What a COM_STMT_EXECUTE runs, and with which values; `store` is told what it sends and uses up. `isHead`:
 * the statement alone is read.
 */
export const readExecute = (
  state: MysqlState,
  store: ExecutedStore,
  execution: Execution,
  command: Command,
  body: CommandBody,
  isHead: boolean,
): Execute | undefined => {
  const { bytes, start, end } = body
  let execute: Execute | undefined
  try {
    if (command.long instanceof LongExecute) execute = command.long.finish()
    else if (isHead || state.unknown?.areValuesKnown === false)
      execute = decodeExecuteHead(bytes, start + 1, end, store)
    else execute = decodeExecute(bytes, start + 1, end, store, state.valueOptions)
  } catch {
    // not even the statement's id is there
  }
  name(execution, execute, body)
  execution.values = execute?.values
  execution.attributes = execute?.attributes
  return execute
}

/** The same of a COM_STMT_BULK_EXECUTE. */
export const readBulk = (
  state: MysqlState,
  store: ExecutedStore,
  execution: Execution,
  command: Command,
  body: CommandBody,
  isHead: boolean,
): BulkExecute | undefined => {
  const { bytes, start, end } = body
  let bulk: BulkExecute | undefined
  try {
    if (command.long instanceof LongBulk) bulk = command.long.finish()
    else if (isHead) bulk = decodeBulkHead(bytes, start + 1, end, store)
    else bulk = decodeBulk(bytes, start + 1, end, store, state.valueOptions)
  } catch {
    // not even the statement's id is there
  }
  name(execution, bulk, body)
  execution.bulk = bulk?.rows
  return bulk
}

/** It was longer than what is kept, and waited: its values were not followed. */
export const isCut = (command: Command, { start, end }: CommandBody): boolean =>
  command.length > end - start

/** The statement that is run: its text, or the number of the record that has it. */
const name = (
  execution: Execution,
  execute: Execute | BulkExecute | undefined,
  body: CommandBody,
): void => {
  if (execute === undefined || execute.malformed) markMalformed(execution, body)
  if (execute === undefined) return
  const { prepared } = execute
  execution.stmtId = prepared?.id ?? execute.id
  execution.text = prepared?.text
  if (execution.text !== undefined) return
  execution.prepareSeq = prepared?.seq
  if (prepared === undefined) execution.reason ??= 'text_unknown'
}

/** Its cursor is closed. */
const bindTo = (state: MysqlState, { stmtId }: Execution, command: Command): void => {
  if (stmtId === undefined) return
  command.stmtId = stmtId
  state.closeCursor(stmtId, 'cursor_closed')
}
