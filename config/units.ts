/** Durations and sizes as people write them, and back. */

/** Milliseconds. */
export type Millis = number

const MS_OF: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/gy

/**
 * `"500ms"`, `"10s"`, `"1m"`, `"1h30m"`, `"7d"`; a plain number counts seconds. Undefined for anything else,
 * for what is negative, not a whole number of milliseconds, or beyond 10,000 years.
 */
export const parseDuration = (written: string | number): Millis | undefined => {
  let total = 0
  if (typeof written === 'number' || /^\d+(\.\d+)?$/.test(written)) {
    total = Number(written) * 1000
  } else {
    PART.lastIndex = 0
    let end = 0
    for (let match = PART.exec(written); match !== null; match = PART.exec(written)) {
      total += Number(match[1]) * (MS_OF[match[2] ?? ''] ?? Number.NaN)
      end = PART.lastIndex
    }
    if (end === 0 || end !== written.length) return undefined
  }
  const rounded = Math.round(total)
  const isWhole = Math.abs(rounded - total) < 1e-6
  return isWhole && rounded >= 0 && rounded <= 3_652_425 * 86_400_000 ? rounded : undefined
}

/** The shortest form with one unit: `90000` → `"90s"`. */
export const renderDuration = (millis: Millis): string => {
  if (millis === 0) return '0s'
  const units = Object.entries(MS_OF).reverse()
  const [unit, length] = units.find(([, ms]) => millis % ms === 0) ?? ['ms', 1]
  return `${millis / length}${unit}`
}

const POWER_OF = ['', 'k', 'm', 'g', 't']
const SIZE = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i

/**
 * `"64KiB"`, `"2MB"`, `"512B"`; a plain number counts bytes. As in PostgreSQL's settings `KB` and `KiB` both
 * mean 1024 bytes, and so on. Undefined for anything else.
 */
export const parseSize = (written: string | number): number | undefined => {
  const match = SIZE.exec(String(written))
  if (match === null) return undefined
  const bytes = Number(match[1]) * 1024 ** POWER_OF.indexOf((match[2] ?? '').toLowerCase())
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** The shortest form with one unit: `65536` → `"64KiB"`. */
export const renderSize = (bytes: number): string => {
  let power = 0
  let count = bytes
  while (count >= 1024 && count % 1024 === 0 && power < POWER_OF.length - 1) {
    count /= 1024
    power += 1
  }
  return power === 0 ? `${count}B` : `${count}${'KMGT'[power - 1]}iB`
}
