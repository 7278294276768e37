/** What the redactor finds in a text, and what the pieces of a statement tell of it. */
import type { Span } from '../sql/scan.ts'
import { inAll, inOrder, joined } from './redact-spans.ts'

/** What is to be masked in a text. */
export interface Secrets {
  /** in order, without overlap */
  readonly spans: readonly Span[]
  /** bound values by number, from 1 */
  readonly params: ReadonlySet<number>
  /** the secrets in the forms in which a server could quote them */
  readonly words: ReadonlySet<string>
}

/** What all levels of one text find together; spans are of the outermost text. */
export class Found {
  readonly spans: Span[] = []
  readonly params = new Set<number>()
  readonly words = new Set<string>()
  /** of one reading of one text, not of the literals within it: what is no code there */
  readonly comments: Span[] = []
  /** bound values that the outermost text uses when it is read so */
  readonly used = new Set<number>()

  /** All that was found in `text`, the outermost one. */
  secrets(text: string): Secrets | undefined {
    if (this.spans.length === 0 && this.params.size === 0) return undefined
    for (const { start, end } of this.spans) this.word(text.slice(start, end))
    return { spans: inOrder(this.spans), params: this.params, words: this.words }
  }

  mask(span: Span, ...words: readonly string[]): void {
    this.maskAll(span, words)
  }

  maskAll(span: Span, words: readonly string[]): void {
    this.spans.push(span)
    for (const word of words) this.word(word)
  }

  word(text: string): void {
    if (text !== '') this.words.add(text)
  }

  /** Adds what one reading of a text found. */
  take({ spans, params, words }: Found): void {
    for (const span of spans) this.spans.push(span)
    for (const param of params) this.params.add(param)
    for (const word of words) this.words.add(word)
  }

  /**
   * Adds what is a secret in one of several readings and in each of the others a secret or a comment, or a
   * bound value that is not used; of their words each one's, for those stand in no statement.
   */
  takeCommon(readings: readonly Found[]): void {
    const inert = readings.map(({ spans, comments }) => joined([...spans, ...comments]))
    const secret = joined(readings.flatMap(({ spans }) => spans))
    for (const span of inAll([...inert, secret])) this.spans.push(span)
    for (const param of readings.flatMap(({ params }) => [...params]))
      if (readings.every(({ params, used }) => params.has(param) || !used.has(param)))
        this.params.add(param)
    for (const { words } of readings) for (const word of words) this.words.add(word)
  }
}

/** What a piece of dynamic SQL, or of a connection string, tells about the text that is made of it. */
export interface Hints {
  /** it begins one of the statements that have secrets */
  readonly command: boolean
  /** it is of a connection string: that a secret is missing tells enough */
  readonly conninfo: boolean
  /** offsets of what `format` puts a secret in the place of */
  readonly holes: readonly number[]
  /** numbers of the parameters that stand in a secret's place */
  readonly params: readonly number[]
  /** it ends where a secret belongs, perhaps behind that one's opening quote */
  readonly end: 'closed' | 'open' | 'quoted'
}

export const NO_HINTS: Hints = { command: false, conninfo: false, holes: [], params: [], end: 'closed' }

/** Is a secret missing in the piece? */
export const isOpen = ({ holes, params, end }: Hints): boolean =>
  holes.length > 0 || params.length > 0 || end !== 'closed'

/** Where in the outermost text a part of a text was written. */
export type Source = (start: number, end: number) => Span
