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
 * among other assignments: the character set that the client's texts are in from then on.
 */
export const parseSetNames = (
  text: string,
  options: ScanOptions = {},
  statement?: Span,
): ClientCharset | undefined => {
  const reader = read(text, options, statement)
  if (!reader.skip('set') || !CLIENT_CHARSET.test(reader.rest())) return undefined
  let charset: ClientCharset | undefined
  do charset = clientCharset(reader) ?? charset
  while (reader.skipToComma())
  return charset
}

/**
 * A character set by its name in lower case, or by the id of a collation; neither, when it is computed or a
 * default, which is a variable of the server's.
 */
export interface ClientCharset {
  readonly charset?: string
  readonly collation?: number
}

/** Nothing spells these names otherwise; most assignments need no closer look. */
const CLIENT_CHARSET = /names|charset|character/i
const AUTOCOMMIT = /autocommit|password/i

/** One assignment's. */
const clientCharset = (reader: Reader): ClientCharset | undefined => {
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

const value = (reader: Reader): ClientCharset => {
  const collation = reader.numeral()
  const name = collation === undefined ? fold(reader.nameOrLiteral() ?? 'default') : ''
  if (!reader.isAtEnd && !reader.isCharacter(',') && !reader.is('collate')) return {}
  if (collation !== undefined) return { collation: Number(collation) }
  return name === 'default' ? {} : { charset: name }
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

/** Whom a KILL is for; none of them when that is computed. */
export interface Kill {
  /** the whole connection is to end, or the statement that it runs */
  readonly scope: 'connection' | 'query'
  readonly threadId?: number
  /** `CONNECTION_ID()`: the session itself */
  readonly self?: true
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
  if (!isQueryId && reader.skip('connection_id'))
    return /^\(\s*\)\s*;?\s*$/.test(reader.rest()) ? { scope, self: true } : { scope }
  const id = Number(reader.numeral() ?? Number.NaN)
  if (!Number.isSafeInteger(id) || !reader.isAtEnd) return { scope }
  return isQueryId ? { scope, queryId: id } : { scope, threadId: id }
}

/**
 * What a statement does to the transaction at hand. `begin` commits the one before as well, and so does LOCK
 * TABLES, which is told as one; `implicit_commit` may commit, as the reply tells; `prepare` is XA's.
 * `opaque` runs statements that are not written here, which may do anything; so may `other`, which nobody
 * here knows.
 */
export type MysqlTransactionVerb =
  | 'begin'
  | 'commit'
  | 'rollback'
  | 'rollback_to'
  | 'implicit_commit'
  | 'prepare'
  | 'opaque'
  | 'other'

/**
 * The statement's verb (manual, "Statements That Cause an Implicit Commit"); undefined when it ends no
 * transaction.
 */
export const mysqlTransactionVerb = (
  text: string,
  options: ScanOptions = {},
  statement?: Span,
): MysqlTransactionVerb | undefined => {
  const verb = verbOf(read(text, options, statement))
  if (verb === undefined || verb === 'implicit_commit' || !EXECUTABLE_COMMENT.test(text)) return verb
  return isCertain(text, statement, verb) ? verb : 'opaque'
}

/** A comment is code to some servers, and to others a comment. */
const EXECUTABLE_COMMENT = /\/\*M?!/
const isCertain = (text: string, statement: Span | undefined, verb: MysqlTransactionVerb): boolean => {
  const { start, end } = statement ?? { start: 0, end: text.length }
  if (/\/\*M?!\d*\s*$/.test(text.slice(0, start))) return false
  // START TRANSACTION /*!40100 WITH CONSISTENT SNAPSHOT */
  return verb === 'begin'
    ? !/^\s*\/\*/.test(text.slice(start, end))
    : !EXECUTABLE_COMMENT.test(text.slice(start, end))
}

const verbOf = (reader: Reader): MysqlTransactionVerb | undefined => {
  const isBracket = reader.isCharacter('(')
  const verb = reader.word()
  switch (verb) {
    case 'begin':
      reader.skip('work')
      return reader.isAtEnd ? 'begin' : 'opaque'
    case 'start':
      return reader.is('transaction') ? 'begin' : 'implicit_commit'
    case 'commit':
      return 'commit'
    case 'rollback':
      reader.skip('work')
      return reader.is('to') ? 'rollback_to' : 'rollback'
    case 'xa':
      return XA.get(reader.word())
    case 'set':
      return verbOfSet(reader)
    case 'create':
    case 'drop':
      if (verb === 'create' && reader.skip('or')) reader.advance()
      return implicitly(!reader.is('temporary') && !reader.is('prepare'))
    case 'load':
      return implicitly(reader.is('index'))
    case 'lock':
      return isOfTables(reader) ? 'begin' : undefined
    case 'unlock':
    case 'analyze':
    case 'optimize':
    case 'repair':
    case 'check':
      reader.skip('no_write_to_binlog', 'local')
      return implicitly(isOfTables(reader) || reader.is('view'))
    default:
      if (COMMITTING.has(verb)) return 'implicit_commit'
      if (COMPOUND.has(verb)) return 'opaque'
      return isBracket || NOT_ENDING.has(verb) ? undefined : 'other'
  }
}

const implicitly = (does: boolean): 'implicit_commit' | undefined => (does ? 'implicit_commit' : undefined)

const isOfTables = (reader: Reader): boolean => reader.is('table') || reader.is('tables')

const XA: ReadonlyMap<string, MysqlTransactionVerb> = new Map([
  ['commit', 'commit'],
  ['rollback', 'rollback'],
  ['prepare', 'prepare'],
])
const COMMITTING: ReadonlySet<string> = new Set([
  ...['alter', 'rename', 'truncate', 'grant', 'revoke', 'install', 'uninstall'],
  ...['cache', 'flush', 'reset', 'change', 'stop', 'backup', 'import', 'clone', 'purge'],
])
/** The statements that end no transaction, but those that the parsers here look at closer. */
const NOT_ENDING: ReadonlySet<string> = new Set([
  ...['select', 'insert', 'update', 'delete', 'replace', 'with', 'values', 'table', 'do', 'handler'],
  ...['show', 'explain', 'describe', 'desc', 'help', 'checksum', 'use', 'savepoint', 'release'],
  ...['prepare', 'deallocate', 'kill', 'signal', 'resignal', 'get', 'shutdown'],
])

/** CALL, EXECUTE, and what MariaDB has of compound statements. */
const COMPOUND: ReadonlySet<string> = new Set([
  ...['call', 'execute', 'if', 'case', 'loop', 'while', 'repeat', 'for', 'declare', 'binlog'],
])

/** Does a statement that begins with this word, and that is not parsed here, end no transaction? */
export const endsNoTransaction = (word: string): boolean => NOT_ENDING.has(word)

/** MariaDB's `SET STATEMENT … FOR` has a statement of its own behind it. */
const verbOfSet = (reader: Reader): MysqlTransactionVerb | undefined => {
  if (reader.skip('statement')) {
    while (reader.more && !reader.is('for')) reader.advance()
    reader.advance()
    return verbOf(reader)
  }
  return implicitly(setsAutocommit(reader))
}

/** Passwords and default roles are tables too. */
const setsAutocommit = (reader: Reader): boolean => {
  if (reader.is('default')) return true
  if (!AUTOCOMMIT.test(reader.rest())) return false
  if (reader.is('password')) return true
  do {
    if (!namesSessionVariable(reader) || fold(reader.name() ?? '') !== 'autocommit') continue
    if (!reader.skipAssignment()) continue
    const on = fold(reader.numeral() ?? reader.nameOrLiteral() ?? '')
    if (on !== '0' && on !== 'off' && on !== 'false') return true
  } while (reader.skipToComma())
  return false
}

/** Does a statement that begins with this word run others? */
export const runsStatements = (word: string): boolean => COMPOUND.has(word)

/** The words that the statements begin with of which any parser here makes something. */
export const SESSION_VERBS: ReadonlySet<string> = new Set([
  ...COMMITTING,
  ...['begin', 'start', 'commit', 'rollback', 'xa', 'set', 'create', 'drop', 'load', 'lock', 'unlock'],
  ...['analyze', 'optimize', 'repair', 'check', 'use', 'prepare', 'execute', 'deallocate', 'kill'],
])
