/** What a command says by itself, whatever the session is by then: for its record, and for its intent. */
import type { QueryText } from '../../src/event.ts'
import { COM, commandName } from './capabilities.ts'
import type { Command } from './commands.ts'
import type { Execution } from './execution.ts'
import { LongQuery } from './long-body.ts'
import { type CommandBody, markMalformed } from './record.ts'
import { textOf, textStart } from './request-text.ts'
import { sayCommand } from './said.ts'
import type { MysqlState } from './state.ts'

/** COM_QUERY: uint8 code, query attributes where they are agreed on, the text to the end. */
export const readQuery = (
  state: MysqlState,
  execution: Execution,
  { long }: Command,
  body: CommandBody,
): void => {
  const { bytes, start, end } = body
  try {
    const found = textStart(state, COM.QUERY, bytes, start, end)
    execution.attributes = found.attributes
    execution.text =
      long instanceof LongQuery ? long.finish(state) : textOf(state, bytes, found.textStart, end, false)
  } catch {
    markMalformed(execution, body)
  }
}

/** COM_STMT_PREPARE: uint8 code, the text to the end. */
export const readPrepare = (
  state: MysqlState,
  { long }: Command,
  { bytes, start, end }: CommandBody,
): QueryText =>
  long instanceof LongQuery ? long.finish(state) : textOf(state, bytes, start + 1, end, true)

/** Commands that are named: what stands behind the code, where it is a name or is said in words. */
export const readOther = (
  state: MysqlState,
  execution: Execution,
  { code, placeholder }: Command,
  body: CommandBody,
): void => {
  const { bytes, start, end } = body
  execution.command = commandName(code)
  if (placeholder) return
  if (code === COM.INIT_DB || code === COM.CREATE_DB || code === COM.DROP_DB)
    execution.text = textOf(state, bytes, start + 1, end, false)
  else if (code === COM.FIELD_LIST) {
    const nul = bytes.subarray(start, end).indexOf(0)
    execution.text = textOf(state, bytes, start + 1, nul < 0 ? end : start + nul, false)
  } else if (code === COM.PROCESS_KILL) {
    if (end - start < 5) markMalformed(execution, body)
  } else sayWhat(state, execution, code, body)
}

/** Those that no server takes as they are have no text. */
const sayWhat = (state: MysqlState, execution: Execution, code: number, body: CommandBody): void => {
  try {
    const cursor = state.cursor.reset(body.bytes, Math.min(body.start + 1, body.end), body.end)
    execution.text = sayCommand(code, cursor, state.decoding, state.form)
  } catch {
    // a text is all it lacks
  }
}
