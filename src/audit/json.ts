/** Strings as JSON, safe on one line, in a terminal and in any reader of lines. */

/** Printable ASCII without `"` and `\`: needs quotes alone. */
const PLAIN = /^[ !#-[\]-~]*$/

/**
 * What JSON allows unescaped and a log must not hold: DEL and the C1 controls (NEL ends a line for some
 * readers, CSI moves a terminal's cursor), the line and paragraph separators, bidirectional overrides, the
 * byte order mark.
 */
const UNSAFE = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/
const EACH_UNSAFE = new RegExp(UNSAFE, 'g')

const asEscape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

/**
 * The JSON string literal of `text`: one line, well-formed (a lone surrogate is spelt `\udXXX`), reads back
 * as `text`.
 */
export const quote = (text: string): string => {
  if (PLAIN.test(text)) return `"${text}"`
  const json = JSON.stringify(text)
  return UNSAFE.test(json) ? json.replace(EACH_UNSAFE, asEscape) : json
}
