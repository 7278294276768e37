/** The kept form of a statement's text. */
import type { QueryText } from '../../src/event.ts'
import type { Bytes } from '../../src/flow.ts'
import { isSameAscii, slotOf } from '../../src/framing/short-strings.ts'
import type { TextDecoding } from './text-decoding.ts'

/** Most bytes of a text with undecodable bytes that are shown as hex. */
const HEX_BYTES = 65_536

/** How the server lexes a text: see {@link QueryText}. */
export type TextForm = Pick<QueryText, 'dialect' | 'standardConformingStrings' | 'ansiQuotes'>

/** How the server lexes a part of the text. */
export const formOf = ({ dialect, standardConformingStrings, ansiQuotes }: QueryText): TextForm => ({
  dialect,
  standardConformingStrings,
  ...(ansiQuotes === undefined ? {} : { ansiQuotes }),
})

/** A statement's text: `bytes[start … end)`, borrowed. */
export const makeText = (
  bytes: Bytes,
  start: number,
  end: number,
  decoding: TextDecoding,
  { dialect, standardConformingStrings, ansiQuotes }: TextForm,
  truncated?: QueryText['truncated'],
): QueryText => {
  const text = decoding.text(bytes, start, end)
  const made: Mutable<QueryText> = { text, standardConformingStrings, dialect }
  if (ansiQuotes === true) made.ansiQuotes = true
  if (truncated !== undefined) made.truncated = truncated
  if (!decoding.valid(bytes, start, end, text)) {
    made.hex = `\\x${bytes.toString('hex', start, Math.min(end, start + HEX_BYTES))}`
  }
  return made
}

/** Longer texts are made anew. */
const MAX_REPEATED = 1024
const REPEATED = 128
const repeated: (QueryText | undefined)[] = new Array(REPEATED).fill(undefined)

/**
 * {@link makeText} for texts that come again and again, as those of a driver do: one that came before is the
 * same object, and with it what the redactor made of it.
 */
export const repeatedText = (
  bytes: Bytes,
  start: number,
  end: number,
  decoding: TextDecoding,
  form: TextForm,
): QueryText => {
  if (end - start > MAX_REPEATED) return makeText(bytes, start, end, decoding, form)
  const slot = slotOf(bytes, start, end, REPEATED)
  const before = repeated[slot]
  if (
    before !== undefined &&
    before.standardConformingStrings === form.standardConformingStrings &&
    before.dialect === form.dialect &&
    before.ansiQuotes === form.ansiQuotes &&
    isSameAscii(before.text, bytes, start, end)
  ) {
    return before
  }
  const made = makeText(bytes, start, end, decoding, form)
  repeated[slot] = made
  return made
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
