/** How far the reading of a long capture is, on one line of a terminal that is written over. */
import { tookWords } from './capture-words.ts'

/** What is known at the moment. */
export interface Progress {
  /** of the file, read so far and in all; no end is known of a stream */
  readonly bytesRead: number
  readonly size: number | undefined
  readonly packets: number
  readonly statements: number
}

export interface ProgressOptions {
  readonly write: (text: string) => void
  /** milliseconds that never step */
  readonly now: () => number
  /** the terminal's width in columns */
  readonly columns: () => number
}

const EVERY_MS = 250
/** Short files need no progress. */
const FIRST_MS = 500
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB']
const CLEAR = '\r\u001b[K'

/** `1.2 GB` */
export const sizeWords = (bytes: number): string => {
  let value = bytes
  let unit = 0
  for (; value >= 999.5 && unit < UNITS.length - 1; unit++) value /= 1000
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`
}

export const countWords = (count: number): string => count.toLocaleString('en-US')

/** `412 MB of 1.2 GB (34 %), 1,203,404 packets, 80,113 statements, 180 MB/s, 5 s left` */
export const progressWords = (progress: Progress, seconds: number): string => {
  const { bytesRead, size, packets, statements } = progress
  const rate = seconds > 0 ? bytesRead / seconds : 0
  const share = size === undefined || size === 0 ? undefined : Math.min(1, bytesRead / size)
  const words = [
    share === undefined
      ? sizeWords(bytesRead)
      : `${sizeWords(bytesRead)} of ${sizeWords(size as number)} (${Math.floor(share * 100)} %)`,
    `${countWords(packets)} packets`,
    `${countWords(statements)} statements`,
  ]
  if (rate > 0) words.push(`${sizeWords(rate)}/s`)
  if (rate > 0 && share !== undefined && share < 1)
    words.push(`${tookWords(((size as number) - bytesRead) / rate)} left`)
  return words.join(', ')
}

/** Shows progress now and then; the line is gone when it is done. */
export class ProgressLine {
  readonly #options: ProgressOptions
  readonly #began: number
  #next: number
  #isShown = false

  constructor(options: ProgressOptions) {
    this.#options = options
    this.#began = options.now()
    this.#next = this.#began + FIRST_MS
  }

  update(progress: Progress): void {
    const { now, write, columns } = this.#options
    const at = now()
    if (at < this.#next) return
    this.#next = at + EVERY_MS
    this.#isShown = true
    const text = progressWords(progress, (at - this.#began) / 1000)
    write(`${CLEAR}${text.slice(0, Math.max(1, columns() - 1))}`)
  }

  /** Takes the line away. */
  clear(): void {
    if (this.#isShown) this.#options.write(CLEAR)
    this.#isShown = false
  }

  get seconds(): number {
    return (this.#options.now() - this.#began) / 1000
  }
}
