/** What names mean: to the server they are bytes, 63 at most, and what a reply made of them. */
import { describe, expect, test } from 'vitest'
import { ofKind, type Plain } from '../../support/canonical.ts'
import {
  answered,
  asked,
  b,
  brief,
  briefs,
  done,
  f,
  failure,
  hold,
  ran,
  sent,
  statementsOf,
  talk,
} from '../../support/conversation.ts'
import { cstring, int16, loggedIn, message } from '../../support/pg-wire.ts'

const STARTUP = f.startup({ user: 'alice', database: 'shop' })

describe('names', () => {
  const long = 'n'.repeat(63)

  test('the server tells names apart by their first 63 bytes', () => {
    const events = talk([
      sent(f.parse('DROP TABLE a', `${long}1`), f.bind({ statement: `${long}2` }), f.execute(), f.sync()),
      answered(ran('DROP TABLE'), b.readyForQuery()),
    ])
    expect(briefs(events)).toEqual([`success DROP TABLE a [${long}]`])
  })

  test('closed by another spelling, its name means what is parsed next', () => {
    const events = talk([
      sent(
        f.parse('SELECT 1', `${long}1`),
        f.closeStatement(`${long}2`),
        f.parse('DROP TABLE a', `${long}3`),
      ),
      sent(f.bind({ statement: `${long}1`, portal: `${long}4` }), f.execute(`${long}5`), f.sync()),
      answered(b.parseComplete(), b.closeComplete(), ran('DROP TABLE'), b.readyForQuery()),
    ])
    expect(briefs(events)).toEqual([`success DROP TABLE a [${long}]`])
  })

  test('a character may be cut', () => {
    const name = 'é'.repeat(31)
    const events = talk([
      sent(f.parse('DROP TABLE a', `${name}é`), f.bind({ statement: `${name}ã` }), f.execute(), f.sync()),
      answered(ran('DROP TABLE'), b.readyForQuery()),
    ])
    expect(ofKind(events, 'statement')).toMatchObject([{ text: 'DROP TABLE a', outcome: 'success' }])
  })

  test("names are read in the client's encoding: two of them stay two", () => {
    const nameOf = (byte: number) => Buffer.from([byte])
    const parse = (text: string, byte: number) =>
      message('P', Buffer.concat([cstring(nameOf(byte)), cstring(text), int16(0)]))
    const bind = (byte: number) =>
      message('B', Buffer.concat([cstring(''), cstring(nameOf(byte)), Buffer.alloc(6)]))
    for (const encoding of ['LATIN1', 'SQL_ASCII']) {
      const events = hold([
        sent(STARTUP),
        answered(loggedIn({ encoding })),
        sent(parse('SELECT 1', 0xe8), parse('DROP TABLE a', 0xe9), bind(0xe8), f.execute(), f.sync()),
        answered(b.parseComplete(), ran('SELECT 0'), b.readyForQuery()),
      ])
      expect(ofKind(events, 'statement'), encoding).toMatchObject([{ text: 'SELECT 1' }])
    }
  })

  test("SQL's PREPARE and a Bind meet in one name, whatever the encoding", () => {
    const events = hold([
      sent(STARTUP),
      answered(loggedIn({ encoding: 'LATIN1' })),
      sent(f.query(Buffer.from('PREPARE \xe9t\xe9 AS DELETE FROM a', 'latin1'))),
      answered(done('PREPARE')),
      sent(
        message(
          'B',
          Buffer.concat([cstring(''), cstring(Buffer.from('\xe9t\xe9', 'latin1')), Buffer.alloc(6)]),
        ),
      ),
      sent(f.execute(), f.sync()),
      answered(b.bindComplete(), done('DELETE 1')),
    ])
    expect(briefs(events).at(-1)).toBe('success DELETE FROM a [été]')
  })

  test('a DEALLOCATE that a long text hides makes its names unknown', () => {
    const hidden = `/*${' '.repeat(4000)}*/ DEALLOCATE p; PREPARE p AS DELETE FROM a`
    const events = statementsOf(
      [
        ...asked('PREPARE p AS SELECT 1', 'PREPARE'),
        sent(f.query(hidden)),
        answered(b.commandComplete('DEALLOCATE'), done('PREPARE')),
        sent(f.bind({ statement: 'p' }), f.execute(), f.sync()),
        answered(b.bindComplete(), done('DELETE 5')),
        ...asked('EXECUTE p', 'DELETE 0'),
      ],
      { maxQueryBytes: 1024 },
    )
    expect(brief(events[2] as Plain)).toBe('success ? [p] text_unknown')
    expect(events[3]?.executed).toBeUndefined()
  })
})

describe('the unnamed statement', () => {
  test('a failed Parse of no name leaves no unnamed statement', () => {
    const events = talk([
      sent(f.parse('SELECT 1'), f.sync(), f.parse('bad'), f.sync(), f.bind(), f.sync()),
      answered(b.parseComplete(), b.readyForQuery(), failure('42601'), b.readyForQuery()),
      answered(failure('26000'), b.readyForQuery()),
    ])
    expect(briefs(events)).toEqual(['error ? text_unknown'])
  })

  test('nor does a simple query', () => {
    const events = talk([
      sent(f.parse('SELECT 1'), f.sync(), f.query('SELECT 2'), f.bind(), f.sync()),
      answered(b.parseComplete(), b.readyForQuery(), done('SELECT 0'), failure('26000'), b.readyForQuery()),
    ])
    expect(briefs(events)).toEqual(['success SELECT 2', 'error ? text_unknown'])
  })
})
