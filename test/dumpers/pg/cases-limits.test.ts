/** Sessions that are more than is kept, or other than they look. */
import { describe, expect, test } from 'vitest'
import { PgSession } from '../../../dumpers/pg/session.ts'
import type { Bytes } from '../../../src/flow.ts'
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
  type Turn,
  talk,
  unnamed,
} from '../../support/conversation.ts'
import { int32, message } from '../../support/pg-wire.ts'

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

describe('what is kept is bounded', () => {
  /**
   * The most that a session told the process it holds, while a million bytes of `bytes` come again and
   * again.
   */
  const mostHeld = (opening: readonly Turn[], bytes: (index: number) => Bytes, rounds = 40): number => {
    const budget = { limit: 1 << 30, used: 0 }
    const session = new PgSession(openContext({ budget }))
    const feed = (turn: Turn) => session.feed(turn.from, 'bytes' in turn ? turn.bytes : Buffer.alloc(0), 1)
    for (const turn of [...LOGIN, ...opening]) feed(turn)
    let most = 0
    for (let index = 0; index < rounds; index++) {
      feed(sent(bytes(index)))
      most = Math.max(most, budget.used)
    }
    session.close(2)
    expect(budget.used).toBe(0)
    return most
  }
  const MILLION = 'x'.repeat(1_000_000)
  const failed: readonly Turn[] = [sent(f.parse('bad')), answered(failure('42601'))]

  test.each<[string, readonly Turn[], (index: number) => Bytes, number]>([
    ['queries that nobody answers', [], () => f.query(MILLION), 10_000_000],
    ['Parses that nobody answers', [], (index) => f.parse(MILLION, `s${index}`), 10_000_000],
    ['Binds that nobody answers', [], () => f.bind({ values: [MILLION] }), 10_000_000],
    ['copy data that nobody asked for', [sent(f.query('SELECT 1'))], () => f.copyData(MILLION), 10_000],
    ['Parses that are skipped', failed, (index) => f.parse(MILLION, `s${index}`), 10_000_000],
    [
      'Binds that are skipped',
      failed,
      (index) => f.bind({ portal: `p${index}`, values: [MILLION] }),
      10_000,
    ],
  ])('%s', (_, opening, bytes, limit) => {
    expect(mostHeld(opening, bytes)).toBeLessThan(limit)
  })

  test('a message without end', () => {
    const head = Buffer.concat([Buffer.from('Q'), int32(0x3fff_0000)])
    expect(mostHeld([sent(head)], () => Buffer.from(MILLION), 200)).toBeLessThan(3_000_000)
  })

  test('a process over its budget keeps heads, lengths and hashes', () => {
    const text = `SELECT '${'x'.repeat(100_000)}'`
    const budget = { limit: 1000, used: 2000 }
    const events = converse(new PgSession(openContext({ budget })), [
      ...LOGIN,
      sent(f.query(text)),
      answered(done('SELECT 0')),
    ])
    expect(ofKind(events, 'statement')).toMatchObject([
      { text: { text: text.slice(0, 4096), truncated: { bytes: text.length } }, outcome: 'success' },
    ])
    expect(budget.used).toBe(2000)
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
