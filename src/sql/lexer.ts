/**
 * Just enough SQL lexing: where each token begins and ends, as the server's own lexer sees it. PostgreSQL's
 * rules (src/backend/parser/scan.l; manual, "Lexical Structure"); MySQL's come with its dumper, as another
 * {@link ScanOptions} and another `scanToken`. Linear in the text's length whatever the text is, and
 * tolerant: an unterminated literal or comment runs to the end of the text.
 */

export type TokenKind =
  /** unquoted identifier or keyword */
  | 'word'
  /** `"…"`, `U&"…"` */
  | 'quoted'
  /** `'…'`, `E'…'`, `U&'…'`, `N'…'`, `B'…'`, `X'…'`, `$tag$…$tag$`, continuations included */
  | 'string'
  | 'number'
  /** `$1` */
  | 'param'
  | 'operator'
  /** one character: brackets, comma, semicolon, dot, colon, and whatever the server would refuse */
  | 'punctuation'
  /** only from {@link Lexer.nextWithComments} */
  | 'comment'

/** Half-open range of UTF-16 offsets into the text. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** How the server lexes. */
export interface ScanOptions {
  /** PostgreSQL's setting of that name; false makes `\` an escape in `'…'`. Default true. */
  readonly standardConformingStrings?: boolean
  /**
   * A backslash behind a character beyond ASCII escapes nothing: it is that character's second byte, in a
   * text that was decoded by another encoding than the client's (SJIS, BIG5, GBK, … have such
   * characters).
   */
  readonly wideBackslashes?: boolean
}

const SPACE = 1
const DIGIT = 2
const IDENT_START = 4
const OPERATOR = 8
const DOLLAR = 16
const IDENT_CONT = IDENT_START | DIGIT | DOLLAR
const TAG_CONT = IDENT_START | DIGIT

const QUOTE = 0x27
const DOUBLE_QUOTE = 0x22
const BACKSLASH = 0x5c
const DASH = 0x2d
const SLASH = 0x2f
const STAR = 0x2a
const DOT = 0x2e
const AMPERSAND = 0x26
const NEWLINE = 0x0a
const RETURN = 0x0d
const LOWER_CASE = 0x20

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
const classOf = (code: number): number => (code < 128 ? CLASSES[code]! : code >= 128 ? IDENT_START : 0)

/**
 * A cursor over the tokens of a text: each `next()` moves it on; `kind`, `start`, `end`, `terminated` tell
 * where it stands. One object per text, none per token.
 */
export class Lexer {
  kind: TokenKind = 'punctuation'
  start: number
  end: number
  /** false for a literal, quoted identifier or comment that runs to the end of the text unclosed */
  terminated = true
  readonly text: string
  readonly #backslashes: boolean
  readonly #wide: boolean

  /** `from` must be outside of any literal and comment. */
  constructor(text: string, options: ScanOptions = {}, from = 0) {
    this.text = text
    this.start = from
    this.end = from
    this.#backslashes = options.standardConformingStrings === false
    this.#wide = options.wideBackslashes === true
  }

  /** To the next token that is no comment; false at the end of the text. */
  next(): boolean {
    while (this.nextWithComments()) if (this.kind !== 'comment') return true
    return false
  }

  /** To the next token, comments included; false at the end of the text. */
  nextWithComments(): boolean {
    const { text } = this
    let at = this.end
    while (classOf(text.charCodeAt(at)) === SPACE) at++
    this.start = at
    this.terminated = true
    if (at >= text.length) {
      this.end = text.length
      return false
    }
    this.end = this.#scan(at)
    return true
  }

  /** The token's text as written. */
  get raw(): string {
    return this.text.slice(this.start, this.end)
  }

  /** Is the token this unquoted word? `word` in lower case. */
  is(word: string): boolean {
    return this.kind === 'word' && this.end - this.start === word.length && fold(this.raw) === word
  }

  /** Is the token this one character? */
  isPunctuation(character: string): boolean {
    return this.kind === 'punctuation' && this.text[this.start] === character
  }

  /** Sets `kind`; gives the end. So do all below. */
  #scan(at: number): number {
    const { text } = this
    const code = text.charCodeAt(at)
    switch (classOf(code)) {
      case IDENT_START:
        return this.#wordOrPrefixed(at, code)
      case DIGIT:
        return this.#take('number', endOfNumber(text, at))
      case OPERATOR:
        return this.#operatorOrComment(at, code)
      case DOLLAR:
        return this.#dollar(at)
      default:
        if (code === QUOTE) return this.#string(at + 1, this.#backslashes)
        if (code === DOUBLE_QUOTE) return this.#quoted(at + 1)
        if (code === DOT && classOf(text.charCodeAt(at + 1)) === DIGIT)
          return this.#take('number', endOfNumber(text, at))
        return this.#take('punctuation', at + 1)
    }
  }

  #take(kind: TokenKind, end: number): number {
    this.kind = kind
    return end
  }

  #wordOrPrefixed(at: number, code: number): number {
    const { text } = this
    const following = text.charCodeAt(at + 1)
    const letter = code | LOWER_CASE
    if (following === QUOTE) {
      if (letter === 0x65 /* e */) return this.#string(at + 2, true)
      if (letter === 0x6e /* n */) return this.#string(at + 2, this.#backslashes)
      if (letter === 0x62 /* b */ || letter === 0x78 /* x */) return this.#string(at + 2, false)
    } else if (following === AMPERSAND && letter === 0x75 /* u */) {
      const quote = text.charCodeAt(at + 2)
      if (quote === QUOTE) return this.#string(at + 3, false)
      if (quote === DOUBLE_QUOTE) return this.#quoted(at + 3)
    }
    let end = at + 1
    while (classOf(text.charCodeAt(end)) & IDENT_CONT) end++
    return this.#take('word', end)
  }

  #string(inside: number, backslashes: boolean): number {
    const end = endOfString(this.text, inside, backslashes, this.#wide)
    this.terminated = end !== -1
    return this.#take('string', this.terminated ? end : this.text.length)
  }

  #quoted(inside: number): number {
    const { text } = this
    let quote = text.indexOf('"', inside)
    while (quote !== -1 && text.charCodeAt(quote + 1) === DOUBLE_QUOTE) quote = text.indexOf('"', quote + 2)
    this.terminated = quote !== -1
    return this.#take('quoted', this.terminated ? quote + 1 : text.length)
  }

  #dollar(at: number): number {
    const { text } = this
    let end = at + 1
    if (classOf(text.charCodeAt(end)) === DIGIT) {
      while (classOf(text.charCodeAt(end)) === DIGIT) end++
      return this.#take('param', end)
    }
    while (classOf(text.charCodeAt(end)) & TAG_CONT) end++
    if (classOf(text.charCodeAt(end)) !== DOLLAR) return this.#take('punctuation', at + 1)
    const tag = text.slice(at, end + 1)
    const closing = text.indexOf(tag, end + 1)
    this.terminated = closing !== -1
    return this.#take('string', this.terminated ? closing + tag.length : text.length)
  }

  #operatorOrComment(at: number, code: number): number {
    const { text } = this
    if (startsComment(text, at, code)) {
      const end = code === DASH ? endOfLine(text, at) : endOfBlockComment(text, at + 2)
      this.terminated = end !== -1
      return this.#take('comment', this.terminated ? end : text.length)
    }
    let end = at + 1
    for (;;) {
      const next = text.charCodeAt(end)
      if (classOf(next) !== OPERATOR || startsComment(text, end, next)) break
      end++
    }
    // the server cuts trailing + and - off; that moves no boundary of anything but operators
    return this.#take('operator', end)
  }
}

/** ASCII letters only, as the server folds identifiers in UTF-8. */
export const fold = (word: string): string => {
  const lower = word.toLowerCase()
  // beyond ASCII toLowerCase does more than the server (and may change the length)
  return /^[\0-\x7f]*$/.test(word) ? lower : word.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

const startsComment = (text: string, at: number, code: number): boolean =>
  (code === DASH && text.charCodeAt(at + 1) === DASH) ||
  (code === SLASH && text.charCodeAt(at + 1) === STAR)

const endOfLine = (text: string, from: number): number => {
  let at = from
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === NEWLINE || code === RETURN) break
    at++
  }
  return at
}

const endOfBlockComment = (text: string, inside: number): number => {
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
const endOfNumber = (text: string, from: number): number => {
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

const endOfString = (text: string, inside: number, backslashes: boolean, wide: boolean): number => {
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
