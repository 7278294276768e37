/**
 * Where a connection string holds a secret: in libpq's `key=value` form or a URI (manual, libpq).
 */
import type { Span } from '../sql/scan.ts'
import { isPlain } from './redact-names.ts'

/** The secrets of a connection string. */
export interface ConninfoSecrets {
  readonly spans: readonly Span[]
  /** offsets of placeholders that stand where a secret belongs */
  readonly holes: readonly number[]
  /** it breaks off where a secret belongs: that stands elsewhere, perhaps behind an opening quote */
  readonly end: 'closed' | 'open' | 'quoted'
}

const NONE: ConninfoSecrets = { spans: [], holes: [], end: 'closed' }

const SECRET_KEY =
  /(?<![a-z0-9_])(?:(?:ssl)?pas+w(?:or)?d|pwd|oauth_client_secret|scram_(?:client|server)_key)\s{0,64}=/gi
/** begins as a connection string does, or has a key that they have and hardly anything else has */
const CONNINFO =
  /^\s{0,64}[a-z_]{1,64}\s{0,64}=|(?<![a-z0-9_])(?:host|hostaddr|dbname|sslmode|user)\s{0,64}=/i
const WHOLE = /^\s{0,64}(?:[a-z_]{1,64}\s{0,64}=|[a-z][a-z0-9+.-]{0,32}:\/\/)/i
const NEXT_KEY = /^\s+[a-z_]+\s*=/i

/** Is the text as a whole a connection string, as far as its beginning tells? No statement begins so. */
export const isConninfo = (text: string): boolean => WHOLE.test(text)

/** The secrets of the connection strings in `text`. */
export const conninfoSecrets = (text: string): ConninfoSecrets => {
  const hasUri = text.includes('://')
  if (!hasUri && !CONNINFO.test(text)) return NONE
  const spans = hasUri ? uriPasswords(text) : []
  const isWhole = isConninfo(text)
  const secretKey = new RegExp(SECRET_KEY)
  for (let match = secretKey.exec(text); match; match = secretKey.exec(text)) {
    const inUri = hasUri && /[?&]/.test(text.charAt(match.index - 1))
    const value = valueAt(text, secretKey.lastIndex, inUri)
    const span = isWhole && !inUri && !hasUri ? withStrayWords(text, value) : value
    spans.push(span)
    secretKey.lastIndex = span.end
  }
  return toldBy(text, spans)
}

const toldBy = (text: string, spans: readonly Span[]): ConninfoSecrets => {
  const holes: number[] = []
  let end: ConninfoSecrets['end'] = 'closed'
  for (const span of spans) {
    const value = text.slice(span.start, span.end)
    const hole = /^'?%/.exec(value)
    if (hole) holes.push(span.start + hole[0].length - 1)
    if (value === '' || value === "'") end = value === '' ? 'open' : 'quoted'
  }
  return { spans: spans.filter(({ start, end }) => end > start), holes, end }
}

/** The forms in which libpq or a server may quote such a secret: unescaped, decoded, in pieces of a URI. */
export const quotableForms = (secret: string): readonly string[] => {
  const unquoted = /^'(.*)'$/s.exec(secret)?.[1] ?? secret
  const unescaped = unquoted.replaceAll(/\\(.)/gs, '$1')
  const decoded = unquoted.replaceAll(/(?:%[0-9a-f]{2})+/gi, (bytes) =>
    Buffer.from(bytes.replaceAll('%', ''), 'hex').toString(),
  )
  return [
    secret,
    unquoted,
    unescaped,
    decoded,
    ...unquoted.split(/[/:@?#&\s]/).filter((piece) => piece.length > 3),
  ]
}

/** The value behind `key =`: quoted, or to the next white space, backslashes escaping either way. */
const valueAt = (text: string, from: number, inUri: boolean): Span => {
  let start = from
  if (!inUri) while (/\s/.test(text.charAt(start))) start++
  const quoted = !inUri && text[start] === "'"
  const stop = inUri ? /[\s&'"]/ : quoted ? /'/ : /\s/
  let end = quoted ? start + 1 : start
  while (end < text.length && !stop.test(text[end]!)) end += !inUri && text[end] === '\\' ? 2 : 1
  end = Math.min(end, text.length)
  return { start, end: quoted && text[end] === "'" ? end + 1 : end }
}

/** A secret with white space in it that somebody forgot to quote: libpq takes no words without a key. */
const withStrayWords = (text: string, { start, end }: Span): Span => {
  let last = end
  const space = /\s+/g
  space.lastIndex = end
  for (let match = space.exec(text); match?.index === last; match = space.exec(text)) {
    if (NEXT_KEY.test(text.slice(last, last + 256))) break
    const word = /\S*/y
    word.lastIndex = space.lastIndex
    const stray = word.exec(text)?.[0] ?? ''
    if (!isPlain(stray)) break
    last += match[0].length + stray.length
    space.lastIndex = last
  }
  return { start, end: last }
}

/** The passwords of `scheme://user:password@…`, an empty span where the text ends in its stead. */
const uriPasswords = (text: string): Span[] => {
  const spans: Span[] = []
  let separator = text.indexOf('://')
  while (separator !== -1) {
    const next = text.indexOf('://', separator + 3)
    const span = userInfoPassword(text, separator, next === -1 ? text.length : next)
    if (span) spans.push(span)
    separator = next
  }
  return spans
}

const userInfoPassword = (text: string, separator: number, limit: number): Span | undefined => {
  const from = separator + 3
  const run = /^[^\s'"]*/.exec(text.slice(from, limit))![0]
  const authority = /^[^/?#]*/.exec(run)![0]
  const colon = authority.indexOf(':')
  if (colon === -1 || authority.slice(0, colon).includes('@')) return undefined
  const start = from + colon + 1
  let at = authority.lastIndexOf('@')
  if (
    at === -1 &&
    /(?:postgres(?:ql)?|mysqlx?|mariadb)$/i.test(text.slice(Math.max(0, separator - 10), separator))
  ) {
    // a password with a slash is none for libpq, but it was meant as one
    at = run.lastIndexOf('@')
    const isPort = /^\d*(?:$|[/?#,])/.test(run.slice(colon + 1))
    if (at === -1 && (!isPort || start === text.length)) at = run.length
  }
  return at > colon ? { start, end: from + at } : undefined
}
