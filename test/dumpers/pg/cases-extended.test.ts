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
  ran,
  repeat,
  sent,
  statementsOf,
  talk,
  unnamed,
} from '../../support/conversation.ts'
import { int32 } from '../../support/pg-wire.ts'

const ready = b.readyForQuery()

test('case 1: many messages in one read, and one message in many', () => {
  const texts = Array.from({ length: 50 }, (_, index) => `SELECT ${index}, '${'x'.repeat(index * 7)}'`)
  const events = statementsOf([
    sent(...texts.map((text) => f.query(text))),
    answered(...texts.map(() => done('SELECT 0'))),
  ])
  expect(briefs(events)).toEqual(texts.map((text) => `success ${text}`))
})

describe('case 8', () => {
  test('case 8: a message of several statements is one record, its text whole', () => {
    const text = "BEGIN; INSERT INTO t VALUES (';'); -- ;\nSELECT 1; COMMIT"
    const events = statementsOf([
      sent(f.query(text)),
      answered(b.commandComplete('BEGIN'), b.commandComplete('INSERT 0 1')),
      answered(b.rowDescription(['?']), b.dataRow(['1']), b.commandComplete('SELECT 1'), done('COMMIT')),
    ])
    expect(events).toMatchObject([
      {
        ...{ text, outcome: 'success', command_tag: 'COMMIT', rows_returned: 1, rows_affected: 1 },
        command_tags: ['BEGIN', 'INSERT 0 1', 'SELECT 1', 'COMMIT'],
      },
    ])
  })

  test('case 8: one that fails in the middle keeps the tags of what had run', () => {
    const events = statementsOf([
      sent(f.query('INSERT INTO t VALUES (1); SELECT 1/0; DROP TABLE t')),
      answered(b.commandComplete('INSERT 0 1'), failure('22012'), ready),
    ])
    expect(events).toMatchObject([{ outcome: 'error', command_tag: 'INSERT 0 1', error_code: '22012' }])
  })

  test('case 8: an empty one', () => {
    expect(statementsOf([sent(f.query('')), answered(b.emptyQueryResponse(), ready)])).toMatchObject([
      { text: '', outcome: 'success' },
    ])
  })
})

describe('names', () => {
  test('case 9: the unnamed statement is replaced by the next Parse, a named one is not', () => {
    const events = statementsOf([
      sent(f.parse('SELECT 1'), f.parse('SELECT 2', 'n'), f.bind(), f.execute(), f.parse('SELECT 3')),
      sent(f.bind(), f.execute(), f.bind({ statement: 'n' }), f.execute(), f.sync()),
      answered(b.parseComplete(), b.parseComplete(), b.bindComplete(), b.commandComplete('SELECT 0')),
      answered(ran('SELECT 0'), b.bindComplete(), done('SELECT 0')),
    ])
    expect(briefs(events)).toEqual(['success SELECT 1', 'success SELECT 3', 'success SELECT 2 [n]'])
  })

  test('case 10: a Bind alone finds the text of its statement', () => {
    const run = (value: string) => [
      sent(f.bind({ statement: 's', values: [value] }), f.execute(), f.sync()),
      answered(b.bindComplete(), done('UPDATE 1')),
    ]
    const events = statementsOf([
      sent(f.parse('UPDATE t SET i = $1', 's', [23]), f.sync()),
      answered(b.parseComplete(), ready),
      ...run('1'),
      ...run('2'),
    ])
    expect(events).toMatchObject([
      { text: 'UPDATE t SET i = $1', stmt_name: 's', values: ['1'], types: ['int4'] },
      { text: 'UPDATE t SET i = $1', stmt_name: 's', values: ['2'], types: ['int4'] },
    ])
  })

  const bindAfter = (turns: Parameters<typeof talk>[0]) =>
    briefs(
      statementsOf([
        sent(f.parse('SELECT 1', 's'), f.sync()),
        answered(b.parseComplete(), ready),
        ...turns,
        sent(f.bind({ statement: 's' }), f.sync()),
        answered(failure('26000'), ready),
      ]),
    ).at(-1)

  test.each<[string, Parameters<typeof talk>[0]]>([
    ['Close', [sent(f.closeStatement('s'), f.sync()), answered(b.closeComplete(), ready)]],
    ['DEALLOCATE s', asked('DEALLOCATE s', 'DEALLOCATE')],
    ['DEALLOCATE PREPARE "s"', asked('DEALLOCATE PREPARE "s"', 'DEALLOCATE')],
    ['DEALLOCATE ALL', asked('DEALLOCATE ALL', 'DEALLOCATE ALL')],
    ['DISCARD ALL', asked('DISCARD ALL', 'DISCARD ALL')],
    [
      'DEALLOCATE in a series',
      [sent(unnamed('DEALLOCATE S'), f.sync()), answered(ran('DEALLOCATE'), ready)],
    ],
  ])('case 15: %s makes the name mean nothing', (_, turns) => {
    expect(bindAfter(turns)).toBe('error ? [s] text_unknown')
  })

  test.each<[string, Parameters<typeof talk>[0]]>([
    [
      'a Close that was skipped',
      [sent(f.parse('bad'), f.closeStatement('s'), f.sync()), answered(failure('42601'), ready)],
    ],
    ['the Close of a portal', [sent(f.closePortal('s'), f.sync()), answered(b.closeComplete(), ready)]],
    ['a DEALLOCATE that failed', [sent(f.query('DEALLOCATE s')), answered(failure('25P02'), ready)]],
    [
      'another DEALLOCATE',
      [
        sent(f.query("SELECT 'DEALLOCATE s'; DEALLOCATE t")),
        answered(b.commandComplete('SELECT 1'), done('DEALLOCATE')),
      ],
    ],
  ])('case 15: %s does not', (_, turns) => {
    expect(bindAfter(turns)).toBe('error SELECT 1 [s]')
  })

  test('case 16: what EXECUTE hides', () => {
    const events = statementsOf([
      ...asked('PREPARE p (int) AS DELETE FROM t WHERE i = $1', 'PREPARE'),
      ...asked('EXECUTE p (1)', 'DELETE 1'),
      ...asked('EXPLAIN (ANALYZE, COSTS off) EXECUTE p(2)', 'EXPLAIN'),
      ...asked('CREATE TEMP TABLE u AS EXECUTE P', 'SELECT 1'),
      sent(f.query('EXECUTE p(3); DEALLOCATE p; EXECUTE p(4)')),
      answered(b.commandComplete('DELETE 1'), b.commandComplete('DEALLOCATE'), failure('26000'), ready),
      ...asked("SELECT 'EXECUTE p'", 'SELECT 1'),
    ])
    const hidden = 'DELETE FROM t WHERE i = $1'
    expect(events.map(({ executed }) => executed)).toEqual([
      undefined,
      ...[hidden, hidden, hidden, hidden],
      undefined,
    ])
  })

  test('case 16: SQL and protocol share one namespace', () => {
    const events = statementsOf([
      ...asked('PREPARE p AS DELETE FROM a', 'PREPARE'),
      sent(f.bind({ statement: 'p' }), f.execute(), f.parse('DELETE FROM b', 'q'), f.sync()),
      answered(b.bindComplete(), b.commandComplete('DELETE 1'), b.parseComplete(), ready),
      ...asked('EXECUTE q', 'DELETE 2'),
      sent(unnamed('EXECUTE q'), f.sync()),
      answered(ran('DELETE 3'), ready),
    ])
    expect(briefs(events)[1]).toBe('success DELETE FROM a [p]')
    expect(events[2]).toMatchObject({ text: 'EXECUTE q', executed: 'DELETE FROM b' })
    expect(events[3]).toMatchObject({ text: 'EXECUTE q', executed: 'DELETE FROM b' })
  })

  test('case 16: texts that are executed do not add up without end', () => {
    const long = `DELETE FROM t WHERE s = '${'x'.repeat(500)}'`
    const [, record] = statementsOf(
      [
        ...asked(`PREPARE p AS ${long}`, 'PREPARE'),
        sent(f.query('EXECUTE p;'.repeat(50))),
        answered(
          repeat(50, () => b.commandComplete('DELETE 1')),
          ready,
        ),
      ],
      { maxQueryBytes: 1200 },
    )
    expect(record).toMatchObject({ executed: `${long};\n${long}`, reason: 'executed_cut' })
  })
})

describe('pipelines', () => {
  const series = (count: number) =>
    repeat(count, (index) => Buffer.concat([f.bind({ statement: 's', values: [`${index}`] }), f.execute()]))
  const prepared = [sent(f.parse('SELECT $1', 's'), f.sync()), answered(b.parseComplete(), ready)]

  test('case 12: replies are matched in order, per message', () => {
    const events = statementsOf([
      ...prepared,
      sent(series(20), f.sync()),
      answered(
        repeat(20, (index) => Buffer.concat([b.bindComplete(), b.commandComplete(`INSERT 0 ${index}`)])),
      ),
      answered(ready),
    ])
    expect(events.map(({ values, command_tag }) => [values, command_tag])).toEqual(
      Array.from({ length: 20 }, (_, index) => [[`${index}`], `INSERT 0 ${index}`]),
    )
  })

  test('case 13: behind an error nothing runs until Sync', () => {
    const events = talk([
      ...prepared,
      sent(series(3), f.query('SELECT 9'), f.functionCall(952), f.parse('SELECT 8'), f.bind(), f.sync()),
      answered(b.bindComplete(), b.commandComplete('SELECT 0'), b.bindComplete(), failure('22012'), ready),
      ...asked('SELECT 7', 'SELECT 0'),
    ])
    expect(briefs(events)).toEqual([
      'success SELECT $1 [s]',
      'error SELECT $1 [s]',
      'skipped SELECT $1 [s]',
      'skipped SELECT 9',
      'skipped ?',
      'skipped SELECT 8',
      'success SELECT 7',
    ])
    expect(ofKind(events, 'prepare').at(-1)).toMatchObject({ text: 'SELECT 8', outcome: 'skipped' })
  })

  test('case 13: nor what is sent when the error is long known', () => {
    const events = statementsOf([
      sent(f.parse('bad')),
      answered(failure('42601')),
      sent(f.query('SELECT 1')),
      sent(unnamed('SELECT 2'), f.sync(), f.query('SELECT 3')),
      answered(ready, done('SELECT 0')),
    ])
    expect(briefs(events)).toEqual(['skipped SELECT 1', 'skipped SELECT 2', 'success SELECT 3'])
  })

  test('case 14: replies that come without a ReadyForQuery, by Flush', () => {
    const events = talk([
      sent(f.parse('SELECT $1', 's'), f.describeStatement('s'), f.flush()),
      answered(b.parseComplete(), b.parameterDescription([23]), b.rowDescription(['?'])),
      sent(f.bind({ statement: 's', formats: [1], values: [int32(5)] }), f.execute(), f.flush()),
      answered(b.bindComplete(), b.dataRow(['5']), b.commandComplete('SELECT 1')),
    ])
    expect(ofKind(events, 'statement')).toMatchObject([
      { text: 'SELECT $1', values: ['5'], outcome: 'success', rows_returned: 1 },
    ])
  })

  test('case 26: what comes at any time settles nothing', () => {
    const noise = Buffer.concat([
      b.notice({ S: 'NOTICE', C: '00000', M: 'hear' }),
      b.notification(5, 'channel', 'text'),
      b.parameterStatus('TimeZone', 'UTC'),
    ])
    const replies = [b.parseComplete(), b.bindComplete(), b.rowDescription(['?']), b.dataRow(['1'])]
    const events = statementsOf([
      sent(f.parse('SELECT 1'), f.bind(), f.describePortal(), f.execute(), f.sync(), f.query('SELECT 2')),
      answered(
        noise,
        ...[...replies, b.commandComplete('SELECT 1'), ready].flatMap((reply) => [reply, noise]),
      ),
      answered(b.commandComplete('SELECT 0'), noise, ready),
    ])
    expect(events).toMatchObject([
      { text: 'SELECT 1', rows_returned: 1, outcome: 'success' },
      { text: 'SELECT 2', outcome: 'success' },
    ])
  })

  test('FATAL in the middle: what it met failed, what follows never ran', () => {
    const events = talk([
      ...prepared,
      sent(series(3), f.sync(), f.query('SELECT 9')),
      answered(b.bindComplete(), b.commandComplete('SELECT 0'), b.bindComplete(), fatal('57P01')),
      sent(f.query('SELECT 10')),
    ])
    expect(briefs(events)).toEqual([
      'success SELECT $1 [s]',
      'error SELECT $1 [s]',
      'skipped SELECT $1 [s]',
      'skipped SELECT 9',
      'skipped SELECT 10',
    ])
  })

  test('the session ends with commands unanswered: what came of them is unknown', () => {
    const events = talk([
      ...prepared,
      sent(series(2), f.sync(), f.query('SELECT 1; SELECT 2'), f.parse('SELECT 3'), f.functionCall(952)),
      answered(b.bindComplete(), b.commandComplete('SELECT 0')),
    ])
    expect(briefs(events)).toEqual([
      'success SELECT $1 [s]',
      'unknown SELECT $1 [s]',
      'unknown SELECT 1; SELECT 2',
      'unknown ?',
    ])
    expect(ofKind(events, 'prepare').at(-1)).toMatchObject({ text: 'SELECT 3', outcome: 'unknown' })
  })
})
