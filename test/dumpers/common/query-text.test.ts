import { expect, test } from 'vitest'
import { makeText, repeatedText, type TextForm } from '../../../dumpers/common/query-text.ts'
import { decodingOfLabel, LATIN1, type TextDecoding, UTF8 } from '../../../dumpers/common/text-decoding.ts'

const PG: TextForm = { dialect: 'postgresql', standardConformingStrings: true }
const MYSQL: TextForm = { dialect: 'mysql', standardConformingStrings: false }
const STANDARD: TextForm = { dialect: 'mysql', standardConformingStrings: true }

const make = (text: string, form: TextForm, decoding: TextDecoding = UTF8) =>
  repeatedText(Buffer.from(text), 0, Buffer.byteLength(text), decoding, form)

test('a text that is lexed otherwise is another object', () => {
  const made = [PG, MYSQL, STANDARD].map((form) => make('select 2', form))
  expect(new Set(made).size).toBe(3)
  expect(made).toEqual([PG, MYSQL, STANDARD].map((form) => ({ text: 'select 2', ...form })))
  expect(make('select 2', STANDARD)).toBe(made[2])
  expect(make('select 2', STANDARD, LATIN1)).toBe(made[2])
})

test('undecodable bytes are shown as hex, to a limit', () => {
  const bytes = Buffer.alloc(100_000, 0xff)
  expect(makeText(bytes, 1, 3, UTF8, MYSQL).hex).toBe('\\xffff')
  expect(makeText(bytes, 0, bytes.length, UTF8, MYSQL).hex).toHaveLength(2 + 2 * 65_536)
})

test('a decoding that this Node does not have', () => {
  expect(decodingOfLabel('X', 'no-such-label')).toBeUndefined()
})
