/** The record of a command that the server has come to. */
import type { Command, CommandBody } from './commands.ts'
import { Execution, type Protocol } from './execution.ts'
import type { MysqlState } from './state.ts'

export type { CommandBody }

/** Most bytes of an undecodable body that its record shows. */
const MAX_BODY_HEX = 1024

const hexOf = ({ bytes, start, end }: CommandBody): string =>
  `\\x${bytes.toString('hex', Math.min(start + 1, end), Math.min(end, start + 1 + MAX_BODY_HEX))}`

/** Number of the command's record. */
export const numberOf = (state: MysqlState, { seq }: Command): number => (seq === 0 ? ++state.seq : seq)

/** The record of a command that the server has come to. */
export const openExecution = (state: MysqlState, command: Command, protocol: Protocol): Execution => {
  const execution = new Execution(numberOf(state, command), protocol, command.at, state.identity.who)
  execution.token = command.token
  command.token = 0
  if (!command.placeholder) execution.sent = command.sent
  execution.txnSeq = state.txn.seq
  if (state.charset !== '') execution.characterSet = state.charset
  execution.afterGap = state.afterGap
  if (command.placeholder) execution.reason = 'overflow'
  command.execution = execution
  return execution
}

export const markMalformed = (execution: Execution, body: CommandBody): void => {
  execution.malformed = true
  execution.bodyHex = hexOf(body)
}
