/** Where the statements of a text begin and end, and by which words each begins. */
import { fold, Lexer, type ScanOptions, type Span } from './lexer.ts'
import { identifierName } from './literal.ts'

const MAX_WORDS = 6

/** One statement of a text: from its first token to behind its last, without the semicolon. */
export interface SqlStatement extends Span {
  /**
   * The words that it begins with, at most six, up to its first token that is none: keywords and names in
   * lower case; a quoted identifier keeps its case and is marked by a leading `"`.
   */
  readonly words: readonly string[]
}

/**
 * The statements of `text`, empty ones left out. A semicolon separates them unless it is inside brackets
 * (`CREATE RULE … DO (…; …)`) or the body of `CREATE FUNCTION … BEGIN ATOMIC … END`; literals and
 * comments are the lexer's. True for every text that the server's parser takes; one that it refuses has no
 * statement that could run.
 */
export const splitStatements = (text: string, options: ScanOptions = {}): readonly SqlStatement[] => {
  const splitter = new Splitter(new Lexer(text, options), options)
  return splitter.split()
}

class Splitter {
  readonly #lexer: Lexer
  readonly #options: ScanOptions
  readonly #statements: SqlStatement[] = []
  #start = -1
  #end = 0
  #words: string[] = []
  #inWords = true
  #depth = 0
  /** was the token before this one the BEGIN that may begin a body; are we in one; may END close it here */
  #begin = false
  #inBody = false
  #mayEnd = false

  constructor(lexer: Lexer, options: ScanOptions) {
    this.#lexer = lexer
    this.#options = options
  }

  split(): readonly SqlStatement[] {
    const lexer = this.#lexer
    while (lexer.next()) {
      if (lexer.isPunctuation(';') && this.#depth === 0 && !this.#inBody) {
        this.#close()
        continue
      }
      if (this.#start === -1) this.#start = lexer.start
      this.#end = lexer.end
      if (this.#inWords) this.#collectWord()
      this.#track()
    }
    this.#close()
    return this.#statements
  }

  #close(): void {
    if (this.#start !== -1)
      this.#statements.push({ start: this.#start, end: this.#end, words: this.#words })
    this.#start = -1
    this.#words = []
    this.#inWords = true
    this.#begin = false
  }

  #collectWord(): void {
    const { kind, raw } = this.#lexer
    if (kind === 'word') this.#words.push(fold(raw))
    else if (kind === 'quoted')
      this.#words.push(`"${identifierName(this.#lexer.text, this.#lexer, this.#options)}`)
    this.#inWords = (kind === 'word' || kind === 'quoted') && this.#words.length < MAX_WORDS
  }

  #track(): void {
    const lexer = this.#lexer
    const begin = this.#begin
    const mayEnd = this.#mayEnd
    this.#begin = false
    this.#mayEnd = false
    if (lexer.isPunctuation('(')) this.#depth++
    else if (lexer.isPunctuation(')')) this.#depth = Math.max(0, this.#depth - 1)
    else if (this.#depth > 0) return
    else if (this.#inBody) {
      // inside a body END can only follow ATOMIC or a semicolon; any other is a CASE's or a column's name
      if (lexer.isPunctuation(';')) this.#mayEnd = true
      else if (mayEnd && lexer.is('end')) this.#inBody = false
    } else if (begin && lexer.is('atomic')) this.#inBody = this.#mayEnd = true
    else this.#begin = lexer.is('begin') && createsRoutine(this.#words)
  }
}

const createsRoutine = (words: readonly string[]): boolean => {
  const kind = words[1] === 'or' && words[2] === 'replace' ? words[3] : words[1]
  return words[0] === 'create' && (kind === 'function' || kind === 'procedure')
}
