/** What a capture lost, in words for its user. */
import type { CaptureCounts } from '../capture/counts.ts'

const count = (number: number, noun: string): string =>
  `${number.toLocaleString('en-US')} ${noun}${number === 1 ? '' : 's'}`

/** `5 s`, `3 min`, `2 h` */
export const tookWords = (seconds: number): string => {
  if (seconds < 100) return `${Math.ceil(seconds)} s`
  return seconds < 6000 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3600)} h`
}

/**
 * One sentence for each kind of loss; none when nothing was lost. `dropped` are packets that never came into
 * the capture, as far as it says so.
 */
export const lossWords = (counts: Readonly<CaptureCounts>, dropped: number): string[] => {
  const words: string[] = []
  if (dropped > 0) words.push(`${count(dropped, 'packet')} were dropped before they were captured`)
  if (counts.lost > 0) words.push(`${count(counts.lost, 'byte')} of the traffic are missing (gap records)`)
  if (counts.broken > 0) words.push(`${count(counts.broken, 'packet')} with broken or cut headers`)
  return words
}

/** A hint for whoever finds no record: the target may be another. */
export const nothingFound = (counts: Readonly<CaptureCounts>, target: string): string | undefined =>
  counts.flows === 0 && counts.packets > 0
    ? `no connection to ${target} in ${count(counts.packets, 'packet')}`
    : undefined
