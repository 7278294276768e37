/**
 * Where an SQL text holds a secret. Lexical, not grammatical: a statement that the server would refuse gives
 * its secret away just as well. In doubt a literal is masked, never anything that could be a command.
 *
 * Masked are: what follows PASSWORD (or another name of a secret) as a literal, wherever that is; every
 * literal of CREATE/ALTER ROLE, USER and GROUP but that of VALID UNTIL and of SET; of OPTIONS (…) the
 * values of secret names, of a user mapping all but those of known harmless names; the secret in a
 * connection string, wherever that stands; the same inside of literals (function bodies, DO, dynamic SQL).
 * Where a text is put together from pieces and such a statement is among them, all literals and bound values
 * of that statement.
 *
 * Not masked is an application's own data: `UPDATE users SET password = 'x'`, `crypt('x', …)`.
 */
import { identifierName, Lexer, readLiteral, type ScanOptions, type Span } from '../sql/scan.ts'
import { conninfoSecrets, isConninfo, quotableForms } from './redact-conninfo.ts'
import { Found, type Hints, NO_HINTS, putsTogether, type Secrets, type Source } from './redact-found.ts'
import { looseSecrets } from './redact-loose.ts'
import {
  beginsCommand,
  isHarmlessMappingOption,
  isSecretName,
  isSecretOption,
  mayFollowPassword,
  maySecret,
} from './redact-names.ts'

/** Deeper literals within literals are masked whole if they could hold a secret. */
const MAX_DEPTH = 6

/** The secrets of a statement's text; `cut` when the text is only the beginning of what was sent. */
export const statementSecrets = (text: string, options: ScanOptions, cut = false): Secrets | undefined =>
  maySecret(text) ? collect(text, options, 0, cut) : undefined

/**
 * The secrets of a bound value: of a connection string, or of SQL. `params` is `all` if it is a piece that
 * the statement may put together with other values.
 */
export const valueSecrets = (value: string, options: ScanOptions): Secrets | undefined =>
  maySecret(value) ? collect(value, options, 1) : undefined

const collect = (text: string, options: ScanOptions, depth: number, cut = false): Secrets | undefined => {
  const found = new Found()
  const source = (start: number, end: number): Span => ({ start, end })
  if (depth === 0) new Level(text, options, 0, source, found).scan(cut)
  else if (putsTogether(scanValue(text, options, depth, source, found))) found.params = 'all'
  return found.secrets(text)
}

/** A value: connection string, or SQL, or neither. */
const scanValue = (
  value: string,
  options: ScanOptions,
  depth: number,
  source: Source,
  found: Found,
): Hints => {
  const mask = ({ start, end }: Span) => {
    found.mask(source(start, end), ...quotableForms(value.slice(start, end)))
  }
  if (isConninfo(value)) {
    const { spans, open } = conninfoSecrets(value)
    spans.forEach(mask)
    return { ...NO_HINTS, conninfoOpen: open }
  }
  if (depth > MAX_DEPTH) {
    mask({ start: 0, end: value.length })
    return NO_HINTS
  }
  const level = new Level(value, options, depth, source, found)
  const hints = level.scan()
  if (level.literals > 0) return hints
  const { spans, open } = conninfoSecrets(value)
  spans.forEach(mask)
  return open ? { ...hints, conninfoOpen: true } : hints
}

/** A literal that is masked if its statement turns out to put a secret together. */
interface Candidate extends Span {
  readonly value: string
  readonly raw: string
  /** stands behind `:=`, `=` or DEFAULT */
  readonly assigned: boolean
}

/** Where in a statement with secrets we are. */
type Context = 'none' | 'role' | 'mapping' | 'options'

const COMMAND_WORDS: Readonly<Record<string, Context>> = {
  role: 'role',
  user: 'role',
  group: 'role',
  server: 'options',
  foreign: 'options',
  subscription: 'options',
  system: 'options',
}
/** words, and an operator, that put texts together */
const BUILDERS: ReadonlySet<string> = new Set([
  'format',
  'concat',
  'concat_ws',
  'replace',
  'overlay',
  'string_agg',
  'array_to_string',
  'using',
  '||',
])

/** One text, or the value of one literal, token by token. */
class Level {
  readonly #text: string
  readonly #options: ScanOptions
  readonly #depth: number
  readonly #source: Source
  readonly #found: Found
  readonly #lexer: Lexer
  literals = 0

  // of the whole level
  #command = false
  #open = false
  #conninfoOpen = false
  #built = false
  readonly #assigned: Candidate[] = []

  // of the statement
  /** tokens so far */
  #tokens = 0
  #context: Context = 'none'
  #statementCommand = false
  #statementOpen = false
  #statementConninfoOpen = false
  #builds = false
  #candidates: Candidate[] = []
  /** in a role's SET clause; a secret's name was met there or before it */
  #inSet = false
  #sawSecretName = false
  /** a secret's name awaits its literal */
  #pending = false
  #brackets = 0
  /** depth of brackets at which OPTIONS ( stands, -1 outside of one */
  #optionList = -1

  // of the token before
  #last = ''
  #lastIsName = false
  #lastIsSecret = false
  #lastIsPassword = false

  constructor(text: string, options: ScanOptions, depth: number, source: Source, found: Found) {
    this.#text = text
    this.#options = options
    this.#depth = depth
    this.#source = source
    this.#found = found
    this.#lexer = new Lexer(text, options)
  }

  /** `cut`: the text is not whole. */
  scan(cut = false): Hints {
    const lexer = this.#lexer
    let terminated = true
    while (lexer.nextWithComments()) {
      terminated = lexer.terminated
      if (lexer.kind === 'comment') this.#loose(lexer)
      else if (this.#token() === 'stop') break
    }
    if (this.#lastIsSecret && this.#depth > 0) this.#statementOpen = true
    this.#endStatement()
    if (this.#built) for (const candidate of this.#assigned) this.#maskCandidate(candidate)
    // The server refuses the text, and its literals may be turned inside out. Of a text that is not whole
    // neither is known, and what looks like a literal from the inside may be a command.
    if (!terminated && this.#depth === 0 && !cut) this.#loose({ start: 0, end: this.#text.length })
    return { command: this.#command, open: this.#open, conninfoOpen: this.#conninfoOpen }
  }

  #token(): 'stop' | undefined {
    const lexer = this.#lexer
    this.#tokens++
    if (this.#lastIsSecret && this.#afterSecretName() === 'stop') return 'stop'
    switch (lexer.kind) {
      case 'word':
      case 'quoted':
        this.#name()
        return undefined
      case 'string':
        this.#string()
        this.#remember('', false)
        return undefined
      default:
        if (lexer.kind === 'punctuation') this.#punctuation()
        else if (lexer.raw === '||') this.#builds = true
        this.#remember(lexer.raw, false)
        return undefined
    }
  }

  #remember(token: string, isName: boolean): void {
    const dotted = this.#last === '.'
    this.#last = token
    this.#lastIsName = isName
    this.#lastIsSecret = isName && isSecretName(token)
    this.#lastIsPassword = token === 'password' && isName && !dotted && this.#lexer.kind === 'word'
  }

  #name(): void {
    const lexer = this.#lexer
    const name = identifierName(this.#text, lexer, this.#options)
    if (lexer.kind === 'word') this.#keyword(name)
    if (isSecretName(name)) {
      this.#sawSecretName = true
      this.#pending = this.#context === 'mapping' || this.#context === 'options'
    }
    this.#remember(name, true)
  }

  #keyword(word: string): void {
    if (this.#last === 'create' || this.#last === 'alter') {
      // elsewhere in a statement the two may be names: `SELECT alter role, password p FROM …`
      const context = this.#depth > 0 || this.#tokens === 2 ? COMMAND_WORDS[word] : undefined
      if (context) this.#enter(context)
    } else if (word === 'set' && this.#tokens === 1) this.#context = 'options'
    else if (this.#context === 'role' && word === 'mapping' && this.#last === 'user')
      this.#context = 'mapping'
    else if (this.#context === 'role' && word === 'set') {
      this.#inSet = true
      this.#sawSecretName = false
    } else if (BUILDERS.has(word)) this.#builds = true
  }

  #enter(context: Context): void {
    this.#context = context
    this.#statementCommand = true
    this.#inSet = false
    this.#sawSecretName = false
  }

  #punctuation(): void {
    switch (this.#text[this.#lexer.start]) {
      case ';':
        this.#endStatement()
        return
      case '(':
        if (this.#last === 'options' && this.#optionList === -1) this.#optionList = this.#brackets
        this.#brackets++
        return
      case ')':
        this.#brackets--
        if (this.#brackets <= this.#optionList) this.#optionList = -1
        this.#pending = false
        return
      case ',':
        this.#pending = false
    }
  }

  /** The token behind a secret's name, whatever it is but a literal. */
  #afterSecretName(): 'stop' | undefined {
    const lexer = this.#lexer
    const { kind, raw } = lexer
    if (kind === 'string') return undefined
    if (kind === 'param') {
      if (this.#depth === 0) this.#found.param(Number(raw.slice(1)))
      else this.#statementOpen = true
      return undefined
    }
    if (this.#depth > 0 && raw.startsWith('%')) this.#statementOpen = true
    if (!this.#lastIsPassword || this.#context !== 'role' || this.#depth > 0) return undefined
    if (kind === 'word' ? mayFollowPassword(raw) : /^[,;.)]$/.test(raw)) return undefined
    // `PASSWORD hunter2`, `PASSWORD "hunter2"`, `PASSWORD = …`: the server refuses the whole text
    this.#maskRest()
    return 'stop'
  }

  #maskRest(): void {
    const { start } = this.#lexer
    const rest = this.#text.slice(start)
    this.#found.mask(this.#source(start, this.#text.length))
    for (const word of rest.match(/[^\s'"]+/g) ?? []) if (word.length > 3) this.#found.word(word)
    const lexer = new Lexer(rest, this.#options)
    while (lexer.next()) if (lexer.kind !== 'punctuation') this.#found.word(lexer.raw)
  }

  #string(): void {
    const lexer = this.#lexer
    this.literals++
    const raw = lexer.raw
    const literal = readLiteral(this.#text, lexer, this.#options)
    const { value } = literal
    if (this.#isSecret()) {
      // the secret is put in its place later, or its end is in another piece
      if (this.#depth > 0 && (!lexer.terminated || value.includes('%'))) this.#statementOpen = true
      this.#pending = false
      if (this.#depth === 0 || lexer.terminated || (this.#statementCommand && value !== '')) {
        this.#mask(lexer, value, raw)
        return
      }
    }
    const source: Source = (start, end) => {
      const inner = literal.source(start, end)
      return this.#source(inner.start, inner.end)
    }
    const hints = maySecret(value)
      ? scanValue(value, this.#options, this.#depth + 1, source, this.#found)
      : NO_HINTS
    if (hints.command) this.#statementCommand = true
    if (hints.open) this.#statementOpen = true
    if (hints.conninfoOpen) this.#statementConninfoOpen = true
    if (hints.command || hints.open || hints.conninfoOpen || this.#last === 'language') return
    const assigned = /^(?::=|=|default)$/.test(this.#last)
    this.#candidates.push({ start: lexer.start, end: lexer.end, value, raw, assigned })
  }

  #isSecret(): boolean {
    if (this.#last === 'uescape') return false
    if (this.#lastIsSecret || this.#pending) return true
    if (this.#context === 'role') return this.#last !== 'until' && !(this.#inSet && !this.#sawSecretName)
    if (this.#context === 'mapping') return !isHarmlessMappingOption(this.#last)
    return this.#optionList !== -1 && this.#lastIsName && isSecretOption(this.#last)
  }

  #mask({ start, end }: Span, value: string, raw: string): void {
    this.#found.mask(this.#source(start, end), raw, value)
  }

  #maskCandidate(candidate: Candidate): void {
    if (!beginsCommand(candidate.value)) this.#mask(candidate, candidate.value, candidate.raw)
  }

  #loose({ start, end }: Span): void {
    for (const span of looseSecrets(this.#text.slice(start, end), this.#options))
      this.#mask({ start: start + span.start, end: start + span.end }, span.value, span.raw)
  }

  #endStatement(): void {
    const puts = (this.#statementCommand && this.#statementOpen) || this.#statementConninfoOpen
    if (puts && this.#builds) {
      this.#built = true
      for (const candidate of this.#candidates) this.#maskCandidate(candidate)
      this.#found.params = 'all'
    } else if (this.#depth > 0) this.#assigned.push(...this.#candidates.filter(({ assigned }) => assigned))
    this.#command ||= this.#statementCommand
    this.#open ||= this.#statementOpen
    this.#conninfoOpen ||= this.#statementConninfoOpen
    this.#context = 'none'
    this.#statementCommand = this.#statementOpen = this.#statementConninfoOpen = false
    this.#builds = this.#inSet = this.#sawSecretName = this.#pending = false
    this.#candidates = []
    this.#brackets = 0
    this.#optionList = -1
    this.#tokens = 0
  }
}
