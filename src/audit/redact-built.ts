/**
 * Secrets that a statement puts into a text which it makes of pieces: `format('… PASSWORD %L', 'x')`, `'…
 * PASSWORD ' || quote_literal('x')`, `concat(…)`, `EXECUTE '… PASSWORD $1' USING 'x'`. Of the literals
 * beside the piece that lacks a secret only those are masked that take its place: all others may be
 * commands.
 */
import type { Span } from '../sql/scan.ts'
import type { Hints } from './redact-found.ts'

/** A literal: where it stands, and as written. */
export interface Part extends Span {
  readonly raw: string
}

/** What takes a secret's place. */
export interface Fillings {
  readonly parts: readonly Part[]
  /** bound values, by number */
  readonly params: readonly number[]
  /** variables */
  readonly names: readonly string[]
}

interface Bracket {
  /** the word before it, '' for none */
  readonly name: string
  argument: number
  /** its arguments that are secrets */
  holes: ReadonlySet<number> | undefined
}

/** Functions that may stand around a secret; whatever else has an argument may run it. */
const WRAPPERS: ReadonlySet<string> = new Set([
  ...['', 'quote_literal', 'quote_nullable', 'quote_ident', 'quote', 'md5', 'sha256', 'encode', 'decode'],
  ...[
    'concat',
    'format',
    'convert_to',
    'convert_from',
    'trim',
    'btrim',
    'upper',
    'lower',
    'coalesce',
    'cast',
  ],
])
/** Functions whose arguments stand side by side in their result. */
const JOINERS: ReadonlySet<string> = new Set(['concat', 'concat_ws', 'array'])
/** `%[position$][-][width]type`; a width may be an argument of its own */
const PLACEHOLDER = /%(?:%|(?:(\d+)\$)?-?(\*(?:\d+\$)?|\d+)?[sIL])/g

/** Follows one statement token by token. */
export class Assembly {
  #brackets: Bracket[] = [{ name: '', argument: 0, holes: undefined }]
  /** a piece lacks its secret at its end; what is joined to it next is that */
  #waits: Hints['end'] = 'closed'
  /** number of brackets in which the operand at hand stands, 0 for none */
  #operandIn = 0
  #operand: 'joined' | 'argument' = 'joined'
  #began = false
  /** brackets of the operand whose word may run what is in them */
  #strange = 0
  #usingHoles: ReadonlySet<number> | undefined
  readonly #parts: Part[] = []
  readonly #params: number[] = []
  readonly #names: string[] = []
  /** the word before, and is a dot or a cast between it and what comes */
  #word = ''
  #linked = false

  /** What takes the place of secrets in the statement. */
  get fillings(): Fillings {
    return { parts: this.#parts, params: this.#params, names: this.#names }
  }

  /** A name, in its folded form. */
  name(name: string): void {
    this.#operandToken('name')
    if (this.#inOperand) this.#names.push(name)
    if (name === 'using' && this.#usingHoles !== undefined) {
      const root = this.#top
      root.argument = 1
      root.holes = this.#usingHoles
      this.#usingHoles = undefined
      if (root.holes.has(1)) this.#begin('argument')
    }
    this.#word = name
  }

  /** A literal that is no piece of a text with a secret. */
  literal(part: Part): void {
    this.#operandToken('value')
    if (this.#inOperand) this.#parts.push(part)
    // the quote that the piece opened is closed in this one
    if (this.#waits === 'quoted' && part.raw.includes("''")) this.#waits = 'closed'
    this.#word = ''
  }

  param(number: number): void {
    this.#operandToken('value')
    if (this.#inOperand) this.#params.push(number)
    this.#word = ''
  }

  /** A literal, or a bound value, that tells something; true when its holes are filled here. */
  piece(value: string, hints: Hints): boolean {
    this.#operandToken('value')
    this.#word = ''
    const bracket = this.#top
    const isPattern = hints.holes.length > 0 && bracket.name === 'format' && bracket.argument === 0
    if (isPattern) bracket.holes = argumentsAt(value, hints.holes)
    if (hints.params.length > 0) this.#usingHoles = new Set(hints.params)
    if (hints.end !== 'closed') this.#waits = hints.end
    return isPattern
  }

  /** An operator, a number, or a character of its own. */
  other(raw: string): void {
    if (raw === '(' || raw === '[') this.#open()
    else if (raw === ')' || raw === ']') this.#close()
    else if (raw === ',') this.#comma()
    else if (raw === '||') this.#join()
    else this.#operandToken(raw === '.' || raw === ':' ? 'link' : 'value')
    this.#word = ''
    this.#linked = raw === '.' || raw === ':'
  }

  get #inOperand(): boolean {
    return this.#operandIn > 0 && this.#strange === 0
  }

  get #top(): Bracket {
    return this.#brackets[this.#brackets.length - 1]!
  }

  #open(): void {
    this.#operandToken('link')
    if (this.#operandIn > 0 && this.#word !== '') this.#names.pop()
    const bracket: Bracket = { name: this.#word, argument: 0, holes: undefined }
    this.#brackets.push(bracket)
    if (!isWrapper(bracket)) this.#strange++
  }

  #close(): void {
    if (this.#brackets.length === 1) return
    const bracket = this.#brackets.pop()!
    if (this.#brackets.length < this.#operandIn) this.#end()
    else if (!isWrapper(bracket)) this.#strange--
  }

  #comma(): void {
    const bracket = this.#top
    bracket.argument++
    if (this.#brackets.length === this.#operandIn) this.#end()
    if (this.#operandIn > 0) return
    if (bracket.holes?.has(bracket.argument)) this.#begin('argument')
    else if (this.#waits === 'closed') return
    else if (JOINERS.has(bracket.name)) this.#begin('joined')
    else this.#waits = 'closed'
  }

  #join(): void {
    if (this.#operandIn === this.#brackets.length && this.#operand === 'joined') this.#end()
    if (this.#operandIn === 0 && this.#waits !== 'closed') this.#begin('joined')
  }

  #begin(operand: 'joined' | 'argument'): void {
    this.#operandIn = this.#brackets.length
    this.#operand = operand
    this.#began = false
    this.#strange = 0
  }

  #end(): void {
    this.#operandIn = 0
    if (this.#operand === 'joined' && this.#waits === 'open') this.#waits = 'closed'
  }

  /** An operand of `||` is one value: what follows that belongs to the statement again. */
  #operandToken(kind: 'name' | 'value' | 'link'): void {
    const linked = this.#linked
    this.#linked = false
    if (this.#operandIn !== this.#brackets.length || this.#operand === 'argument') return
    if (kind !== 'link' && this.#began && !linked) this.#end()
    this.#began = true
  }
}

const isWrapper = ({ name }: Bracket): boolean => WRAPPERS.has(name)

/** Which arguments of `format` take the places at these offsets of its pattern. */
const argumentsAt = (pattern: string, holes: readonly number[]): ReadonlySet<number> => {
  const wanted = new Set(holes)
  const found = new Set<number>()
  let argument = 0
  for (const match of pattern.matchAll(PLACEHOLDER)) {
    const [whole, position, width] = match
    if (whole === '%%') continue
    if (width === '*') argument++
    argument = position === undefined ? argument + 1 : Number(position)
    if (wanted.has(match.index)) found.add(argument)
  }
  return found
}
