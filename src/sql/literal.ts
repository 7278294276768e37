/** What a token's text stands for: the value of a literal, the name of an identifier. */
import { continuation, fold } from './boundaries.ts'
import { Lexer, type ScanOptions, type Span } from './lexer.ts'
import { Builder, identity, type Literal } from './literal-builder.ts'
import { mysqlName, readMysqlLiteral } from './mysql-literal.ts'

/** The server keeps so many bytes of a name (NAMEDATALEN - 1), and drops the rest. */
const MAX_NAME_BYTES = 63

/**
 * The value of the string literal at `token`, as the server would read it; lenient where it would refuse
 * (a broken escape stands for itself, an unterminated literal ends with the text). The value of a bit string
 * is its digits.
 */
export const literalValue = (text: string, token: Span, options: ScanOptions = {}): string =>
  readLiteral(text, token, options).value

/** {@link literalValue}, with the way back into the text. */
export const readLiteral = (text: string, token: Span, options: ScanOptions = {}): Literal => {
  if (options.dialect === 'mysql') return readMysqlLiteral(text, token, options)
  const letter = text.charAt(token.start).toLowerCase()
  if (letter === '$') return dollarQuoted(text, token)
  const plainEscapes = options.standardConformingStrings === false
  switch (letter) {
    case "'":
      return quotedPieces(text, token, token.start + 1, plainEscapes ? '\\' : '')
    case 'e':
      return quotedPieces(text, token, token.start + 2, '\\')
    case 'n':
      return quotedPieces(text, token, token.start + 2, plainEscapes ? '\\' : '')
    case 'u': {
      const pieces = quotedPieces(text, token, token.start + 3, '')
      return unicodeEscapes(pieces, escapeCharacter(text, token.end, options))
    }
    default:
      return quotedPieces(text, token, token.start + 2, '')
  }
}

/**
 * The name that the word or quoted identifier at `token` stands for: folded to lower case unless quoted, cut
 * to 63 bytes. MySQL's is as written, for what its case means depends on what it names.
 */
export const identifierName = (text: string, token: Span, options: ScanOptions = {}): string =>
  options.dialect === 'mysql' ? mysqlName(text, token) : truncateName(fullName(text, token, options))

const fullName = (text: string, token: Span, options: ScanOptions): string => {
  const raw = text.slice(token.start, token.end)
  if (raw.startsWith('"')) return unquote(raw, 1)
  if (!/^u&"/i.test(raw)) return fold(raw)
  const name = identity(unquote(raw, 3), 0)
  return unicodeEscapes(name, escapeCharacter(text, token.end, options)).value
}

const unquote = (raw: string, inside: number): string =>
  raw.slice(inside, raw.length > inside && raw.endsWith('"') ? -1 : undefined).replaceAll('""', '"')

/** As the server truncates: to 63 bytes of UTF-8, no character cut. */
export const truncateName = (name: string): string => {
  if (name.length * 3 <= MAX_NAME_BYTES) return name
  const bytes = Buffer.from(name)
  if (bytes.length <= MAX_NAME_BYTES) return name
  let end = MAX_NAME_BYTES
  while ((bytes[end]! & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}

const dollarQuoted = (text: string, token: Span): Literal => {
  const inside = text.indexOf('$', token.start + 1) + 1
  const tag = text.slice(token.start, inside)
  const closed = token.end - token.start >= 2 * tag.length && text.endsWith(tag, token.end)
  return identity(text.slice(inside, closed ? token.end - tag.length : token.end), inside)
}

/** `'…'` pieces from `inside` on, doubled quotes and (with an `escape`) backslashes undone. */
const quotedPieces = (text: string, token: Span, inside: number, escapeWith: string): Literal => {
  const last = token.end - 1
  const simple = text.indexOf("'", inside)
  if (simple === last && (escapeWith === '' || !text.slice(inside, last).includes(escapeWith)))
    return identity(text.slice(inside, last), inside)
  const builder = new Builder(token.end - inside)
  let at = inside
  while (at < token.end) {
    const unit = text[at]!
    if (unit === "'") {
      if (text[at + 1] === "'" && at + 1 < token.end) {
        builder.add("'", at, at + 2)
        at += 2
        continue
      }
      const next = continuation(text, at + 1)
      if (next === -1 || next > token.end) break
      at = next
    } else if (unit === escapeWith && at + 1 < token.end) at = backslashEscape(text, at, token.end, builder)
    else {
      const from = at++
      while (at < token.end && text[at] !== "'" && text[at] !== escapeWith) at++
      builder.addRun(text.slice(from, at), from)
    }
  }
  return builder.finish()
}

const SINGLE: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

/** Undoes the escape at `at` (manual, 4.1.2.2); gives the offset behind it. */
const backslashEscape = (text: string, at: number, limit: number, builder: Builder): number => {
  const rest = text.slice(at + 1, Math.min(at + 10, limit))
  const byte = /^(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2}))/.exec(rest)
  if (byte) {
    const end = at + 1 + byte[0].length
    const value = byte[1] === undefined ? Number.parseInt(byte[2]!, 16) : Number.parseInt(byte[1], 8)
    builder.addByte(value & 0xff, at, end)
    return end
  }
  const unicode = /^(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))/.exec(rest)
  if (unicode) {
    const end = at + 1 + unicode[0].length
    builder.add(codePoint(unicode[1] ?? unicode[2]!), at, end)
    return end
  }
  builder.add(SINGLE[rest[0]!] ?? rest[0]!, at, at + 2)
  return at + 2
}

/** Halves of a surrogate pair come one by one and meet in the string. */
const codePoint = (hex: string): string => {
  const code = Number.parseInt(hex, 16)
  return code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd'
}

/** Undoes `\XXXX` and `\+XXXXXX` of `U&'…'` and `U&"…"` in an already unquoted literal. */
const unicodeEscapes = (quoted: Literal, escapeWith: string): Literal => {
  const { value } = quoted
  if (!value.includes(escapeWith)) return quoted
  const builder = new Builder(value.length)
  let at = 0
  while (at < value.length) {
    let length = 1
    let units = value[at]!
    if (units === escapeWith) {
      const rest = value.slice(at + 1, at + 8)
      const match = /^(?:([0-9a-f]{4})|\+([0-9a-f]{6}))/i.exec(rest)
      if (match) units = codePoint(match[1] ?? match[2]!)
      length = match ? 1 + match[0].length : rest[0] === escapeWith ? 2 : 1
    }
    const span = quoted.source(at, at + length)
    builder.add(units, span.start, span.end)
    at += length
  }
  return builder.finish()
}

/** What `UESCAPE '…'` behind the literal names; the default is the backslash. */
const escapeCharacter = (text: string, from: number, options: ScanOptions): string => {
  const lexer = new Lexer(text, options, from)
  if (!lexer.next() || !lexer.is('uescape') || !lexer.next() || lexer.kind !== 'string') return '\\'
  const value = literalValue(text, lexer, options)
  return value.length === 1 ? value : '\\'
}
