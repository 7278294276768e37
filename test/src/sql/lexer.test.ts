import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Lexer, type ScanOptions } from '../../../src/sql/scan.ts'

const OFF: ScanOptions = { standardConformingStrings: false }

const lex = (text: string, options?: ScanOptions): string[] => {
  const lexer = new Lexer(text, options)
  const tokens: string[] = []
  while (lexer.next()) tokens.push(`${lexer.kind} ${lexer.raw}`)
  return tokens
}

/** The texts of the string literals. */
const strings = (text: string, options?: ScanOptions): string[] =>
  lex(text, options)
    .filter((token) => token.startsWith('string '))
    .map((token) => token.slice(7))

describe('tokens', () => {
  const table: [name: string, text: string, expected: string[]][] = [
    ['nothing', ' \t\n\r\f\v', []],
    [
      'words and punctuation',
      'select a.b, c;',
      ['word select', 'word a', 'punctuation .', 'word b', 'punctuation ,', 'word c', 'punctuation ;'],
    ],
    ['letters beyond ASCII belong to words', 'naïve_ж$1 x', ['word naïve_ж$1', 'word x']],
    ['quoted identifier', '"a""b;"c', ['quoted "a""b;"', 'word c']],
    ['quoted identifier with escapes', 'U&"\\0061" u&"b"', ['quoted U&"\\0061"', 'quoted u&"b"']],
    ['parameters', '$1+$23', ['param $1', 'operator +', 'param $23']],
    [
      'numbers',
      '1 1.5 .5 1e10 1.e-3 1e+ 1..10',
      [
        'number 1',
        'number 1.5',
        'number .5',
        'number 1e10',
        'number 1.e-3',
        'number 1',
        'word e',
        'operator +',
        'number 1',
        'punctuation .',
        'number .10',
      ],
    ],
    ['a number ends where a literal begins', "1E'a'", ['number 1', "string E'a'"]],
    [
      'operators stop at comments',
      'a+--x\nb@/*c*/-d',
      ['word a', 'operator +', 'word b', 'operator @', 'operator -', 'word d'],
    ],
    ['comments nest', 'a/* /* */ b */c', ['word a', 'word c']],
    ['comment of stars', 'a/***/b/**/c/*/*/**/*/*/d', ['word a', 'word b', 'word c', 'word d']],
    ['comment to the end of the line, either newline', 'a--b\rc--d\ne', ['word a', 'word c', 'word e']],
    ['unterminated comment', 'a /* b /* c */ d', ['word a']],
    ['a literal inside a comment is none', "/* ' */ x /* ' */", ['word x']],
    [
      'a comment inside a literal is none',
      "'/*' x '*/' '--' y",
      ["string '/*'", 'word x', "string '*/'", "string '--'", 'word y'],
    ],
  ]
  for (const [name, text, expected] of table)
    it(name, () => {
      expect(lex(text)).toEqual(expected)
    })
})

describe('string literals', () => {
  const table: [name: string, text: string, expected: string[], options?: ScanOptions][] = [
    ['doubled quotes', "'a''b' ''''", ["'a''b'", "''''"]],
    ['a backslash is itself', "'a\\' x", ["'a\\'"]],
    ['a backslash escapes without standard_conforming_strings', "'a\\' x' y", ["'a\\' x'"], OFF],
    ['N follows standard_conforming_strings', "n'a\\' x' y", ["n'a\\' x'"], OFF],
    ['B and X never escape', "b'1\\' x'2\\' y", ["b'1\\'", "x'2\\'"], OFF],
    ['E escapes', "E'a\\'b\\\\' e'\\\\'", ["E'a\\'b\\\\'", "e'\\\\'"]],
    ['a word that ends in e is no prefix', "typE'a\\' x'b'", ["'a\\'", "x'b'"]],
    ['U& does not escape quotes by backslash', "U&'a\\' b", ["U&'a\\'"]],
    ['U & is an operator', "U & 'a'", ["'a'"]],
    ['continued over a newline', "'a'\n'b'", ["'a'\n'b'"]],
    ['continued over a comment', "'a' --c 'x'\n -- d\n 'b' 'c'", ["'a' --c 'x'\n -- d\n 'b'", "'c'"]],
    ['not continued on the same line', "'a' 'b'", ["'a'", "'b'"]],
    ['not continued over a block comment', "'a'\n/**/'b'", ["'a'", "'b'"]],
    ['not continued by a prefixed literal', "'a'\nE'\\''", ["'a'", "E'\\''"]],
    ['a continued E keeps escaping', "E'a'\n'\\'' x", ["E'a'\n'\\''"]],
    ['dollar quotes', "$$a'b$$ $t$ $$ $x$ $t$", ["$$a'b$$", '$t$ $$ $x$ $t$']],
    ['a dollar quote closes inside a longer tag', '$a$ $ba$a$ b', ['$a$ $ba$a$']],
    ['an identifier may hold a dollar', "a$b$ 'x' c$b$", ["'x'"]],
    ['a parameter is no tag', "$1$ 'x' $1$", ["'x'"]],
    ['a lone dollar', "$ 'x' $a 'y'", ["'x'", "'y'"]],
    ['a tag may begin behind a parameter', '$1$a$x$a$', ['$a$x$a$']],
    ['unterminated', "x 'abc ; y", ["'abc ; y"]],
    ['unterminated dollar quote', 'x $a$ b $$', ['$a$ b $$']],
    ['escaped to the end', "E'abc\\", ["E'abc\\"]],
  ]
  for (const [name, text, expected, options] of table)
    it(name, () => {
      expect(strings(text, options)).toEqual(expected)
    })

  it('tells whether a literal was closed', () => {
    const closed = (text: string) => {
      const lexer = new Lexer(text)
      lexer.next()
      return lexer.terminated
    }
    expect(["'a'", "'a", "'a''", '$$a$$', '$$a$', '"a', 'a', "E'\\'"].map(closed)).toEqual([
      true,
      false,
      false,
      true,
      false,
      false,
      true,
      false,
    ])
  })
})

const pieces = fc.constantFrom(
  "'",
  "''",
  '"',
  '$$',
  '$a$',
  '$1',
  '\\',
  '/*',
  '*/',
  '--',
  '\n',
  ' ',
  'E',
  'U&',
  ';',
  '(',
  'ab',
  '+',
  '.',
  '1',
  'é',
)

describe('any text', () => {
  it('is covered by tokens in order, without an overlap', () => {
    fc.assert(
      fc.property(fc.array(pieces), fc.boolean(), (parts, standardConformingStrings) => {
        const text = parts.join('')
        const lexer = new Lexer(text, { standardConformingStrings })
        let end = 0
        while (lexer.nextWithComments()) {
          expect(text.slice(end, lexer.start)).toMatch(/^[ \t\n\r\f\v]*$/)
          expect(lexer.end).toBeGreaterThan(lexer.start)
          end = lexer.end
        }
        expect(text.slice(end)).toMatch(/^[ \t\n\r\f\v]*$/)
        expect(lexer.end).toBe(text.length)
      }),
    )
  })

  it('takes time in proportion to its length', () => {
    const size = 1_000_000
    const hostile = [
      "'a'\n",
      "'' --",
      '$a',
      '$a$',
      '/*',
      '*/',
      "E'\\",
      '"',
      '-',
      '+',
      '((',
      "'a' ",
      '$$a$a$',
      "'\n'",
      '1.',
      'U&',
    ]
    for (const unit of hostile) {
      const lexer = new Lexer(unit.repeat(size / unit.length))
      const started = performance.now()
      while (lexer.next());
      // quadratic work would take minutes
      expect(performance.now() - started, JSON.stringify(unit)).toBeLessThan(3_000)
    }
  })
})
