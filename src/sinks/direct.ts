/**
 * A block of records that were encoded straight into a buffer, numbered, each with its line feed. When it
 * cannot be written as it stands (a rotation is due, the disk is full) it is taken apart into lines again,
 * whose numbers are then given anew: a number belongs to a record only once it is in the file.
 */
import type { AuditEvent, DirectEncoder, FlowFacts, Line, Micros } from '../event.ts'

const BLOCK_BYTES = 1 << 18
const LINE_FEED = 0x0a
const TIME = Buffer.from('{"ts":"')
const NUMBER = Buffer.from('"log_seq":')

export class DirectBlock {
  readonly #buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES)
  /** bytes used */
  used = 0
  /** records in it */
  count = 0

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.used)
  }

  /** False when the event is not one of the fast path, or there is no room. */
  add(encoder: DirectEncoder, seq: number, flow: FlowFacts | undefined, event: AuditEvent): boolean {
    const end = encoder.encode(this.#buffer, this.used, seq + this.count, flow, event)
    if (end < 0) return false
    this.used = end
    this.count++
    return true
  }

  clear(): void {
    this.used = 0
    this.count = 0
  }

  /** How many records lie wholly before `offset`. */
  wholeBefore(offset: number): number {
    let whole = 0
    for (let at = 0; at < offset; at++) if (this.#buffer[at] === LINE_FEED) whole++
    return whole
  }

  /** The records, taken apart: what stands before and behind their numbers. */
  lines(): Line[] {
    const lines: Line[] = []
    for (let start = 0; start < this.used; ) {
      const end = this.#buffer.indexOf(LINE_FEED, start)
      lines.push(takeApart(this.#buffer.subarray(start, end)))
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
