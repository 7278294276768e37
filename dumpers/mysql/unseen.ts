/** What nobody knows any more when commands or their replies are lost, and what stays of records. */
import type { AuditEvent, ChangeUser, Prepare, Statement, Who } from '../../src/event.ts'
import { COM } from './capabilities.ts'
import type { Command } from './commands.ts'
import { HEAD } from './packets.ts'
import type { MysqlState } from './state.ts'
import type { Prepared } from './statements.ts'

/** Shortest packet that has long data, and that has types of one parameter, with their headers. */
const MIN_LONG_DATA = 11
const MIN_TYPES = 18
/** Shortest packets of COM_INIT_DB and COM_CHANGE_USER, with their headers. */
const MIN_INIT_DB = 6
const MIN_CHANGE_USER = 8
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
  if (bytes >= MIN_INIT_DB) state.identity.set('database', undefined)
  if (bytes >= MIN_CHANGE_USER) state.identity.set('username', undefined)
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

/** Who the session became by replies that may be others' is not known. */
export const whoUnseen = ({ identity }: MysqlState, before: Who): void => {
  for (const key of ['username', 'database'] as const)
    if (identity.who[key] !== before[key]) identity.set(key, undefined)
}

/** What was known before replies came that may be others'. */
export interface Known {
  /** the last `stmt_seq` */
  readonly seq: number
  readonly charset: string
  readonly who: Who
  /** what is left of that behind them */
  readonly left: Who
}

const whoOf = ({ who }: { readonly who: Who }, known: Known): Who => (who === known.who ? who : known.left)

/** What stays of a record whose reply may have been another's. */
export const asUnknown = (event: AuditEvent, known: Known): AuditEvent[] => {
  switch (event.event) {
    case 'statement':
      return [{ ...unknownStatement(event, known), who: whoOf(event, known) }]
    case 'prepare':
      return [{ ...unknownPrepare(event), who: whoOf(event, known) }]
    case 'change_user':
      return [{ ...unknownUser(event), who: whoOf(event, known) }]
    case 'message':
    case 'cancel':
    case 'gap':
      return [event]
    default:
      return []
  }
}

/** Text and values stay where they are the client's own, or hang on nothing that only a reply has told. */
const unknownStatement = (event: Statement, known: Known): Statement => {
  const { at, who, stmt_seq, protocol, text, values, rows, stmt_id, prepare_seq, command } = event
  const { character_set, query_attributes, malformed, body_hex, after_gap } = event
  const kept = { event: 'statement', at, who, stmt_seq, protocol, stmt_id, command } as const
  const isSure = prepare_seq === undefined || prepare_seq <= known.seq
  return {
    ...{ ...kept, query_attributes, malformed, body_hex, after_gap },
    ...(isSure ? { text, values, rows, prepare_seq } : {}),
    ...(character_set === known.charset ? { character_set } : {}),
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
