/** Sets of spans of one text. */
import type { Span } from '../sql/scan.ts'

/** The same spans in order, without overlap. */
export const inOrder = (spans: readonly Span[]): readonly Span[] => merge(spans, 1)

/** In order, and those that touch each other made one. */
export const joined = (spans: readonly Span[]): readonly Span[] => merge(spans, 0)

/** Spans become one that have at least so many characters in common. */
const merge = (spans: readonly Span[], common: number): readonly Span[] => {
  const sorted = [...spans].sort((a, b) => a.start - b.start || b.end - a.end)
  const merged: Span[] = []
  for (const span of sorted) {
    const last = merged.at(-1)
    if (last && span.start + common <= last.end)
      merged[merged.length - 1] = { start: last.start, end: Math.max(last.end, span.end) }
    else merged.push(span)
  }
  return merged
}

/** What is in each of the sets, which are in order and without overlap. */
export const inAll = (sets: readonly (readonly Span[])[]): readonly Span[] =>
  sets.length === 0 ? [] : sets.reduce(inBoth)

const inBoth = (some: readonly Span[], others: readonly Span[]): readonly Span[] => {
  const common: Span[] = []
  let at = 0
  for (const { start, end } of some) {
    while (at < others.length && others[at]!.end <= start) at++
    for (let next = at; next < others.length && others[next]!.start < end; next++) {
      const other = others[next]!
      common.push({ start: Math.max(start, other.start), end: Math.min(end, other.end) })
    }
  }
  return common
}
