/** What nobody knows any more when commands or their replies are lost, and what stays of records. */
import type { AuditEvent, ChangeUser, Prepare, Statement } from '../../src/event.ts'
import { COM } from './capabilities.ts'
import type { Command } from './commands.ts'
import { HEAD } from './packets.ts'
import type { MysqlState } from './state.ts'
import type { Prepared } from './statements.ts'

/** Shortest packet that has long data, and that has types of one parameter, with their headers. */
const MIN_LONG_DATA = 11
const MIN_TYPES = 18
const ONE_BYTE = 0xfb

/** A command whose reply is lost may have changed the session, or not. */
export const ranUnseen = (state: MysqlState, { code, execution, meanings }: Command): void => {
  const { identity } = state
  if (code === COM.INIT_DB || code === COM.DROP_DB) identity.set('database', undefined)
  else if (code === COM.STMT_PREPARE) state.prepared.failed()
  else if (code === COM.CHANGE_USER || code === COM.RESET_CONNECTION) {
    state.forgetCharset()
    state.names.clear()
    if (code === COM.CHANGE_USER)
      for (const key of ['username', 'database'] as const) identity.set(key, undefined)
  }
  const { text } = execution ?? {}
  if (execution?.protocol === 'text' && (text === undefined || text.truncated !== undefined))
    textUnseen(state)
  for (const { database, charset, prepares, deallocates } of meanings ?? []) {
    if (database !== undefined) identity.set('database', undefined)
    if (charset !== undefined) state.forgetCharset()
    if (prepares !== undefined) state.names.delete(prepares.name)
    if (deallocates !== undefined) state.names.delete(deallocates)
  }
}

/** A text that nobody knows whole may have said anything: SET NAMES, PREPARE. */
export const textUnseen = (state: MysqlState): void => {
  state.forgetCharset()
  state.names.clear()
}

/** So many bytes of the client are lost: commands, perhaps, that nobody saw. */
export const commandsUnseen = (state: MysqlState, bytes: number): void => {
  const { file, prepared } = state
  if (file !== undefined) {
    file.lose(bytes)
    state.file = undefined
  }
  textUnseen(state)
  prepared.failed()
  if (bytes >= MIN_LONG_DATA) prepared.doubtLong()
}

/**
 * A reply came to a command that nobody saw: to an execution, perhaps, that sent types. What it answers
 * tells whose it cannot be.
 */
export const replyUnasked = ({ prepared }: MysqlState, first: number, length: number): void => {
  if (first === HEAD.OK) prepared.forgetTypes(({ columns }) => columns === 0)
  else if (first > 0 && first < ONE_BYTE && length <= 2)
    prepared.forgetTypes(({ columns }) => columns === first || columns === 0)
  else prepared.forgetTypes(all)
}

const all = (_: Prepared): boolean => true

/** Both directions are lost: any command may have been run. */
export const allUnseen = (state: MysqlState, bytes: number): void => {
  if (bytes >= MIN_TYPES) state.prepared.forgetTypes(all)
}

/** Rows that wait to be fetched: nobody knows how many there were. */
export const loseCursors = (state: MysqlState): void => {
  for (const [id, execution] of [...state.cursors]) {
    state.cursors.delete(id)
    execution.reason ??= 'replies_lost'
    state.write(execution, 'unknown', state.now)
  }
}

/** What stays of a record whose reply may have been another's. */
export const asUnknown = (event: AuditEvent): AuditEvent[] => {
  switch (event.event) {
    case 'statement':
      return [unknownStatement(event)]
    case 'prepare':
      return [unknownPrepare(event)]
    case 'change_user':
      return [unknownUser(event)]
    case 'message':
    case 'cancel':
    case 'gap':
      return [event]
    default:
      return []
  }
}

const unknownStatement = (event: Statement): Statement => {
  const { at, who, stmt_seq, protocol, text, executed, values, rows, stmt_id, prepare_seq, command } = event
  const { character_set, query_attributes, malformed, body_hex, after_gap } = event
  const kept = { event: 'statement', at, who, stmt_seq, protocol, text, executed, values, rows } as const
  const names = { stmt_id, prepare_seq, command, character_set, query_attributes } as const
  return {
    ...{ ...kept, ...names, malformed, body_hex, after_gap },
    ...{ outcome: 'unknown', reason: 'replies_lost' },
  }
}

const unknownPrepare = (event: Prepare): Prepare => {
  const { at, who, stmt_seq, text, malformed, body_hex, after_gap } = event
  return { event: 'prepare', at, who, stmt_seq, text, malformed, body_hex, after_gap, outcome: 'unknown' }
}

const unknownUser = (event: ChangeUser): ChangeUser => {
  const { error_code, error_number, error_message, duration_us, ...kept } = event
  return { ...kept, outcome: 'unknown' }
}
