/** Commands of which bytes are lost: they have their place, and what can be said without guessing. */
import { beginBulk, beginExecute } from './begin-execute.ts'
import { COM, commandName } from './capabilities.ts'
import type { Command } from './commands.ts'
import { type CommandBody, markMalformed, numberOf, openExecution } from './record.ts'
import type { MysqlState } from './state.ts'
import { textUnseen } from './unseen.ts'

/** The server comes to such a command. `body` has what came before the first byte that is lost. */
export const beginHoled = (state: MysqlState, command: Command, body: CommandBody): void => {
  const { code } = command
  switch (code) {
    case COM.QUERY:
      markMalformed(openExecution(state, command, 'text'), body)
      textUnseen(state)
      state.lines?.query(undefined, undefined)
      return
    case COM.STMT_EXECUTE:
    case COM.STMT_BULK_EXECUTE: {
      const isBulk = code === COM.STMT_BULK_EXECUTE
      const execution = openExecution(state, command, isBulk ? 'bulk' : 'binary')
      if (isBulk) beginBulk(state, execution, command, body)
      else beginExecute(state, execution, command, body)
      markMalformed(execution, body)
      return
    }
    case COM.STMT_PREPARE: {
      const { bytes, start, end } = body
      const bodyHex = `\\x${bytes.toString('hex', Math.min(start + 1, end), Math.min(end, start + MAX_HEX))}`
      command.preparing = { seq: numberOf(state, command), text: undefined, malformed: true, bodyHex }
      state.lines?.prepare(undefined)
      return
    }
    case COM.STMT_SEND_LONG_DATA:
    case COM.STMT_CLOSE:
    case COM.STMT_RESET:
      state.prepared.forget()
      return
    case COM.CHANGE_USER:
    case COM.PING:
    case COM.STATISTICS:
    case COM.SET_OPTION:
    case COM.QUIT:
      return
    default: {
      const execution = openExecution(state, command, 'command')
      execution.command = commandName(code)
      markMalformed(execution, body)
    }
  }
}

/** Most bytes of a body that its record shows, and its code. */
const MAX_HEX = 1025
