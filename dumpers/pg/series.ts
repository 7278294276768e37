/** Recognises the messages of a client where nobody knows whether bytes begin with one. */
import type { Bytes } from '../../src/flow.ts'
import type { Cursor } from '../../src/framing/cursor.ts'
import { MAX_SERIES, type Series } from '../common/series-search.ts'
import {
  decodeBind,
  decodeExecute,
  decodeFunctionCall,
  decodeNamed,
  decodeParse,
  decodeQuery,
} from './decode.ts'
import { F } from './messages.ts'

const HEADER = 5

/** Reads one body; throws when it is anything but a message of that type, to its last byte. */
const readBody = (type: number, body: Cursor): void => {
  switch (type) {
    case F.Query:
      decodeQuery(body)
      return
    case F.Parse:
      decodeParse(body)
      return
    case F.Bind:
      decodeBind(body)
      return
    case F.Execute:
      decodeExecute(body)
      return
    case F.Describe:
    case F.Close:
      decodeNamed(body)
      return
    case F.FunctionCall:
      decodeFunctionCall(body)
      return
    default:
      body.finish()
  }
}

const TYPES: ReadonlySet<number> = new Set([
  ...[F.Query, F.Parse, F.Bind, F.Execute, F.Describe, F.Close],
  ...[F.FunctionCall, F.Sync, F.Flush, F.Terminate],
])

/** Judges bytes that a client sent, from their first one on; copied data could be anything: `none`. */
export const readSeries = (bytes: Bytes, cursor: Cursor): Series => {
  for (let at = 0; at < bytes.length; ) {
    if (!TYPES.has(bytes[at] as number)) return 'none'
    if (bytes.length - at < HEADER) return 'partial'
    const length = bytes.readInt32BE(at + 1) - 4
    const end = at + HEADER + length
    if (length < 0 || end > MAX_SERIES) return 'none'
    if (end > bytes.length) return 'partial'
    try {
      readBody(bytes[at] as number, cursor.reset(bytes, at + HEADER, end))
    } catch {
      return 'none'
    }
    at = end
  }
  return 'whole'
}
