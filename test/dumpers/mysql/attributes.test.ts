import { describe, expect, test } from 'vitest'
import { UTF8 } from '../../../dumpers/common/text-decoding.ts'
import { decodeQueryAttributes } from '../../../dumpers/mysql/attributes.ts'
import type { ValueForm } from '../../../dumpers/mysql/values.ts'
import type { Bytes } from '../../../src/flow.ts'
import { lenenc, lenencString, uint8, uint32 } from '../../support/my-bytes.ts'
import { type Param, paramsBody } from '../../support/my-params.ts'

const FORM: ValueForm = { decoding: UTF8, mariadb: false, maxValueBytes: 100 }
const TEXT = 'select 1'

const bodyOf = (params: readonly Param[], sets = 1): Bytes =>
  Buffer.concat([
    lenenc(params.length),
    lenenc(sets),
    ...(params.length > 0 ? [paramsBody(params, true, true)] : []),
    Buffer.from(TEXT),
  ])

const read = (body: Bytes) => {
  const { attributes, textStart } = decodeQueryAttributes(body, 0, body.length, FORM)
  return { attributes, text: body.toString('utf8', textStart) }
}

const text = (name: string, value: string | null): Param => ({
  type: 253,
  name,
  value: value === null ? null : lenencString(value),
})

describe('case 31: COM_QUERY with CLIENT_QUERY_ATTRIBUTES', () => {
  test('without attributes the text begins behind two bytes', () => {
    expect(read(bodyOf([]))).toEqual({ attributes: undefined, text: TEXT })
  })

  test('attributes have names, values of any type, and NULL', () => {
    const params = [
      text('traceparent', '00-ab'),
      { type: 3, name: 'n', value: uint32(-7) },
      text('z', null),
    ]
    expect(read(bodyOf(params))).toEqual({
      attributes: '{"traceparent":"00-ab","n":"-7","z":null}',
      text: TEXT,
    })
  })

  test('a name that comes twice is told twice, and one that needs quotes has them', () => {
    expect(read(bodyOf([text('a"\n', '1'), text('a"\n', '2')])).attributes).toBe(
      '{"a\\"\\n":"1","a\\"\\n":"2"}',
    )
  })

  test('nine attributes: the NULL bitmap has two bytes', () => {
    const params = Array.from({ length: 9 }, (_, i) => text(`k${i}`, i === 8 ? null : String(i)))
    expect(JSON.parse(read(bodyOf(params)).attributes ?? '')).toMatchObject({ k0: '0', k7: '7', k8: null })
  })

  // [name, body]
  const BROKEN: [string, Bytes][] = [
    ['an empty body', Buffer.alloc(0)],
    ['no number of sets', uint8(0)],
    ['two sets', bodyOf([text('a', 'b')], 2)],
    ['no types', Buffer.concat([lenenc(1), lenenc(1), uint8(0), uint8(0), Buffer.from(TEXT)])],
    ['more attributes than bytes', Buffer.concat([lenenc(60_000), lenenc(1), Buffer.alloc(8000, 1)])],
    ['a count of 2^53', Buffer.from('feffffffffffff1f0001', 'hex')],
    [
      'a name that is not there',
      Buffer.concat([lenenc(1), lenenc(1), uint8(0), uint8(1), Buffer.from([253, 0, 9])]),
    ],
  ]
  test.each(BROKEN)('%s makes no sense', (_, body) => {
    expect(() => decodeQueryAttributes(body, 0, body.length, FORM)).toThrow()
  })
})
