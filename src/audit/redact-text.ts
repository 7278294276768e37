/** A statement's text with its secrets masked, worked out once per text. */
import type { QueryText } from '../event.ts'
import { Lexer, literalValue, type ScanOptions, type Span } from '../sql/scan.ts'
import type { Secrets } from './redact-found.ts'
import { maskSpans, maskTail, REDACTED } from './redact-mask.ts'
import { statementSecrets } from './redact-sql.ts'

/** What a text's secrets mean for its event. */
export interface Masking {
  readonly text: QueryText
  /** bound values that are secrets */
  readonly params: Secrets['params']
  /** secrets that error texts may quote */
  readonly words: ReadonlySet<string>
  /** where in the text they are */
  readonly spans: Secrets['spans']
}

const CLEAN = Symbol('clean')

/** The text's secrets masked; undefined when it has none. `cut`: it may be the beginning of another text. */
export const maskingOf = (text: QueryText, cut = text.truncated !== undefined): Masking | undefined => {
  const known = text.masking as Masking | typeof CLEAN | undefined
  if (known !== undefined) return known === CLEAN ? undefined : known
  const masking = mask(text, cut)
  text.masking = masking ?? CLEAN
  return masking
}

const mask = (query: QueryText, cut: boolean): Masking | undefined => {
  const secrets = statementSecrets(query.text, query, cut)
  const tail = query.truncated?.tail
  const maskedTail = tail === undefined ? undefined : maskTail(tail, query)
  if (!secrets && maskedTail === tail) return undefined
  const text = secrets ? maskSpans(query.text, secrets.spans) : query.text
  return {
    text: masked(query, text, maskedTail),
    params: secrets?.params ?? new Set(),
    words: secrets?.words ?? new Set(),
    spans: secrets?.spans ?? [],
  }
}

/** Without the hex form and the hash, by which secrets could be had back. */
const masked = (query: QueryText, text: string, tail?: string): QueryText => {
  const { standardConformingStrings, dialect, truncated } = query
  const plain = { text, standardConformingStrings, dialect }
  if (!truncated) return plain
  const cut = { bytes: truncated.bytes, sha256: '' }
  return { ...plain, truncated: tail === undefined ? cut : { ...cut, tail: withoutFirstRun(tail) } }
}

/**
 * A tail begins anywhere, in a secret perhaps. What it begins with goes, up to the first white space or
 * quote; no more than that, or a tail could be arranged so that a command in it is not seen.
 */
const withoutFirstRun = (tail: string): string => tail.replace(/^[^\s'"$;,()/-]{1,128}/, REDACTED)

/** The arguments of `EXECUTE name (…)` masked that are literals and secrets: `params` are their numbers. */
export const maskArguments = (
  query: QueryText,
  params: ReadonlySet<number>,
  words: Set<string>,
): QueryText => {
  const options: ScanOptions = query
  const lexer = new Lexer(query.text, options)
  const spans: Span[] = []
  /** brackets, and arguments begun, of the EXECUTE at hand */
  let depth = -1
  let argument = 0
  while (lexer.next()) {
    if (lexer.is('execute')) depth = argument = 0
    // MariaDB has no brackets
    else if (depth === 0 && options.dialect === 'mysql' && lexer.is('using')) depth = argument = 1
    else if (lexer.isPunctuation(';')) depth = -1
    else if (depth === -1) continue
    else if (lexer.isPunctuation('(')) {
      if (depth++ === 0) argument = 1
    } else if (lexer.isPunctuation(')')) depth--
    else if (lexer.isPunctuation(',') && depth === 1) argument++
    else if (lexer.kind === 'string' && depth === 1 && params.has(argument)) {
      spans.push({ start: lexer.start, end: lexer.end })
      words.add(lexer.raw)
      words.add(literalValue(query.text, lexer, options))
    }
  }
  return spans.length === 0 ? query : masked(query, maskSpans(query.text, spans), query.truncated?.tail)
}
