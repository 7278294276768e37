/**
 * Just enough SQL for an audit: tokens, literals, statements, and the few statements whose meaning a session
 * must follow. This file is the way in; the parts stand beside it.
 */
export {
  isTransactionControl,
  type NameOrAll,
  parseClose,
  parseDeallocate,
  parseDeclare,
  parseExecute,
  parsePrepare,
  parseSetRole,
  type RoleChange,
  type TransactionVerb,
} from './commands.ts'
export { isKeyword } from './keywords.ts'
export { hasBackslashEscapes, Lexer, type ScanOptions, type Span, type TokenKind } from './lexer.ts'
export { identifierName, literalValue, readLiteral } from './literal.ts'
export type { Literal } from './literal-builder.ts'
export {
  type ClientCharset,
  endsNoTransaction,
  type Kill,
  type MysqlTransactionVerb,
  mysqlTransactionVerb,
  type PreparedFrom,
  parseExecuteImmediate,
  parseKill,
  parseMysqlDeallocate,
  parseMysqlExecute,
  parseMysqlPrepare,
  parseSetNames,
  parseUse,
  runsStatements,
  SESSION_VERBS,
} from './mysql-commands.ts'
export { type SqlStatement, splitStatements } from './statements.ts'
