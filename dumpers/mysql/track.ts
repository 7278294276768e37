/** What a reply that says OK changes: database, character set, names, transaction. */
import type { ChangeUser, QueryText, ServerError } from '../../src/event.ts'
import type { ClientCharset } from '../../src/sql/scan.ts'
import { formOf } from '../common/query-text.ts'
import {
  COM,
  SERVER_STATUS_ANSI_QUOTES,
  SERVER_STATUS_AUTOCOMMIT,
  SERVER_STATUS_DB_DROPPED,
  SERVER_STATUS_IN_TRANS,
  SERVER_STATUS_NO_BACKSLASH_ESCAPES,
} from './capabilities.ts'
import { charsetOfCollation } from './charsets.ts'
import type { Command } from './commands.ts'
import type { Execution } from './execution.ts'
import { takeUser } from './login.ts'
import type { Meaning } from './meaning.ts'
import type { SessionChange } from './packets.ts'
import type { MysqlState } from './state.ts'
import { IDLE, IN_TRANSACTION, type TransactionVerb } from './transaction.ts'
import type { NewUser } from './user.ts'

/** The status flags of an OK or EOF that ends a result of the command. */
export const onStatus = (state: MysqlState, command: Command, status: number): void => {
  const open = (status & SERVER_STATUS_IN_TRANS) !== 0
  const { execution } = command
  const ansiQuotes = state.mariadb && (status & SERVER_STATUS_ANSI_QUOTES) !== 0
  state.setForm((status & SERVER_STATUS_NO_BACKSLASH_ESCAPES) !== 0, ansiQuotes)
  const dropped = (status & SERVER_STATUS_DB_DROPPED) !== 0
  if (dropped && !dropsAnother(state, command)) state.identity.set('database', undefined)
  if (execution === undefined) return
  execution.txnStatus = open ? IN_TRANSACTION : IDLE
  const { txn } = state
  // a reset ends what is open in its own way
  if ((!open && !txn.block) || command.code === COM.RESET_CONNECTION) return
  const autocommits = (status & SERVER_STATUS_AUTOCOMMIT) !== 0
  txn.status(open, autocommits, verbOf(execution), state.now, execution.who)
}

/**
 * The flag says that a database was dropped, not which. The one in use was not where nothing but the text
 * has run and does not hold its name: names have no escapes but the backtick's.
 */
const dropsAnother = ({ identity }: MysqlState, { execution, meanings }: Command): boolean => {
  const { database } = identity
  const text = execution?.text
  if (database === undefined || text === undefined || text.truncated !== undefined) return false
  const isAll =
    execution?.protocol === 'command' ||
    meanings?.every(({ calls, executes }) => calls === 'no' && executes === undefined)
  if (isAll !== true || database.includes('`')) return false
  return !text.text.toLowerCase().includes(database.toLowerCase())
}

/** The verb of the result at hand. A text that works on data alone has one. */
const verbOf = ({ protocol, text, steps, results }: Execution): TransactionVerb | undefined => {
  if (steps !== undefined) return steps.verb
  return protocol === 'command' || (text !== undefined && results === 0) ? undefined : 'opaque'
}

/** What the session tracker reports; it goes before what the text says. */
export const onChanges = (state: MysqlState, changes: readonly SessionChange[]): void => {
  for (const change of changes) {
    if (change.kind === 'schema') state.identity.set('database', change.name || undefined)
    else if (change.kind === 'variable' && change.name === 'character_set_client')
      state.setCharset(change.value)
  }
}

/**
 * The command is done: what its statements have changed, all of them or those before the one that failed.
 */
export const onDone = (state: MysqlState, command: Command, error: ServerError | undefined): void => {
  const { meanings, execution } = command
  if (execution === undefined) return
  if (error !== undefined) fail(state, execution, error)
  state.txn.statementEnded(execution.txnSeq ?? 0)
  if (error === undefined && command.code === COM.INIT_DB) state.identity.set('database', command.name)
  if (meanings === undefined) return
  const done = error === undefined ? meanings.length : (execution.steps?.done ?? 0)
  for (let i = 0; i < done && i < meanings.length; i++) apply(state, meanings[i] as Meaning, execution.text)
  // a PREPARE that fails has dropped the statement of that name before
  const failed = error === undefined ? undefined : meanings[done]?.prepares
  if (failed !== undefined) state.names.delete(failed.name)
}

const fail = (state: MysqlState, execution: Execution, error: ServerError): void => {
  const { text, executed, who } = execution
  state.txn.failed(error, verbOf(execution), state.now, who, (executed ?? text)?.text)
}

const apply = (state: MysqlState, meaning: Meaning, text: QueryText | undefined): void => {
  const { database, charset, prepares, deallocates } = meaning
  if (database !== undefined) state.identity.set('database', database)
  if (charset !== undefined) setClientCharset(state, charset)
  if (prepares?.text !== undefined && text !== undefined)
    state.names.set(prepares.name, {
      ...formOf(text),
      text: prepares.text,
    })
  else if (prepares !== undefined) state.names.delete(prepares.name)
  if (deallocates !== undefined) state.names.delete(deallocates)
}

/** What is computed, or a default, is known by the session tracker alone. */
const setClientCharset = (state: MysqlState, { charset, collation }: ClientCharset): void => {
  const { server_version: version } = state.identity.who
  const name = collation === undefined ? charset : charsetOfCollation(collation, state.mariadb, version)
  if (name === undefined) state.forgetCharset()
  else state.setCharset(name)
}

/** COM_RESET_CONNECTION succeeded. */
export const onReset = (state: MysqlState): void => {
  state.reset('reset_connection')
  state.setCharset(state.resetCharset)
}

/** Whom a body that cannot be read names: the session is another's, and nobody knows whose. */
const NOBODY: NewUser = {
  username: undefined,
  database: undefined,
  charset: undefined,
  method: undefined,
  attributes: undefined,
  program: undefined,
}

/** COM_CHANGE_USER was answered, or never will be. */
export const tellChangeUser = (
  state: MysqlState,
  command: Command,
  outcome: ChangeUser['outcome'],
  error?: ServerError,
): void => {
  const { user } = command
  const { identity, now } = state
  const before = identity.who.username
  // the server forgets all that the session has before it looks at who is to have it
  if (outcome === 'success' || outcome === 'error') {
    state.reset('change_user')
    state.flush()
  }
  if (outcome === 'success') takeUser(state, user ?? NOBODY)
  else if (outcome === 'error') state.setCharset(state.serverCharset)
  state.emit({
    event: 'change_user',
    at: command.at,
    who: identity.who,
    outcome,
    ...(outcome === 'skipped' ? { reason: 'not_forwarded' } : {}),
    ...(user === undefined ? { malformed: true } : {}),
    ...(user?.username === undefined ? {} : { new_username: user.username }),
    ...(user?.database === undefined ? {} : { new_database: user.database }),
    ...(before === undefined ? {} : { previous_username: before }),
    ...(command.method === undefined ? {} : { auth_method: command.method }),
    ...(user?.charset === undefined ? {} : { character_set: user.charset }),
    duration_us: Math.max(0, now - (command.sent || command.at)),
    ...error,
  })
}
