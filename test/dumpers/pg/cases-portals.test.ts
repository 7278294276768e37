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
  ran,
  repeat,
  sent,
  statementsOf,
  talk,
  unnamed,
} from '../../support/conversation.ts'

const ready = b.readyForQuery()

describe('portals', () => {
  const bind = [f.parse('SELECT generate_series(1, 5)', 's'), f.bind({ statement: 's', portal: 'p' })]
  const rows = (count: number) => repeat(count, (index) => b.dataRow([String(index)]))
  const begun = asked('BEGIN', 'BEGIN', 'T')
  const opened = [
    ...begun,
    sent(...bind, f.execute('p', 2), f.sync()),
    answered(b.parseComplete(), b.bindComplete(), rows(2), b.portalSuspended(), b.readyForQuery('T')),
  ]
  const more = (reply: Buffer) => [sent(f.execute('p', 2), f.sync()), answered(reply, b.readyForQuery('T'))]
  const recordOf = (turns: Parameters<typeof talk>[0]) => {
    const events = talk(turns)
    expect(ofKind(events, 'statement.open')).toMatchObject([{ stmt_seq: 3, rows_returned: 2 }])
    const records = ofKind(events, 'statement').filter(({ stmt_seq }) => stmt_seq === 3)
    expect(records).toHaveLength(1)
    return records[0]
  }

  test('case 11: read in pieces it is one record, rows summed', () => {
    const record = recordOf([
      ...opened,
      ...more(Buffer.concat([rows(2), b.portalSuspended()])),
      ...more(Buffer.concat([rows(1), b.commandComplete('SELECT 1')])),
    ])
    expect(record).toMatchObject({
      ...{ text: 'SELECT generate_series(1, 5)', portal_name: 'p', outcome: 'success' },
      ...{ fetches: 3, rows_returned: 5, command_tag: 'SELECT 1' },
    })
  })

  test.each<[string, Parameters<typeof talk>[0]]>([
    ['Close', [sent(f.closePortal('p'), f.sync()), answered(b.closeComplete(), b.readyForQuery('T'))]],
    ['CLOSE', asked('CLOSE p', 'CLOSE CURSOR', 'T')],
    ['CLOSE ALL', asked('CLOSE ALL', 'CLOSE CURSOR ALL', 'T')],
    ['COMMIT', asked('COMMIT', 'COMMIT')],
    ['ROLLBACK', asked('ROLLBACK', 'ROLLBACK')],
    ['the end of the session', []],
  ])('case 11: suspended, dropped by %s', (_, turns) => {
    expect(recordOf([...opened, ...turns])).toMatchObject({
      ...{ outcome: 'success', reason: 'portal_closed', rows_returned: 2 },
    })
  })

  test('case 11: outside a transaction block it ends with its Sync', () => {
    const events = talk([
      sent(...bind, f.execute('p', 2), f.sync()),
      answered(b.parseComplete(), b.bindComplete(), rows(2), b.portalSuspended(), ready),
      sent(f.execute('p', 2), f.sync()),
      answered(failure('34000'), ready),
    ])
    expect(briefs(events)).toEqual([
      'success SELECT generate_series(1, 5) [s] portal_closed',
      'error ? text_unknown',
    ])
  })

  test('case 11: the unnamed one is replaced by the next Bind, and by a simple query', () => {
    const suspended = [
      sent(f.parse('SELECT 1'), f.bind(), f.execute('', 1), f.sync()),
      answered(b.parseComplete(), b.bindComplete(), rows(1), b.portalSuspended(), b.readyForQuery('T')),
    ]
    const replaced = statementsOf([
      ...begun,
      ...suspended,
      sent(f.bind(), f.execute('', 1), f.sync()),
      answered(b.bindComplete(), rows(1), b.portalSuspended(), b.readyForQuery('T')),
      ...asked('SELECT 2', 'SELECT 0', 'T'),
      sent(f.execute(), f.sync()),
      answered(failure('34000'), b.readyForQuery('E')),
    ])
    expect(briefs(replaced)).toEqual([
      'success BEGIN',
      'success SELECT 1 portal_closed',
      'success SELECT 1 portal_closed',
      'success SELECT 2',
      'error ? text_unknown',
    ])
  })

  test('case 11: running a portal that is at its end does nothing and is no record', () => {
    const events = statementsOf([
      sent(f.parse('SELECT 1'), f.bind(), f.execute(), f.execute(), f.execute(), f.sync()),
      answered(b.parseComplete(), b.bindComplete(), rows(1), b.commandComplete('SELECT 1')),
      answered(b.commandComplete('SELECT 0'), done('SELECT 0')),
    ])
    expect(briefs(events)).toEqual(['success SELECT 1'])
  })

  test('case 11: unless it was moved back', () => {
    const events = statementsOf([
      ...begun,
      sent(f.parse('SELECT 1'), f.bind({ portal: 'p' }), f.execute('p'), f.sync()),
      answered(b.parseComplete(), b.bindComplete(), rows(1), b.commandComplete('SELECT 1')),
      answered(b.readyForQuery('T')),
      ...asked('MOVE BACKWARD ALL IN p', 'MOVE 1', 'T'),
      sent(f.execute('p'), f.sync()),
      answered(rows(1), b.commandComplete('SELECT 1'), b.readyForQuery('T')),
    ])
    expect(events.at(-1)).toMatchObject({ text: 'SELECT 1', rows_returned: 1, portal_name: 'p' })
  })

  test('case 11: a statement without rows cannot run twice', () => {
    const events = statementsOf([
      sent(unnamed('INSERT INTO t VALUES (1)'), f.execute(), f.sync()),
      answered(ran('INSERT 0 1'), failure('55000', 'portal "" cannot be run'), ready),
    ])
    expect(briefs(events)).toEqual(['success INSERT INTO t VALUES (1)', 'error INSERT INTO t VALUES (1)'])
  })

  test('DECLARE, then Execute of its portal', () => {
    const text = 'DECLARE c SCROLL CURSOR FOR SELECT secret FROM t'
    const events = talk([
      ...begun,
      ...asked(text, 'DECLARE CURSOR', 'T'),
      sent(f.execute('c', 2), f.sync()),
      answered(rows(2), b.portalSuspended(), b.readyForQuery('T')),
      sent(f.execute('c', 2), f.sync()),
      answered(rows(1), b.commandComplete('SELECT 1'), b.readyForQuery('T')),
    ])
    expect(ofKind(events, 'statement').at(-1)).toMatchObject({
      ...{ text, portal_name: 'c', rows_returned: 3, fetches: 2, outcome: 'success' },
    })
  })

  test('a Bind alone can run code', () => {
    const events = talk([
      sent(f.parse('SELECT $1::d', 's'), f.bind({ statement: 's', values: ['x'] }), f.sync()),
      answered(b.parseComplete(), b.bindComplete(), ready),
    ])
    expect(ofKind(events, 'statement')).toMatchObject([
      { text: 'SELECT $1::d', values: ['x'], fetches: 0, outcome: 'success' },
    ])
  })

  test('a Bind that fails is told, and its Execute in its record', () => {
    const events = talk([
      sent(f.parse('SELECT $1::int'), f.bind({ values: ['x'] }), f.execute(), f.sync()),
      answered(b.parseComplete(), failure('22P02'), ready),
    ])
    expect(ofKind(events, 'statement')).toMatchObject([
      { text: 'SELECT $1::int', values: ['x'], outcome: 'error', error_code: '22P02' },
    ])
  })
})
