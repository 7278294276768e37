/**
 * The statements of MySQL and MariaDB that change what later statements mean: the database, the character
 * set, prepared statements, transactions; and KILL. Each parser takes a text, how the server lexes it, and
 * which of its statements is meant (default the first), and gives undefined when that is another one.
 */
import { fold } from './boundaries.ts'
import type { ScanOptions, Span } from './lexer.ts'
import { Reader } from './reader.ts'

const read = (text: string, options: ScanOptions, statement?: Span): Reader =>
  new Reader(text, statement ?? { start: 0, end: text.length }, { ...options, dialect: 'mysql' })

/** `USE database`: its name. */
export const parseUse = (text: string, options: ScanOptions = {}, statement?: Span): string | undefined => {
  const reader = read(text, options, statement)
  if (!reader.skip('use')) return undefined
  const name = reader.name()
  return reader.isAtEnd ? name : undefined
}

/**
 * `SET NAMES x`, `SET CHARACTER SET x`, `SET [SESSION] character_set_client = x` in any of its spellings and
 * among other assignments: the character set that the client's texts are in from then on, in lower case,
 * `default` for the server's own. Undefined too when it is not written but computed.
 */
export const parseSetNames = (
  text: string,
  options: ScanOptions = {},
  statement?: Span,
): { readonly charset: string } | undefined => {
  const reader = read(text, options, statement)
  if (!reader.skip('set') || !CLIENT_CHARSET.test(reader.rest())) return undefined
  let charset: string | undefined
  do charset = clientCharset(reader) ?? charset
  while (reader.skipToComma())
  return charset === undefined ? undefined : { charset: fold(charset) }
}

/** Nothing spells these names otherwise; most assignments need no closer look. */
const CLIENT_CHARSET = /names|charset|character/i
const AUTOCOMMIT = /autocommit|password/i

/** One assignment's. */
const clientCharset = (reader: Reader): string | undefined => {
  if (reader.skip('names') || reader.skip('charset')) return value(reader)
  if (reader.skip('character')) return reader.skip('set') ? value(reader) : undefined
  if (!namesSessionVariable(reader)) return undefined
  if (fold(reader.name() ?? '') !== 'character_set_client' || !reader.skipAssignment()) return undefined
  return value(reader)
}

/** Steps over what may stand before a session variable's name; false for any other variable. */
const namesSessionVariable = (reader: Reader): boolean => {
  if (!reader.skipCharacter('@')) {
    reader.skip('session', 'local')
    return true
  }
  if (!reader.skipCharacter('@')) return false
  if (reader.skip('session', 'local')) return reader.skipCharacter('.')
  return true
}

const value = (reader: Reader): string | undefined => {
  const isExpression = reader.isCharacter('@') || reader.isCharacter('(')
  return isExpression ? undefined : reader.nameOrLiteral()
}

/** The text of a prepared statement: written down, or in a user variable (without `@`, in lower case). */
export type PreparedFrom = { readonly text: string } | { readonly variable: string }

/**
 * `PREPARE name FROM 'text' | @variable`; names in lower case. MariaDB takes any expression: one that is
 * neither gives no `from`.
 */
export const parseMysqlPrepare = (
  text: string,
  options: ScanOptions = {},
  statement?: Span,
): { readonly name: string; readonly from?: PreparedFrom } | undefined => {
  const reader = read(text, options, statement)
  if (!reader.skip('prepare')) return undefined
  const name = reader.name()
  if (name === undefined || !reader.skip('from')) return undefined
  const from = preparedFrom(reader)
  return from && reader.isAtEnd ? { name: fold(name), from } : { name: fold(name) }
}

const preparedFrom = (reader: Reader): PreparedFrom | undefined => {
  const variable = userVariable(reader)
  if (variable !== undefined) return { variable }
  const text = reader.literals()
  return text === undefined ? undefined : { text }
}

const userVariable = (reader: Reader): string | undefined => {
  if (!reader.skipCharacter('@')) return undefined
  const name = reader.nameOrLiteral()
  return name === undefined ? undefined : fold(name)
}

/** `EXECUTE name [USING …]`: the statement's name in lower case. */
export const parseMysqlExecute = (
  text: string,
  options: ScanOptions = {},
  statement?: Span,
): { readonly name: string } | undefined => {
  const reader = read(text, options, statement)
  if (!reader.skip('execute') || reader.is('immediate')) return undefined
  const name = reader.name()
  return name === undefined ? undefined : { name: fold(name) }
}

/** MariaDB's `EXECUTE IMMEDIATE 'text' | @variable | expression [USING …]`. */
export const parseExecuteImmediate = (
  text: string,
  options: ScanOptions = {},
  statement?: Span,
): { readonly from?: PreparedFrom } | undefined => {
  const reader = read(text, options, statement)
  if (!reader.skip('execute') || !reader.skip('immediate')) return undefined
  const from = preparedFrom(reader)
  return from && (reader.isAtEnd || reader.is('using')) ? { from } : {}
}

/** `DEALLOCATE PREPARE name`, `DROP PREPARE name`; the name in lower case. */
export const parseMysqlDeallocate = (
  text: string,
  options: ScanOptions = {},
  statement?: Span,
): { readonly name: string } | undefined => {
  const reader = read(text, options, statement)
  if (!reader.skip('deallocate', 'drop') || !reader.skip('prepare')) return undefined
  const name = reader.name()
  return name === undefined ? undefined : { name: fold(name) }
}

/** Whom a KILL is for; none of the three when that is computed. */
export interface Kill {
  /** the whole connection is to end, or the statement that it runs */
  readonly scope: 'connection' | 'query'
  readonly threadId?: number
  /** MariaDB's `USER name`: all connections of that user */
  readonly user?: string
  /** MariaDB's `QUERY ID n` */
  readonly queryId?: number
}

/** `KILL [HARD|SOFT] [CONNECTION|QUERY [ID]] n | USER name`. */
export const parseKill = (text: string, options: ScanOptions = {}, statement?: Span): Kill | undefined => {
  const reader = read(text, options, statement)
  if (!reader.skip('kill')) return undefined
  reader.skip('hard', 'soft')
  const scope = reader.skip('query') ? 'query' : 'connection'
  if (scope === 'connection') reader.skip('connection')
  const isQueryId = scope === 'query' && reader.skip('id')
  if (reader.skip('user')) {
    const user = reader.nameOrLiteral()
    return user === undefined ? { scope } : { scope, user }
  }
  const id = Number(reader.numeral() ?? Number.NaN)
  if (!Number.isSafeInteger(id) || !reader.isAtEnd) return { scope }
  return isQueryId ? { scope, queryId: id } : { scope, threadId: id }
}

export type MysqlTransactionVerb = 'begin' | 'commit' | 'rollback' | 'rollback_to' | 'implicit_commit'

/**
 * What the statement does to the transaction (manual, "Statements That Cause an Implicit Commit"). `begin`
 * commits the one before as well; `SET autocommit = 1` counts as an implicit commit. XA gives undefined.
 */
export const mysqlTransactionVerb = (
  text: string,
  options: ScanOptions = {},
  statement?: Span,
): MysqlTransactionVerb | undefined => {
  const reader = read(text, options, statement)
  const verb = reader.word()
  switch (verb) {
    case 'begin':
      return reader.is('not') ? undefined : 'begin'
    case 'start':
      return reader.is('transaction') ? 'begin' : implicitly(STARTED.has(reader.word()))
    case 'stop':
      return implicitly(STARTED.has(reader.word()))
    case 'commit':
      return 'commit'
    case 'rollback':
      reader.skip('work')
      return reader.is('to') ? 'rollback_to' : 'rollback'
    case 'set':
      return implicitly(setsAutocommit(reader))
    case 'create':
    case 'drop': {
      if (verb === 'create' && reader.skip('or')) reader.advance()
      return implicitly(!reader.is('temporary') && !reader.is('prepare'))
    }
    case 'load':
      return implicitly(reader.is('index'))
    case 'lock':
    case 'unlock':
    case 'analyze':
    case 'optimize':
    case 'repair':
    case 'check':
      reader.skip('no_write_to_binlog', 'local')
      return implicitly(reader.is('table') || reader.is('tables'))
    default:
      return implicitly(COMMITTING.has(verb))
  }
}

const implicitly = (does: boolean): 'implicit_commit' | undefined => (does ? 'implicit_commit' : undefined)

const STARTED: ReadonlySet<string> = new Set(['slave', 'replica', 'all', 'group_replication'])
const COMMITTING: ReadonlySet<string> = new Set([
  ...['alter', 'rename', 'truncate', 'grant', 'revoke', 'install', 'uninstall'],
  ...['cache', 'flush', 'reset', 'change'],
])

const setsAutocommit = (reader: Reader): boolean => {
  if (!AUTOCOMMIT.test(reader.rest())) return false
  if (reader.is('password')) return true
  do {
    if (!namesSessionVariable(reader) || fold(reader.name() ?? '') !== 'autocommit') continue
    if (!reader.skipAssignment()) continue
    const on = fold(reader.numeral() ?? reader.nameOrLiteral() ?? '')
    if (on === '1' || on === 'on' || on === 'true') return true
  } while (reader.skipToComma())
  return false
}

/** The words that the statements begin with of which any parser here makes something. */
export const SESSION_VERBS: ReadonlySet<string> = new Set([
  ...COMMITTING,
  ...['begin', 'start', 'stop', 'commit', 'rollback', 'set', 'create', 'drop', 'load', 'lock', 'unlock'],
  ...['analyze', 'optimize', 'repair', 'check', 'use', 'prepare', 'execute', 'deallocate', 'kill'],
])
