/**
 * Secrets in a text whose lexical state is not known: a server's message, a comment, the tail of a text that
 * was cut. Only what stands right behind a secret's name is taken for one.
 */
import { Lexer, literalValue, type ScanOptions, type Span } from '../sql/scan.ts'
import { conninfoSecrets } from './redact-conninfo.ts'
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
  const standardConformingStrings = options.standardConformingStrings === false
  return [...looseSecretsAs(text, options), ...looseSecretsAs(text, { standardConformingStrings })]
}

const looseSecretsAs = (text: string, options: ScanOptions): readonly LooseSecret[] => {
  const secrets: LooseSecret[] = []
  const name = /(?:pas+w[a-z0-9_]*|passphrase|pwd|secret[a-z0-9_]*)"?/gi
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
  while (more && (/^(?:=|:|=>)$/.test(near.raw) || near.is('to'))) more = near.next()
  if (!more || near.kind !== 'string') return undefined
  const lexer = new Lexer(text, options, from + near.start)
  lexer.next()
  return { start: lexer.start, end: lexer.end }
}

/**
 * Secrets on sight that are single words, quotes or none around them: all that can be masked in a text of
 * which it is not known what is code in it (another language's, or the tail of one that was cut).
 */
export const plainSecrets = (text: string, options: ScanOptions): readonly LooseSecret[] => {
  const secrets = looseSecrets(text, options).filter(({ value }) => isPlain(value))
  for (const { start, end } of conninfoSecrets(text).spans) {
    // the quote of the literal that the connection string ends with is not told from a part of it
    const raw = text.slice(start, end).replace(/(?<=.)['"].*$/s, '')
    if (isPlain(raw)) secrets.push({ start, end: start + raw.length, raw, value: raw })
  }
  return secrets
}
