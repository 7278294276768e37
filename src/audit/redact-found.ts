/** What the redactor finds in a text, and what the pieces of a statement tell of it. */
import type { Span } from '../sql/scan.ts'
import { inAll, inOrder } from './redact-spans.ts'

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

  /** Adds what all of several readings found; of their words each one's, for those stand in no statement. */
  takeCommon(readings: readonly Found[]): void {
    for (const span of inAll(readings.map(({ spans }) => inOrder(spans)))) this.spans.push(span)
    for (const param of readings[0]?.params ?? [])
      if (readings.every(({ params }) => params.has(param))) this.params.add(param)
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
