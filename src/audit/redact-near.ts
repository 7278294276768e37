/**
 * What MySQL's and MariaDB's messages quote of a secret that they cut: the syntax error (1064) has 80
 * characters of the statement from where it went wrong (`… near 'identifed by 'hun' at line 1`), others
 * (`String '…' is too long for MASTER_PASSWORD`) the beginning of a value. Such a piece is not found by the
 * secret's own text.
 */
import type { Span } from '../sql/scan.ts'
import { maskSpans } from './redact-mask.ts'
import { inOrder } from './redact-spans.ts'

const NEAR = /near '([\s\S]*)' at line \d+/
/** No server quotes more; a longer quotation is masked whole where it is not in the text. */
const LONGEST = 512
/** with more pieces of secrets the message is masked whole by and by */
const MANY_WORDS = 256
/** A quotation that occurs more often in its text is masked whole. */
const MANY_PLACES = 64
/** so much of a long secret's beginning counts anywhere in a message */
const BEGINNING = 6
/** so much of a secret's beginning or end counts at the end or the beginning of the quotation */
const SHORTEST_PIECE = 2

/** A statement's text, and its secrets. */
export interface Quoted {
  readonly text: string
  readonly spans: readonly Span[]
  readonly words: ReadonlySet<string>
}

/** The message without what its quotation has of the secrets; the message itself when that is nothing. */
export const maskNear = (message: string, of: Quoted): string => {
  if (of.words.size > MANY_WORDS) return message
  const match = NEAR.exec(message)
  if (!match) return maskSpans(message, inOrder(beginningsIn(message, of.words)))
  // MariaDB may say that it cut
  const near = match[1]!.replace(/\.\.\.$/, '')
  const from = match.index + "near '".length
  const spans = near === '' ? [] : (placesIn(near, of) ?? piecesIn(near, of.words))
  return maskSpans(
    message,
    inOrder(spans).map(({ start, end }) => ({ start: from + start, end: from + end })),
  )
}

const beginningsIn = (message: string, words: ReadonlySet<string>): readonly Span[] => {
  const found: Span[] = []
  for (const word of words) {
    if (word.length <= BEGINNING || /^['"]/.test(word)) continue
    const beginning = word.slice(0, BEGINNING)
    for (let at = message.indexOf(beginning); at !== -1; ) {
      let length = BEGINNING
      while (length < word.length && message[at + length] === word[length]) length++
      found.push({ start: at, end: at + length })
      at = message.indexOf(beginning, at + length)
    }
  }
  return found
}

/** What lies in the secrets, wherever in the text the quotation may be from; undefined if it is not. */
const placesIn = (near: string, { text, spans }: Quoted): readonly Span[] | undefined => {
  const found: Span[] = []
  let places = 0
  for (let at = text.indexOf(near); at !== -1; at = text.indexOf(near, at + 1)) {
    if (++places > MANY_PLACES) return [{ start: 0, end: near.length }]
    for (const { start, end } of spans) {
      const span = { start: Math.max(start - at, 0), end: Math.min(end - at, near.length) }
      if (span.start < span.end) found.push(span)
    }
  }
  return places === 0 ? undefined : found
}

/** Its beginning and its end where they are the end or the beginning of a secret. */
const piecesIn = (near: string, words: ReadonlySet<string>): readonly Span[] => {
  const found: Span[] = []
  if (words.size > 0 && near.length > LONGEST) return [{ start: 0, end: near.length }]
  for (const word of words) {
    for (let length = Math.min(word.length, near.length); length >= SHORTEST_PIECE; length--) {
      if (near.startsWith(word.slice(-length))) found.push({ start: 0, end: length })
      if (near.endsWith(word.slice(0, length)))
        found.push({ start: near.length - length, end: near.length })
      if (found.length > 0) break
    }
  }
  return found
}
