/**
 * Query attributes: named values that a client of MySQL 8.0.23 and later sends beside a statement.
 * {@link https://dev.mysql.com/doc/refman/8.0/en/query-attributes.html}
 */
import type { BoundValues } from '../../src/event.ts'
import type { Bytes } from '../../src/flow.ts'
import { MysqlCursor } from '../../src/framing/mysql-cursor.ts'
import { MysqlValues, type ValueSet, walkValues } from './bound-set.ts'
import type { ParamTypes } from './statements.ts'
import type { ValueForm } from './values.ts'

/** Most parameters and attributes together. */
const MAX_COUNT = 0x1_0000
/** Names are few and short; the rest of a longer one is not shown. */
const MAX_NAME = 256

interface TypesAndNames {
  readonly types: ParamTypes
  readonly names: readonly string[] | undefined
}

/**
 * count × (uint16 type, with `named` a lenenc name). Types that are as `before` are that same array.
 * Throws ProtocolError before anything is allocated when there cannot be so many.
 */
export const readTypesAndNames = (
  body: MysqlCursor,
  count: number,
  before: ParamTypes | undefined,
  named: boolean,
): TypesAndNames => {
  if (count > MAX_COUNT) throw body.invalid('more values than any server takes')
  const least = count * (named ? 3 : 2)
  if (least > body.left) throw body.short(least)
  const start = body.at
  if (!named && before?.length === count) {
    let same = true
    for (let i = 0; i < count && same; i++) same = body.uint16() === before[i]
    if (same) return { types: before, names: undefined }
    body.at = start
  }
  const types: number[] = []
  const names: string[] | undefined = named ? [] : undefined
  for (let i = 0; i < count; i++) {
    types.push(body.uint16())
    names?.push(body.lenencBytes().toString('utf8', 0, MAX_NAME))
  }
  return { types, names }
}

/** The values from `first` on under their names, as the text of a JSON object; names may come twice. */
export const attributesJson = (names: readonly string[], values: BoundValues, first: number): string => {
  const pairs: string[] = []
  for (let i = first; i < names.length; i++)
    pairs.push(`${JSON.stringify(names[i])}:${JSON.stringify(shown(values, i))}`)
  return `{${pairs.join()}}`
}

/** The value; of one that was too long to be kept its head, length and hash. */
const shown = (values: BoundValues, index: number) => {
  const text = values.text(index)
  const sha256 = values.sha256(index)
  return sha256 === undefined ? text : { head: text, bytes: values.byteLength(index), sha256 }
}

const cursor = new MysqlCursor()

/**
 * COM_QUERY with CLIENT_QUERY_ATTRIBUTES, `bytes[start … end)` behind its command byte: lenenc count, lenenc
 * number of sets (always 1), then, when there are attributes, NULL bitmap, uint8 1, count × (uint16 type,
 * lenenc name), values; then the text. Answers the attributes as the text of a JSON object, and where the
 * text begins. Throws ProtocolError when the attributes make no sense: the server refuses such a command.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query.html}
 */
export const decodeQueryAttributes = (
  bytes: Bytes,
  start: number,
  end: number,
  form: ValueForm,
): { readonly attributes: string | undefined; readonly textStart: number } => {
  const body = cursor.reset(bytes, start, end)
  const count = body.lenenc()
  if (body.lenenc() !== 1) throw body.invalid('more or less than one set of attributes')
  if (count === 0) return { attributes: undefined, textStart: body.at }
  const nullsAt = body.at
  body.skip((count + 7) >>> 3)
  if (body.uint8() !== 1) throw body.invalid('attributes without their types')
  const { types, names } = readTypesAndNames(body, count, undefined, true)
  const set: ValueSet = { count, types, names, long: undefined, valuesAt: body.at - nullsAt }
  walkValues(body, bytes, nullsAt, set, form.mariadb)
  const textStart = body.at
  const values = new MysqlValues(bytes.toString('latin1', nullsAt, textStart), set, form)
  return { attributes: attributesJson(names ?? [], values, 0), textStart }
}
