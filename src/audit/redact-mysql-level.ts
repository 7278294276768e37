/**
 * One reading of one text in MySQL's dialect, token by token: where its secrets are. Lexical like its sister
 * for PostgreSQL (`redact-level.ts`), and generous where a password's clause is not as the server has it.
 */
import { identifierName, Lexer, type Literal, literalValue, readLiteral } from '../sql/scan.ts'
import { Assembly, type Part } from './redact-built.ts'
import { type Hints, NO_HINTS, type Source } from './redact-found.ts'
import { type LevelOptions, piecesOf, type Read } from './redact-level.ts'
import { looseSecrets } from './redact-loose.ts'
import { MysqlContext } from './redact-mysql-context.ts'
import { endsBeforeSecret, isPluginName, OPENERS, VERBS } from './redact-mysql-words.ts'
import { beginsCommand, maySecret } from './redact-names.ts'

/** A variable's literal, masked when the variable turns out to be a secret. */
interface Assigned extends Part {
  readonly variable: string
}

export class MysqlLevel {
  readonly #level: LevelOptions
  readonly #lexer: Lexer

  // of the whole text
  #cut = false
  #literals = 0
  #params = 0
  #refused = false
  #isAmbiguous = false
  #command = false
  #end: Hints['end'] = 'closed'
  readonly #numbers: number[] = []
  readonly #assigned: Assigned[] = []
  readonly #secretVariables = new Set<string>()
  #isProgram = false
  #lastWord = ''

  // of the statement
  #context = new MysqlContext()
  #assembly = new Assembly()
  #statementCommand = false

  /** where the literal before this token began, if that one was masked */
  #maskedFrom = -1

  constructor(level: LevelOptions) {
    this.#level = level
    this.#lexer = new Lexer(level.text, level.options)
  }

  /** `cut`: the text is not whole. */
  read(cut: boolean): Read {
    const lexer = this.#lexer
    this.#cut = cut
    let terminated = true
    while (lexer.nextWithComments()) {
      terminated = lexer.terminated
      if (lexer.kind === 'comment') this.#comment()
      else if (this.#isRefused()) {
        this.#refused = true
        if (this.#level.depth === 0) {
          this.#maskRest()
          break
        }
        this.#context.leaveClause()
        this.#token()
      } else this.#token()
    }
    const { depth, text } = this.#level
    if (depth > 0 && this.#end === 'closed')
      this.#end = this.#context.awaitsSecret ? 'open' : endsBeforeSecret(text)
    if (this.#end !== 'closed') this.#statementCommand = true
    this.#endStatement()
    for (const part of this.#assigned)
      if (this.#secretVariables.has(part.variable)) this.#maskUnlessCommand(part)
    return {
      hints: this.#hints,
      literals: this.#literals,
      refused: this.#refused || (!terminated && !cut),
      isAmbiguous: this.#isAmbiguous,
    }
  }

  get #hints(): Hints {
    if (!this.#command && this.#end === 'closed' && this.#numbers.length === 0) return NO_HINTS
    return { ...NO_HINTS, command: this.#command, params: this.#numbers, end: this.#end }
  }

  #token(): void {
    const masked = this.#maskedFrom
    this.#maskedFrom = -1
    switch (this.#lexer.kind) {
      case 'word':
        this.#word()
        return
      case 'quoted':
        this.#name(identifierName(this.#level.text, this.#lexer, this.#level.options))
        return
      case 'string':
        this.#string(masked)
        return
      case 'param':
        this.#param()
        return
      default:
        this.#other()
    }
  }

  #word(): void {
    const word = this.#lexer.raw.toLowerCase()
    const context = this.#context
    // an introducer (`_utf8'x'`) is part of its literal
    if (word.startsWith('_') && this.#next().kind === 'string') return
    if (context.last === '@') {
      this.#name(word)
      return
    }
    if (this.#begins(word)) this.#beginStatement()
    this.#context.word(word)
    this.#statementCommand ||= this.#context.isCommand
    this.#assembly.name(word)
    const isOpener = this.#isOpener(word)
    this.#lastWord = word
    if (word === 'not' && this.#context.verb === 'begin') this.#isProgram = true
    if (isOpener) this.#beginStatement()
  }

  #name(written: string): void {
    const name = written.toLowerCase()
    const context = this.#context
    context.name(name)
    const { last } = context
    if (last.startsWith('@') && context.inSecretArgument) this.#secretVariables.add(last)
    this.#assembly.name(last)
  }

  /** Does a statement begin with this word, within a stored program or behind EXPLAIN? */
  #begins(word: string): boolean {
    const { isHeader, verb, last } = this.#context
    if (!isHeader || verb === '') return false
    if (verb === 'set') return false
    return VERBS.has(word) && !(word === 'set' && last === 'character')
  }

  /** Does one begin behind it? */
  #isOpener(word: string): boolean {
    const { isHeader, verb } = this.#context
    if (verb === 'set' && isHeader && word === 'for') return true
    if (word === 'row' && this.#isProgram && this.#lastWord === 'each') return true
    if (isHeader && verb !== 'set') this.#isProgram = true
    return (this.#isProgram || this.#level.depth > 0) && OPENERS.has(word)
  }

  #beginStatement(): void {
    this.#statementCommand ||= this.#context.isCommand
    this.#command ||= this.#statementCommand
    this.#context = new MysqlContext()
  }

  #param(): void {
    const number = ++this.#params
    const { depth, patterns, found } = this.#level
    const place = this.#context.place(false)
    const isSecret = place === 'secret' || place === 'assigned'
    if (isSecret && depth === 0) found.params.add(number)
    else if (isSecret) this.#numbers.push(number)
    const pattern = depth === 0 ? patterns?.get(number) : undefined
    if (pattern === undefined) this.#assembly.param(number)
    else {
      this.#statementCommand = true
      this.#assembly.piece(pattern.value, pattern.hints)
    }
    this.#context.literal(isSecret)
  }

  #other(): void {
    const { raw, kind } = this.#lexer
    if (raw === '\\')
      this.#refused = this.#refused || !/^\\N/.test(this.#level.text.slice(this.#lexer.start))
    if (kind === 'number' && this.#context.place(false) === 'assigned') this.#maskToken()
    if (raw === ';') {
      this.#endStatement()
      return
    }
    this.#context.other(raw)
    // part of a variable's name
    if (raw !== '@') this.#assembly.other(raw)
    // a label
    if (raw === ':' && this.#isProgram) this.#beginStatement()
  }

  #isRefused(): boolean {
    const { kind, raw } = this.#lexer
    if (kind === 'string' || kind === 'param') return false
    const isWord = kind === 'word'
    if (isWord && raw.startsWith('_') && this.#next().kind === 'string') return false
    return this.#context.isRefused(isWord ? raw.toLowerCase() : raw, isWord)
  }

  #next(): Lexer {
    const { text, options } = this.#level
    const next = new Lexer(text, options, this.#lexer.end)
    next.next()
    return next
  }

  /** Nothing of the text is run. */
  #maskRest(): void {
    const { text, options, found, source } = this.#level
    const { start } = this.#lexer
    found.maskAll(source(start, text.length), piecesOf(text.slice(start), options))
  }

  #string(maskedFrom: number): void {
    const { text, options } = this.#level
    const lexer = this.#lexer
    this.#literals++
    const { start, end, raw, terminated } = lexer
    const part: Part = { start, end, raw }
    this.#isAmbiguous ||= raw.includes('\\')
    const context = this.#context
    const place = context.place(this.#isUserName())
    // `'a' 'b'` are one
    if (maskedFrom !== -1) this.#mask(part, maskedFrom)
    else if (this.#isSecret(place, part)) {
      if (this.#level.depth > 0 && !terminated) this.#end = isEmpty(raw) ? 'quoted' : 'closed'
      this.#mask(part, start)
    } else this.#literal(part, mayHold(raw) ? readLiteral(text, lexer, options) : undefined)
    context.literal(this.#maskedFrom !== -1)
    if (this.#maskedFrom !== -1) this.#assembly.literal(part)
  }

  #isUserName(): boolean {
    const next = this.#next()
    return next.raw === '@'
  }

  #isSecret(place: 'secret' | 'plugin' | 'assigned' | 'plain', part: Part): boolean {
    // in prose an apostrophe opens nothing
    const isProse =
      this.#level.depth > 0 && !this.#lexer.terminated && !this.#cut && !this.#context.isCommand
    if (place === 'secret') return !isProse
    if (place === 'plugin') return !isPluginName(this.#valueOf(part).toLowerCase())
    return place === 'assigned' && !beginsCommand(this.#valueOf(part))
  }

  #valueOf(part: Part): string {
    return literalValue(this.#level.text, part, this.#level.options)
  }

  /** A literal that is no secret: it may hold one, or lack one, or be one by its place. */
  #literal(part: Part, literal: Literal | undefined): void {
    const { source, nested } = this.#level
    const context = this.#context
    const inner: Source = (start, end) => {
      const span = literal?.source(start, end) ?? part
      return source(span.start, span.end)
    }
    const hints =
      literal && maySecret(literal.value, 'mysql')
        ? nested(literal.value, inner, this.#cut && !this.#lexer.terminated)
        : NO_HINTS
    if (hints === NO_HINTS || !literal) {
      this.#assembly.literal(part)
      const assigned = /^:?=$|^default$/.test(context.last)
      if (assigned && context.variable !== '') this.#assigned.push({ ...part, variable: context.variable })
      return
    }
    this.#statementCommand ||= hints.command || hints.conninfo || hints.params.length > 0
    this.#assembly.piece(literal.value, hints)
    if (!this.#lexer.terminated && this.#level.depth > 0) this.#end = hints.end
  }

  #mask(part: Part, from: number): void {
    const { found, source, depth } = this.#level
    this.#maskedFrom = from
    // an opening quote alone is no secret: that is in another piece
    if (depth > 0 && !this.#lexer.terminated && isEmpty(part.raw)) return
    found.mask(source(from, part.end), part.raw, this.#valueOf(part))
  }

  /** On mere suspicion nothing is masked that looks like a statement. */
  #maskUnlessCommand(part: Part): void {
    const value = this.#valueOf(part)
    if (beginsCommand(value) || /^['"\s);,]*$/.test(value)) return
    this.#level.found.mask(this.#level.source(part.start, part.end), part.raw, value)
  }

  #maskToken(): void {
    const { start, end, raw } = this.#lexer
    this.#level.found.mask(this.#level.source(start, end), raw)
  }

  #comment(): void {
    const { start, raw } = this.#lexer
    const { found, source, options } = this.#level
    if (!maySecret(raw, 'mysql')) return
    for (const secret of looseSecrets(raw, options))
      found.mask(source(start + secret.start, start + secret.end), secret.raw, secret.value)
  }

  #endStatement(): void {
    const { depth, found } = this.#level
    this.#statementCommand ||= this.#context.isCommand
    if (this.#statementCommand) {
      const { parts, params, names } = this.#assembly.fillings
      for (const part of parts) this.#maskUnlessCommand(part)
      if (depth === 0) for (const param of params) found.params.add(param)
      for (const name of names) this.#secretVariables.add(name)
    }
    this.#command ||= this.#statementCommand
    this.#statementCommand = false
    this.#context = new MysqlContext()
    this.#assembly = new Assembly()
    this.#maskedFrom = -1
  }
}

const isEmpty = (raw: string): boolean => raw.length === 1

/** Most literals hold nothing, and are not worth undoing their quotes and escapes. */
const mayHold = (raw: string): boolean =>
  maySecret(raw, 'mysql') || /^(?:0x|x')/i.test(raw) || /\\[^'"\\]/.test(raw)
