/**
 * Binary dates and times as PostgreSQL prints them with DateStyle ISO, IntervalStyle postgres and TimeZone
 * UTC. Days count from 2000-01-01; times are microseconds.
 */
import type { Cursor } from '../../src/framing/cursor.ts'

const DAY = 86_400_000_000n
/** Days from 0000-03-01, where a leap day ends the year, to 2000-01-01. */
const EPOCH = 730_425
/** From the same day; limits of a date: 4714-11-24 BC, and the day after 5874897-12-31 (timestamp.h). */
const FIRST_DATE = -2_451_545
const END_DATE = 2_145_031_949
/** Limits of a timestamp: 4714-11-24 BC, and the microsecond after 294276-12-31 (timestamp.h). */
const FIRST_TIMESTAMP = -211_813_488_000_000_000n
const END_TIMESTAMP = 9_223_371_331_200_000_000n

const pad = (value: number, width = 2): string => String(value).padStart(width, '0')

const DAYS_OF_400_YEARS = 146_097

/** Year, month and day of the proleptic Gregorian calendar; year 0 is 1 BC. */
const civil = (days: number): { year: number; month: number; day: number } => {
  const shifted = days + EPOCH
  const era = Math.floor(shifted / DAYS_OF_400_YEARS)
  const dayOfEra = shifted - era * DAYS_OF_400_YEARS
  const leapDays =
    Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096)
  const yearOfEra = Math.floor((dayOfEra - leapDays) / 365)
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  // Months from March: their lengths follow 153 days in five months.
  const march = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * march + 2) / 5) + 1
  const month = march < 10 ? march + 3 : march - 9
  return { year: 400 * era + yearOfEra + (month <= 2 ? 1 : 0), month, day }
}

/** The date, and what is written behind the time when it lies before our era. */
const formatDate = (days: number): [date: string, era: string] => {
  const { year, month, day } = civil(days)
  const date = `${pad(year > 0 ? year : 1 - year, 4)}-${pad(month)}-${pad(day)}`
  return [date, year > 0 ? '' : ' BC']
}

/** `.678` or nothing: microseconds without their trailing zeros. */
const formatFraction = (micros: number): string =>
  micros === 0 ? '' : `.${pad(micros, 6).replace(/0+$/, '')}`

/** `13:14:15.678` from microseconds, at least zero; hours have two digits or more. */
const formatTime = (micros: bigint): string => {
  const seconds = Number(micros / 1_000_000n)
  const minutes = Math.floor(seconds / 60)
  const fraction = formatFraction(Number(micros % 1_000_000n))
  return `${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}:${pad(seconds % 60)}${fraction}`
}

const INT32_MAX = 2 ** 31 - 1
const INT32_MIN = -(2 ** 31)
const INT64_MAX = 2n ** 63n - 1n
const INT64_MIN = -(2n ** 63n)

/** date: int32 days. */
export const readDate = (body: Cursor): string => {
  const days = body.int32()
  if (days === INT32_MAX) return 'infinity'
  if (days === INT32_MIN) return '-infinity'
  if (days < FIRST_DATE || days >= END_DATE) throw body.invalid('date out of range')
  return formatDate(days).join('')
}

const readTimeOfDay = (body: Cursor): string => {
  const micros = body.bigInt64()
  // 24:00:00 is a time.
  if (micros < 0n || micros > DAY) throw body.invalid('time out of range')
  return formatTime(micros)
}

/** time: int64 microseconds since midnight. */
export const readTime = readTimeOfDay

/** Time zones lie less than 16 hours from UTC (timestamp.h). */
const ZONE_LIMIT = 16 * 3600

/** timetz: int64 microseconds since midnight, int32 seconds of the zone, positive to the west. */
export const readTimetz = (body: Cursor): string => {
  const time = readTimeOfDay(body)
  const west = body.int32()
  const seconds = Math.abs(west)
  if (seconds >= ZONE_LIMIT) throw body.invalid('time zone out of range')
  const minutes = Math.floor(seconds / 60) % 60
  const hours = pad(Math.floor(seconds / 3600))
  const odd = seconds % 60 === 0 ? '' : `:${pad(seconds % 60)}`
  return `${time}${west > 0 ? '-' : '+'}${hours}${minutes !== 0 || odd ? `:${pad(minutes)}` : ''}${odd}`
}

const readInstant = (body: Cursor, zone: string): string => {
  const micros = body.bigInt64()
  if (micros === INT64_MAX) return 'infinity'
  if (micros === INT64_MIN) return '-infinity'
  if (micros < FIRST_TIMESTAMP || micros >= END_TIMESTAMP) throw body.invalid('timestamp out of range')
  const ofDay = ((micros % DAY) + DAY) % DAY
  const [date, era] = formatDate(Number((micros - ofDay) / DAY))
  return `${date} ${formatTime(ofDay)}${zone}${era}`
}

/** timestamp: int64 microseconds. */
export const readTimestamp = (body: Cursor): string => readInstant(body, '')

/** timestamptz: int64 microseconds, UTC. */
export const readTimestamptz = (body: Cursor): string => readInstant(body, '+00')

/**
 * interval: int64 microseconds, int32 days, int32 months, each with its own sign. A positive part behind a
 * negative one is written with `+` (EncodeInterval, datetime.c).
 */
export const readInterval = (body: Cursor): string => {
  const micros = body.bigInt64()
  const days = body.int32()
  const months = body.int32()
  if (months === INT32_MAX && days === INT32_MAX && micros === INT64_MAX) return 'infinity'
  if (months === INT32_MIN && days === INT32_MIN && micros === INT64_MIN) return '-infinity'
  const parts: string[] = []
  let afterNegative = false
  for (const [count, unit] of [
    [Math.trunc(months / 12), 'year'],
    [months % 12, 'mon'],
    [days, 'day'],
  ] as const) {
    if (count === 0) continue
    parts.push(`${afterNegative && count > 0 ? '+' : ''}${count} ${unit}${count === 1 ? '' : 's'}`)
    afterNegative = count < 0
  }
  if (micros !== 0n || parts.length === 0) {
    const sign = micros < 0n ? '-' : afterNegative ? '+' : ''
    parts.push(`${sign}${formatTime(micros < 0n ? -micros : micros)}`)
  }
  return parts.join(' ')
}
