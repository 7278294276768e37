/** Bytes of the wire → strings, by encoding. */
import { isUtf8 } from 'node:buffer'
import type { Bytes } from '../../src/flow.ts'

/**
 * Decodes bytes of one encoding, in which ASCII's bytes are ASCII's characters. `valid` tells whether
 * nothing had to be replaced.
 */
export interface TextDecoding {
  readonly name: string
  text(bytes: Bytes, start?: number, end?: number): string
  valid(bytes: Bytes, start: number, end: number, text: string): boolean
}

const REPLACEMENT = '\ufffd'

/** UTF-8, and what is stored without conversion: shown as UTF-8 where it is. */
export const UTF8: TextDecoding = {
  name: 'UTF8',
  text: (bytes, start, end) => bytes.toString('utf8', start, end),
  valid: (bytes, start, end, text) => !text.includes(REPLACEMENT) || isUtf8(bytes.subarray(start, end)),
}

/** ISO 8859-1: each byte is the character of that number. */
export const LATIN1: TextDecoding = {
  name: 'LATIN1',
  text: (bytes, start, end) => bytes.toString('latin1', start, end),
  valid: () => true,
}

/** What windows-1252 has in the place of the control characters 0x80 to 0x9f (WHATWG's index). */
const WIN1252_HIGH =
  '\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f' +
  '\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178'

/** windows-1252. Read without TextDecoder: that of Node 20 and 22 reads it as LATIN1. */
export const WIN1252: TextDecoding = {
  name: 'WIN1252',
  text: (bytes, start, end) =>
    bytes
      .toString('latin1', start, end)
      .replace(/[\x80-\x9f]/g, (high) => WIN1252_HIGH[high.charCodeAt(0) - 0x80] as string),
  valid: () => true,
}

/**
 * The decoding of a WHATWG label under the dialect's own `name` for it; undefined when this Node has no
 * such decoder: not every build has all of them (Node 20 lacks iso-8859-16).
 */
export const decodingOfLabel = (name: string, label: string): TextDecoding | undefined => {
  const decoder = decoderOf(label)
  if (decoder === undefined) return undefined
  const mend = mending(decoder)
  return {
    name,
    text: (bytes, start, end) => mend(decoder.decode(bytes.subarray(start, end))),
    valid: (_bytes, _start, _end, text) => !text.includes(REPLACEMENT),
  }
}

const ASCII = Buffer.from(Array.from({ length: 128 }, (_, code) => code))

/** Puts back what a decoder makes of ASCII's bytes: Node's Shift_JIS, for one, exchanges three controls. */
const mending = (decoder: { decode(bytes: Bytes): string }): ((text: string) => string) => {
  const made = decoder.decode(ASCII)
  const moved = [...ASCII].filter((code) => made.charCodeAt(code) !== code)
  if (moved.length === 0) return (text) => text
  const back = new Map(moved.map((code) => [made.charAt(code), String.fromCharCode(code)]))
  const pattern = new RegExp(
    `[${moved.map((code) => `\\u${made.charCodeAt(code).toString(16).padStart(4, '0')}`).join('')}]`,
    'g',
  )
  return (text) => text.replace(pattern, (char) => back.get(char) ?? char)
}

const decoderOf = (label: string) => {
  try {
    return new TextDecoder(label)
  } catch {
    return undefined
  }
}
