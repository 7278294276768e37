import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Lexer, splitStatements } from '../../../src/sql/scan.ts'
import { runs } from '../../support/fuzz.ts'

const split = (text: string) => splitStatements(text).map(({ start, end }) => text.slice(start, end))
const words = (text: string) => splitStatements(text).map((statement) => statement.words)

describe('splitStatements', () => {
  const table: [name: string, text: string, expected: string[]][] = [
    ['nothing', ' ; /* a */ ;; -- b', []],
    ['one', ' select 1 ', ['select 1']],
    ['several', 'a;b ;; c', ['a', 'b', 'c']],
    ['semicolons in literals and comments', 'a \';\' $$;$$ ";" /*;*/ --;\n;b', ['a \';\' $$;$$ ";"', 'b']],
    [
      'rule actions',
      'create rule r as on insert to t do (a; b (c)); d',
      ['create rule r as on insert to t do (a; b (c))', 'd'],
    ],
    ['surplus brackets do no harm', 'a); b', ['a)', 'b']],
    [
      'a routine body',
      'create function f() returns int begin atomic; select 1; select case when a then b end; end; x',
      ['create function f() returns int begin atomic; select 1; select case when a then b end; end', 'x'],
    ],
    [
      'an empty routine body',
      'CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC END; x',
      ['CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC END', 'x'],
    ],
    [
      'columns named end and case in a routine body',
      'create function f() begin atomic select 1 as end; select 2 case; select 3 end; end; x; y',
      ['create function f() begin atomic select 1 as end; select 2 case; select 3 end; end', 'x', 'y'],
    ],
    [
      'a parameter that looks like a body',
      "create function f(begin atomic) as 'a'; set role x",
      ["create function f(begin atomic) as 'a'", 'set role x'],
    ],
    ['BEGIN of a transaction', 'begin atomic; a; end; b', ['begin atomic', 'a', 'end', 'b']],
    [
      'a body is one of CREATE FUNCTION only',
      'create table begin atomic; a; end',
      ['create table begin atomic', 'a', 'end'],
    ],
  ]
  for (const [name, text, expected] of table)
    it(name, () => {
      expect(split(text)).toEqual(expected)
    })

  it('gives the first words, quoted ones marked, up to the first other token', () => {
    expect(words('SET/**/Role "Bob" x; BEGIN; a.b c; a b c d e f g; $1')).toEqual([
      ['set', 'role', '"Bob', 'x'],
      ['begin'],
      ['a'],
      ['a', 'b', 'c', 'd', 'e', 'f'],
      [],
    ])
  })

  it('gives the same with a comment in front, which takes the longer way', () => {
    const piece = fc.constantFrom(
      'a',
      ' ',
      ';',
      "'",
      '"B"',
      '$$',
      '(a;b)',
      '1',
      '\n',
      'begin atomic',
      'E',
      '-',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('')
        const shifted = splitStatements(`/**/${text}`).map((statement) => ({
          ...statement,
          start: statement.start - 4,
          end: statement.end - 4,
        }))
        // an unterminated literal ends with the text, white space and all; nothing of it runs
        const lexer = new Lexer(text)
        let closed = true
        while (lexer.nextWithComments()) closed = lexer.terminated
        if (closed) expect(splitStatements(text)).toEqual(shifted)
      }),
      runs(3000),
    )
  })
})
