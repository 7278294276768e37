import { expect, test } from 'vitest'
import { betweenParameters, isSameValue, type Literal, literalsOf } from './my-literals.ts'

test('parameters are question marks outside strings, names and comments', () => {
  const text = `SELECT ?, '?''\\'?', "?", \`?\` /* ? */, ? -- ?\n, # ?\n ?`
  const between = betweenParameters(text)
  expect(between).toHaveLength(4)
  expect(between.join('?')).toBe(text)
  expect(betweenParameters('SELECT /*! ? */ 1')).toHaveLength(2)
})

test('literals are read as the server quotes them', () => {
  const executed = "A NULL,-1.5e-7,'it\\'s, \\\\ ''\\0\\n',TIMESTAMP'2024-02-29 00:00:00',x'00ff' B"
  expect(literalsOf('A ?,?,?,?,? B', executed)).toEqual([
    { kind: 'null', value: '' },
    { kind: 'bare', value: '-1.5e-7' },
    { kind: 'quoted', value: "it's, \\ '\0\n" },
    { kind: 'typed', value: '2024-02-29 00:00:00' },
    { kind: 'quoted', value: '\0\xff' },
  ])
})

test.each([
  ['SELECT ?', 'SELECT 1 '],
  ['SELECT ?', 'SELECT ?'],
  ['SELECT ? + ?', 'SELECT 1 + 2 + 3'],
  ['SELECT ?', 'SELECT'],
  ['SELECT 1', 'SELECT 2'],
])('%s does not become %s', (prepared, executed) => {
  expect(literalsOf(prepared, executed)).toBeUndefined()
})

const quoted = (value: string): Literal => ({ kind: 'quoted', value })
const bare = (value: string): Literal => ({ kind: 'bare', value })
const NULL: Literal = { kind: 'null', value: '' }

test.each<[string | null, Literal, string | undefined, boolean]>([
  ['1', bare('1'), 'LONG', true],
  ['1', bare('2'), 'LONG', false],
  [null, NULL, 'LONG', true],
  ['', NULL, 'VAR_STRING', false],
  [null, quoted(''), 'VAR_STRING', false],
  ['NULL', NULL, 'VAR_STRING', false],
  ['é', quoted('\xc3\xa9'), 'VAR_STRING', true],
  ['\\x00ff', quoted('\0\xff'), 'BLOB', true],
  ['\\x00fe', quoted('\0\xff'), 'BLOB', false],
  ['-0', bare('0'), 'DOUBLE', true],
  ['1e15', bare('1000000000000000'), 'DOUBLE', true],
  ['0.1', bare('0.10000000149011612'), 'FLOAT', true],
  ['0.1', bare('0.10000000149011612'), 'DOUBLE', false],
  ['1.0', bare('1.00'), 'NEWDECIMAL', false],
  ['01:02:03.5', quoted('01:02:03'), 'TIME', true],
  ['01:02:03.5', quoted('01:02:03'), 'VAR_STRING', false],
  ['01:02:03.5', { kind: 'typed', value: '01:02:03' }, 'TIME', false],
])('%j beside %j as %s: %s', (ours, logged, type, same) => {
  expect(isSameValue(ours, logged, type)).toBe(same)
})

test("values are compared in the connection's character set", () => {
  expect(isSameValue('é', quoted('\xe9'), 'VAR_STRING', 'latin1')).toBe(true)
  expect(isSameValue('é', quoted('\xe9'), 'VAR_STRING')).toBe(false)
})
