/** COM_STMT_EXECUTE and MariaDB's COM_STMT_BULK_EXECUTE: which statement, with which values. */
import { decodeExecute, decodeExecuteHead, type Execute, LongExecute } from './bound-values.ts'
import { type BulkExecute, decodeBulk, decodeBulkHead, LongBulk, SEND_UNIT_RESULTS } from './bulk.ts'
import { hasMariadb, MARIADB_CLIENT_BULK_UNIT_RESULTS } from './capabilities.ts'
import type { Command } from './commands.ts'
import type { Execution } from './execution.ts'
import { type CommandBody, markMalformed } from './record.ts'
import type { MysqlState } from './state.ts'

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
  let execute: Execute | undefined
  try {
    execute =
      command.long instanceof LongExecute
        ? command.long.finish()
        : isCut(command, body) || state.unknown?.areValuesKnown === false
          ? decodeExecuteHead(body.bytes, body.start + 1, body.end, state.prepared)
          : decodeExecute(body.bytes, body.start + 1, body.end, state.prepared, state.valueOptions)
  } catch {
    // not even the statement's id is there
  }
  // it used up what was sent ahead, whatever that was
  if (state.unknown !== undefined && execute?.prepared !== undefined) execute.prepared.longLost = false
  bindTo(state, execution, command, execute, body)
  execution.values = execute?.values
  execution.attributes = execute?.attributes
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
  let bulk: BulkExecute | undefined
  try {
    bulk =
      command.long instanceof LongBulk
        ? command.long.finish()
        : isCut(command, body)
          ? decodeBulkHead(body.bytes, body.start + 1, body.end, state.prepared)
          : decodeBulk(body.bytes, body.start + 1, body.end, state.prepared, state.valueOptions)
  } catch {
    // not even the statement's id is there
  }
  bindTo(state, execution, command, bulk, body)
  execution.bulk = bulk?.rows
  const mayAsk = hasMariadb(state.capabilities, MARIADB_CLIENT_BULK_UNIT_RESULTS)
  if (mayAsk && ((bulk?.flags ?? 0) & SEND_UNIT_RESULTS) !== 0) command.unitsOf = bulk?.prepared
  state.lines?.execute(command.code, bulk?.id, execution.text, undefined)
}

/** It was longer than what is kept, and waited: its values were not followed. */
const isCut = (command: Command, { start, end }: CommandBody): boolean => command.length > end - start

/** The statement that is run: its text, or the number of the record that has it. Its cursor is closed. */
const bindTo = (
  state: MysqlState,
  execution: Execution,
  command: Command,
  execute: Execute | BulkExecute | undefined,
  body: CommandBody,
): void => {
  if (execute === undefined || execute.malformed) markMalformed(execution, body)
  if (execute === undefined) return
  const { prepared } = execute
  command.stmtId = prepared?.id ?? execute.id
  execution.stmtId = command.stmtId
  execution.text = prepared?.text
  if (execution.text === undefined) {
    execution.prepareSeq = prepared?.seq
    if (prepared === undefined) execution.reason ??= 'text_unknown'
  }
  state.closeCursor(command.stmtId, 'cursor_closed')
}
