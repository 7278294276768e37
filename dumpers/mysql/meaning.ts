/**
 * What a text's statements do to the session, read from the text: what is wanted to know before it has
 * run.
 */
import type { QueryText } from '../../src/event.ts'
import {
  type ClientCharset,
  endsNoTransaction,
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
  runsStatements,
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
  readonly charset: ClientCharset | undefined
  /** PREPARE: the name, and its text when that is written down */
  readonly prepares: { readonly name: string; readonly text: string | undefined } | undefined
  /** EXECUTE: the name; EXECUTE IMMEDIATE: the text, when that is written down */
  readonly executes: { readonly name: string } | { readonly text: string | undefined } | undefined
  readonly deallocates: string | undefined
  readonly kill: Kill | undefined
  /**
   * Has it results of a number of its own? Those of a procedure end with an OK; of what is not known nobody
   * can tell.
   */
  readonly calls: 'no' | 'procedure' | 'unknown'
}

/** Verbs of statements that work on data alone. */
const PLAIN = /^\s*(?:select|insert|update|delete|replace|show|explain|do)\s/i

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

/** Where the text was cut its last statement is known by its first word alone. */
const readMeanings = (text: QueryText): readonly Meaning[] => {
  const statements = splitStatements(text.text, text)
  const whole = text.truncated === undefined ? statements.length : statements.length - 1
  return statements.map((statement, index) =>
    index < whole && isFollowed(statement) ? readMeaning(text, statement) : ofWord(statement),
  )
}

/** One object for all of its kind: a text may be of half a million statements. */
const NOTHING: Meaning = {
  verb: undefined,
  database: undefined,
  charset: undefined,
  prepares: undefined,
  executes: undefined,
  deallocates: undefined,
  kill: undefined,
  calls: 'no',
}
const PROCEDURE: Meaning = { ...NOTHING, verb: 'opaque', calls: 'procedure' }
const UNKNOWN: Meaning = { ...NOTHING, verb: 'opaque', calls: 'unknown' }
const OTHER: Meaning = { ...NOTHING, verb: 'other', calls: 'unknown' }

const isFollowed = ({ words: [first = ''] }: SqlStatement): boolean => SESSION_VERBS.has(first)

/** A statement in brackets begins with no word. */
const ofWord = ({ words: [first = ''] }: SqlStatement): Meaning => {
  if (first === '' || endsNoTransaction(first)) return NOTHING
  if (first === 'call') return PROCEDURE
  return runsStatements(first) ? UNKNOWN : OTHER
}

const writtenDown = (from: PreparedFrom | undefined): string | undefined =>
  from && 'text' in from ? from.text : undefined

const readMeaning = (text: QueryText, statement: SqlStatement): Meaning => {
  const written = text.text
  const [first = ''] = statement.words
  const verb = mysqlTransactionVerb(written, text, statement)
  if (first === 'begin' && verb === 'opaque') return PROCEDURE
  const prepared = first === 'prepare' ? parseMysqlPrepare(written, text, statement) : undefined
  const immediate = first === 'execute' ? parseExecuteImmediate(written, text, statement) : undefined
  return {
    verb,
    database: first === 'use' ? parseUse(written, text, statement) : undefined,
    charset: first === 'set' ? parseSetNames(written, text, statement) : undefined,
    prepares: prepared && { name: prepared.name, text: writtenDown(prepared.from) },
    executes: immediate
      ? { text: writtenDown(immediate.from) }
      : parseMysqlExecute(written, text, statement),
    deallocates: parseMysqlDeallocate(written, text, statement)?.name,
    kill: first === 'kill' ? parseKill(written, text, statement) : undefined,
    calls: verb === 'opaque' ? 'unknown' : 'no',
  }
}

/** What an EXECUTE does: what the text does that it runs, which is one statement. */
export const meaningOfExecute = (ran: QueryText | undefined): Meaning => {
  if (ran === undefined) return UNKNOWN
  const inner = meaningsOf(ran)
  if (inner === undefined) return NOTHING
  return inner.length === 1 ? (inner[0] as Meaning) : UNKNOWN
}
