/**
 * The statements that change what later statements mean: they name, run and drop prepared statements and
 * cursors, change the role, and bound transactions. Each parser takes a text and one of its statements
 * (`splitStatements`) and gives undefined when that statement is another one.
 */
import type { ScanOptions } from './lexer.ts'
import { Reader } from './reader.ts'
import type { SqlStatement } from './statements.ts'

/** `PREPARE name [(types)] AS body`. */
export const parsePrepare = (
  text: string,
  statement: SqlStatement,
  options: ScanOptions = {},
): { readonly name: string; readonly body: string } | undefined => {
  if (statement.words[0] !== 'prepare') return undefined
  const reader = new Reader(text, statement, options)
  reader.advance()
  const name = reader.name()
  reader.skipBrackets()
  // PREPARE TRANSACTION 'id' has no AS
  return name !== undefined && reader.skip('as') ? { name, body: reader.rest() } : undefined
}

/** `EXECUTE name`, also within `EXPLAIN …` and `CREATE TABLE … AS EXECUTE name`. */
export const parseExecute = (
  text: string,
  statement: SqlStatement,
  options: ScanOptions = {},
): { readonly name: string } | undefined => {
  const first = statement.words[0]
  if (first !== 'execute' && first !== 'explain' && first !== 'create') return undefined
  const reader = new Reader(text, statement, options)
  if (reader.skip('explain')) {
    reader.skipBrackets()
    while (reader.skip('analyze', 'analyse', 'verbose'));
  }
  if (reader.skip('create') && !skipToQuery(reader)) return undefined
  if (!reader.skip('execute')) return undefined
  const name = reader.name()
  return name === undefined ? undefined : { name }
}

/** Behind the AS of `CREATE [TEMP] TABLE … AS`. */
const skipToQuery = (reader: Reader): boolean => {
  while (reader.skip('local', 'global', 'temporary', 'temp', 'unlogged'));
  if (!reader.skip('table')) return false
  while (reader.more) {
    if (reader.isCharacter('(')) reader.skipBrackets()
    else if (reader.skipCharacter('.')) reader.advance()
    else if (reader.skip('as')) return true
    else reader.advance()
  }
  return false
}

/** The one that is dropped, or all. */
export type NameOrAll = { readonly name: string } | { readonly all: true }

/** `DEALLOCATE [PREPARE] name | ALL`. */
export const parseDeallocate = (
  text: string,
  statement: SqlStatement,
  options: ScanOptions = {},
): NameOrAll | undefined => {
  if (statement.words[0] !== 'deallocate') return undefined
  const reader = new Reader(text, statement, options)
  reader.advance()
  const target = nameOrAll(reader)
  // `DEALLOCATE prepare` drops a statement of that name
  const next = target && 'name' in target && target.name === 'prepare' ? nameOrAll(reader) : undefined
  return next ?? target
}

/** `CLOSE name | ALL`. */
export const parseClose = (
  text: string,
  statement: SqlStatement,
  options: ScanOptions = {},
): NameOrAll | undefined => {
  if (statement.words[0] !== 'close') return undefined
  const reader = new Reader(text, statement, options)
  reader.advance()
  return nameOrAll(reader)
}

const nameOrAll = (reader: Reader): NameOrAll | undefined => {
  if (reader.skip('all')) return { all: true }
  const name = reader.name()
  return name === undefined ? undefined : { name }
}

/** `DECLARE name … CURSOR [WITH HOLD] FOR body`. */
export const parseDeclare = (
  text: string,
  statement: SqlStatement,
  options: ScanOptions = {},
): { readonly name: string; readonly hold: boolean; readonly body: string } | undefined => {
  if (statement.words[0] !== 'declare') return undefined
  const reader = new Reader(text, statement, options)
  reader.advance()
  const name = reader.name()
  while (reader.skip('binary', 'insensitive', 'asensitive', 'no', 'scroll'));
  if (name === undefined || !reader.skip('cursor')) return undefined
  const hold = reader.skip('with') && reader.skip('hold')
  if (!hold && reader.skip('without')) reader.skip('hold')
  return reader.skip('for') ? { name, hold, body: reader.rest() } : undefined
}

/** A change of role: to whom, null for back to the session's own. */
export interface RoleChange {
  readonly role: string | null
  /** ends with the transaction (SET LOCAL) */
  readonly local: boolean
}

/**
 * `SET [SESSION|LOCAL] ROLE x`, `SET [SESSION|LOCAL] role TO|= x`, `RESET ROLE`; also what implies a return
 * to the session's own: `SET SESSION AUTHORIZATION x`, `RESET SESSION AUTHORIZATION`, `DISCARD ALL`.
 * `RESET ALL` leaves the role as it is. A role that `set_config` sets is not seen.
 */
export const parseSetRole = (
  text: string,
  statement: SqlStatement,
  options: ScanOptions = {},
): RoleChange | undefined => {
  const first = statement.words[0]
  if (first !== 'set' && first !== 'reset' && first !== 'discard') return undefined
  const reader = new Reader(text, statement, options)
  reader.advance()
  if (first === 'discard') return reader.is('all') ? OWN_ROLE : undefined
  if (first === 'reset')
    return namesAuthorization(reader) || namesSetting(reader) !== undefined ? OWN_ROLE : undefined
  const local = reader.skip('local')
  const session = !local && reader.skip('session')
  if (session && reader.is('authorization')) return OWN_ROLE
  if (namesAuthorization(reader)) return { role: null, local }
  const setting = namesSetting(reader)
  if (setting === undefined) return undefined
  if (setting !== 'role') return { role: null, local }
  const assigned = reader.skip('to') || reader.skipCharacter('=')
  if (assigned && reader.is('default')) return { role: null, local }
  const role = reader.nameOrLiteral()
  return role === undefined ? undefined : { role: role === 'none' ? null : role, local }
}

const OWN_ROLE: RoleChange = { role: null, local: false }

/** One of the two settings by which the role changes: found whatever their case, even in quotes. */
const namesSetting = (reader: Reader): 'role' | 'session_authorization' | undefined => {
  const name = reader.name()?.toLowerCase()
  return name === 'role' || name === 'session_authorization' ? name : undefined
}

const namesAuthorization = (reader: Reader): boolean =>
  reader.skip('session') && reader.skip('authorization')

export type TransactionVerb =
  | 'begin'
  | 'commit'
  | 'rollback'
  | 'rollback-to'
  | 'prepare-transaction'
  | 'savepoint'
  | 'release'

/**
 * What a statement that begins with these words does to the transaction block; `chain` opens the next one at
 * once (`AND CHAIN`). `COMMIT PREPARED` and `ROLLBACK PREPARED` act on none and give undefined.
 */
export const isTransactionControl = (
  words: readonly string[],
): { readonly verb: TransactionVerb; readonly chain: boolean } | undefined => {
  const verb = transactionVerb(words)
  if (verb === undefined) return undefined
  const and = words.indexOf('and', 1)
  const chain = (verb === 'commit' || verb === 'rollback') && and !== -1 && words[and + 1] === 'chain'
  return { verb, chain }
}

const transactionVerb = (words: readonly string[]): TransactionVerb | undefined => {
  switch (words[0]) {
    case 'begin':
      return 'begin'
    case 'start':
      return words[1] === 'transaction' ? 'begin' : undefined
    case 'commit':
      return words[1] === 'prepared' ? undefined : 'commit'
    case 'end':
      return 'commit'
    case 'abort':
      return 'rollback'
    case 'rollback': {
      if (words[1] === 'prepared') return undefined
      const to = words[1] === 'work' || words[1] === 'transaction' ? words[2] : words[1]
      return to === 'to' ? 'rollback-to' : 'rollback'
    }
    case 'savepoint':
      return 'savepoint'
    case 'release':
      return 'release'
    case 'prepare':
      return words[1] === 'transaction' && words.length === 2 ? 'prepare-transaction' : undefined
    default:
      return undefined
  }
}
