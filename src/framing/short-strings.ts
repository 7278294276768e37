import type { Bytes } from '../flow.ts'

/** Longer strings are made anew: they seldom come twice. */
const MAX_LENGTH = 24
const ENTRIES = 256

/**
 * Names and tags come by the thousand and are few: the last string of each hash is kept, so that one which
 * came before is the same object again, with its hash known and without a call into the runtime.
 */
const kept: string[] = new Array<string>(ENTRIES).fill('')

const isSame = (text: string, bytes: Bytes, start: number, length: number): boolean => {
  if (text.length !== length) return false
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false
  return true
}

/** A number below `entries`, a power of two up to 256, that is the same for the same bytes. */
export const slotOf = (bytes: Bytes, start: number, end: number, entries: number): number => {
  let hash = end - start
  for (let i = start; i < end; i++) hash = (hash * 31 + (bytes[i] as number)) & 0xffff
  return (hash ^ (hash >> 8)) & (entries - 1)
}

/** Are the bytes all ASCII, and the characters of `text`? */
export const isSameAscii = (text: string, bytes: Bytes, start: number, end: number): boolean => {
  if (text.length !== end - start) return false
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number
    if (byte > 0x7f || text.charCodeAt(i - start) !== byte) return false
  }
  return true
}

/** `bytes[start … end)` as a string, one character per byte: for ASCII, what every encoding makes of it. */
export const shortString = (bytes: Bytes, start: number, end: number): string => {
  const length = end - start
  if (length > MAX_LENGTH) return bytes.toString('latin1', start, end)
  const slot = slotOf(bytes, start, end, ENTRIES)
  const text = kept[slot] as string
  if (isSame(text, bytes, start, length)) return text
  const made = bytes.toString('latin1', start, end)
  kept[slot] = made
  return made
}

/** The same, if the bytes are all ASCII and few; undefined otherwise. */
export const shortAscii = (bytes: Bytes, start: number, end: number): string | undefined => {
  if (end - start > MAX_LENGTH) return undefined
  for (let i = start; i < end; i++) if ((bytes[i] as number) > 0x7f) return undefined
  return shortString(bytes, start, end)
}
