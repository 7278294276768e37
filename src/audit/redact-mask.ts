/** Puts the mask in the place of what must not be seen. */
import type { ScanOptions, Span } from '../sql/scan.ts'
import { conninfoSecrets } from './redact-conninfo.ts'
import { looseSecrets } from './redact-loose.ts'
import { looksLikeSql } from './redact-names.ts'

/** Stands in a record for a secret, quotes included. */
export const REDACTED = '<redacted>'

/** Secrets so short stand for themselves only where no letter or digit touches them. */
const SHORT = 3
/** With more of them a message is masked whole. */
const MAX_WORDS = 256

/** The same spans in order, without overlap. */
export const inOrder = (spans: readonly Span[]): readonly Span[] => {
  const sorted = [...spans].sort((a, b) => a.start - b.start || b.end - a.end)
  const merged: Span[] = []
  for (const span of sorted) {
    const last = merged.at(-1)
    if (last && span.start < last.end)
      merged[merged.length - 1] = { start: last.start, end: Math.max(last.end, span.end) }
    else merged.push(span)
  }
  return merged
}

/** `text` with each of `spans` (in order, without overlap) masked. */
export const maskSpans = (text: string, spans: readonly Span[]): string => {
  let masked = ''
  let at = 0
  for (const { start, end } of spans) {
    masked += text.slice(at, start) + REDACTED
    at = end
  }
  return masked + text.slice(at)
}

/** Any text that is not a statement's, with the secrets in it and all occurrences of `words` masked. */
export const maskMessage = (text: string, words: ReadonlySet<string>, options: ScanOptions): string => {
  if (words.size > MAX_WORDS) return REDACTED
  let masked = text
  // longest first, so that a secret within another leaves no rest of it
  for (const word of [...words].sort((a, b) => b.length - a.length)) masked = maskWord(masked, word)
  return maskOnSight(masked, options, () => true)
}

/** The end of a statement whose middle is not known: masks what is recognised on sight and is no command. */
export const maskTail = (tail: string, options: ScanOptions): string =>
  maskOnSight(tail, options, ({ start, end }) => !looksLikeSql(tail.slice(start, end)))

const maskOnSight = (text: string, options: ScanOptions, wanted: (span: Span) => boolean): string => {
  if (!/pas+w|passphrase|pwd|secret|:\/\//i.test(text)) return text
  const spans = [...looseSecrets(text, options), ...conninfoSecrets(text).spans]
  return maskSpans(text, inOrder(spans.filter(wanted)))
}

const maskWord = (text: string, word: string): string => {
  if (!text.includes(word)) return text
  if (word.length > SHORT) return text.replaceAll(word, REDACTED)
  let masked = ''
  let at = 0
  for (let found = text.indexOf(word); found !== -1; found = text.indexOf(word, found + word.length)) {
    if (/\w/.test(text.charAt(found - 1)) || /\w/.test(text.charAt(found + word.length))) continue
    masked += text.slice(at, found) + REDACTED
    at = found + word.length
  }
  return masked + text.slice(at)
}
