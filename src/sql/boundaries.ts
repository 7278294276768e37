/** Where things begin and end in SQL: characters by class, comments, numbers, literals. */

export const SPACE = 1
export const DIGIT = 2
export const IDENT_START = 4
export const OPERATOR = 8
export const DOLLAR = 16
export const IDENT_CONT = IDENT_START | DIGIT | DOLLAR
export const TAG_CONT = IDENT_START | DIGIT

export const QUOTE = 0x27
export const DOUBLE_QUOTE = 0x22
export const BACKSLASH = 0x5c
export const DASH = 0x2d
export const SLASH = 0x2f
export const STAR = 0x2a
export const DOT = 0x2e
export const AMPERSAND = 0x26
export const BACKTICK = 0x60
export const HASH = 0x23
export const QUESTION = 0x3f
const EXCLAMATION = 0x21
const NEWLINE = 0x0a
const RETURN = 0x0d
export const LOWER_CASE = 0x20

const CLASSES: Uint8Array = (() => {
  const classes = new Uint8Array(128)
  const mark = (characters: string, as: number) => {
    for (const character of characters) classes[character.charCodeAt(0)] = as
  }
  mark(' \t\n\r\f\v', SPACE)
  mark('0123456789', DIGIT)
  mark('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_', IDENT_START)
  mark('~!@#^&|`?+-*/%<>=', OPERATOR)
  mark('$', DOLLAR)
  return classes
})()

/** Every byte above 0x7f belongs to identifiers, as in scan.l. NaN (past the end) belongs to nothing. */
export const classOf = (code: number): number =>
  code < 128 ? CLASSES[code]! : code >= 128 ? IDENT_START : 0

/** ASCII letters only, as the server folds identifiers in UTF-8. */
export const fold = (word: string): string => {
  const lower = word.toLowerCase()
  // beyond ASCII toLowerCase does more than the server (and may change the length)
  return /^[\0-\x7f]*$/.test(word) ? lower : word.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

export const startsComment = (text: string, at: number, code: number): boolean =>
  (code === DASH && text.charCodeAt(at + 1) === DASH) ||
  (code === SLASH && text.charCodeAt(at + 1) === STAR)

export const endOfLine = (text: string, from: number, orReturn = true): number => {
  let at = from
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === NEWLINE || (code === RETURN && orReturn)) break
    at++
  }
  return at
}

export const endOfBlockComment = (text: string, inside: number): number => {
  let depth = 1
  for (let at = inside; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === STAR && text.charCodeAt(at + 1) === SLASH) {
      at++
      if (--depth === 0) return at + 1
    } else if (code === SLASH && text.charCodeAt(at + 1) === STAR) {
      at++
      depth++
    }
  }
  return -1
}

/** Digits, fraction, exponent; what follows (a suffix that newer servers refuse) is the next token. */
export const endOfNumber = (text: string, from: number): number => {
  const digits = (at: number) => {
    let end = at
    while (classOf(text.charCodeAt(end)) === DIGIT) end++
    return end
  }
  let end = digits(from)
  // `1..10` is a range of PL/pgSQL
  if (text.charCodeAt(end) === DOT && text.charCodeAt(end + 1) !== DOT) end = digits(end + 1)
  if ((text.charCodeAt(end) | LOWER_CASE) === 0x65 /* e */) {
    const sign = text[end + 1] === '+' || text[end + 1] === '-' ? 1 : 0
    if (classOf(text.charCodeAt(end + 1 + sign)) === DIGIT) end = digits(end + 1 + sign)
  }
  return end
}

export const endOfString = (text: string, inside: number, backslashes: boolean, wide: boolean): number => {
  let at = inside
  for (;;) {
    const quote = backslashes ? unescapedQuote(text, at, wide) : text.indexOf("'", at)
    if (quote === -1) return -1
    if (text.charCodeAt(quote + 1) === QUOTE) {
      at = quote + 2
      continue
    }
    const next = continuation(text, quote + 1)
    if (next === -1) return quote + 1
    at = next
  }
}

const unescapedQuote = (text: string, from: number, wide: boolean): number => {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) return at
    if (code === BACKSLASH && !(wide && text.charCodeAt(at - 1) > 0x7f)) at++
  }
  return -1
}

/**
 * Literals that are separated by white space with a newline in it (and `--` comments) are one: the offset
 * behind the quote that opens the next piece, or -1. `from` is just behind a closing quote.
 */
export const continuation = (text: string, from: number): number => {
  let newline = false
  let at = from
  for (;;) {
    const code = text.charCodeAt(at)
    if (code === NEWLINE || code === RETURN) newline = true
    else if (code === DASH && text.charCodeAt(at + 1) === DASH) {
      at = endOfLine(text, at)
      continue
    } else if (classOf(code) !== SPACE) return code === QUOTE && newline ? at + 1 : -1
    at++
  }
}

/** MySQL's `--` needs white space, a control character or the end of the text behind it. */
export const isDashComment = (text: string, at: number): boolean =>
  text.charCodeAt(at) === DASH &&
  text.charCodeAt(at + 1) === DASH &&
  (at + 2 >= text.length || text.charCodeAt(at + 2) <= 0x20 || text.charCodeAt(at + 2) === 0x7f)

/**
 * Behind the opening of an executable comment (`/*!`, `/*!50110`, MariaDB's `/*M!100100`) at `at`, or -1.
 * Whether a version is new enough for the server is not asked.
 */
export const endOfExecutableOpening = (text: string, at: number): number => {
  const isMariadb = text[at + 2] === 'M'
  let end = at + (isMariadb ? 3 : 2)
  if (text.charCodeAt(end) !== EXCLAMATION) return -1
  end++
  const from = end
  while (classOf(text.charCodeAt(end)) === DIGIT && end - from < MAX_VERSION_DIGITS) end++
  return end - from < MIN_VERSION_DIGITS ? from : end
}

/** five digits, or six since MySQL 8.0 and MariaDB 10 */
const MIN_VERSION_DIGITS = 5
const MAX_VERSION_DIGITS = 6

/** Behind the end of a comment of MySQL's, or -1; within a skipped executable one there may be others. */
export const endOfMysqlComment = (text: string, inside: number, mayNest: boolean): number => {
  let at = inside
  for (;;) {
    const end = text.indexOf('*/', at)
    if (end === -1) return -1
    const inner = mayNest ? text.indexOf('/*', at) : -1
    if (inner === -1 || inner > end) return end + 2
    at = end + 2
  }
}

/** Behind the `quote` that closes a literal of MySQL, or -1. */
export const endOfMysqlString = (
  text: string,
  inside: number,
  quote: number,
  backslashes: boolean,
  wide: boolean,
): number => {
  for (let at = inside; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) {
      if (text.charCodeAt(at + 1) !== quote) return at + 1
      at++
    } else if (code === BACKSLASH && backslashes && !(wide && text.charCodeAt(at - 1) > 0x7f)) at++
  }
  return -1
}
