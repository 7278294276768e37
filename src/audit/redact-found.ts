/** What the redactor finds in a text, and what pieces of a statement tell of it. */
import type { Span } from '../sql/scan.ts'
import { inOrder } from './redact-mask.ts'

/** What is to be masked in a text. */
export interface Secrets {
  /** in order, without overlap */
  readonly spans: readonly Span[]
  /** bound values by number, from 1 */
  readonly params: ReadonlySet<number> | 'all'
  /** the secrets in the forms in which a server could quote them */
  readonly words: ReadonlySet<string>
}

/** What all levels of one text find together; spans are of the outermost text. */
export class Found {
  readonly spans: Span[] = []
  params: Set<number> | 'all' = new Set()
  readonly words = new Set<string>()

  /** All that was found in `text`, the outermost one. */
  secrets(text: string): Secrets | undefined {
    if (this.spans.length === 0 && this.params !== 'all' && this.params.size === 0) return undefined
    for (const { start, end } of this.spans) this.word(text.slice(start, end))
    return { spans: inOrder(this.spans), params: this.params, words: this.words }
  }

  mask(span: Span, ...words: readonly string[]): void {
    this.spans.push(span)
    for (const word of words) this.word(word)
  }

  word(text: string): void {
    if (text !== '') this.words.add(text)
  }

  param(number: number): void {
    if (this.params !== 'all') this.params.add(number)
  }
}

/** What a piece of dynamic SQL tells about the statement that it is a piece of. */
export interface Hints {
  /** it begins one of the statements that have secrets */
  readonly command: boolean
  /** it ends, or has a placeholder, where a secret belongs */
  readonly open: boolean
  /** the same of a connection string */
  readonly conninfoOpen: boolean
}

/** Where in the outermost text a part of a text was written. */
export type Source = (start: number, end: number) => Span

/** Do the pieces make up a statement whose secret stands elsewhere? */
export const putsTogether = ({ command, open, conninfoOpen }: Hints): boolean =>
  (command && open) || conninfoOpen

export const NO_HINTS: Hints = { command: false, open: false, conninfoOpen: false }
