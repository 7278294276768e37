import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  Lexer,
  literalValue,
  readLiteral,
  type ScanOptions,
  splitStatements,
} from '../../../src/sql/scan.ts'

const MYSQL: ScanOptions = { dialect: 'mysql' }

const lex = (text: string, options: ScanOptions = {}): string[] => {
  const lexer = new Lexer(text, { ...MYSQL, ...options })
  const tokens: string[] = []
  while (lexer.next()) tokens.push(`${lexer.kind} ${lexer.raw}`)
  return tokens
}

describe('tokens of MySQL', () => {
  const table: [name: string, text: string, expected: string[], options?: ScanOptions][] = [
    ['hash comment', 'a # b;\nc', ['word a', 'word c']],
    ['a carriage return ends no comment', '-- a\rb\nc', ['word c']],
    ['dashes need white space', '1--2', ['number 1', 'operator -', 'operator -', 'number 2']],
    ['dashes at the end', 'a --', ['word a']],
    ['comments do not nest', 'a /* /* */ b', ['word a', 'word b']],
    ['executable comment', '/*!50110 a */ b /*M!100100 c*/', ['word a', 'word b', 'word c']],
    ['executable comment without a version', '/*! a */', ['word a']],
    ['executable comment of six digits', '/*!080000a*/', ['word a']],
    ['comment within an executable one', '/*! a /* x */ b */ c', ['word a', 'word b', 'word c']],
    ['a star before a comment', 'a.*/* x */ b', ['word a', 'punctuation .', 'operator *', 'word b']],
    [
      'executable comments that are skipped',
      "a /*! b /* c */ ' */ d*/*M!e*/",
      ['word a', 'word d', 'operator *'],
      { skipExecutable: true },
    ],
    ['strings of either quote', `'a''b' "c""d'"`, [`string 'a''b'`, `string "c""d'"`]],
    ['backslash', `'a\\'' "\\""`, [`string 'a\\''`, `string "\\""`]],
    ['no backslash', `'a\\' b`, [`string 'a\\'`, 'word b'], { noBackslashEscapes: true }],
    ['as an event says it', `'a\\' b`, [`string 'a\\'`, 'word b'], { standardConformingStrings: true }],
    ['ANSI_QUOTES', '"a\\" b', ['quoted "a\\"', 'word b'], { ansiQuotes: true }],
    ['backticks', '`a``b"` c', ['quoted `a``b"`', 'word c']],
    ['no dollar quotes', '$$ a$b', ['word $$', 'word a$b']],
    ['hexadecimal', "0x4a X'4a' x4", ['string 0x4a', "string X'4a'", 'word x4']],
    ['binary', "0b01 b'01' 0b", ['string 0b01', "string b'01'", 'word 0b']],
    ['national and introduced', "N'a' _utf8'b'", ["string N'a'", 'word _utf8', "string 'b'"]],
    ['words with digits first', '1a 1e5 1.5 .5', ['word 1a', 'number 1e5', 'number 1.5', 'number .5']],
    ['variables', '@a:=@@b', ['operator @', 'word a', 'operator :=', 'operator @', 'operator @', 'word b']],
    ['placeholders', '?,?', ['param ?', 'punctuation ,', 'param ?']],
    ['a wide character', "'é\\' b", ["string 'é\\'", 'word b'], { wideBackslashes: true }],
  ]
  for (const [name, text, expected, options] of table)
    it(name, () => {
      expect(lex(text, options)).toEqual(expected)
    })
})

describe('literals of MySQL', () => {
  const table: [text: string, value: string, options?: ScanOptions][] = [
    ["'a''b'", "a'b"],
    ['"a""b"', 'a"b'],
    ["'a\\'b\\n\\Z\\%\\x'", "a'b\n\x1a\\%x"],
    ["'a\\'", 'a\\', { noBackslashEscapes: true }],
    ["n'a'", 'a'],
    ['0x41c3a9', 'Aé'],
    ['0x141', '\x01A'],
    ["x'41'", 'A'],
    ["b'1000001'", 'A'],
    ['0b01000001', 'A'],
    ["'a", 'a'],
  ]
  for (const [text, value, options] of table)
    it(text, () => {
      const token = { start: 0, end: text.length }
      expect(literalValue(text, token, { ...MYSQL, ...options })).toBe(value)
    })

  it('tell where each character was written', () => {
    const text = "'a\\'b''c' 0x414243"
    const literal = readLiteral(text, { start: 0, end: 9 }, MYSQL)
    expect(literal.source(1, 2)).toEqual({ start: 2, end: 4 })
    expect(literal.source(3, 5)).toEqual({ start: 5, end: 8 })
    expect(readLiteral(text, { start: 10, end: 18 }, MYSQL).source(1, 3)).toEqual({ start: 14, end: 18 })
  })
})

describe('statements of MySQL', () => {
  const split = (text: string) =>
    splitStatements(text, MYSQL).map(({ start, end }) => text.slice(start, end))
  const table: [name: string, expected: string[]][] = [
    ['plain', ['select 1', "select ';'", 'select `;`']],
    ['procedure', ['create procedure p() begin if a then select 1; end if; end', 'select 2']],
    ['procedure without a block', ['create procedure p() select 1', 'select 2']],
    ['one IF', ['create procedure if not exists p() if a then select 1; end if', 'select 2']],
    [
      'CASE in both senses',
      [
        'create function f() returns int begin case a when 1 then set b = case 1 when 1 then 2 end; end case; end',
        'x',
      ],
    ],
    [
      'loops',
      [
        'create trigger t before insert on x for each row begin l: loop set a = repeat("a", 3); leave l; end loop l; repeat set b=1; until b end repeat; while 0 do select 1; end while; end',
        'drop table if exists x',
      ],
    ],
    ['event', ['create event e on schedule every 1 day do begin select 1; end', 'commit']],
    [
      'anonymous block',
      ['begin not atomic select 1; if a then select 2; end if; end', 'begin', 'select 1', 'commit'],
    ],
    ['words that begin programs elsewhere', ['drop procedure if exists p', 'select if(1, 2, 3)', 'begin']],
  ]
  for (const [name, expected] of table)
    it(name, () => {
      expect(split(`${expected.join('; ')};`)).toEqual(expected)
      expect(split(`/* ; */ ${expected.join(' ;-- ;\n')} # ;`)).toEqual(expected)
    })
  it('cover any text in order', () => {
    const unit = fc.constantFrom(
      ...["'", '"', '`', '\\', '/*!', '*/', '-- ', '#', '\n', ';', 'begin', ' end ', 'a'],
    )
    fc.assert(
      fc.property(fc.array(unit), (units) => {
        const text = units.join('')
        let at = 0
        for (const { start, end } of splitStatements(text, MYSQL)) {
          expect(start).toBeGreaterThanOrEqual(at)
          expect(end).toBeGreaterThan(start)
          at = end
        }
        expect(at).toBeLessThanOrEqual(text.length)
      }),
    )
  })
})
