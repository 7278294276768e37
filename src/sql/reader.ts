/** The tokens of one statement, read one by one by those who parse it. */
import { fold } from './boundaries.ts'
import { Lexer, type ScanOptions, type Span } from './lexer.ts'
import { identifierName, literalValue } from './literal.ts'

/** The tokens of one statement, one ahead. */
export class Reader {
  readonly #lexer: Lexer
  readonly #limit: number
  readonly #options: ScanOptions
  more: boolean

  constructor(text: string, statement: Span, options: ScanOptions) {
    this.#lexer = new Lexer(text, options, statement.start)
    this.#limit = statement.end
    this.#options = options
    this.more = true
    this.advance()
  }

  advance(): void {
    this.more = this.#lexer.next() && this.#lexer.end <= this.#limit
  }

  is(word: string): boolean {
    return this.more && this.#lexer.is(word)
  }

  isCharacter(character: string): boolean {
    return this.more && this.#lexer.raw === character
  }

  /** Steps over the word if it is next. */
  skip(...words: readonly string[]): boolean {
    const found = words.some((word) => this.is(word))
    if (found) this.advance()
    return found
  }

  skipCharacter(character: string): boolean {
    const found = this.isCharacter(character)
    if (found) this.advance()
    return found
  }

  /** Steps over a bracketed list if one is next. */
  skipBrackets(): void {
    if (!this.isCharacter('(')) return
    let depth = 0
    do {
      if (this.isCharacter('(')) depth++
      else if (this.isCharacter(')')) depth--
      this.advance()
    } while (this.more && depth > 0)
  }

  /** A name, quoted or not, stepped over. */
  name(): string | undefined {
    const lexer = this.#lexer
    if (!this.more || (lexer.kind !== 'word' && lexer.kind !== 'quoted')) return undefined
    const name = identifierName(lexer.text, lexer, this.#options)
    this.advance()
    return name
  }

  /** A name or a string literal, stepped over. */
  nameOrLiteral(): string | undefined {
    const lexer = this.#lexer
    if (!this.more || lexer.kind !== 'string') return this.name()
    const value = literalValue(lexer.text, lexer, this.#options)
    this.advance()
    return value
  }

  /** What is left of the statement, as written. */
  rest(): string {
    return this.more ? this.#lexer.text.slice(this.#lexer.start, this.#limit) : ''
  }

  get isAtEnd(): boolean {
    return !this.more || this.isCharacter(';')
  }

  /** An unquoted word in lower case, stepped over; '' when there is none. */
  word(): string {
    if (!this.more || this.#lexer.kind !== 'word') return ''
    const word = fold(this.#lexer.raw)
    this.advance()
    return word
  }

  /** A number, or a literal with one in it, as written; stepped over. */
  numeral(): string | undefined {
    const { more } = this
    const { kind, raw } = this.#lexer
    const digits =
      kind === 'number' ? raw : kind === 'string' ? /^['"](\d+)['"]$/.exec(raw)?.[1] : undefined
    if (!more || digits === undefined) return undefined
    this.advance()
    return digits
  }

  /** Literals side by side, as MySQL joins them; stepped over. An introducer before them is left out. */
  literals(): string | undefined {
    const lexer = this.#lexer
    if (this.more && lexer.kind === 'word' && lexer.raw.startsWith('_')) this.advance()
    let value: string | undefined
    while (this.more && lexer.kind === 'string') {
      value = (value ?? '') + literalValue(lexer.text, lexer, this.#options)
      this.advance()
    }
    return value
  }

  /** `=` or `:=`, stepped over. */
  skipAssignment(): boolean {
    return this.skipCharacter('=') || this.skipCharacter(':=')
  }

  /** Steps behind the next comma outside of brackets; false when the statement ends before one. */
  skipToComma(): boolean {
    while (!this.isAtEnd) {
      if (this.isCharacter('(')) this.skipBrackets()
      else if (this.skipCharacter(',')) return true
      else this.advance()
    }
    return false
  }
}
