/**
 * Just enough SQL lexing: where each token begins and ends, as the server's own lexer sees it. PostgreSQL's
 * rules (src/backend/parser/scan.l; manual, "Lexical Structure") or those of MySQL and MariaDB
 * (sql/sql_lex.cc; manual, "Language Structure"). Linear in the text's length whatever the text is, and
 * tolerant: an unterminated literal or comment runs to the end of the text.
 */
import {
  AMPERSAND,
  BACKTICK,
  classOf,
  DASH,
  DIGIT,
  DOLLAR,
  DOT,
  DOUBLE_QUOTE,
  endOfBlockComment,
  endOfExecutableOpening,
  endOfLine,
  endOfMysqlComment,
  endOfMysqlString,
  endOfNumber,
  endOfString,
  fold,
  HASH,
  IDENT_CONT,
  IDENT_START,
  isDashComment,
  LOWER_CASE,
  OPERATOR,
  QUESTION,
  QUOTE,
  SLASH,
  SPACE,
  STAR,
  startsComment,
  TAG_CONT,
} from './boundaries.ts'

export type TokenKind =
  /** unquoted identifier or keyword; MySQL's introducers (`_utf8`) too */
  | 'word'
  /** `"…"`, `U&"…"`; MySQL's `` `…` `` */
  | 'quoted'
  /**
   * `'…'`, `E'…'`, `U&'…'`, `N'…'`, `B'…'`, `X'…'`, `$tag$…$tag$`, continuations included; MySQL's `'…'`,
   * `"…"`, `N'…'`, `X'…'`, `B'…'`, `0x…`, `0b…`, each of several in a row for itself
   */
  | 'string'
  | 'number'
  /** `$1`; MySQL's `?` */
  | 'param'
  | 'operator'
  /** one character: brackets, comma, semicolon, dot, colon, and whatever the server would refuse */
  | 'punctuation'
  /**
   * only from {@link Lexer.nextWithComments}; of what MySQL runs as code, the opening `/*!50000` and the
   * closing alone
   */
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
  /** whose rules; default PostgreSQL's */
  readonly dialect?: 'postgresql' | 'mysql'
  /**
   * MySQL's sql_mode NO_BACKSLASH_ESCAPES: `\` in a literal is itself. Default: `standardConformingStrings`
   * where that is given (a text of an event has it there), else false.
   */
  readonly noBackslashEscapes?: boolean
  /**
   * MySQL's executable comments are comments, as they are to a server that is older than their version, or
   * of the other kind. Default false.
   */
  readonly skipExecutable?: boolean
  /** MySQL's sql_mode ANSI_QUOTES: `"…"` is an identifier. Default false. */
  readonly ansiQuotes?: boolean
}

/** Is a backslash in the text's plain literals an escape? */
export const hasBackslashEscapes = (options: ScanOptions): boolean =>
  options.dialect === 'mysql'
    ? !(options.noBackslashEscapes ?? options.standardConformingStrings ?? false)
    : options.standardConformingStrings === false

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
  readonly #mysql: boolean
  readonly #ansi: boolean
  readonly #skipExecutable: boolean
  #inExecutable = false

  /** `from` must be outside of any literal and comment. */
  constructor(text: string, options: ScanOptions = {}, from = 0) {
    this.text = text
    this.start = from
    this.end = from
    this.#backslashes = hasBackslashEscapes(options)
    this.#wide = options.wideBackslashes === true
    this.#mysql = options.dialect === 'mysql'
    this.#ansi = options.ansiQuotes === true
    this.#skipExecutable = options.skipExecutable === true
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
    this.end = this.#mysql ? this.#scanMysql(at) : this.#scan(at)
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

  /** A cursor may have begun within one; no expression has `*` and `/` side by side but before a comment. */
  #closesExecutable(at: number): boolean {
    return this.#inExecutable || (!this.#skipExecutable && this.text.charCodeAt(at + 2) !== STAR)
  }

  #scanMysql(at: number): number {
    const { text } = this
    const code = text.charCodeAt(at)
    switch (classOf(code)) {
      case IDENT_START:
      case DIGIT:
      case DOLLAR:
        return this.#mysqlWord(at, code)
      case OPERATOR:
        return this.#mysqlOperator(at, code)
      default:
        if (code === QUOTE) return this.#mysqlString(at + 1, QUOTE)
        if (code === DOUBLE_QUOTE)
          return this.#ansi ? this.#quoted(at + 1) : this.#mysqlString(at + 1, DOUBLE_QUOTE)
        if (code === DOT && classOf(text.charCodeAt(at + 1)) === DIGIT)
          return this.#take('number', endOfNumber(text, at))
        if (text.startsWith(':=', at)) return this.#take('operator', at + 2)
        return this.#take('punctuation', at + 1)
    }
  }

  /** Words may begin with digits; `0x…`, `0b…` and `X'…'` are literals. */
  #mysqlWord(at: number, code: number): number {
    const { text } = this
    if (text.charCodeAt(at + 1) === QUOTE) {
      const letter = code | LOWER_CASE
      if (letter === 0x6e /* n */) return this.#mysqlString(at + 2, QUOTE)
      if (letter === 0x62 /* b */ || letter === 0x78 /* x */) return this.#digits(at + 2)
    }
    let end = at + 1
    while (classOf(text.charCodeAt(end)) & IDENT_CONT) end++
    if (classOf(code) !== DIGIT) return this.#take('word', end)
    const word = text.slice(at, Math.min(end, at + 3))
    if (word.startsWith('0x') || word.startsWith('0b'))
      return this.#take(word.length > 2 ? 'string' : 'word', end)
    const number = endOfNumber(text, at)
    return number < end ? this.#take('word', end) : this.#take('number', number)
  }

  #mysqlString(inside: number, quote: number): number {
    const end = endOfMysqlString(this.text, inside, quote, this.#backslashes, this.#wide)
    this.terminated = end !== -1
    return this.#take('string', this.terminated ? end : this.text.length)
  }

  /** `X'…'` and `B'…'`: nothing escapes. */
  #digits(inside: number): number {
    const quote = this.text.indexOf("'", inside)
    this.terminated = quote !== -1
    return this.#take('string', this.terminated ? quote + 1 : this.text.length)
  }

  #mysqlOperator(at: number, code: number): number {
    const { text } = this
    const next = text.charCodeAt(at + 1)
    if (code === BACKTICK) return this.#quoted(at + 1, '`')
    if (code === QUESTION) return this.#take('param', at + 1)
    if (code === HASH || isDashComment(text, at)) return this.#take('comment', endOfLine(text, at, false))
    if (code === STAR && next === SLASH && this.#closesExecutable(at)) {
      this.#inExecutable = false
      return this.#take('comment', at + 2)
    }
    if (code === SLASH && next === STAR) {
      const opening = endOfExecutableOpening(text, at)
      if (opening !== -1 && !this.#skipExecutable) {
        this.#inExecutable = true
        return this.#take('comment', opening)
      }
      const end = endOfMysqlComment(text, at + 2, opening !== -1)
      this.terminated = end !== -1
      return this.#take('comment', this.terminated ? end : text.length)
    }
    return this.#take('operator', next === code && (text[at] === '|' || text[at] === '&') ? at + 2 : at + 1)
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

  #quoted(inside: number, mark = '"'): number {
    const { text } = this
    let quote = text.indexOf(mark, inside)
    while (quote !== -1 && text[quote + 1] === mark) quote = text.indexOf(mark, quote + 2)
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
