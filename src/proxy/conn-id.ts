import { randomBytes } from 'node:crypto'

/** Crockford's alphabet in lower case: sorts as it counts, and has no letters that look alike. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

const base32 = (value: number, digits: number): string => {
  let rest = value
  let text = ''
  for (let digit = 0; digit < digits; digit++) {
    text = ALPHABET[rest % 32] + text
    rest = Math.floor(rest / 32)
  }
  return text
}

const TIME_DIGITS = 9
const PROCESS_DIGITS = 12
const COUNT_DIGITS = 5
const COUNT_WRAPS = 32 ** COUNT_DIGITS

/**
 * Makes ids that are unique for ever and over all processes: milliseconds since the epoch, 60 random bits
 * of this process, and a count. 26 characters; they sort by time.
 */
export const connIds = (
  milliseconds: () => number = Date.now,
  random: () => Buffer = () => randomBytes(PROCESS_DIGITS),
): (() => string) => {
  const mine = [...random()].map((byte) => ALPHABET[byte % 32]).join('')
  let count = 0
  return () => {
    count = (count + 1) % COUNT_WRAPS
    return base32(milliseconds(), TIME_DIGITS) + mine + base32(count, COUNT_DIGITS)
  }
}
