/** Binary numbers as MariaDB and MySQL print them. */
import type { MysqlCursor } from '../../src/framing/mysql-cursor.ts'

/** A double whose decimal point is within so many digits of its first one is written without exponent. */
const FIXED_DIGITS = 15

/** `1.25e-7` (from toExponential) as my_gcvt lays it out: plain, or an exponent without plus or zeros. */
const layOut = (exponential: string): string => {
  const [mantissa = '', power = ''] = exponential.split('e')
  const exponent = Number(power)
  if (exponent < -FIXED_DIGITS || exponent >= FIXED_DIGITS) return `${mantissa}e${exponent}`
  const sign = mantissa.startsWith('-') ? '-' : ''
  const digits = mantissa.replace(/[-.]/g, '')
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  const fraction = digits.slice(exponent + 1)
  return `${sign}${whole}${fraction && '.'}${fraction}`
}

/**
 * A DOUBLE in the shortest form that reads back the same: `0.1`, `1e15`, `1.5e-16`; both zeros are `0`.
 * `NaN`, `Infinity` and `-Infinity` are no values of SQL and shown by these names.
 */
export const formatDouble = (value: number): string => {
  if (value === 0) return '0'
  const magnitude = Math.abs(value)
  // here both spell alike
  if (magnitude >= 1e-6 && magnitude < 1e15) return String(value)
  return Number.isFinite(value) ? layOut(value.toExponential()) : String(value)
}

/** Digits that any FLOAT has, and that tell any two apart (FLT_DIG, FLT_DECIMAL_DIG). */
const FLOAT_DIGITS = 6
const MOST_FLOAT_DIGITS = 9
const SMALLEST_NORMAL_FLOAT = 2 ** -126

/**
 * A FLOAT in the shortest form that reads back as the same FLOAT: `1.1`. A server makes a DOUBLE of a
 * FLOAT parameter, and its log shows that one's digits: `1.100000023841858`.
 */
export const formatFloat = (value: number): string => {
  if (!Number.isFinite(value)) return String(value)
  const first = Math.abs(value) < SMALLEST_NORMAL_FLOAT ? 1 : FLOAT_DIGITS
  for (let digits = first; digits < MOST_FLOAT_DIGITS; digits++) {
    const decimal = Number(value.toPrecision(digits))
    if (Math.fround(decimal) === value) return formatDouble(decimal)
  }
  return formatDouble(Number(value.toPrecision(MOST_FLOAT_DIGITS)))
}

/** An integer of eight bytes. */
export const readLonglong = (body: MysqlCursor, unsigned: boolean): string => {
  const low = body.uint32()
  const high = unsigned ? body.uint32() : body.int32()
  const value = high * 2 ** 32 + low
  // a number is cheaper than a bigint, and exact below 2^53
  return Number.isSafeInteger(value) ? String(value) : String((BigInt(high) << 32n) + BigInt(low))
}
