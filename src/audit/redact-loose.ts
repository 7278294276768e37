/**
 * Secrets in a text whose lexical state is not known: a server's message, a comment, the tail of a text that
 * was cut. Only what stands right behind a secret's name is taken for one.
 */
import { hasBackslashEscapes, Lexer, literalValue, type ScanOptions, type Span } from '../sql/scan.ts'
import { conninfoSecrets } from './redact-conninfo.ts'
import { MYSQL_VERIFIER } from './redact-mysql-words.ts'
import { isPlain } from './redact-names.ts'

/** A secret, as written and as meant. */
export interface LooseSecret extends Span {
  readonly raw: string
  readonly value: string
}

/** White space and comments between a name and its literal are looked through so far. */
const WINDOW = 1024

/** The literals behind names of secrets, whatever standard_conforming_strings is. */
export const looseSecrets = (text: string, options: ScanOptions): readonly LooseSecret[] => {
  if (!text.includes('\\')) return looseSecretsAs(text, options)
  if (options.dialect === 'mysql') {
    const noBackslashEscapes = hasBackslashEscapes(options)
    const other: ScanOptions = { dialect: 'mysql', noBackslashEscapes }
    return [...looseSecretsAs(text, options), ...looseSecretsAs(text, other)]
  }
  const standardConformingStrings = options.standardConformingStrings === false
  return [...looseSecretsAs(text, options), ...looseSecretsAs(text, { standardConformingStrings })]
}

const NAME = /(?:pas+w[a-z0-9_]*|passphrase|pwd|secret[a-z0-9_]*)"?/gi
const MYSQL_CLAUSES = [
  /\bidentif[a-z]*\s+(?:by|(?:with|via)\s+\S+\s+(?:by|as|using))\b/,
  /\bauthentication_string\b/,
]
const MYSQL_NAME = new RegExp(
  [NAME, ...MYSQL_CLAUSES].map(({ source }) => source.replace('"?', '[`"]?')).join('|'),
  'gi',
)

const looseSecretsAs = (text: string, options: ScanOptions): readonly LooseSecret[] => {
  const secrets: LooseSecret[] = []
  const name = options.dialect === 'mysql' ? new RegExp(MYSQL_NAME) : new RegExp(NAME)
  for (let match = name.exec(text); match; match = name.exec(text)) {
    const span = literalBehind(text, name.lastIndex, options)
    if (!span) continue
    const value = literalValue(text, span, options)
    secrets.push({ ...span, raw: text.slice(span.start, span.end), value })
    name.lastIndex = span.end
  }
  return secrets
}

const literalBehind = (text: string, from: number, options: ScanOptions): Span | undefined => {
  const near = new Lexer(text.slice(from, from + WINDOW), options)
  let more = near.next()
  // `=`, `:=`, `=>`, `TO`
  while (more && (/^(?:=|:|=>)$/.test(near.raw) || near.is('to') || isMysqlFiller(near, options)))
    more = near.next()
  if (!more || near.kind !== 'string') return undefined
  const lexer = new Lexer(text, options, from + near.start)
  lexer.next()
  return { start: lexer.start, end: lexer.end }
}

/** `:=`, the bracket of PASSWORD('x'), BY PASSWORD 'x', an introducer. */
const isMysqlFiller = (near: Lexer, { dialect }: ScanOptions): boolean =>
  dialect === 'mysql' && (/^(?::=|\(|_\w+)$/.test(near.raw) || near.is('password'))

/**
 * Secrets on sight that are single words, quotes or none around them: all that can be masked in a text of
 * which it is not known what is code in it (another language's, or the tail of one that was cut).
 */
export const plainSecrets = (text: string, options: ScanOptions): readonly LooseSecret[] => {
  const secrets = looseSecrets(text, options).filter(({ value }) => isPlain(value))
  if (options.dialect === 'mysql')
    for (const { index, 0: raw } of text.matchAll(MYSQL_VERIFIER))
      secrets.push({ start: index, end: index + raw.length, raw, value: raw })
  for (const { start, end } of conninfoSecrets(text).spans) {
    // the quote of the literal that the connection string ends with is not told from a part of it
    const raw = text.slice(start, end).replace(/(?<=.)['"].*$/s, '')
    if (isPlain(raw)) secrets.push({ start, end: start + raw.length, raw, value: raw })
  }
  return secrets
}
