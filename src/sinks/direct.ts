/**
 * A block of records that were encoded straight into a buffer, numbered, each with its line feed. When it
 * cannot be written as it stands (a rotation is due, the disk is full) it is taken apart into lines again,
 * whose numbers are then given anew: a number belongs to a record only once it is in the file.
 */
import type { AuditEvent, DirectEncoder, FlowFacts, Line, Micros } from '../event.ts'
import type { TornLine } from './backlog.ts'

/** Room for records. */
export const BLOCK_BYTES = 1 << 18
const LINE_FEED = 0x0a
const ZERO = 0x30
/** bytes that one UTF-16 unit takes at most, and digits of a number below 2^53 */
const MAX_UTF8 = 3
const MAX_NUMBER = 16
const TIME = Buffer.from('{"ts":"')
const NUMBER = Buffer.from('"log_seq":')

/** What a write that stopped amid a block has left: records wholly written, one in part, and the others. */
export interface CutBlock {
  readonly whole: number
  readonly torn: TornLine | undefined
  readonly rest: readonly Line[]
}

export class DirectBlock {
  readonly buffer: Buffer
  /** bytes used */
  used: number
  /** numbered records in it */
  count: number

  /** The block owns the buffer; what `used` and `count` tell of is in it already. */
  constructor(buffer: Buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES), used = 0, count = 0) {
    this.buffer = buffer
    this.used = used
    this.count = count
  }

  /** Is a record that found no place here likely to find one in an empty block? */
  get isHalfFull(): boolean {
    return this.used > this.buffer.length / 2
  }

  get bytes(): Buffer {
    return this.buffer.subarray(0, this.used)
  }

  /** False when the event is not one of the fast path, or there is no room. */
  add(encoder: DirectEncoder, seq: number, flow: FlowFacts | undefined, event: AuditEvent): boolean {
    const end = encoder.encode(this.buffer, this.used, seq + this.count, flow, event)
    if (end < 0) return false
    this.used = end
    this.count++
    return true
  }

  /** Adds a record that was encoded as a line; false when there is no room. */
  addLine(seq: number, { head, tail }: Line): boolean {
    const most = (head.length + tail.length) * MAX_UTF8 + MAX_NUMBER + 1
    if (this.buffer.length - this.used < most) return false
    const buffer = this.buffer
    let at = this.used + buffer.write(head, this.used)
    if (tail !== '') {
      at += buffer.write(String(seq + this.count), at, 'latin1')
      at += buffer.write(tail, at)
      this.count++
    }
    buffer[at] = LINE_FEED
    this.used = at + 1
    return true
  }

  clear(): void {
    this.used = 0
    this.count = 0
  }

  /** How the block lies when so many of its bytes were written. */
  cutAt(offset: number): CutBlock {
    let whole = 0
    for (let at = 0; at < offset; at++) if (this.buffer[at] === LINE_FEED) whole++
    const start = whole === 0 ? 0 : this.buffer.lastIndexOf(LINE_FEED, offset - 1) + 1
    const rest = this.lines().slice(whole)
    if (offset === start) return { whole, torn: undefined, rest }
    const end = this.buffer.indexOf(LINE_FEED, start) + 1
    const torn = { whole: Buffer.from(this.buffer.subarray(start, end)), written: offset - start }
    return { whole, torn, rest: rest.slice(1) }
  }

  /**
   * Gives the records, which have the numbers from `from` on, those from `to` on. False, and nothing is
   * changed, where a number would get more digits or fewer.
   */
  renumber(from: number, to: number): boolean {
    const last = this.count - 1
    const digits = String(from).length
    if ([from + last, to, to + last].some((number) => String(number).length !== digits)) return false
    const { buffer } = this
    for (let seq = to, at = 0; seq <= to + last; seq++) {
      at = buffer.indexOf(NUMBER, at) + NUMBER.length
      for (let rest = seq, i = at + digits - 1; i >= at; i--, rest = Math.floor(rest / 10))
        buffer[i] = ZERO + (rest % 10)
      at = buffer.indexOf(LINE_FEED, at)
    }
    return true
  }

  /** The records, taken apart: what stands before and behind their numbers. */
  lines(): Line[] {
    const lines: Line[] = []
    for (let start = 0; start < this.used; ) {
      const end = this.buffer.indexOf(LINE_FEED, start)
      lines.push(takeApart(this.buffer.subarray(start, end)))
      start = end + 1
    }
    return lines
  }
}

const takeApart = (record: Buffer): Line => {
  const number = record.indexOf(NUMBER) + NUMBER.length
  const behind = record.indexOf(',', number)
  return {
    head: record.toString('utf8', 0, number),
    tail: record.toString('utf8', behind),
    at: microsOf(record.toString('latin1', TIME.length, record.indexOf('"', TIME.length))),
  }
}

/** `2024-05-01T09:00:00.000123Z`, or with an offset. */
const microsOf = (time: string): Micros =>
  Date.parse(time.slice(0, 19) + time.slice(26)) * 1000 + Number(time.slice(20, 26))
