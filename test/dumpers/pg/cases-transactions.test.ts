/** Case 25: where transactions begin and end, and what became of what ran in them. */
import { describe, expect, test } from 'vitest'
import { ofKind, type Plain, type Turn } from '../../support/canonical.ts'
import {
  answered,
  asked,
  b,
  briefs,
  done,
  f,
  failure,
  fatal,
  ran,
  sent,
  talk,
  unnamed,
} from '../../support/conversation.ts'

const ready = b.readyForQuery()
const BEGIN = asked('BEGIN', 'BEGIN', 'T')
const insert = (status: 'I' | 'T' = 'T') => asked('INSERT INTO t VALUES (1)', 'INSERT 0 1', status)

/** Statements and ends of transactions, in order: `seq status text`, `end seq outcome`. */
const story = (turns: readonly Turn[]): string[] =>
  talk(turns)
    .filter(({ event }) => event === 'statement' || event === 'txn.end')
    .map(({ event, txn_seq, txn_status, text, txn_outcome, reason, error_code }: Plain) =>
      event === 'statement'
        ? [txn_seq, txn_status ?? '-', text].join(' ')
        : ['end', txn_seq, txn_outcome, reason, error_code].filter((part) => part !== undefined).join(' '),
    )

describe('case 25', () => {
  test('case 25: committed', () => {
    expect(story([...BEGIN, ...insert(), ...asked('COMMIT', 'COMMIT'), ...insert('I')])).toEqual([
      '1 T BEGIN',
      '1 T INSERT INTO t VALUES (1)',
      '1 I COMMIT',
      'end 1 committed',
      '2 I INSERT INTO t VALUES (1)',
    ])
  })

  test('case 25: rolled back', () => {
    expect(story([...BEGIN, ...insert(), ...asked('ROLLBACK', 'ROLLBACK')]).at(-1)).toBe(
      'end 1 rolled_back',
    )
  })

  test('case 25: statements outside of a block are transactions of their own, without an end', () => {
    expect(story([...insert('I'), ...insert('I'), ...asked('SELECT 1', 'SELECT 0')])).toEqual([
      '1 I INSERT INTO t VALUES (1)',
      '2 I INSERT INTO t VALUES (1)',
      '3 I SELECT 1',
    ])
  })

  test('case 25: a COMMIT that rolls back, because a statement had failed', () => {
    const turns = [
      ...BEGIN,
      ...insert(),
      sent(f.query('SELECT 1/0')),
      answered(failure('22012'), b.readyForQuery('E')),
      sent(f.query('SELECT 1')),
      answered(failure('25P02'), b.readyForQuery('E')),
      ...asked('COMMIT', 'ROLLBACK'),
    ]
    expect(story(turns)).toEqual([
      '1 T BEGIN',
      '1 T INSERT INTO t VALUES (1)',
      '1 E SELECT 1/0',
      '1 E SELECT 1',
      '1 I COMMIT',
      'end 1 rolled_back 22012',
    ])
  })

  test('case 25: a COMMIT that fails (a deferred constraint)', () => {
    const turns = [...BEGIN, ...insert(), sent(f.query('COMMIT')), answered(failure('23503'), ready)]
    expect(story(turns).at(-1)).toBe('end 1 rolled_back 23503')
    expect(briefs(talk(turns))).toEqual([
      'success BEGIN',
      'success INSERT INTO t VALUES (1)',
      'error COMMIT',
    ])
  })

  test('case 25: ROLLBACK TO goes on, and undoes the failure', () => {
    const turns = [
      ...BEGIN,
      ...asked('SAVEPOINT a', 'SAVEPOINT', 'T'),
      sent(f.query('SELECT 1/0')),
      answered(failure('22012'), b.readyForQuery('E')),
      ...asked('ROLLBACK TO a', 'ROLLBACK', 'T'),
      ...asked('RELEASE a', 'RELEASE', 'T'),
      ...asked('COMMIT', 'COMMIT'),
    ]
    const events = story(turns)
    expect(events.filter((line) => line.startsWith('end'))).toEqual(['end 1 committed'])
    expect(events.at(-2)).toBe('1 I COMMIT')
  })

  test('case 25: COMMIT AND CHAIN and ROLLBACK AND CHAIN open the next one', () => {
    const turns = [
      ...BEGIN,
      ...asked('COMMIT AND CHAIN', 'COMMIT', 'T'),
      ...insert(),
      ...asked('ROLLBACK AND CHAIN', 'ROLLBACK', 'T'),
      ...insert(),
      ...asked('COMMIT AND NO CHAIN', 'COMMIT'),
    ]
    expect(story(turns)).toEqual([
      '1 T BEGIN',
      '1 T COMMIT AND CHAIN',
      'end 1 committed',
      '2 T INSERT INTO t VALUES (1)',
      '2 T ROLLBACK AND CHAIN',
      'end 2 rolled_back',
      '3 T INSERT INTO t VALUES (1)',
      '3 I COMMIT AND NO CHAIN',
      'end 3 committed',
    ])
  })

  test('case 25: PREPARE TRANSACTION leaves it open, elsewhere', () => {
    const turns = [
      ...BEGIN,
      ...insert(),
      ...asked("PREPARE TRANSACTION 'x'", 'PREPARE TRANSACTION'),
      ...asked("COMMIT PREPARED 'x'", 'COMMIT PREPARED'),
    ]
    expect(story(turns).slice(2)).toEqual([
      "1 I PREPARE TRANSACTION 'x'",
      'end 1 unknown prepared',
      "2 I COMMIT PREPARED 'x'",
    ])
  })

  test('case 25: several in one message', () => {
    const text = 'BEGIN; INSERT INTO t VALUES (1); COMMIT; BEGIN; ROLLBACK'
    const turns = [
      sent(f.query(text)),
      answered(
        ...['BEGIN', 'INSERT 0 1', 'COMMIT', 'BEGIN', 'ROLLBACK'].map((tag) => b.commandComplete(tag)),
      ),
      answered(ready),
      ...asked('SELECT 1', 'SELECT 0'),
    ]
    expect(story(turns)).toEqual([`1 I ${text}`, 'end 1 committed', 'end 2 rolled_back', '3 I SELECT 1'])
  })

  test('case 25: BEGIN, INSERT, COMMIT in one series without Sync', () => {
    const events = talk([
      sent(unnamed('BEGIN'), unnamed('INSERT INTO t VALUES (1)'), unnamed('COMMIT'), unnamed('SELECT 1')),
      sent(f.sync()),
      answered(ran('BEGIN'), ran('INSERT 0 1'), ran('COMMIT'), ran('SELECT 0'), ready),
    ])
    expect(ofKind(events, 'statement').map(({ txn_seq }) => txn_seq)).toEqual([1, 1, 1, 2])
    expect(ofKind(events, 'txn.end')).toMatchObject([{ txn_seq: 1, txn_outcome: 'committed' }])
    const [commit, end] = [
      events.findIndex(({ event, text }) => event === 'statement' && text === 'COMMIT'),
      events.findIndex(({ event }) => event === 'txn.end'),
    ]
    expect(end).toBeGreaterThan(commit)
  })

  test('case 25: a series that fails takes with it what had succeeded', () => {
    const turns = [
      sent(unnamed('INSERT INTO t VALUES (1)'), unnamed('SELECT 1/0'), f.sync()),
      answered(ran('INSERT 0 1'), b.parseComplete(), b.bindComplete(), failure('22012'), ready),
      ...asked('SELECT 1', 'SELECT 0'),
    ]
    expect(briefs(talk(turns))).toEqual([
      'success INSERT INTO t VALUES (1)',
      'error SELECT 1/0',
      'success SELECT 1',
    ])
    expect(story(turns).slice(2)).toEqual(['end 1 rolled_back 22012', '2 I SELECT 1'])
  })

  test('case 25: so does a message', () => {
    const turns = [
      sent(f.query('INSERT INTO t VALUES (1); SELECT 1/0')),
      answered(b.commandComplete('INSERT 0 1'), failure('22012'), ready),
    ]
    expect(story(turns)).toEqual(['1 I INSERT INTO t VALUES (1); SELECT 1/0', 'end 1 rolled_back 22012'])
  })

  test('case 25: an error at Sync: the statement succeeded, its transaction did not', () => {
    const events = talk([
      sent(unnamed('INSERT INTO t VALUES (1)'), f.sync(), f.query('SELECT 1')),
      answered(ran('INSERT 0 1'), failure('23503', 'violates foreign key'), ready, done('SELECT 0')),
    ])
    expect(briefs(events)).toEqual(['success INSERT INTO t VALUES (1)', 'success SELECT 1'])
    expect(ofKind(events, 'txn.end')).toMatchObject([
      {
        ...{ txn_seq: 1, txn_outcome: 'rolled_back' },
        ...{ error_code: '23503', error_message: 'violates foreign key' },
      },
    ])
  })

  test('case 25: a block that fails within a series', () => {
    const turns = [
      sent(
        unnamed('BEGIN'),
        unnamed('INSERT INTO t VALUES (1)'),
        unnamed('bad'),
        unnamed('COMMIT'),
        f.sync(),
      ),
      answered(ran('BEGIN'), ran('INSERT 0 1'), failure('42601'), b.readyForQuery('E')),
      sent(unnamed('ROLLBACK'), f.sync()),
      answered(ran('ROLLBACK'), ready),
    ]
    expect(briefs(talk(turns))).toEqual([
      'success BEGIN',
      'success INSERT INTO t VALUES (1)',
      'skipped bad',
      'skipped COMMIT',
      'success ROLLBACK',
    ])
    expect(story(turns).at(-1)).toBe('end 1 rolled_back 42601')
  })

  test('case 25: the session ends within a block', () => {
    expect(story([...BEGIN, ...insert()]).at(-1)).toBe('end 1 rolled_back connection_closed')
    expect(story([...BEGIN, ...insert(), sent(f.terminate())]).at(-1)).toBe(
      'end 1 rolled_back connection_closed',
    )
    expect(story([...BEGIN, ...insert(), sent(f.query('COMMIT'))]).at(-1)).toBe(
      'end 1 unknown connection_closed',
    )
    expect(story([...BEGIN, ...insert(), answered(fatal('57P01', 'terminating connection'))]).at(-1)).toBe(
      'end 1 rolled_back connection_closed 57P01',
    )
  })

  test('case 25: a block that a procedure, or nobody saw, began and ended', () => {
    expect(
      story([...asked('SELECT f()', 'SELECT 0', 'T'), ...asked('SELECT g()', 'SELECT 0', 'I')]),
    ).toEqual(['1 T SELECT f()', '1 I SELECT g()', 'end 1 unknown'])
  })

  test('case 25: words that only look like it', () => {
    const events = story([
      ...BEGIN,
      ...asked("SELECT 'COMMIT' /* ; ROLLBACK; */", 'SELECT 1', 'T'),
      ...asked('CREATE TABLE "commit" ()', 'CREATE TABLE', 'T'),
    ])
    expect(events.filter((line) => line.startsWith('end'))).toEqual(['end 1 rolled_back connection_closed'])
  })
})
