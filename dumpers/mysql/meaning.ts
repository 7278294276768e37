/**
 * What a text's statements do to the session, read from the text: what is wanted to know before it has
 * run.
 */
import type { QueryText } from '../../src/event.ts'
import {
  type Kill,
  mysqlTransactionVerb,
  parseExecuteImmediate,
  parseKill,
  parseMysqlDeallocate,
  parseMysqlExecute,
  parseMysqlPrepare,
  parseSetNames,
  parseUse,
  splitStatements,
} from '../../src/sql/scan.ts'
import type { TransactionVerb } from './transaction.ts'

/** One statement of a text. One shape for all. */
export interface Meaning {
  readonly verb: TransactionVerb | undefined
  /** USE: the database */
  readonly database: string | undefined
  /** SET NAMES and its like: the character set */
  readonly charset: string | undefined
  /** PREPARE: the name, and its text when that is written down */
  readonly prepares: { readonly name: string; readonly text: string | undefined } | undefined
  /** EXECUTE: the name; EXECUTE IMMEDIATE: the text */
  readonly executes: { readonly name: string } | { readonly text: string } | undefined
  readonly deallocates: string | undefined
  readonly kill: Kill | undefined
  /** gives results of its own number */
  readonly calls: boolean
}

/** One statement that works on data alone. A semicolon elsewhere than at the end needs a closer look. */
const PLAIN = /^\s*(?:select|insert|update|delete|replace|show|explain|do)\s[^;]*;?\s*$/i
const COMPOUND: ReadonlySet<string> = new Set(['call', 'execute', 'begin'])

const known = new WeakMap<QueryText, readonly Meaning[]>()

/** Statements of the text in order; undefined for one that only works on data. */
export const meaningsOf = (text: QueryText): readonly Meaning[] | undefined => {
  if (PLAIN.test(text.text)) return undefined
  let meanings = known.get(text)
  if (meanings === undefined) {
    meanings = readMeanings(text)
    known.set(text, meanings)
  }
  return meanings
}

/** Where the text was cut its last statement is not known. */
const readMeanings = (text: QueryText): readonly Meaning[] => {
  const statements = splitStatements(text.text, text)
  const whole = text.truncated === undefined ? statements : statements.slice(0, -1)
  return whole.map((statement): Meaning => {
    const written = text.text
    const prepared = parseMysqlPrepare(written, text, statement)
    const immediate = parseExecuteImmediate(written, text, statement)
    const from = prepared?.from
    const direct = immediate?.from
    return {
      verb: mysqlTransactionVerb(written, text, statement),
      database: parseUse(written, text, statement),
      charset: parseSetNames(written, text, statement)?.charset,
      prepares: prepared && { name: prepared.name, text: from && 'text' in from ? from.text : undefined },
      executes:
        direct && 'text' in direct ? { text: direct.text } : parseMysqlExecute(written, text, statement),
      deallocates: parseMysqlDeallocate(written, text, statement)?.name,
      kill: parseKill(written, text, statement),
      calls: COMPOUND.has(statement.words[0] ?? ''),
    }
  })
}
