/**
 * Every chunk in hex, as tcpdp's dumper of this name. It knows no protocol and so it cannot redact: the
 * passwords and password hashes of a log-in are in its records. It is never chosen unless it is named.
 */
import { type AuditEvent, type MessageEvent, NO_EVENTS } from '../../src/event.ts'
import type { Bytes, Direction, Micros } from '../../src/flow.ts'
import type { Dumper, Session, SessionTotals } from '../../src/session.ts'

const WHO = Object.freeze({ dialect: 'hex' })
const TOTALS: SessionTotals = Object.freeze({ who: WHO, statements: 0, undecodedIn: 0, undecodedOut: 0 })

/** A longer chunk becomes several records: a record has about four characters for each byte. */
export const LONGEST_PIECE = 16 * 1024

const DIGITS = Buffer.from('0123456789abcdef', 'latin1')
const SPACE = 0x20
const DOT = 0x2e
const isPrintable = (byte: number): boolean => byte >= 0x20 && byte <= 0x7e

/** `54 00 0a`: the bytes in lower-case hex, a space between two. */
const formatBytes = (piece: Bytes): string => {
  const text = Buffer.allocUnsafe(Math.max(0, 3 * piece.length - 1)).fill(SPACE)
  for (const [index, byte] of piece.entries()) {
    text[3 * index] = DIGITS[byte >> 4] as number
    text[3 * index + 1] = DIGITS[byte & 0x0f] as number
  }
  return text.toString('latin1')
}

/** Printable ASCII as it is, a dot for every other byte. */
const formatAscii = (piece: Bytes): string =>
  Buffer.from(piece.map((byte) => (isPrintable(byte) ? byte : DOT))).toString('latin1')

const DIRECTION = { frontend: '->', backend: '<-' } as const

const describe = (from: Direction, piece: Bytes, at: Micros): MessageEvent => ({
  event: 'message',
  at,
  who: WHO,
  direction: DIRECTION[from],
  fields: { bytes: formatBytes(piece), ascii: formatAscii(piece) },
})

class HexSession implements Session {
  readonly login = 'opaque'
  readonly totals = TOTALS

  feed(from: Direction, chunk: Bytes, at: Micros): readonly AuditEvent[] {
    const events: AuditEvent[] = []
    for (let start = 0; start < chunk.length; start += LONGEST_PIECE) {
      events.push(describe(from, chunk.subarray(start, start + LONGEST_PIECE), at))
    }
    return events
  }

  gap(from: Direction, bytes: number, at: Micros): readonly AuditEvent[] {
    const direction = DIRECTION[from]
    return [{ event: 'gap', at, who: WHO, gap_reason: 'lost', direction, gap_bytes: bytes }]
  }

  close() {
    return NO_EVENTS
  }
}

/** `-d hex`: a `message` record with `bytes` and `ascii` for each chunk. Cannot redact. */
export const hex: Dumper = { name: 'hex', open: () => new HexSession() }
