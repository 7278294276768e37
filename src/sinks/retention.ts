/** Which finished files are to be deleted. Pure; nothing is by default. */
import { compareNames, type LogName } from './names.ts'

/** Each limit is off at 0. */
export interface RetentionLimits {
  /** finished files to keep */
  readonly count: number
  /** milliseconds since a file's last change */
  readonly maxAgeMs: number
  /** bytes of finished and current files together */
  readonly maxTotal: number
}

export interface FinishedFile {
  readonly name: LogName
  readonly bytes: number
  readonly mtimeMs: number
}

export interface Expired {
  readonly file: FinishedFile
  readonly reason: 'count' | 'age' | 'total'
}

/**
 * The files to delete, oldest first. `kept` are bytes of files that stay whatever happens (current, or
 * awaiting the hook): they count for the total alone.
 */
export const expiredFiles = (
  finished: readonly FinishedFile[],
  limits: RetentionLimits,
  nowMs: number,
  kept: number,
): readonly Expired[] => {
  const oldestFirst = [...finished].sort((a, b) => compareNames(a.name, b.name))
  let total = oldestFirst.reduce((sum, file) => sum + file.bytes, kept)
  let count = oldestFirst.length
  const expired: Expired[] = []
  for (const file of oldestFirst) {
    const reason = reasonFor(file, limits, nowMs, count, total)
    if (reason === undefined) continue
    expired.push({ file, reason })
    count--
    total -= file.bytes
  }
  return expired
}

const reasonFor = (
  file: FinishedFile,
  limits: RetentionLimits,
  nowMs: number,
  count: number,
  total: number,
): Expired['reason'] | undefined => {
  if (limits.count > 0 && count > limits.count) return 'count'
  if (limits.maxAgeMs > 0 && nowMs - file.mtimeMs > limits.maxAgeMs) return 'age'
  return limits.maxTotal > 0 && total > limits.maxTotal ? 'total' : undefined
}
