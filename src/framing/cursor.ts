import { BodyCursor } from './body-cursor.ts'

/** Reader over one PostgreSQL body: big-endian. */
export class Cursor extends BodyCursor {
  uint16(): number {
    const at = this.take(2)
    return ((this.chunk[at] as number) << 8) | (this.chunk[at + 1] as number)
  }

  int16(): number {
    return (this.uint16() << 16) >> 16
  }

  int32(): number {
    const at = this.take(4)
    const bytes = this.chunk
    return (
      ((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)
    )
  }

  uint32(): number {
    return this.int32() >>> 0
  }

  bigInt64(): bigint {
    return this.chunk.readBigInt64BE(this.take(8))
  }

  float32(): number {
    return this.chunk.readFloatBE(this.take(4))
  }

  float64(): number {
    return this.chunk.readDoubleBE(this.take(8))
  }

  /** `count` int16s; the count is checked against the bytes left before anything is allocated. */
  int16s(count: number): readonly number[] {
    if (count === 0) return NONE
    if (count * 2 > this.left) throw this.short(count * 2)
    const values: number[] = []
    for (let i = 0; i < count; i++) values.push(this.int16())
    return values
  }

  uint32s(count: number): readonly number[] {
    if (count === 0) return NONE
    if (count * 4 > this.left) throw this.short(count * 4)
    const values: number[] = []
    for (let i = 0; i < count; i++) values.push(this.uint32())
    return values
  }
}

const NONE: readonly number[] = Object.freeze([])
