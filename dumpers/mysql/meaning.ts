/**
 * What a text's statements do to the session, read from the text: what is wanted to know before it has
 * run.
 */
import type { QueryText } from '../../src/event.ts'
import {
  type Kill,
  mysqlTransactionVerb,
  type PreparedFrom,
  parseExecuteImmediate,
  parseKill,
  parseMysqlDeallocate,
  parseMysqlExecute,
  parseMysqlPrepare,
  parseSetNames,
  parseUse,
  SESSION_VERBS,
  type SqlStatement,
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
  /** EXECUTE: the name; EXECUTE IMMEDIATE: the text, when that is written down */
  readonly executes: { readonly name: string } | { readonly text: string | undefined } | undefined
  readonly deallocates: string | undefined
  readonly kill: Kill | undefined
  /** gives results of its own number */
  readonly calls: boolean
}

/** Verbs of statements that work on data alone. */
const PLAIN = /^\s*(?:select|insert|update|delete|replace|show|explain|do)\s/i
const COMPOUND: ReadonlySet<string> = new Set(['call', 'execute', 'begin'])

/** One such statement. A semicolon elsewhere than at the end needs a closer look. */
const isPlain = (text: string): boolean => {
  if (!PLAIN.test(text)) return false
  const semicolon = text.indexOf(';')
  return semicolon < 0 || text.slice(semicolon + 1).trim() === ''
}

const known = new WeakMap<QueryText, readonly Meaning[]>()

/** Statements of the text in order; undefined for one that only works on data. */
export const meaningsOf = (text: QueryText): readonly Meaning[] | undefined => {
  if (isPlain(text.text)) return undefined
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
  return whole.map((statement) => (isFollowed(statement) ? readMeaning(text, statement) : NOTHING))
}

/** Of all others nothing is known, and one object says so: a text may be of half a million statements. */
const NOTHING: Meaning = {
  verb: undefined,
  database: undefined,
  charset: undefined,
  prepares: undefined,
  executes: undefined,
  deallocates: undefined,
  kill: undefined,
  calls: false,
}

const isFollowed = ({ words: [first = ''] }: SqlStatement): boolean =>
  SESSION_VERBS.has(first) || COMPOUND.has(first)

const writtenDown = (from: PreparedFrom | undefined): string | undefined =>
  from && 'text' in from ? from.text : undefined

const readMeaning = (text: QueryText, statement: SqlStatement): Meaning => {
  const written = text.text
  const [first = ''] = statement.words
  const prepared = first === 'prepare' ? parseMysqlPrepare(written, text, statement) : undefined
  const immediate = first === 'execute' ? parseExecuteImmediate(written, text, statement) : undefined
  return {
    verb: mysqlTransactionVerb(written, text, statement),
    database: first === 'use' ? parseUse(written, text, statement) : undefined,
    charset: first === 'set' ? parseSetNames(written, text, statement)?.charset : undefined,
    prepares: prepared && { name: prepared.name, text: writtenDown(prepared.from) },
    executes: immediate
      ? { text: writtenDown(immediate.from) }
      : parseMysqlExecute(written, text, statement),
    deallocates: parseMysqlDeallocate(written, text, statement)?.name,
    kill: first === 'kill' ? parseKill(written, text, statement) : undefined,
    calls: COMPOUND.has(first),
  }
}
