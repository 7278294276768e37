/**
 * Values of LTSV, labelled tab-separated values. The format has no escapes of its own; these are those of
 * most of its writers, and can be undone: `\\`, `\t`, `\n`, `\r`, `\0`, and `\uXXXX` for every other
 * control character, line separator, bidirectional override and lone surrogate. A colon stands as it is: a
 * label ends at the first one.
 */

const SPECIAL = /[\\\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu

const SHORT: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r',
  '\0': '\\0',
}

const escapeOne = (unit: string): string =>
  SHORT[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

/** `text` as the value of an LTSV field: one line, no tab, reversible. */
export const escapeLtsv = (text: string): string => text.replace(SPECIAL, escapeOne)
