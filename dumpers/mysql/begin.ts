/** The server comes to a command: what it is to run, in the light of all replies before it. */
import type { QueryText } from '../../src/event.ts'
import { formOf } from '../common/query-text.ts'
import { isClearlyCommand } from './answers.ts'
import { beginBulk, beginExecute } from './begin-execute.ts'
import { beginHoled } from './begin-holed.ts'
import { COM, commandName } from './capabilities.ts'
import { type Command, isUnanswered } from './commands.ts'
import { readOther, readPrepare, readQuery } from './contents.ts'
import { decodeChangeUser } from './decode-login.ts'
import type { Execution } from './execution.ts'
import { tellKill } from './kill.ts'
import { type Meaning, meaningOfExecute, meaningsOf } from './meaning.ts'
import { type CommandBody, markMalformed, numberOf, openExecution } from './record.ts'
import type { MysqlState } from './state.ts'
import { Steps } from './steps.ts'
import { newUser } from './user.ts'

/** Bytes before the data in COM_STMT_SEND_LONG_DATA: its code, uint32 statement, uint16 parameter. */
export const LONG_DATA_HEAD = 7
const EMPTY_BODY: CommandBody = { bytes: Buffer.alloc(0), start: 0, end: 0 }

/** Marks the command as begun and makes the record of what it does. Never throws. */
export const begin = (state: MysqlState, command: Command, body: CommandBody = EMPTY_BODY): void => {
  command.begun = true
  start(state, command, body)
  // what was told of it before it had a number is over where it has no record of its own
  if (command.token !== 0) state.intents?.over(command.token)
  command.token = 0
}

/** Of one that nothing answers there is a record where replies are lost, and it did not wait. */
const isRecorded = ({ uncertain, queue }: MysqlState, { code }: Command): boolean =>
  !isUnanswered(code) || (uncertain !== undefined && queue.head === undefined)

const start = (state: MysqlState, command: Command, body: CommandBody): void => {
  if (command.holed) {
    beginHoled(state, command, body)
    return
  }
  if (command.placeholder && isAboutValues(command.code)) state.prepared.forget()
  if (state.mayBeAnswers) {
    if (!isClearlyCommand(state, command.code, body)) {
      if (isRecorded(state, command)) openExecution(state, command, 'command').reason ??= 'may_be_secret'
      return
    }
    state.mayBeAnswers = false
  }
  switch (command.code) {
    case COM.QUERY:
      beginQuery(state, command, body)
      return
    case COM.STMT_EXECUTE:
      beginExecute(state, openExecution(state, command, 'binary'), command, body)
      understandPrepared(state, command)
      return
    case COM.STMT_BULK_EXECUTE:
      beginBulk(state, openExecution(state, command, 'bulk'), command, body)
      return
    case COM.STMT_PREPARE:
      beginPrepare(state, command, body)
      return
    case COM.STMT_SEND_LONG_DATA:
      addLongData(state, command, body)
      return
    case COM.STMT_CLOSE:
    case COM.STMT_RESET:
      beginStatement(state, command, body)
      return
    case COM.STMT_FETCH:
      beginFetch(state, command, body)
      return
    case COM.CHANGE_USER:
      beginChangeUser(state, command, body)
      return
    case COM.PING:
    case COM.STATISTICS:
    case COM.SET_OPTION:
    case COM.QUIT:
      return
    default:
      beginOther(state, command, body)
  }
}

/** Can it change what a later execution's values are read by? */
const isAboutValues = (code: number): boolean =>
  code === COM.STMT_EXECUTE ||
  code === COM.STMT_BULK_EXECUTE ||
  code === COM.STMT_SEND_LONG_DATA ||
  code === COM.STMT_RESET

/** COM_QUERY: uint8 code, query attributes where they are agreed on, the text to the end. */
const beginQuery = (state: MysqlState, command: Command, body: CommandBody): void => {
  const execution = openExecution(state, command, 'text')
  if (!command.placeholder) readQuery(state, execution, command, body)
  const { text } = execution
  if (text !== undefined) understand(state, command, execution, text)
  state.lines?.query(text, execution.executed)
}

/** BEGIN, COMMIT, SET NAMES and KILL may be prepared too. */
const understandPrepared = (state: MysqlState, command: Command): void => {
  const { execution } = command
  if (execution?.text !== undefined) understand(state, command, execution, execution.text)
}

/** What the statements of a text do, as far as it is to be known before they have run. */
export const understand = (
  state: MysqlState,
  command: Command,
  execution: Execution,
  text: QueryText,
): void => {
  const meanings = meaningsOf(text)
  if (meanings === undefined) return
  const done: Meaning[] = []
  const fresh = new Map<string, QueryText | undefined>()
  for (const meaning of meanings) {
    const { prepares, executes } = meaning
    let does = meaning
    if (prepares !== undefined) fresh.set(prepares.name, textPart(text, prepares.text))
    if (executes !== undefined) {
      const ran = 'name' in executes ? named(state, fresh, executes.name) : textPart(text, executes.text)
      if (ran === undefined) execution.reason ??= 'text_unknown'
      else addExecuted(state, execution, ran)
      does = meaningOfExecute(ran)
    }
    const { kill } = does
    if (kill !== undefined) tellKill(state, execution, kill)
    done.push(does)
  }
  command.meanings = done
  execution.steps = new Steps(done)
}

/** A part of a text, lexed as its whole is. */
const textPart = (whole: QueryText, text: string | undefined): QueryText | undefined =>
  text === undefined ? undefined : { ...formOf(whole), text }

const named = (
  state: MysqlState,
  fresh: ReadonlyMap<string, QueryText | undefined>,
  name: string,
): QueryText | undefined => (fresh.has(name) ? fresh.get(name) : state.names.get(name))

const addExecuted = (state: MysqlState, execution: Execution, ran: QueryText): void => {
  const before = execution.executed
  if (before === undefined) execution.executed = ran
  else if (before.text.length + ran.text.length <= state.limits.maxQueryBytes)
    execution.executed = textPart(before, `${before.text};\n${ran.text}`)
  else execution.reason ??= 'executed_cut'
}

/** COM_STMT_PREPARE: uint8 code, the text to the end. */
const beginPrepare = (state: MysqlState, command: Command, body: CommandBody): void => {
  const seq = numberOf(state, command)
  const text = command.placeholder ? undefined : readPrepare(state, command, body)
  command.preparing = { seq, text, malformed: false, bodyHex: undefined }
  state.lines?.prepare(text)
}

/** Adds what was sent for a parameter, unless it was followed as it came. */
const addLongData = (state: MysqlState, command: Command, { bytes, start, end }: CommandBody): void => {
  if (command.long !== undefined || end - start < LONG_DATA_HEAD) return
  const id = bytes.readUInt32LE(start + 1)
  const param = bytes.readUInt16LE(start + 5)
  const value = state.prepared.openLong(id, param, state.limits.maxValueBytes)
  if (value === undefined) return
  state.prepared.addLong(value, bytes, start + LONG_DATA_HEAD, end)
  const prepared = state.prepared.get(id)
  if (prepared !== undefined && command.length > end - start) prepared.longLost = true
}

/** COM_STMT_CLOSE, COM_STMT_RESET: uint8 code, uint32 statement. Both end its cursor. */
const beginStatement = (state: MysqlState, command: Command, { bytes, start, end }: CommandBody): void => {
  if (end - start < 5) return
  const id = bytes.readUInt32LE(start + 1)
  command.stmtId = state.prepared.get(id)?.id ?? id
  if (command.code === COM.STMT_CLOSE) {
    state.closeCursor(command.stmtId, 'cursor_closed')
    state.prepared.delete(id)
  } else {
    state.closeCursor(command.stmtId, 'cursor_closed')
    state.prepared.reset(id)
  }
}

/**
 * COM_STMT_FETCH: uint8 code, uint32 statement, uint32 rows. Its rows are the statement's that has the
 * cursor.
 */
const beginFetch = (state: MysqlState, command: Command, body: CommandBody): void => {
  const { bytes, start, end } = body
  const id = end - start < 5 ? undefined : bytes.readUInt32LE(start + 1)
  command.stmtId = id === undefined ? 0 : (state.prepared.get(id)?.id ?? id)
  const execution = id === undefined ? undefined : state.cursors.get(command.stmtId)
  if (execution !== undefined) {
    execution.fetches = (execution.fetches ?? 0) + 1
    command.execution = execution
    return
  }
  const own = openExecution(state, command, 'command')
  own.command = commandName(COM.STMT_FETCH)
  own.stmtId = id
  if (id === undefined && !command.placeholder) markMalformed(own, body)
}

/** COM_CHANGE_USER. Its secret is stepped over, and a body that is broken is not shown for it. */
const beginChangeUser = (state: MysqlState, command: Command, { bytes, start, end }: CommandBody): void => {
  try {
    const cursor = state.cursor.reset(bytes, start, end)
    command.user = newUser(
      decodeChangeUser(cursor, state.capabilities),
      state.decoding,
      state.valueOptions.mariadb,
      state.identity.who.server_version,
    )
  } catch {
    command.user = undefined
  }
}

/** Any other command: what stands behind its code goes to the record where it is a name. */
const beginOther = (state: MysqlState, command: Command, body: CommandBody): void => {
  const execution = openExecution(state, command, 'command')
  readOther(state, execution, command, body)
  const { code, placeholder } = command
  const { bytes, start, end } = body
  if (placeholder) return
  if (code === COM.INIT_DB || code === COM.CREATE_DB || code === COM.DROP_DB)
    command.name = execution.text?.text
  else if (code === COM.PROCESS_KILL && end - start >= 5)
    tellKill(state, execution, { scope: 'connection', threadId: bytes.readUInt32LE(start + 1) })
}
