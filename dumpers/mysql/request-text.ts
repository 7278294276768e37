/** Where the text of a command begins, and the text itself. */
import type { QueryText } from '../../src/event.ts'
import type { Bytes } from '../../src/flow.ts'
import { makeText, repeatedText } from '../common/query-text.ts'
import { decodeQueryAttributes } from './attributes.ts'
import { CLIENT_QUERY_ATTRIBUTES, COM, has } from './capabilities.ts'
import { LongQuery } from './long-body.ts'
import type { MysqlState } from './state.ts'

/** Offset of a command's text behind its first byte, and the attributes that stand before it. */
export const textStart = (
  state: MysqlState,
  code: number,
  bytes: Bytes,
  start: number,
  end: number,
): { readonly textStart: number; readonly attributes?: string | undefined } => {
  if (code !== COM.QUERY || !has(state.capabilities, CLIENT_QUERY_ATTRIBUTES))
    return { textStart: start + 1 }
  return decodeQueryAttributes(bytes, start + 1, end, state.valueOptions)
}

/** A text that is there whole, or that is cut here to what is kept. */
export const textOf = (
  state: MysqlState,
  bytes: Bytes,
  start: number,
  end: number,
  repeats: boolean,
): QueryText => {
  const max = state.maxText
  if (end - start > max) return new LongQuery(bytes.subarray(0, end), start, max).finish(state)
  const make = repeats ? repeatedText : makeText
  return make(bytes, start, end, state.decoding, state.form)
}
