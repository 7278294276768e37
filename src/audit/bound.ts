/** Bound values as the text of JSON arrays, one element per value. */
import type { BoundValues } from '../event.ts'
import { quote } from './json.ts'

/** Was every value kept whole? */
export const isWhole = (values: BoundValues): boolean => {
  for (let i = 0; i < values.count; i++) if (values.sha256(i) !== undefined) return false
  return true
}

const listOf = (values: BoundValues, one: (index: number) => string): string => {
  let json = '['
  for (let i = 0; i < values.count; i++) json += i === 0 ? one(i) : `,${one(i)}`
  return `${json}]`
}

/** A string or null. */
export const nullable = (text: string | null | undefined): string =>
  text === null || text === undefined ? 'null' : quote(text)

/** Texts, NULL as null. */
export const textsOf = (values: BoundValues): string => listOf(values, (i) => nullable(values.text(i)))
/** Names of types, null where unknown. */
export const typesOf = (values: BoundValues): string => listOf(values, (i) => nullable(values.type(i)))
/** SHA-256 of the values that were not kept whole, else null. */
export const hashesOf = (values: BoundValues): string => listOf(values, (i) => nullable(values.sha256(i)))
/** Lengths on the wire in bytes, NULL as null. */
export const lengthsOf = (values: BoundValues): string =>
  listOf(values, (i) => {
    const length = values.byteLength(i)
    return length < 0 ? 'null' : String(length)
  })
