/** Binary numbers as PostgreSQL prints them: float4, float8, numeric. */
import { ProtocolError } from '../../src/errors.ts'
import type { Cursor } from '../../src/framing/cursor.ts'

const special = (value: number): string | undefined => {
  if (Number.isNaN(value)) return 'NaN'
  if (value === Number.POSITIVE_INFINITY) return 'Infinity'
  if (value === Number.NEGATIVE_INFINITY) return '-Infinity'
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  return undefined
}

/** Like printf's %g: an exponent below this, or from the type's own limit on, is written as one. */
const SMALLEST_FIXED = -4

/** `1.25e-7` (from toExponential) as PostgreSQL lays it out: plain, or an exponent of two digits or more. */
const layOut = (exponential: string, fixedBelow: number): string => {
  const [mantissa = '', power = ''] = exponential.split('e')
  const exponent = Number(power)
  if (exponent < SMALLEST_FIXED || exponent >= fixedBelow) {
    const digits = String(Math.abs(exponent)).padStart(2, '0')
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${digits}`
  }
  const sign = mantissa.startsWith('-') ? '-' : ''
  const digits = mantissa.replace(/[-.]/g, '')
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  const fraction = digits.slice(exponent + 1)
  return `${sign}${whole}${fraction && '.'}${fraction}`
}

const FIXED_BELOW_64 = 15
const scratch = new DataView(new ArrayBuffer(8))

/**
 * Is the decimal exactly halfway to the next double? JavaScript takes such a spelling, for it rounds to
 * even when read back; PostgreSQL does not rely on its reader's rounding (shortest_dec.h) and writes on.
 * Only integers of 2^53 and up can be: halves of smaller ones have too many digits.
 */
const isHalfway = (exponential: string, value: number): boolean => {
  const [mantissa = '', power = ''] = exponential.split('e')
  const digits = mantissa.replace('.', '')
  const spelt = BigInt(digits) * 10n ** BigInt(Number(power) - digits.length + 1)
  scratch.setFloat64(0, value)
  const bits = scratch.getBigUint64(0)
  const ulp = 1n << ((bits >> 52n) - 1075n)
  const isPowerOfTwo = (bits & 0xfffffffffffffn) === 0n
  const distance = 4n * (spelt - BigInt(value))
  return distance === 2n * ulp || distance === (isPowerOfTwo ? -ulp : -2n * ulp)
}

const shortest64 = (magnitude: number): string => {
  const shortest = magnitude.toExponential()
  if (magnitude < 2 ** 53 || !isHalfway(shortest, magnitude)) return shortest
  for (let digits = 0; digits < 17; digits++) {
    const longer = magnitude.toExponential(digits)
    if (Number(longer) === magnitude && !isHalfway(longer, magnitude)) return longer
  }
  return shortest
}

/** A float8 in its shortest form that reads back the same: `0.1`, `1e+300`, `-0`, `Infinity`, `NaN`. */
export const formatFloat8 = (value: number): string => {
  const known = special(value)
  if (known !== undefined) return known
  const magnitude = Math.abs(value)
  // Here both spell alike.
  if (magnitude >= 1e-4 && magnitude < 1e15) return String(value)
  return (value < 0 ? '-' : '') + layOut(shortest64(magnitude), FIXED_BELOW_64)
}

const FIXED_BELOW_32 = 6

/** The midpoints between a positive float4 and its neighbours; a double holds them exactly. */
const midpoints = (magnitude: number): [below: number, above: number] => {
  scratch.setFloat32(0, magnitude)
  const bits = scratch.getUint32(0)
  scratch.setUint32(0, bits - 1)
  const below = scratch.getFloat32(0)
  scratch.setUint32(0, bits + 1)
  const above = scratch.getFloat32(0)
  // The largest one has no finite neighbour above; its gap is that below.
  const gapAbove = above === Number.POSITIVE_INFINITY ? magnitude - below : above - magnitude
  return [magnitude - (magnitude - below) / 2, magnitude + gapAbove / 2]
}

/** The decimals of `digits` digits beside a magnitude, the nearer first; of equally near ones the even. */
const nearest = (exact: string, power: number, digits: number): number[] => {
  const down = Number(exact.slice(0, digits))
  const rest = exact.slice(digits)
  const half = '5'.padEnd(rest.length, '0')
  const isUp = rest > half || (rest === half && down % 2 === 1)
  const decimals = isUp ? [down + 1, down] : [down, down + 1]
  return decimals.map((decimal) => Number(`${decimal}e${power - digits + 1}`))
}

/** Digits that show whether a float4 lies halfway between two decimals of up to nine. */
const EXACT_DIGITS = 100
const MOST_DIGITS_32 = 9
/**
 * No two decimals of so many digits are the same normal float4 (FLT_DIG): such a one is the shortest
 * form.
 */
const SURE_DIGITS_32 = 6
const SMALLEST_NORMAL_32 = 2 ** -126

const shortest32 = (magnitude: number): string => {
  const [below, above] = midpoints(magnitude)
  const inside = (decimal: number) => decimal > below && decimal < above
  const double = magnitude.toExponential()
  const known = double.indexOf('e') - 1
  const isEven = above - magnitude === magnitude - below && magnitude >= SMALLEST_NORMAL_32
  if (isEven && known <= SURE_DIGITS_32) return double
  // What has more digits than this is halfway between no two decimals: rounding has no choice.
  if (isEven && known > MOST_DIGITS_32 + 1) {
    for (let digits = SURE_DIGITS_32; digits < MOST_DIGITS_32; digits++) {
      const decimal = Number(magnitude.toPrecision(digits))
      if (inside(decimal)) return decimal.toExponential()
    }
    return magnitude.toExponential(MOST_DIGITS_32 - 1)
  }
  const [mantissa = '', power = ''] = magnitude.toExponential(EXACT_DIGITS).split('e')
  const exact = mantissa.replace('.', '')
  for (let digits = 1; digits <= MOST_DIGITS_32; digits++) {
    // The nearer one may be too far below a power of two, where floats are denser, and the other one not.
    const decimal = nearest(exact, Number(power), digits).find(inside)
    if (decimal) return decimal.toExponential()
  }
  return double
}

/** A float4 in the shortest form that reads back as the same float4: `1.1`, `1e+06`, `3.4028235e+38`. */
export const formatFloat4 = (value: number): string =>
  special(value) ?? (value < 0 ? '-' : '') + layOut(shortest32(Math.abs(value)), FIXED_BELOW_32)

export const readFloat4 = (body: Cursor): string => formatFloat4(body.float32())
export const readFloat8 = (body: Cursor): string => formatFloat8(body.float64())

const NEGATIVE = 0x4000
const SPECIAL: Readonly<Record<number, string>> = { 49152: 'NaN', 53248: 'Infinity', 61440: '-Infinity' }
const LARGEST_SCALE = 0x3fff
const BASE = 10_000

/**
 * Ten bytes can name a number of 131,072 digits. A text that is longer than this many times its bytes is not
 * written out: a client could fill the log, or memory, with a small message.
 */
const GROWTH = 16
const GROWTH_ALLOWED = 256

/**
 * numeric: uint16 count, int16 weight of the first digit, uint16 sign, uint16 digits after the point, then
 * count × uint16 digits to base 10,000. As numeric_recv reads it (numeric.c): digits past the scale are cut.
 */
export const readNumeric = (body: Cursor): string => {
  const size = body.left
  const count = body.uint16()
  const weight = body.int16()
  const sign = body.uint16()
  const scale = body.uint16()
  const digits = body.int16s(count)
  if (digits.some((digit) => digit < 0 || digit >= BASE)) throw body.invalid('digit out of range')
  if (scale > LARGEST_SCALE) throw body.invalid('scale out of range')
  const known = SPECIAL[sign]
  if (known) return known
  if (sign !== 0 && sign !== NEGATIVE) throw body.invalid('unknown sign')
  const first = digits.findIndex((digit) => digit !== 0)
  const top = first < 0 ? -1 : weight - first
  const written = 4 * (Math.max(top, 0) + 1) + scale
  if (written > GROWTH * size + GROWTH_ALLOWED) {
    throw new ProtocolError('unsupported', `numeric: ${written} digits in ${size} bytes`, 0)
  }
  // Digit groups by their power of 10,000: those before and after the stored ones are zeros.
  const group = (power: number) => String(digits[weight - power] ?? 0).padStart(4, '0')
  let whole = ''
  for (let power = top; power >= 0; power--) whole += group(power)
  let fraction = ''
  for (let power = -1; fraction.length < scale; power--) fraction += group(power)
  fraction = fraction.slice(0, scale)
  const text = `${whole.replace(/^0+/, '') || '0'}${fraction && '.'}${fraction}`
  return sign === NEGATIVE && /[1-9]/.test(text) ? `-${text}` : text
}
