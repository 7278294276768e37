/** Bodies of MySQL's commands that carry parameters, put together by hand. */
import type { Bytes } from '../../src/flow.ts'

export const int8 = (value: number): Bytes => Buffer.from([value & 0xff])
export const int16 = (value: number): Bytes => Buffer.from([value & 0xff, (value >> 8) & 0xff])
export const int32 = (value: number): Bytes => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}
export const int64 = (value: bigint): Bytes => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value))
  return bytes
}
export const float = (value: number): Bytes => {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return bytes
}
export const double = (value: number): Bytes => {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return bytes
}

/** A length-encoded integer. */
export const lenenc = (value: number): Bytes => {
  if (value < 251) return int8(value)
  if (value < 0x10000) return Buffer.concat([int8(252), int16(value)])
  if (value < 0x1000000) return Buffer.concat([int8(253), int32(value).subarray(0, 3)])
  return Buffer.concat([int8(254), int64(BigInt(value))])
}

/** A length and so many bytes. */
export const encoded = (value: string | Bytes): Bytes => {
  const bytes = Buffer.from(value as string)
  return Buffer.concat([lenenc(bytes.length), bytes])
}

/** One parameter: its type, and its bytes as they stand in the body; null is NULL, undefined: no bytes. */
export interface Param {
  readonly type: number
  readonly value: Bytes | null | undefined
  /** of a query attribute */
  readonly name?: string
}

export interface ExecuteParts {
  readonly id?: number
  readonly flags?: number
  /** false: the types of the execution before are used again */
  readonly types?: boolean
  /** with CLIENT_QUERY_ATTRIBUTES: the count, and the names */
  readonly counted?: boolean
}

const bitmapOf = (params: readonly Param[]): Bytes => {
  const bitmap = Buffer.alloc((params.length + 7) >> 3)
  params.forEach(({ value }, i) => {
    if (value === null) bitmap[i >> 3] = (bitmap[i >> 3] as number) | (1 << (i & 7))
  })
  return bitmap
}

/** NULL bitmap, whether types follow, types, values. */
export const paramsBody = (params: readonly Param[], types = true, named = false): Bytes =>
  Buffer.concat([
    bitmapOf(params),
    int8(types ? 1 : 0),
    ...(types
      ? params.flatMap(({ type, name = '' }) => [int16(type), ...(named ? [encoded(name)] : [])])
      : []),
    ...params.map(({ value }) => value ?? Buffer.alloc(0)),
  ])

/** COM_STMT_EXECUTE behind its command byte. */
export const executeBody = (params: readonly Param[], parts: ExecuteParts = {}): Bytes => {
  const { id = 1, flags = 0, types = true, counted = false } = parts
  return Buffer.concat([
    int32(id),
    int8(flags),
    int32(1),
    ...(counted ? [lenenc(params.length)] : []),
    ...(params.length > 0 ? [paramsBody(params, types, counted)] : []),
  ])
}

/** What stands in the place of a value of a bulk execution. */
export const INDICATOR_NULL = 1
export const INDICATOR_DEFAULT = 2
export const INDICATOR_IGNORE = 3

/** COM_STMT_BULK_EXECUTE behind its command byte; a number in a row is an indicator. */
export const bulkBody = (
  types: readonly number[] | undefined,
  rows: readonly (readonly (Bytes | number)[])[],
  id = 1,
): Bytes =>
  Buffer.concat([
    int32(id),
    int16(types === undefined ? 0 : 128),
    ...(types ?? []).map(int16),
    ...rows.flatMap((row) =>
      row.map((cell) => (typeof cell === 'number' ? int8(cell) : Buffer.concat([int8(0), cell]))),
    ),
  ])
