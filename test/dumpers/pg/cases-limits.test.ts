/** Sessions that are more than is kept, or other than they look. */
import { describe, expect, test } from 'vitest'
import { PgSession } from '../../../dumpers/pg/session.ts'
import { converse, ofKind, openContext } from '../../support/canonical.ts'
import {
  answered,
  asked,
  b,
  briefs,
  done,
  f,
  failure,
  fatal,
  LOGIN,
  ran,
  repeat,
  sent,
  talk,
  unnamed,
} from '../../support/conversation.ts'
import { message } from '../../support/pg-wire.ts'

describe('messages that the server takes otherwise than they look', () => {
  test('a Flush with a body is an error, and all is skipped until Sync', () => {
    const events = talk([
      sent(message('H', 'x'), f.query('DROP TABLE a')),
      answered(failure('08P01', 'invalid message format')),
      sent(unnamed('DROP TABLE b'), f.sync()),
      answered(b.readyForQuery()),
      ...asked('SELECT 1', 'SELECT 0'),
    ])
    expect(briefs(events)).toEqual(['skipped DROP TABLE a', 'skipped DROP TABLE b', 'success SELECT 1'])
  })

  test('a Sync with a body fails and still ends the series', () => {
    const events = talk([
      sent(unnamed('CREATE TABLE a ()'), message('S', 'x'), f.query('SELECT 1')),
      answered(ran('CREATE TABLE'), failure('08P01'), b.readyForQuery(), done('SELECT 0')),
    ])
    expect(briefs(events)).toEqual(['success CREATE TABLE a ()', 'success SELECT 1'])
    expect(ofKind(events, 'txn.end')).toMatchObject([{ txn_outcome: 'rolled_back', error_code: '08P01' }])
  })

  test('an unknown type ends the session', () => {
    const events = talk([
      sent(message('y'), f.query('DROP TABLE a')),
      answered(fatal('08P01', 'invalid frontend message type 121')),
    ])
    expect(ofKind(events, 'gap')).toMatchObject([{ gap_reason: 'framing', direction: '->' }])
    expect(ofKind(events, 'statement').map(({ outcome }) => outcome)).not.toContain('success')
  })

  test('behind Terminate nothing is read', () => {
    const events = talk([
      sent(f.query('SELECT 1'), f.terminate(), f.query('DROP TABLE a')),
      answered(done('SELECT 0')),
    ])
    expect(briefs(events)).toEqual(['success SELECT 1'])
  })
})

describe('a full queue', () => {
  const full = { maxQueue: 4 }

  test('every command behind it still meets its reply, and its record says why it has no text', () => {
    const events = talk(
      [
        sent(repeat(10, (index) => f.query(`SELECT ${index}`))),
        answered(
          repeat(10, (index) =>
            index === 7 ? Buffer.concat([failure('22012'), b.readyForQuery()]) : done('SELECT 0'),
          ),
        ),
        ...asked('SELECT 10', 'SELECT 0'),
      ],
      full,
    )
    expect(briefs(events)).toEqual([
      ...[0, 1, 2, 3].map((index) => `success SELECT ${index}`),
      ...['success', 'success', 'success', 'error', 'success', 'success'].map(
        (outcome) => `${outcome} ? overflow`,
      ),
      'success SELECT 10',
    ])
    expect(ofKind(events, 'statement').map(({ stmt_seq }) => stmt_seq)).toEqual(
      Array.from({ length: 11 }, (_, index) => index + 1),
    )
  })

  test('a Bind that was not kept is not given the text of the unnamed statement', () => {
    const events = talk(
      [
        sent(f.parse('SELECT 1'), f.parse('DELETE FROM a', 's'), f.sync()),
        answered(b.parseComplete(), b.parseComplete(), b.readyForQuery()),
        sent(
          repeat(4, () => f.query('SELECT 2')),
          f.bind({ statement: 's' }),
          f.execute(),
          f.sync(),
        ),
        answered(
          repeat(4, () => done('SELECT 0')),
          b.bindComplete(),
          done('DELETE 1'),
        ),
      ],
      full,
    )
    expect(briefs(events).at(-1)).toBe('success ? overflow')
  })

  test('names that a command of it may have changed are not trusted', () => {
    const events = talk(
      [
        sent(f.parse('SELECT 1', 's'), f.sync()),
        answered(b.parseComplete(), b.readyForQuery()),
        sent(
          repeat(4, () => f.query('SELECT 2')),
          f.closeStatement('s'),
          f.parse('DELETE FROM a', 's'),
          f.sync(),
        ),
        answered(
          repeat(4, () => done('SELECT 0')),
          b.closeComplete(),
          b.parseComplete(),
          b.readyForQuery(),
        ),
        sent(f.bind({ statement: 's' }), f.execute(), f.sync()),
        answered(b.bindComplete(), done('DELETE 1')),
      ],
      full,
    )
    expect(briefs(events).at(-1)).toBe('success ? [s] text_unknown')
  })

  test('nor the types of the unnamed statement', () => {
    const events = talk(
      [
        sent(f.parse('SELECT $1', '', [25]), f.parse('SELECT $1', 's'), f.sync()),
        answered(b.parseComplete(), b.parseComplete(), b.readyForQuery()),
        sent(
          repeat(4, () => f.sync()),
          f.describeStatement('s'),
          f.sync(),
        ),
        answered(
          ...[repeat(4, () => b.readyForQuery()), b.parameterDescription([23]), b.noData()],
          b.readyForQuery(),
        ),
        sent(f.bind({ formats: [1], values: ['abcd'] }), f.execute(), f.sync()),
        answered(b.bindComplete(), done('SELECT 0')),
      ],
      full,
    )
    expect(ofKind(events, 'statement')).toMatchObject([{ values: ['abcd'] }])
  })
})

describe('many statements in one message', () => {
  test.each([
    ['that name nothing', 'SELECT 1;', 'SELECT 0'],
    ['that control transactions', 'BEGIN;COMMIT;', undefined],
    ['that mention EXECUTE', "SELECT 'execute';", 'SELECT 0'],
  ])(
    '%s cost time in proportion',
    (_, text, tag) => {
      const count = 20_000
      const tags = repeat(count, () =>
        tag === undefined
          ? Buffer.concat([b.commandComplete('BEGIN'), b.commandComplete('COMMIT')])
          : b.commandComplete(tag),
      )
      const began = performance.now()
      const events = converse(new PgSession(openContext()), [
        ...LOGIN,
        sent(f.query(text.repeat(count))),
        answered(tags, b.readyForQuery()),
      ])
      expect(ofKind(events, 'statement')).toHaveLength(1)
      expect(performance.now() - began).toBeLessThan(5_000)
    },
    60_000,
  )
})
