import type { Bytes } from '../flow.ts'
import { BodyCursor } from './body-cursor.ts'

/** First bytes of a length-encoded integer that is longer than one byte, and what is none. */
const NULL = 0xfb
const TWO = 0xfc
const THREE = 0xfd
const EIGHT = 0xfe

/**
 * Reader over one MySQL payload: little-endian, with length-encoded integers and strings.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_dt_integers.html}
 */
export class MysqlCursor extends BodyCursor {
  uint16(): number {
    const at = this.take(2)
    return (this.chunk[at] as number) | ((this.chunk[at + 1] as number) << 8)
  }

  uint24(): number {
    const at = this.take(3)
    const bytes = this.chunk
    return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16)
  }

  int32(): number {
    const at = this.take(4)
    const bytes = this.chunk
    return (
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)
    )
  }

  uint32(): number {
    return this.int32() >>> 0
  }

  int8(): number {
    return (this.uint8() << 24) >> 24
  }

  int16(): number {
    return (this.uint16() << 16) >> 16
  }

  bigInt64(): bigint {
    return this.chunk.readBigInt64LE(this.take(8))
  }

  bigUint64(): bigint {
    return this.chunk.readBigUInt64LE(this.take(8))
  }

  float32(): number {
    return this.chunk.readFloatLE(this.take(4))
  }

  float64(): number {
    return this.chunk.readDoubleLE(this.take(8))
  }

  /** The next byte, not read; -1 at the end. */
  peek(): number {
    return this.at < this.end ? (this.chunk[this.at] as number) : -1
  }

  /**
   * A length-encoded integer: a length, or a count of what follows. `invalid` when it is NULL's 0xfb, 0xff,
   * or more than any body can hold (over 2^53 - 1).
   */
  lenenc(): number {
    const first = this.uint8()
    if (first < NULL) return first
    if (first === TWO) return this.uint16()
    if (first === THREE) return this.uint24()
    if (first !== EIGHT) throw this.invalid('length without a value')
    const low = this.uint32()
    const value = this.uint32() * 2 ** 32 + low
    if (value > Number.MAX_SAFE_INTEGER) throw this.invalid('length over 2^53')
    return value
  }

  /**
   * A length-encoded integer that is a figure, such as an id: its decimal digits where it is over 2^53 - 1.
   */
  lenencFigure(): number | string {
    if (this.peek() !== EIGHT) return this.lenenc()
    this.skip(1)
    const value = this.bigUint64()
    return value > Number.MAX_SAFE_INTEGER ? value.toString() : Number(value)
  }

  /** A length-encoded string's bytes, borrowed. */
  lenencBytes(): Bytes {
    return this.bytes(this.lenenc())
  }

  /** Steps over a length-encoded string. */
  lenencSkip(): void {
    this.skip(this.lenenc())
  }
}
