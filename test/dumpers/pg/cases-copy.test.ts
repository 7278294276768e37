/** COPY in all directions: what is counted, what the server ignores, and what a failure leaves behind. */
import { describe, expect, test } from 'vitest'
import { ofKind } from '../../support/canonical.ts'
import {
  answered,
  asked,
  b,
  briefs,
  done,
  f,
  failure,
  fatal,
  hold,
  ran,
  repeat,
  sent,
  statementsOf,
  talk,
  unnamed,
} from '../../support/conversation.ts'
import { int32, loggedIn, message } from '../../support/pg-wire.ts'

const COPY_IN = 'COPY t FROM STDIN'
const started = Buffer.concat([b.parseComplete(), b.bindComplete(), b.copyInResponse()])
const bad = failure('22P02', 'invalid input syntax for type integer: "bad"')
const series = (text: string) => Buffer.concat([unnamed(text), f.sync()])
const seriesRan = (tag: string) => Buffer.concat([ran(tag), b.readyForQuery()])

describe('case 21', () => {
  test('case 21: COPY in, its bytes and rows', () => {
    const events = statementsOf([
      sent(f.query(COPY_IN)),
      answered(b.copyInResponse()),
      sent(f.copyData('1\n2\n'), f.copyData('3\n'), f.copyDone()),
      answered(done('COPY 3')),
    ])
    expect(events).toMatchObject([
      {
        text: COPY_IN,
        outcome: 'success',
        command_tag: 'COPY 3',
        ...{ copy_direction: 'in', copy_rows: 3, copy_bytes: 6, rows_affected: 3 },
      },
    ])
  })

  test('case 21: COPY out, its bytes and rows', () => {
    const events = statementsOf([
      sent(f.query('COPY t TO STDOUT')),
      answered(b.copyOutResponse(), b.copyData('1\n'), b.copyData('22\n'), b.copyDone(), done('COPY 2')),
    ])
    expect(events).toMatchObject([{ copy_direction: 'out', copy_rows: 2, copy_bytes: 5 }])
    expect(events[0]).not.toHaveProperty('rows_returned')
    expect(events[0]).not.toHaveProperty('rows_affected')
  })

  test('case 21: COPY both, a replication stream that goes on', () => {
    const command = 'START_REPLICATION SLOT "s" LOGICAL 0/0'
    const events = hold([
      sent(f.startup({ user: 'walsender', database: 'shop', replication: 'database' })),
      answered(loggedIn()),
      sent(f.query(command)),
      answered(b.copyBothResponse(), b.copyData('w'.repeat(100))),
      sent(f.copyData('r'.repeat(34))),
      answered(b.copyData('k'.repeat(18))),
      sent(f.copyDone()),
      answered(b.copyDone(), b.commandComplete('COPY 0'), done('START_REPLICATION')),
    ])
    expect(events).toMatchObject([
      { event: 'session.auth', replication: 'database' },
      { event: 'replication', stmt_seq: 1, text: command },
      { event: 'statement.open', stmt_seq: 1, copy_direction: 'both' },
      { event: 'statement', stmt_seq: 1, copy_direction: 'both', copy_bytes: 152, outcome: 'success' },
    ])
  })

  test('case 21: a replication stream that is cut off', () => {
    const events = talk([
      sent(f.query('START_REPLICATION 0/0')),
      answered(b.copyBothResponse(), b.copyData('w'.repeat(100))),
    ])
    expect(ofKind(events, 'replication')).toHaveLength(1)
    expect(ofKind(events, 'statement')).toMatchObject([{ outcome: 'unknown', copy_bytes: 100 }])
  })

  test('case 21: CopyFail', () => {
    const events = statementsOf([
      sent(f.query(COPY_IN)),
      answered(b.copyInResponse()),
      sent(f.copyData('1\n'), f.copyFail('changed my mind')),
      answered(failure('57014', 'COPY from stdin failed: changed my mind'), b.readyForQuery()),
      ...asked('SELECT 1', 'SELECT 0'),
    ])
    expect(events).toMatchObject([
      { text: COPY_IN, outcome: 'cancelled', error_code: '57014', copy_bytes: 2 },
      { text: 'SELECT 1', outcome: 'success' },
    ])
  })

  test('case 21: several COPY in one message, all sent ahead', () => {
    const events = statementsOf([
      sent(f.query('COPY t FROM STDIN; COPY u FROM STDIN; SELECT 9')),
      sent(f.copyData('1\n'), f.copyDone(), f.copyData('22\n'), f.copyDone(), f.query('SELECT 10')),
      answered(b.copyInResponse(), b.commandComplete('COPY 1'), b.copyInResponse()),
      answered(b.commandComplete('COPY 1'), b.rowDescription(['?']), b.dataRow(['9']), done('SELECT 1')),
      answered(done('SELECT 0')),
    ])
    expect(events).toMatchObject([
      { command_tags: ['COPY 1', 'COPY 1', 'SELECT 1'], copy_bytes: 5, outcome: 'success' },
      { text: 'SELECT 10' },
    ])
  })

  test('case 68: data that looks like messages is data', () => {
    const inner = Buffer.concat([f.query('DROP TABLE a'), series('DROP TABLE b')])
    const events = statementsOf([
      sent(f.query(COPY_IN)),
      answered(b.copyInResponse()),
      sent(
        repeat(50, () => f.copyData(inner)),
        f.copyDone(),
      ),
      answered(done('COPY 50')),
    ])
    expect(events).toMatchObject([{ text: COPY_IN, copy_bytes: 50 * inner.length }])
  })

  test('data outside of a COPY is ignored', () => {
    const noise = Buffer.concat([f.copyData('x'), f.copyDone(), f.copyFail('y')])
    const events = statementsOf([
      sent(noise, f.query('SELECT 1'), noise, series('SELECT 2'), noise, f.query('SELECT 3')),
      answered(done('SELECT 0'), seriesRan('SELECT 0'), done('SELECT 0')),
    ])
    expect(briefs(events)).toEqual(['success SELECT 1', 'success SELECT 2', 'success SELECT 3'])
  })
})

describe('Sync inside COPY IN is ignored by the server', () => {
  test('amid the data of an Execute', () => {
    const events = statementsOf([
      sent(series(COPY_IN)),
      answered(started),
      sent(f.copyData('1\n'), f.sync(), f.flush(), f.copyData('2\n'), f.sync(), f.copyDone(), f.sync()),
      answered(b.commandComplete('COPY 2'), b.readyForQuery()),
      ...asked('SELECT 1', 'SELECT 0'),
    ])
    expect(events).toMatchObject([
      { text: COPY_IN, outcome: 'success', copy_rows: 2, copy_bytes: 4 },
      { text: 'SELECT 1', outcome: 'success' },
    ])
  })

  test('amid the data of a Query, all sent ahead', () => {
    const events = statementsOf([
      sent(f.query(COPY_IN), f.sync(), f.copyData('1\n'), f.sync(), message('H', 'x'), f.copyDone()),
      sent(series('SELECT 1')),
      answered(b.copyInResponse(), done('COPY 1'), seriesRan('SELECT 0')),
    ])
    expect(events).toMatchObject([
      { text: COPY_IN, outcome: 'success', copy_bytes: 2 },
      { text: 'SELECT 1', outcome: 'success' },
    ])
  })
})

describe('a COPY that failed: what was sent behind it', () => {
  test('in a series, without a Sync amid the data: skipped until Sync', () => {
    const events = statementsOf([
      sent(unnamed(COPY_IN), f.copyData('bad\n'), f.copyDone(), unnamed('SELECT 1'), f.sync()),
      sent(series('SELECT 2')),
      answered(started, bad, b.readyForQuery(), seriesRan('SELECT 0')),
    ])
    expect(briefs(events)).toEqual([`error ${COPY_IN}`, 'skipped SELECT 1', 'success SELECT 2'])
  })

  test("libpq's: a Sync before the data, which the COPY read; another behind it", () => {
    const events = statementsOf([
      sent(series(COPY_IN)),
      answered(started),
      sent(f.copyData('bad\n'), f.copyData('2\n'), f.copyDone(), f.sync(), series('SELECT 1')),
      answered(bad, b.readyForQuery(), seriesRan('SELECT 0')),
      ...asked('SELECT 2', 'SELECT 0'),
    ])
    expect(briefs(events)).toEqual([`error ${COPY_IN}`, 'success SELECT 1', 'success SELECT 2'])
    expect(events[0]).toMatchObject({ error_code: '22P02', copy_direction: 'in', copy_bytes: 6 })
  })

  test('the same, but the COPY failed before it read that Sync', () => {
    const events = statementsOf([
      sent(series(COPY_IN), f.copyData('1\n'), f.copyDone(), f.sync(), series('SELECT 1')),
      answered(started, failure('P0001'), b.readyForQuery(), b.readyForQuery(), seriesRan('SELECT 0')),
      ...asked('SELECT 2', 'SELECT 0'),
    ])
    expect(briefs(events)).toEqual([`error ${COPY_IN}`, 'success SELECT 1', 'success SELECT 2'])
  })

  test('the end of the data and its Sync come after the error', () => {
    const events = statementsOf([
      sent(series(COPY_IN)),
      answered(started),
      sent(f.copyData('bad\n')),
      answered(bad),
      sent(f.copyData('2\n'), f.copyDone(), f.sync(), series('SELECT 1')),
      answered(b.readyForQuery(), seriesRan('SELECT 0')),
    ])
    expect(briefs(events)).toEqual([`error ${COPY_IN}`, 'success SELECT 1'])
  })

  test('a Sync that counted is answered: what comes then runs', () => {
    const events = statementsOf([
      sent(unnamed(COPY_IN)),
      answered(started),
      sent(f.copyData('bad\n'), f.sync()),
      answered(bad, b.readyForQuery()),
      sent(series('SELECT 1')),
      answered(seriesRan('SELECT 0')),
    ])
    expect(briefs(events)).toEqual([`error ${COPY_IN}`, 'success SELECT 1'])
  })

  test('of a simple query: with Syncs that count, or not, what follows runs', () => {
    const talkOf = (...replies: Buffer[]) =>
      briefs(
        statementsOf([
          sent(f.query(COPY_IN), f.sync(), f.copyData('bad\n'), f.sync(), f.parse('bad'), f.bind()),
          sent(f.execute(), f.sync(), series('SELECT 1'), f.query('SELECT 2')),
          answered(b.copyInResponse(), bad, b.readyForQuery(), ...replies),
          answered(failure('42601'), b.readyForQuery(), seriesRan('SELECT 0'), done('SELECT 0')),
        ]),
      )
    const expected = [`error ${COPY_IN}`, 'skipped bad', 'success SELECT 1', 'success SELECT 2']
    expect(talkOf(b.readyForQuery(), b.readyForQuery())).toEqual(expected)
    expect(talkOf(b.readyForQuery())).toEqual(expected)
    expect(talkOf()).toEqual(expected)
  })

  test('whether commands ran is unclear: no later statement gets a reply of theirs', () => {
    const events = talk([
      sent(unnamed(COPY_IN), f.copyData('bad\n'), f.sync(), f.sync(), f.parse('bad', 's')),
      answered(started, bad, b.readyForQuery(), b.readyForQuery(), failure('42601')),
      // the server skips these
      sent(series('DROP TABLE a')),
      answered(b.readyForQuery()),
      sent(series('SELECT 1'), f.query('SELECT 2')),
      answered(seriesRan('SELECT 0'), done('SELECT 0')),
    ])
    expect(ofKind(events, 'prepare').map(({ outcome }) => outcome)).toEqual([
      'success',
      ...['unknown', 'unknown', 'unknown'],
    ])
    expect(briefs(events)).toEqual([
      `error ${COPY_IN}`,
      ...['unknown ? after_copy_failure', 'unknown ? after_copy_failure'],
      'unknown SELECT 2 after_copy_failure',
    ])
  })

  test('a command amid the data: the server says so and leaves', () => {
    const events = statementsOf([
      sent(f.query(COPY_IN), f.query('DROP TABLE a')),
      answered(b.copyInResponse(), failure('08P01'), fatal('08P01', 'synchronization was lost')),
    ])
    expect(briefs(events)).toEqual([`error ${COPY_IN}`, 'skipped DROP TABLE a'])
  })

  test('a command amid the data of a server before 14, which takes it for data', () => {
    const events = statementsOf([
      sent(f.query(COPY_IN), f.copyData('1\n'), f.query('DROP TABLE a'), f.query('SELECT 1')),
      answered(b.copyInResponse(), failure('08P01'), b.readyForQuery(), done('SELECT 0')),
      ...asked('SELECT 2', 'SELECT 0'),
    ])
    expect(briefs(events)).toEqual([
      `error ${COPY_IN}`,
      'unknown DROP TABLE a after_copy_failure',
      'unknown SELECT 1 after_copy_failure',
      'unknown SELECT 2 after_copy_failure',
    ])
  })

  test('the session ends amid the data', () => {
    const events = statementsOf([
      sent(f.query(COPY_IN)),
      answered(b.copyInResponse()),
      sent(f.copyData('1\n'), f.terminate()),
    ])
    expect(events).toMatchObject([{ outcome: 'unknown', copy_direction: 'in', copy_bytes: 2 }])
  })
})

test('case 22: a function call runs code with no SQL', () => {
  const events = statementsOf([
    sent(f.functionCall(952, [int32(7), null, 'x'], [1, 0, 0])),
    answered(b.functionCallResponse(int32(1)), b.readyForQuery()),
    sent(f.functionCall(1), f.query('SELECT 1')),
    answered(failure('42883'), b.readyForQuery(), done('SELECT 0')),
    sent(message('F', Buffer.concat([int32(952), Buffer.from('ffff', 'hex')])), f.query('SELECT 2')),
    answered(failure('08P01'), b.readyForQuery(), done('SELECT 0')),
  ])
  expect(events).toMatchObject([
    { protocol: 'function', function_oid: 952, values: ['\\x00000007', null, 'x'], outcome: 'success' },
    { protocol: 'function', function_oid: 1, outcome: 'error', error_code: '42883' },
    { text: 'SELECT 1', outcome: 'success' },
    { protocol: 'function', function_oid: 952, malformed: true, outcome: 'error' },
    { text: 'SELECT 2', outcome: 'success' },
  ])
})
