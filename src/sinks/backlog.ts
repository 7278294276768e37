/**
 * Lines on their way to an output: in order, numbered as they are written, in bounded memory. When nothing
 * can be written and the bound is passed the oldest are dropped and counted, and their `audit.loss` record
 * goes first as soon as something can be written again. Numbers (`log_seq`) are given at that moment, so
 * they have no holes.
 */
import type { AuditLife, Line, Micros } from '../event.ts'

/** What a waiting line costs beside its characters: two strings, an object, a place in the queue. */
const LINE_OVERHEAD = 96

/** bytes that one UTF-16 unit takes at most: lengths are measured only near the end of a file's room */
const MAX_UTF8 = 3

const costOf = (line: Line): number => line.head.length + line.tail.length + LINE_OVERHEAD

/** Makes a line of an event of the audit's own life, in the output's format. */
export type EncodeLife = (event: AuditLife) => Line

/** Dropped records: how many, and when the first and the last of them happened. */
export interface Loss {
  records: number
  first: Micros
  last: Micros
}

/** Both as one; `loss` itself is added to. */
export const joinLosses = (loss: Loss | undefined, more: Readonly<Loss>): Loss => {
  if (loss === undefined) return { ...more }
  loss.records += more.records
  loss.first = Math.min(loss.first, more.first)
  loss.last = Math.max(loss.last, more.last)
  return loss
}

/** Lines that are written together. Valid until it is committed. */
export interface Batch {
  readonly text: string
  readonly lines: readonly Line[]
  readonly hasLoss: boolean
}

/** A line that was written in part: the whole of it, and how many bytes of it are in the file. */
export interface TornLine {
  readonly whole: Buffer
  written: number
}

const numbered = (line: Line, seq: number): string =>
  line.tail === '' ? `${line.head}\n` : `${line.head}${seq}${line.tail}\n`

const isoOf = (at: Micros): string => {
  const second = Math.floor(at / 1e6)
  const micros = String(1_000_000 + (at - second * 1e6)).slice(1)
  return `${new Date(second * 1000).toISOString().slice(0, 19)}.${micros}Z`
}

export class Backlog {
  readonly #bound: number
  readonly #encodeLife: EncodeLife
  #lines: Line[] = []
  #first = 0
  #cost = 0
  #seq = 0
  #loss: Loss | undefined
  #written = 0

  /** `bound` in bytes, roughly: characters and a fixed amount per line are what is counted. */
  constructor(bound: number, encodeLife: EncodeLife) {
    this.#bound = bound
    this.#encodeLife = encodeLife
  }

  /** Is there nothing to be written, not even a loss? */
  get isEmpty(): boolean {
    return this.#first === this.#lines.length && this.#loss === undefined
  }

  get isOverBound(): boolean {
    return this.#cost > this.#bound
  }

  /** Is more than half of what may wait waiting? */
  get isHalfFull(): boolean {
    return this.#cost > this.#bound / 2
  }

  get loss(): Readonly<Loss> | undefined {
    return this.#loss
  }

  /** how many lines wait */
  get waiting(): number {
    return this.#lines.length - this.#first
  }

  /** how many lines were committed so far */
  get written(): number {
    return this.#written
  }

  /** the number that the next line will get, if none waits */
  get nextSeq(): number {
    return this.#seq + 1
  }

  /** `count` numbered lines were written past the queue. */
  skip(count: number): void {
    this.#seq += count
    this.#written += count
  }

  push(line: Line): void {
    this.#lines.push(line)
    this.#cost += costOf(line)
  }

  /** Puts lines before all others. */
  unshift(...lines: readonly Line[]): void {
    this.#lines = [...lines, ...this.#lines.slice(this.#first)]
    this.#first = 0
    for (const line of lines) this.#cost += costOf(line)
  }

  /** Records were lost before they came here. */
  lose(more: Loss): void {
    this.#loss = joinLosses(this.#loss, more)
  }

  /** Drops the oldest lines until the bound is kept, or all of them. */
  drop(all = false): void {
    while (this.#first < this.#lines.length && (all || this.isOverBound)) {
      const line = this.#lines[this.#first++] as Line
      this.#cost -= costOf(line)
      this.lose({ records: 1, first: line.at, last: line.at })
    }
    this.#compact()
  }

  /**
   * The next lines, about `limit` characters of them, that fit into `room` bytes, but `least` lines in any
   * case; undefined when there are none. `now` is the time of the loss record, should there be one.
   */
  batch(limit: number, room: number, least: number, now: Micros): Batch | undefined {
    const loss = this.#loss === undefined ? undefined : this.#lossLine(now)
    const offset = loss === undefined ? 0 : 1
    const lines: Line[] = []
    let [text, seq, bytes, exact] = ['', this.#seq, 0, false]
    while (text.length < limit) {
      const line = lines.length < offset ? loss : this.#lines[this.#first + lines.length - offset]
      if (line === undefined) break
      const one = numbered(line, line.tail === '' ? seq : ++seq)
      if (!exact && bytes + one.length * MAX_UTF8 > room) {
        exact = true
        bytes = Buffer.byteLength(text)
      }
      bytes += exact ? Buffer.byteLength(one) : one.length * MAX_UTF8
      if (bytes > room && lines.length >= least) break
      text += one
      lines.push(line)
    }
    return lines.length === 0 ? undefined : { text, lines, hasLoss: offset === 1 }
  }

  /**
   * Takes a batch off the queue, of which `bytes` bytes were written (all, when left out). What was written
   * of it in whole lines is gone; of a line that was torn, the whole and how much of it was written are
   * answered, and it counts as written from now on: the caller sees to that.
   */
  commit(batch: Batch, bytes?: number): TornLine | undefined {
    let left = bytes ?? Number.POSITIVE_INFINITY
    for (const [index, line] of batch.lines.entries()) {
      if (left <= 0) return undefined
      const seq = line.tail === '' ? this.#seq : this.#seq + 1
      const whole = bytes === undefined ? undefined : Buffer.from(numbered(line, seq))
      this.#seq = seq
      this.#written++
      if (index === 0 && batch.hasLoss) this.#loss = undefined
      else {
        this.#first++
        this.#cost -= costOf(line)
      }
      if (whole !== undefined && whole.length > left) return { whole, written: left }
      left -= whole?.length ?? 0
    }
    this.#compact()
    return undefined
  }

  #lossLine(now: Micros): Line {
    const { records, first, last } = this.#loss as Loss
    const fields = { lost_records: records, lost_first_ts: isoOf(first), lost_last_ts: isoOf(last) }
    return this.#encodeLife({ event: 'audit.loss', at: now, fields })
  }

  #compact(): void {
    if (this.#first === this.#lines.length) {
      this.#lines = []
      this.#first = 0
    } else if (this.#first > 1024 && this.#first * 2 > this.#lines.length) {
      this.#lines = this.#lines.slice(this.#first)
      this.#first = 0
    }
  }
}
