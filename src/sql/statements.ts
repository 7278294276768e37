/** Where the statements of a text begin and end, and by which words each begins. */
import { fold } from './boundaries.ts'
import { Lexer, type ScanOptions, type Span } from './lexer.ts'
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
 * (`CREATE RULE … DO (…; …)`) or the body of `CREATE FUNCTION … BEGIN ATOMIC … END`, or of one of MySQL's
 * stored programs; literals and comments are the lexer's. True for every text that the server's parser
 * takes; one that it refuses has no statement that could run.
 */
export const splitStatements = (text: string, options: ScanOptions = {}): readonly SqlStatement[] => {
  const single = singleStatement(text, options)
  if (single) return [single]
  const body = options.dialect === 'mysql' ? new MysqlBody() : new AtomicBody()
  return new Splitter(new Lexer(text, options), options, body).split()
}

/** Most texts are one statement, and their characters say so: no comment, no semicolon but at the end. */
const singleStatement = (text: string, options: ScanOptions): SqlStatement | undefined => {
  if (text.includes('--') || text.includes('/*')) return undefined
  if (options.dialect === 'mysql' && text.includes('#')) return undefined
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

/** Follows the brackets and blocks of one statement after the other. */
interface Body {
  /** May a semicolon here end the statement? */
  readonly isOutside: boolean
  /** The next token; `words` are those that the statement begins with. */
  track(lexer: Lexer, words: readonly string[]): void
  /** The next statement. */
  reset(): void
}

class Splitter {
  readonly #lexer: Lexer
  readonly #options: ScanOptions
  readonly #body: Body
  readonly #statements: SqlStatement[] = []
  #start = -1
  #end = 0
  #words: string[] = []
  #inWords = true

  constructor(lexer: Lexer, options: ScanOptions, body: Body) {
    this.#lexer = lexer
    this.#options = options
    this.#body = body
  }

  split(): readonly SqlStatement[] {
    const lexer = this.#lexer
    while (lexer.next()) {
      if (lexer.isPunctuation(';') && this.#body.isOutside) {
        this.#close()
        continue
      }
      if (this.#start === -1) this.#start = lexer.start
      this.#end = lexer.end
      if (this.#inWords) this.#collectWord()
      this.#body.track(lexer, this.#words)
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
    this.#body.reset()
  }

  #collectWord(): void {
    if (isWord(this.#lexer)) this.#words.push(wordOf(this.#lexer, this.#options))
    this.#inWords = isWord(this.#lexer) && this.#words.length < MAX_WORDS
  }
}

/** PostgreSQL's brackets and `BEGIN ATOMIC … END`. */
class AtomicBody implements Body {
  #depth = 0
  /** was the token before this one the BEGIN that may begin a body; are we in one; may END close it here */
  #begin = false
  #inBody = false
  #mayEnd = false

  get isOutside(): boolean {
    return this.#depth === 0 && !this.#inBody
  }

  reset(): void {
    this.#begin = false
  }

  track(lexer: Lexer, words: readonly string[]): void {
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
    else this.#begin = lexer.is('begin') && createsRoutine(words)
  }
}

const createsRoutine = (words: readonly string[]): boolean => {
  const kind = words[1] === 'or' && words[2] === 'replace' ? words[3] : words[1]
  return words[0] === 'create' && (kind === 'function' || kind === 'procedure')
}

const PROGRAMS: ReadonlySet<string> = new Set(['procedure', 'function', 'trigger', 'event', 'package'])
const BLOCKS: ReadonlySet<string> = new Set(['if', 'case', 'loop', 'while', 'repeat', 'for'])
/** Behind them a statement of a body begins. */
const OPENERS: ReadonlySet<string> = new Set(['begin', 'then', 'else', 'loop', 'do', 'repeat'])

/** MySQL's compound statements: of stored programs, and MariaDB's `BEGIN NOT ATOMIC`. */
class MysqlBody implements Body {
  #depth = 0
  #tokens = 0
  #isProgram = false
  #verb = ''
  #last = ''
  /** does a statement begin here; is it the END of a block that stands before this token */
  #begins = true
  #ends = false

  get isOutside(): boolean {
    return this.#depth === 0
  }

  reset(): void {
    this.#depth = this.#tokens = 0
    this.#isProgram = false
    this.#last = this.#verb = ''
    this.#begins = true
  }

  track(lexer: Lexer): void {
    const last = this.#last
    const begins = this.#begins
    const word = lexer.kind === 'word' ? fold(lexer.raw) : ''
    this.#last = word
    if (++this.#tokens === 1) this.#verb = word
    this.#begins = lexer.isPunctuation(';') || lexer.isPunctuation(':') || OPENERS.has(word)
    if (this.#ends) {
      this.#ends = false
      if (BLOCKS.has(word)) {
        this.#begins = false
        return
      }
    }
    if (!this.#isProgram) this.#isProgram = this.#startsProgram(word, last)
    else if (word === 'end') {
      this.#depth = Math.max(0, this.#depth - 1)
      this.#ends = true
    } else if (this.#opensBlock(word, last, begins)) this.#depth++
    if (this.#isProgram && last === 'begin' && word === 'not' && this.#depth === 0) this.#depth = 1
  }

  #startsProgram(word: string, last: string): boolean {
    if (this.#verb === 'begin') return this.#tokens === 2 && word === 'not' && last === 'begin'
    return (this.#verb === 'create' || this.#verb === 'alter') && PROGRAMS.has(word)
  }

  /** Outside of all blocks the body's first statement has no mark before it. */
  #opensBlock(word: string, last: string, begins: boolean): boolean {
    if (word === 'case' || word === 'loop' || word === 'while') return true
    const mayBegin = begins || (this.#depth === 0 && !PROGRAMS.has(last) && last !== 'body')
    if (word === 'begin' || word === 'if') return mayBegin
    return (word === 'repeat' || word === 'for') && begins
  }
}
