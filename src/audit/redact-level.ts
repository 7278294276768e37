/**
 * One reading of one text (a statement's, or the value of a literal within it), token by token: where its
 * secrets are. Lexical, not grammatical: a statement that the server would refuse gives its secret away
 * just as well. In a text that the server takes no more is masked than literals that it does not run.
 */
import {
  identifierName,
  Lexer,
  type Literal,
  literalValue,
  readLiteral,
  type ScanOptions,
} from '../sql/scan.ts'
import { Assembly, type Part } from './redact-built.ts'
import { StatementContext } from './redact-context.ts'
import { type Found, type Hints, NO_HINTS, type Source } from './redact-found.ts'
import { looseSecrets, plainSecrets } from './redact-loose.ts'
import {
  beginsCommand,
  isSecretName,
  isVerifier,
  mayFollowPassword,
  mayFollowSecret,
  mayPrecedePassword,
  maySecret,
} from './redact-names.ts'

/** A text to look at, and how. */
export interface LevelOptions {
  readonly text: string
  readonly options: ScanOptions
  /** literals around it */
  readonly depth: number
  readonly source: Source
  readonly found: Found
  /** looks into a literal's value; `cut`: that is not whole */
  readonly nested: (value: string, source: Source, cut?: boolean) => Hints
  /** bound values that are pieces which lack a secret, by number */
  readonly patterns?: ReadonlyMap<number, Pattern> | undefined
}

/** A bound value, and what it tells. */
export interface Pattern {
  readonly value: string
  readonly hints: Hints
}

/** What became of a reading. */
export interface Read {
  readonly hints: Hints
  readonly literals: number
  /** the server refuses the text when it reads it so */
  readonly refused: boolean
  /** a literal has backslashes that may mean something else: see {@link ScanOptions} */
  readonly isAmbiguous: boolean
}

/** A statement of PL/pgSQL may follow them. */
const OPENERS: ReadonlySet<string> = new Set(['begin', 'then', 'else', 'loop'])
const SQL_LANGUAGES: ReadonlySet<string> = new Set(['', 'sql', 'plpgsql'])

/** A variable's literal, masked when the variable turns out to be a secret. */
interface Assigned extends Part {
  readonly variable: string
}

/** A literal that may be a routine's body, and which of the spans found are in it. */
interface Body {
  readonly literal: Literal
  readonly from: number
  readonly to: number
}

export class Level {
  readonly #level: LevelOptions
  readonly #lexer: Lexer

  // of the whole text
  #literals = 0
  #refused = false
  #isAmbiguous = false
  #command = false
  #conninfo = false
  #end: Hints['end'] = 'closed'
  readonly #holes: number[] = []
  readonly #numbers: number[] = []
  readonly #assigned: Assigned[] = []
  readonly #secretVariables = new Set<string>()

  // of the statement
  #context = new StatementContext()
  #assembly = new Assembly()
  #statementCommand = false
  #bodies: Body[] = []

  // of the tokens before this one
  #last = ''
  #beforeLast = ''
  /** a secret's name; one behind which a literal is a secret wherever that is */
  #lastIsSecret = false
  #lastTakesSecret = false
  /** the keyword PASSWORD; the literal behind it */
  #lastIsPassword = false
  #lastIsRoleSecret = false
  /** the value of an option */
  #lastIsValue = false
  /**
   * may a secret's name stand here, if the server is to refuse it elsewhere than in a statement of roles?
   */
  #mayNameSecret = true
  /** in the arguments of `set_config`: behind the name of a secret, behind the comma */
  #configures: 'no' | 'name' | 'value' = 'no'

  constructor(level: LevelOptions) {
    this.#level = level
    this.#lexer = new Lexer(level.text, level.options)
  }

  /** `cut`: the text is not whole. */
  read(cut: boolean): Read {
    const lexer = this.#lexer
    let terminated = true
    while (lexer.nextWithComments()) {
      terminated = lexer.terminated
      if (lexer.kind === 'comment') this.#comment()
      else if (this.#isRefused() && this.#refuse() === 'stop') break
      else this.#token()
    }
    if (this.#level.depth > 0 && this.#end === 'closed' && this.#awaitsSecret()) this.#end = 'open'
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
    if (!this.#command && this.#end === 'closed' && this.#holes.length === 0 && this.#numbers.length === 0)
      return NO_HINTS
    return {
      command: this.#command,
      conninfo: this.#conninfo,
      holes: this.#holes,
      params: this.#numbers,
      end: this.#end,
    }
  }

  #token(): void {
    const { kind } = this.#lexer
    const configures = this.#configures
    this.#configures = 'no'
    switch (kind) {
      case 'word':
      case 'quoted':
        this.#name(kind === 'quoted')
        return
      case 'string':
        this.#string(configures === 'value')
        return
      case 'param':
        this.#param(configures === 'value')
        return
      default:
        if (configures === 'name' && this.#lexer.isPunctuation(',')) this.#configures = 'value'
        this.#other(kind === 'number')
    }
  }

  /** What the next token sees of this one. */
  #remember(token: string, mayNameSecret: boolean): void {
    this.#beforeLast = this.#last
    this.#last = token
    this.#lastIsSecret = this.#lastTakesSecret = this.#lastIsPassword = false
    this.#lastIsRoleSecret = this.#lastIsValue = false
    this.#mayNameSecret = mayNameSecret
  }

  #name(quoted: boolean): void {
    const { text, options, depth } = this.#level
    const name = identifierName(text, this.#lexer, options)
    const dotted = this.#last === '.'
    const takesSecret = this.#mayNameSecret
    if (this.#context.isSecretValue && name !== 'default') this.#maskToken()
    this.#context.name(name, quoted)
    if (this.#context.isCommand) this.#statementCommand = true
    this.#assembly.name(name)
    this.#remember(name, quoted || mayPrecedePassword(name))
    if (isSecretName(name)) {
      this.#lastIsSecret = true
      this.#lastTakesSecret = takesSecret
      this.#lastIsPassword = name === 'password' && !quoted && !dotted
    }
    if (depth > 0 && !quoted && OPENERS.has(name)) this.#context = new StatementContext()
  }

  #param(isSecret: boolean): void {
    const { depth, found, patterns } = this.#level
    const number = Number(this.#lexer.raw.slice(1))
    if (depth === 0) found.used.add(number)
    if (isSecret || this.#awaitsSecret()) {
      if (depth === 0) found.params.add(number)
      else this.#numbers.push(number)
    }
    const pattern = depth === 0 ? patterns?.get(number) : undefined
    if (pattern === undefined) this.#assembly.param(number)
    else {
      this.#statementCommand ||= pattern.hints.command || pattern.hints.conninfo
      this.#assembly.piece(pattern.value, pattern.hints)
    }
    this.#context.other('$')
    this.#remember('$', true)
  }

  #other(isNumber: boolean): void {
    const { raw, start } = this.#lexer
    if (raw === '\\') this.#refused = true
    if (raw === ';') {
      this.#endStatement()
      this.#remember(raw, true)
      return
    }
    if (isNumber && this.#context.isSecretValue) this.#maskToken()
    if (this.#level.depth > 0 && raw.startsWith('%') && this.#awaitsSecret()) this.#holes.push(start)
    this.#context.other(raw)
    this.#assembly.other(raw)
    // a label of PL/pgSQL ends
    if (raw === '>>' && this.#level.depth > 0) this.#context = new StatementContext()
    this.#remember(raw, isNumber)
  }

  #awaitsSecret(): boolean {
    return this.#lastIsSecret || (this.#context.isSecretValue && /^(?:=|to)$/.test(this.#last))
  }

  /** Do the tokens so far and this one make the server refuse the text, whatever follows? */
  #isRefused(): boolean {
    const lexer = this.#lexer
    const context = this.#context
    if (context.tokens === 1 && this.#lastIsPassword && this.#level.depth === 0)
      return lexer.kind !== 'string'
    if (this.#lastIsValue) return !/^[,;)]$/.test(lexer.raw) && !lexer.is('uescape')
    if (!context.isRole) return false
    // Oracle's and MySQL's
    if (this.#last === 'by' && this.#beforeLast === 'identified') return true
    if (!this.#lastIsPassword && !this.#lastIsRoleSecret) return false
    if (lexer.kind === 'word' || lexer.kind === 'quoted') {
      const name = identifierName(this.#level.text, lexer, this.#level.options)
      return !(this.#lastIsPassword ? mayFollowPassword(name) : mayFollowSecret(name))
    }
    if (this.#lastIsRoleSecret) return !lexer.isPunctuation(';')
    return lexer.kind !== 'string' && lexer.kind !== 'param' && !/^[,;.)]$/.test(lexer.raw)
  }

  /** Nothing of the text is run, and what is wrong with it may be in the secret itself: masks the rest. */
  #refuse(): 'stop' | 'on' {
    const { text, options, depth, found, source } = this.#level
    const { start } = this.#lexer
    this.#refused = true
    if (depth > 0) return 'on'
    found.maskAll(source(start, text.length), piecesOf(text.slice(start), options))
    return 'stop'
  }

  #string(isConfigured: boolean): void {
    const { text, options, depth } = this.#level
    const lexer = this.#lexer
    this.#literals++
    const { start, end, raw } = lexer
    const part: Part = { start, end, raw }
    this.#isAmbiguous ||= isAmbiguous(raw)
    // most literals hold nothing, and are not worth undoing their quotes and escapes
    const literal = maySecret(raw) || isEscaped(raw) ? readLiteral(text, lexer, options) : undefined
    const name = literal?.value ?? ''
    const isSecret = isConfigured || this.#isSecret(part, name)
    const inRole = this.#context.isRole
    const configures = this.#last === '(' && this.#beforeLast === 'set_config' && isSecretName(name)
    if (configures) this.#configures = 'name'
    if (isSecret && depth > 0) this.#openSecret(part)
    if (isSecret && (depth === 0 || lexer.terminated || (this.#context.isCommand && !isEmpty(raw)))) {
      this.#mask(part)
      this.#assembly.literal(part)
    } else this.#literal(part, literal)
    this.#context.literal(this.#last === 'language' ? this.#valueOf(part) : '')
    this.#remember('', true)
    this.#lastIsRoleSecret = isSecret && inRole
    this.#lastIsValue = this.#context.inOptions
  }

  #valueOf(part: Part): string {
    return literalValue(this.#level.text, part, this.#level.options)
  }

  /** The secret is put in its place later, or its end is in another piece. */
  #openSecret({ start, raw }: Part): void {
    if (raw.includes('%')) this.#holes.push(start + raw.indexOf('%'))
    if (!this.#lexer.terminated) this.#end = 'quoted'
  }

  #isSecret(part: Part, value: string): boolean {
    const last = this.#last
    if (this.#lastTakesSecret || this.#context.takesSecret() || isVerifier(value)) return true
    const name = this.#beforeLast
    // `f(password => 'x')`, `UPDATE pg_authid SET rolpassword = 'x'`
    if ((last !== '=>' || !isSecretName(name)) && (last !== '=' || name !== 'rolpassword')) return false
    return !beginsCommand(this.#valueOf(part))
  }

  /** A literal that is no secret: it may hold one, or lack one, or be one by its place. */
  #literal(part: Part, literal: Literal | undefined): void {
    const { found, source, nested, depth } = this.#level
    if (this.#context.isProgram) {
      if (literal) this.#maskPlain(literal)
      return
    }
    const from = found.spans.length
    const hints =
      literal && maySecret(literal.value)
        ? nested(literal.value, (start, end) => {
            const inner = literal.source(start, end)
            return source(inner.start, inner.end)
          })
        : NO_HINTS
    if (literal && this.#context.isRoutine) this.#bodies.push({ literal, from, to: found.spans.length })
    if (hints === NO_HINTS || !literal) {
      this.#assembly.literal(part)
      const assigned = this.#last === '=' || this.#last === 'default'
      if (depth > 0 && assigned) this.#assigned.push({ ...part, variable: this.#context.variable })
      return
    }
    this.#statementCommand ||= hints.command
    this.#conninfo ||= hints.conninfo
    if (!this.#assembly.piece(literal.value, hints))
      for (const hole of hints.holes) this.#holes.push(literal.source(hole, hole + 1).start)
    if (!this.#lexer.terminated && depth > 0) this.#end = hints.end
  }

  #mask(part: Part): void {
    const { found, source } = this.#level
    found.mask(source(part.start, part.end), part.raw, this.#valueOf(part))
  }

  /** On mere suspicion nothing is masked that looks like a statement. */
  #maskUnlessCommand(part: Part): void {
    if (!beginsCommand(this.#valueOf(part))) this.#mask(part)
  }

  #maskToken(): void {
    const { start, end, raw } = this.#lexer
    this.#level.found.mask(this.#level.source(start, end), raw)
  }

  #comment(): void {
    const { start, end, raw } = this.#lexer
    const { found, source, options } = this.#level
    found.comments.push(source(start, end))
    if (!maySecret(raw)) return
    for (const secret of looseSecrets(raw, options))
      found.mask(source(start + secret.start, start + secret.end), secret.raw, secret.value)
  }

  #endStatement(): void {
    const { depth, found } = this.#level
    if (this.#statementCommand || this.#conninfo) {
      const { parts, params, names } = this.#assembly.fillings
      for (const part of parts) this.#maskUnlessCommand(part)
      if (depth === 0) for (const param of params) found.params.add(param)
      for (const name of names) this.#secretVariables.add(name)
    }
    const { isRoutine, language } = this.#context
    if (isRoutine && !SQL_LANGUAGES.has(language)) this.#forgetBodies()
    this.#command ||= this.#statementCommand
    this.#statementCommand = false
    this.#context = new StatementContext()
    this.#assembly = new Assembly()
    this.#bodies = []
  }

  /** What was taken for literals in another language's code may be code. */
  #forgetBodies(): void {
    for (const { literal, from, to } of this.#bodies.toReversed()) {
      this.#level.found.spans.splice(from, to - from)
      this.#maskPlain(literal)
    }
  }

  #maskPlain(literal: Literal): void {
    const { found, source, options } = this.#level
    for (const { start, end, raw } of plainSecrets(literal.value, options)) {
      const inner = literal.source(start, end)
      found.mask(source(inner.start, inner.end), raw)
    }
  }
}

/** Plain literals with any backslash, and escape strings in which one may be half of a character. */
const isAmbiguous = (raw: string): boolean =>
  raw.includes('\\') && (/^n?'/i.test(raw) || (/^e/i.test(raw) && /[^\0-\x7f]\\/.test(raw)))

/** Characters are written by their numbers. */
const isEscaped = (raw: string): boolean => /\\[xu0-7]|^u&/i.test(raw)

/** Nothing, or an opening quote. */
const isEmpty = (raw: string): boolean => /^(?:[ne]|u&)?'$/i.test(raw)

/** So many pieces are more than a message is searched for. */
const MANY_PIECES = 1000

/** The forms in which a server may quote from a text that it refused. */
export const piecesOf = (text: string, options: ScanOptions): readonly string[] => {
  const pieces: string[] = []
  for (const [piece] of text.matchAll(/[^\s'"]+/g)) {
    if (piece.length > 3) pieces.push(piece)
    if (pieces.length > MANY_PIECES) return pieces
  }
  const lexer = new Lexer(text, options)
  while (lexer.next() && pieces.length <= MANY_PIECES)
    if (lexer.kind !== 'punctuation' && !/^['"]$/.test(lexer.raw)) pieces.push(lexer.raw)
  return pieces
}
