import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  identifierName,
  Lexer,
  literalValue,
  readLiteral,
  type ScanOptions,
} from '../../../src/sql/scan.ts'

const OFF: ScanOptions = { standardConformingStrings: false }

const first = (text: string, options?: ScanOptions): Lexer => {
  const lexer = new Lexer(text, options)
  lexer.next()
  return lexer
}

const value = (text: string, options?: ScanOptions) => literalValue(text, first(text, options), options)

describe('literalValue', () => {
  const table: [name: string, text: string, expected: string, options?: ScanOptions][] = [
    ['plain', "'abc'", 'abc'],
    ['empty', "''", ''],
    ['doubled quote', "'it''s'", "it's"],
    ['backslash', "'a\\n'", 'a\\n'],
    ['backslash, nonconforming', "'a\\n\\'b'", "a\n'b", OFF],
    ['escapes', "E'\\b\\f\\n\\r\\t\\\\\\'\\q'", "\b\f\n\r\t\\'q"],
    ['octal and hex', "E'\\101\\x42\\x4g'", 'AB\u0004g'],
    ['bytes of one character', "E'\\xc3\\xa9\\303\\251'", 'éé'],
    ['code points', "E'\\u0041\\U0001F600\\ud83d\\ude00'", 'A😀😀'],
    ['continued', "'a' --x\n'b'\n\n'c'", 'abc'],
    ['continued escapes', "E'a\\''\n'\\\\'", "a'\\"],
    ['national', "N'a''b'", "a'b"],
    ['bits', "B'101'", '101'],
    ['Unicode escapes', "U&'d\\0061t\\+000061'", 'data'],
    ['Unicode surrogates', "U&'\\d83d\\de00'", '😀'],
    ['Unicode escape doubled', "U&'a\\\\0061'", 'a\\0061'],
    ['UESCAPE', "U&'d!0061t\\0061' /* c */ UESCAPE '!'", 'dat\\0061'],
    ['dollar', "$$a\\''b$$", "a\\''b"],
    ['tag', '$t$a$$b$t$', 'a$$b'],
    ['unterminated', "'abc", 'abc'],
    ['unterminated behind a doubled quote', "'abc''", "abc'"],
    ['unterminated dollar', '$t$abc$t', 'abc$t'],
    ['unterminated escape', "E'abc\\", 'abc\\'],
  ]
  for (const [name, text, expected, options] of table)
    it(name, () => {
      expect(value(text, options)).toBe(expected)
    })

  it('undoes what quoting did', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(value(`'${text.replaceAll("'", "''")}'`)).toBe(text)
        expect(value(`E'${text.replaceAll(/['\\]/g, '\\$&')}'`)).toBe(text)
      }),
    )
  })
})

describe('readLiteral', () => {
  const where = (text: string, wanted: string, options?: ScanOptions) => {
    const literal = readLiteral(text, first(text, options), options)
    const at = literal.value.indexOf(wanted)
    const { start, end } = literal.source(at, at + wanted.length)
    return text.slice(start, end)
  }

  it('finds the source of a part of the value', () => {
    expect(where("'abc'", 'b')).toBe('b')
    expect(where("'a''b''c'", "'b'")).toBe("''b''")
    expect(where("E'a\\x62\\'c'", "b'")).toBe("\\x62\\'")
    expect(where("'a'\n'bc'", 'ab')).toBe("a'\n'b")
    expect(where("U&'a!0062c' UESCAPE '!'", 'bc')).toBe('!0062c')
    expect(where('$t$abc$t$', 'bc')).toBe('bc')
    expect(where("E'x\\xc3\\xa9y'", 'é')).toBe('\\xc3\\xa9')
    expect(where("E'\\U0001F600'", '\ud83d')).toBe('\\U0001F600')
  })
})

describe('identifierName', () => {
  const name = (text: string) => identifierName(text, first(text))

  it('folds ASCII letters unless quoted', () => {
    expect(name('FooBar')).toBe('foobar')
    expect(name('ÄFoo')).toBe('Äfoo')
    expect(name('"FooBar"')).toBe('FooBar')
    expect(name('"a""b"')).toBe('a"b')
    expect(name('U&"d!0061t" UESCAPE \'!\'')).toBe('dat')
  })

  it('keeps 63 bytes and cuts no character', () => {
    expect(name('x'.repeat(64))).toBe('x'.repeat(63))
    expect(name(`"${'é'.repeat(32)}"`)).toBe('é'.repeat(31))
    expect(name(`"x${'é'.repeat(31)}"`)).toBe(`x${'é'.repeat(31)}`)
    expect(name(`"${'x'.repeat(61)}😀"`)).toBe('x'.repeat(61))
  })
})
