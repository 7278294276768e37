/**
 * Names of log files: `dump.log.YYYYMMDD[HH[MM[SS]]][.N][.gz]`, the digits being the period's beginning, N
 * telling apart the files of one period. A name is used by one writer ever, hence N only grows.
 */

export type Period = 'secondly' | 'minutely' | 'hourly' | 'daily'
export type Timezone = 'utc' | 'local'

/** Milliseconds since the epoch. */
export type Millis = number

const STAMP_LENGTH: Readonly<Record<Period, number>> = { daily: 8, hourly: 10, minutely: 12, secondly: 14 }
const PERIOD_MS = { hourly: 3_600_000, minutely: 60_000, secondly: 1000 }

const offsetMs = (at: Millis, timezone: Timezone): number =>
  timezone === 'utc' ? 0 : -new Date(at).getTimezoneOffset() * 60_000

/** The period's beginning as it stands in the name: `2024050109`. */
export const stampOf = (at: Millis, period: Period, timezone: Timezone): string =>
  new Date(at + offsetMs(at, timezone)).toISOString().replace(/[-T:]/g, '').slice(0, STAMP_LENGTH[period])

/** When the period ends that `at` is in. */
export const periodEnd = (at: Millis, period: Period, timezone: Timezone): Millis => {
  if (period !== 'daily') {
    const offset = offsetMs(at, timezone)
    const length = PERIOD_MS[period]
    return (Math.floor((at + offset) / length) + 1) * length - offset
  }
  const date = new Date(at)
  if (timezone === 'utc') return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate() + 1)
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + 1).getTime()
}

/** A file name's parts. */
export interface LogName {
  /** as in the directory */
  readonly file: string
  /** without `.gz` */
  readonly plain: string
  readonly stamp: string
  readonly n: number
  readonly isCompressed: boolean
}

const AFTER_BASE = /^\.(\d{8}(?:\d{2}){0,3})(?:\.(\d{1,9}))?(\.gz)?$/

/** Is `file` one of the log's files? Those of tcpdp are named in the same way. */
export const parseName = (base: string, file: string): LogName | undefined => {
  if (!file.startsWith(base)) return undefined
  const match = AFTER_BASE.exec(file.slice(base.length))
  if (match === null) return undefined
  const [, stamp = '', n, gz] = match
  const isCompressed = gz !== undefined
  return { file, plain: isCompressed ? file.slice(0, -3) : file, stamp, n: Number(n ?? 0), isCompressed }
}

/** Oldest first. */
export const compareNames = (a: LogName, b: LogName): number =>
  a.stamp === b.stamp ? a.n - b.n : a.stamp < b.stamp ? -1 : 1

/** The first name of this period that no file of the directory had or has. */
export const nextName = (base: string, stamp: string, files: readonly string[]): string => {
  let next = 0
  for (const file of files) {
    const name = parseName(base, file)
    if (name?.stamp === stamp) next = Math.max(next, name.n + 1)
  }
  return next === 0 ? `${base}.${stamp}` : `${base}.${stamp}.${next}`
}
