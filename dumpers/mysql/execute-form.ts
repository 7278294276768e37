/** Of a COM_STMT_EXECUTE, where nobody knows whether query attributes were agreed on: how it is laid out. */
import type { Bytes } from '../../src/flow.ts'
import { MysqlCursor } from '../../src/framing/mysql-cursor.ts'
import { isNullAt } from './bound-set.ts'
import { PARAMETER_COUNT_AVAILABLE } from './bound-values.ts'
import type { StatementStore } from './statements.ts'
import { skipValue } from './values.ts'
import { isParameterType } from './values-types.ts'

/** Before the parameters: uint8 code, uint32 statement, uint8 flags, uint32 iterations. */
const HEAD = 10
const cursor = new MysqlCursor()

/** NULL bitmap, 1, types, values: do they fill the body, to its last byte? */
const isPlain = (bytes: Bytes, start: number, end: number, params: number): boolean => {
  try {
    const body = cursor.reset(bytes, start, end)
    body.skip((params + 7) >>> 3)
    if (body.uint8() !== 1) return false
    const types = Array.from({ length: params }, () => body.uint16())
    if (!types.every((type) => isParameterType(type, true))) return false
    for (const [index, type] of types.entries())
      if (!isNullAt(bytes, start, index)) skipValue(body, type, true)
    return body.left === 0
  } catch {
    return false
  }
}

/** Can there be a count of the values, and behind a NULL bitmap whether their types follow? */
const isCounted = (bytes: Bytes, start: number, params: number): boolean =>
  bytes[start] === params && (bytes[start + 1 + ((params + 7) >>> 3)] as number) <= 1

/**
 * The command `bytes[start … end)`, from its code on: has it the form that goes with query attributes
 * (true), or without (false)? Undefined when it may have either.
 */
export const hasAttributeForm = (
  bytes: Bytes,
  start: number,
  end: number,
  store: StatementStore,
): boolean | undefined => {
  if (end - start <= HEAD) return undefined
  if (((bytes[start + 5] as number) & PARAMETER_COUNT_AVAILABLE) !== 0) return true
  const prepared = store.get(bytes.readUInt32LE(start + 1))
  if (prepared === undefined || prepared.params === 0 || prepared.long !== undefined) return undefined
  const { params } = prepared
  const isOne = isPlain(bytes, start + HEAD, end, params) && !isCounted(bytes, start + HEAD, params)
  return isOne ? false : undefined
}
