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
  const single = singleStatement(text, options)
  return single ? [single] : new Splitter(new Lexer(text, options), options).split()
}

/** Most texts are one statement, and their characters say so: no comment, no semicolon but at the end. */
const singleStatement = (text: string, options: ScanOptions): SqlStatement | undefined => {
  if (text.includes('--') || text.includes('/*')) return undefined
  let end = text.length
  while (end > 0 && SPACE.includes(text[end - 1]!)) end--
  if (text[end - 1] === ';') end--
  const semicolon = text.indexOf(';')
  if (semicolon !== -1 && semicolon < end) return undefined
  while (end > 0 && SPACE.includes(text[end - 1]!)) end--
  const lexer = new Lexer(text, options)
  const words: string[] = []
  if (!lexer.next() || lexer.start >= end) return undefined
  const { start } = lexer
  while (isWord(lexer) && lexer.end <= end) {
    words.push(wordOf(lexer, options))
    if (words.length === MAX_WORDS || !lexer.next()) break
  }
  return { start, end, words }
}

const SPACE = ' \t\n\r\f\v'

const isWord = ({ kind }: Lexer): boolean => kind === 'word' || kind === 'quoted'

const wordOf = (lexer: Lexer, options: ScanOptions): string =>
  lexer.kind === 'word' ? fold(lexer.raw) : `"${identifierName(lexer.text, lexer, options)}`

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
    if (isWord(this.#lexer)) this.#words.push(wordOf(this.#lexer, this.#options))
    this.#inWords = isWord(this.#lexer) && this.#words.length < MAX_WORDS
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
