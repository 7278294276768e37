/** Bodies of MySQL's commands that carry parameters, put together by hand. */
import type { Bytes } from '../../src/flow.ts'
import { lenenc, lenencString, nullBitmap, uint8, uint16, uint32 } from './my-bytes.ts'

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

const NOTHING: Bytes = Buffer.alloc(0)

/** NULL bitmap, whether types follow, types, values. */
export const paramsBody = (params: readonly Param[], types = true, named = false): Bytes =>
  Buffer.concat([
    nullBitmap(params.map(({ value }) => value ?? (value === null ? null : NOTHING))),
    uint8(types ? 1 : 0),
    ...(types
      ? params.flatMap(({ type, name = '' }) => [uint16(type), ...(named ? [lenencString(name)] : [])])
      : []),
    ...params.map(({ value }) => value ?? NOTHING),
  ])

/** COM_STMT_EXECUTE behind its command byte. */
export const executeBody = (params: readonly Param[], parts: ExecuteParts = {}): Bytes => {
  const { id = 1, flags = 0, types = true, counted = false } = parts
  return Buffer.concat([
    uint32(id),
    uint8(flags),
    uint32(1),
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
    uint32(id),
    uint16(types === undefined ? 0 : 128),
    ...(types ?? []).map(uint16),
    ...rows.flatMap((row) =>
      row.map((cell) => (typeof cell === 'number' ? uint8(cell) : Buffer.concat([uint8(0), cell]))),
    ),
  ])
