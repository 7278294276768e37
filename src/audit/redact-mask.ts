/** Puts the mask in the place of what must not be seen. */
import type { ScanOptions, Span } from '../sql/scan.ts'
import { conninfoSecrets } from './redact-conninfo.ts'
import { looseSecrets, plainSecrets } from './redact-loose.ts'
import { MYSQL_VERIFIER } from './redact-mysql-words.ts'
import { isSecretOption, maySecret } from './redact-names.ts'
import { inOrder } from './redact-spans.ts'

/** Stands in a record for a secret, quotes included. */
export const REDACTED = '<redacted>'

/** Secrets so short stand for themselves only where no letter or digit touches them. */
const SHORT = 3
/** With more of them a message is masked whole. */
const MAX_WORDS = 256

/** `text` with each of `spans` (in order, without overlap) masked. */
export const maskSpans = (text: string, spans: readonly Span[]): string => {
  let masked = ''
  let at = 0
  for (const { start, end } of spans) {
    masked += text.slice(at, start) + REDACTED
    at = end
  }
  return masked + text.slice(at)
}

/** Any text that is not a statement's, with the secrets in it and all occurrences of `words` masked. */
export const maskMessage = (text: string, words: ReadonlySet<string>, options: ScanOptions): string => {
  if (words.size > MAX_WORDS) return REDACTED
  let masked = text
  // longest first, so that a secret within another leaves no rest of it
  for (const word of [...words].sort((a, b) => b.length - a.length)) masked = maskWord(masked, word)
  return maskOnSight(masked, options)
}

const ON_SIGHT = /pas+w|passphrase|pwd|secret|:\/\/|scram-sha-256\$|md5[0-9a-f]{32}/i
const VERIFIERS = /SCRAM-SHA-256\$\d+:[^\s'"]*|(?<![\w])md5[0-9a-f]{32}(?!\w)/g

const mayBeOnSight = (text: string, { dialect }: ScanOptions): boolean =>
  ON_SIGHT.test(text) || (dialect === 'mysql' && maySecret(text, dialect))

const maskOnSight = (text: string, options: ScanOptions): string => {
  const isMysql = options.dialect === 'mysql'
  if (!mayBeOnSight(text, options)) return text
  const spans: Span[] = [...looseSecrets(text, options), ...conninfoSecrets(text).spans]
  for (const { index, 0: verifier } of text.matchAll(isMysql ? MYSQL_VERIFIER : VERIFIERS))
    spans.push({ start: index, end: index + verifier.length })
  return maskSpans(text, inOrder(spans))
}

/** `name=value` pairs, and `-c name=value` within a value, as a startup message has them. */
const SETTING = /(?<![\w.])((?:[a-z_]\w*\.)*)([a-z_]\w*)=(.*?)(?=\s+(?:-c\s*|--)?[a-z_][\w.]*=|$)/gis

/** The startup options of a session without the values of those that have a secret's name. */
export const maskSettings = (options: string): string =>
  maskMessage(
    options.replaceAll(SETTING, (pair: string, prefix: string, name: string, value: string) => {
      if (isSecretOption(prefix + name) && value !== '') return `${prefix}${name}=${REDACTED}`
      return name === 'options' ? `${name}=${maskSettings(value)}` : pair
    }),
    new Set(),
    {},
  )

/** The end of a statement whose middle is not known: masks what is a secret on sight and cannot be more. */
export const maskTail = (tail: string, options: ScanOptions): string =>
  mayBeOnSight(tail, options) ? maskSpans(tail, inOrder(plainSecrets(tail, options))) : tail

const maskWord = (text: string, word: string): string => {
  if (!text.includes(word)) return text
  if (word.length > SHORT) return text.replaceAll(word, REDACTED)
  let masked = ''
  let at = 0
  for (let found = text.indexOf(word); found !== -1; found = text.indexOf(word, found + word.length)) {
    if (/\w/.test(text.charAt(found - 1)) || /\w/.test(text.charAt(found + word.length))) continue
    masked += text.slice(at, found) + REDACTED
    at = found + word.length
  }
  return masked + text.slice(at)
}
