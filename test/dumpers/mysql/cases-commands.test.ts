/** Commands and their replies: which statement each is, and what came of it. */
import { describe, expect, test } from 'vitest'
import {
  CLIENT_OPTIONAL_RESULTSET_METADATA,
  CLIENT_PROGRESS_OBSOLETE,
  CLIENT_QUERY_ATTRIBUTES,
  COM,
} from '../../../dumpers/mysql/capabilities.ts'
import { MysqlSession } from '../../../dumpers/mysql/session.ts'
import { converse, ofKind, openContext, type Plain, whoOf } from '../../support/canonical.ts'
import {
  asked,
  b,
  brief,
  briefs,
  f,
  hold,
  LOGIN,
  loginOf,
  MODERN,
  NO_EOF,
  replied,
  resultSet,
  sent,
  statementsOf,
  type Turn,
  talk,
} from '../../support/my-conversation.ts'
import { command, packet, SERVERS, stringParam } from '../../support/my-wire.ts'

const MORE = 2 | 8
const IN_TRANS = 3
const rows = (count: number) => Array.from({ length: count }, (_, index) => b.textRow([String(index)]))

describe('a query', () => {
  test('with rows, before and after EOF was deprecated', () => {
    const select = (flags: number): readonly Turn[] => [
      ...loginOf({ flags }),
      sent(f.query('select a')),
      replied(...resultSet(['a'], rows(3), { flags, warnings: 2 })),
    ]
    for (const flags of [MODERN, NO_EOF])
      expect(ofKind(hold(select(flags)), 'statement')).toMatchObject([
        {
          text: 'select a',
          protocol: 'text',
          outcome: 'success',
          rows_returned: 3,
          bytes_returned: 6,
          warnings: 2,
        },
      ])
  })

  test('without rows', () => {
    expect(statementsOf(asked('insert', { affected: 2, insertId: 7 }))).toMatchObject([
      {
        outcome: 'success',
        rows_affected: 2,
        last_insert_id: 7,
        txn_status: 'I',
        character_set: 'utf8mb4',
      },
    ])
    expect(statementsOf(asked('select 1'))[0]).not.toHaveProperty('rows_returned')
  })

  test('that fails, at once or amid its rows', () => {
    const [header, column, eof] = resultSet(['a'], [])
    const records = statementsOf([
      sent(f.query('selec')),
      replied(b.err(1064, 'syntax', '42000')),
      sent(f.query('select sleep')),
      replied(header!, column!, eof!, ...rows(2), b.err(1317, 'interrupted', '70100')),
    ])
    expect(records).toMatchObject([
      { outcome: 'error', error_number: 1064, error_code: '42000', error_message: 'syntax' },
      { outcome: 'cancelled', error_number: 1317, rows_returned: 2 },
    ])
  })

  test('of several statements, each result in order', () => {
    const records = statementsOf([
      sent(f.query('select 1; update t; select 2')),
      replied(
        ...resultSet(['a'], rows(2), { status: MORE }),
        b.ok({ affected: 5, status: MORE }),
        ...resultSet(['a'], rows(1)),
      ),
    ])
    expect(records).toMatchObject([
      { outcome: 'success', results: ['ROWS 2', 'OK 5', 'ROWS 1'], rows_returned: 3, rows_affected: 5 },
    ])
  })

  test('of several statements of which the last fails', () => {
    const records = statementsOf([
      sent(f.query('use other; selec')),
      replied(b.ok({ status: MORE }), b.err(1064, 'syntax')),
      ...asked('select database()'),
    ])
    expect(records[0]).toMatchObject({ outcome: 'error' })
    expect(whoOf(records[1]).database).toBe('other')
  })

  test('with attributes', () => {
    const flags = MODERN | CLIENT_QUERY_ATTRIBUTES
    const events = hold([
      ...loginOf({ flags }, SERVERS.mysql80),
      sent(f.queryWithAttributes('select 1', [stringParam('v', 'k')]), f.queryWithAttributes('select 2')),
      replied(b.ok()),
      replied(b.ok()),
    ])
    expect(ofKind(events, 'statement')).toMatchObject([
      { text: 'select 1', query_attributes: '{"k":"v"}' },
      { text: 'select 2' },
    ])
  })

  test('whose rows come without their metadata', () => {
    const flags = NO_EOF | CLIENT_OPTIONAL_RESULTSET_METADATA
    const events = hold([
      ...loginOf({ flags }, SERVERS.mysql80),
      sent(f.query('select a')),
      replied(...resultSet(['a', 'b'], rows(3), { flags, cached: false })),
      sent(f.query('select b')),
      replied(...resultSet(['a', 'b'], rows(1), { flags })),
    ])
    expect(ofKind(events, 'statement')).toMatchObject([{ rows_returned: 3 }, { rows_returned: 1 }])
  })

  test('reports of progress are no errors', () => {
    const events = hold([
      ...loginOf({ flags: MODERN | CLIENT_PROGRESS_OBSOLETE }),
      sent(f.query('alter table t')),
      replied(b.progress(), b.progress(), b.ok({ affected: 4 })),
      sent(f.query('alter table u')),
      replied(b.progress(), b.err(1062, 'duplicate')),
    ])
    expect(ofKind(events, 'statement')).toMatchObject([
      { outcome: 'success', rows_affected: 4 },
      { outcome: 'error', error_number: 1062 },
    ])
  })

  test('in pieces of more than 16 MiB whose second looks like a command', () => {
    const long = Buffer.concat([Buffer.alloc(0xff_ffff - 1, 'x'), Buffer.from('\x03drop table t')])
    const [record] = statementsOf([sent(f.query(long)), replied(b.ok())])
    expect(record!.text).toMatchObject({ truncated: { bytes: long.length } })
    expect(JSON.stringify(record)).toMatch(/drop table t"/)
  })

  test('a row of 16 MiB is one row', () => {
    const huge = b.textRow([Buffer.alloc(0x100_0001, 'y')])
    const answer = resultSet(['a'], [huge, ...rows(1)])
    expect(statementsOf([sent(f.query('select x')), replied(...answer)])).toMatchObject([
      { rows_returned: 2, bytes_returned: huge.length + 2 },
    ])
  })

  test('its rows may be lost and only their number is wrong', () => {
    const answer = packet(1, b.columnCount(1))
    const wire = [
      answer,
      packet(2, b.column('a')),
      packet(3, b.eof()),
      packet(4, b.textRow(['z'.repeat(200)])),
      packet(5, b.eof()),
    ]
    const whole = Buffer.concat(wire)
    const cut = whole.length - 100
    const turns: Turn[] = [
      ...LOGIN,
      sent(f.query('select a')),
      { from: 'backend', bytes: whole.subarray(0, cut) },
      { from: 'backend', lost: 50 },
      { from: 'backend', bytes: whole.subarray(cut + 50) },
      ...asked('select 2'),
    ]
    expect(briefs(hold(turns))).toEqual(['success select a', 'success select 2'])
  })
})

describe('pipelined', () => {
  test('replies find their commands', () => {
    const records = statementsOf([
      sent(f.ping(), f.query('a'), f.initDb('x'), f.statistics(), f.query('b')),
      replied(b.ok()),
      replied(b.err(1064, 'no')),
      replied(b.ok()),
      replied(Buffer.from('Uptime: 1')),
      replied(b.ok()),
    ])
    expect(records.map(brief)).toEqual(['error a', 'success COM_INIT_DB x', 'success b'])
    expect(records.map((record) => whoOf(record).database)).toEqual(['shop', 'shop', 'x'])
  })

  test('a full queue keeps a place for each', () => {
    const queries = Array.from({ length: 10 }, (_, index) => f.query(`select ${index}`))
    const oks = queries.map((_, index) => replied(index === 8 ? b.err(1, 'no') : b.ok()))
    const records = statementsOf([sent(...queries), ...oks], { maxQueue: 4 })
    expect(records.map(brief)).toEqual([
      ...[0, 1, 2, 3].map((index) => `success select ${index}`),
      ...[4, 5, 6, 7].map(() => 'success overflow'),
      'error overflow',
      'success overflow',
    ])
  })

  test('what was not answered is unknown', () => {
    expect(statementsOf([sent(f.query('a'), f.query('b'), f.quit())]).map(brief)).toEqual([
      'unknown a',
      'unknown b',
    ])
  })

  test('nothing is read behind COM_QUIT', () => {
    expect(talk([sent(f.quit(), f.query('drop table t'))])).toEqual([])
  })
})

describe('other commands', () => {
  const OTHERS: [string, Buffer, Buffer, Plain][] = [
    ['INIT_DB', f.initDb('x'), b.ok(), { command: 'COM_INIT_DB', text: 'x' }],
    [
      'CREATE_DB',
      f.createDb('x'),
      b.ok({ affected: 1 }),
      { command: 'COM_CREATE_DB', text: 'x', rows_affected: 1 },
    ],
    ['DROP_DB', f.dropDb('x'), b.ok(), { command: 'COM_DROP_DB', text: 'x' }],
    ['REFRESH', f.refresh(1), b.ok(), { command: 'COM_REFRESH', text: 'GRANT' }],
    ['SHUTDOWN', f.shutdown(), b.eof(), { command: 'COM_SHUTDOWN' }],
    ['DEBUG', f.debug(), b.eof(), { command: 'COM_DEBUG' }],
    [
      'PROCESS_KILL',
      f.processKill(9),
      b.err(1094, 'Unknown thread id: 9'),
      { command: 'COM_PROCESS_KILL', error_number: 1094 },
    ],
    ['RESET_CONNECTION', f.resetConnection(), b.ok(), { command: 'COM_RESET_CONNECTION' }],
    ['REGISTER_SLAVE', f.registerSlave(2), b.ok(), { command: 'COM_REGISTER_SLAVE' }],
    [
      'COM_MULTI',
      command(COM.MULTI, 'x'),
      b.err(1047, 'Unknown command'),
      { command: 'COM_MULTI', outcome: 'error' },
    ],
    [
      'one that nobody knows',
      command(0x7e, 'x'),
      b.err(1047, 'Unknown command'),
      { command: 'COM_0x7e', outcome: 'error' },
    ],
    [
      'an empty packet',
      packet(0, ''),
      b.err(1047, 'Unknown command'),
      { command: 'COM_SLEEP', outcome: 'error' },
    ],
  ]
  test.each(OTHERS)('%s is a statement', (_, request, reply, wanted) => {
    const records = statementsOf([sent(request), replied(reply), ...asked('select 1')])
    expect(records).toHaveLength(2)
    expect(records[0]).toMatchObject({ protocol: 'command', ...wanted })
    expect(records[1]).toMatchObject({ text: 'select 1', outcome: 'success' })
  })

  test('PROCESS_INFO gives rows, FIELD_LIST definitions', () => {
    const records = statementsOf([
      sent(f.processInfo()),
      replied(...resultSet(['Id'], rows(2))),
      sent(f.fieldList('t', '%')),
      replied(b.column('a'), b.column('b'), b.eof()),
    ])
    expect(records).toMatchObject([
      { command: 'COM_PROCESS_INFO', rows_returned: 2 },
      { command: 'COM_FIELD_LIST', text: 't', rows_returned: 2 },
    ])
  })

  test('PING, STATISTICS and SET_OPTION only count', () => {
    expect(
      talk([
        sent(f.ping(), f.statistics(), f.setOption(0)),
        replied(b.ok()),
        replied(Buffer.from('Uptime')),
        replied(b.eof()),
      ]),
    ).toEqual([])
  })

  test('a dump of the binary log is told when it begins, and its bytes when it ends', () => {
    const events = talk([
      sent(f.binlogDump(4, 'binlog.000001')),
      replied(Buffer.from('\0event'), Buffer.from('\0another')),
      sent(packet(0, Buffer.from('\xef acknowledged', 'latin1'))),
      replied(b.err(1236, 'log is gone')),
    ])
    expect(events.map(({ event }) => event)).toEqual(['replication', 'statement.open', 'statement'])
    const text = 'binlog.000001 position 4 server_id 2'
    expect(events[0]).toMatchObject({ command: 'COM_BINLOG_DUMP', text })
    expect(events[2]).toMatchObject({ text, bytes_returned: 14, error_number: 1236 })
  })

  test('a dump that is refused is no replication', () => {
    expect(
      talk([sent(f.binlogDump(4, 'x')), replied(b.err(1227, 'denied'))]).map(({ event }) => event),
    ).toEqual(['statement'])
  })
})

describe('what the server says unasked', () => {
  test.each([
    ['is told, and answers nothing', [...asked('a')], ['success a'], 4031],
    ['answers no command that it crossed', [sent(f.query('a'))], ['unknown a'], 4031],
    [
      'is forgotten when the client takes its leave',
      [...asked('a'), sent(f.quit())],
      ['success a'],
      undefined,
    ],
  ])('%s', (_, turns, wanted, number) => {
    const session = new MysqlSession(openContext())
    const said: Turn = { from: 'backend', bytes: packet(0, b.err(4031, 'idle')) }
    expect(briefs(converse(session, [...LOGIN, ...turns, said]))).toEqual(wanted)
    expect(session.fatal?.error_number).toBe(number)
  })

  test('an error that a statement makes up ends nothing', () => {
    const session = new MysqlSession(openContext())
    const turns = [...LOGIN, sent(f.query('signal')), replied(b.err(1927, 'killed')), ...asked('select 1')]
    expect(briefs(converse(session, turns))).toEqual(['error signal', 'success select 1'])
    expect(session.fatal).toBeUndefined()
  })

  test('a packet out of order is one gap and no statement', () => {
    const events = talk([
      sent(command(COM.QUERY, 'drop table t', 5), command(COM.QUERY, 'drop table u', 6)),
    ])
    expect(events).toMatchObject([{ event: 'gap', gap_reason: 'framing', direction: '->' }])
  })
})

describe('transactions', () => {
  test('end as their verbs and flags say', () => {
    const events = talk([
      ...asked('BEGIN', { status: IN_TRANS }),
      ...asked('insert', { status: IN_TRANS }),
      ...asked('COMMIT'),
      ...asked('start transaction', { status: IN_TRANS }),
      ...asked('begin', { status: IN_TRANS }),
      ...asked('rollback'),
      ...asked('begin', { status: IN_TRANS }),
      sent(f.query('update')),
      replied(b.err(1213, 'Deadlock', '40001')),
      ...asked('begin', { status: IN_TRANS }),
    ])
    expect(
      ofKind(events, 'txn.end').map(({ txn_outcome, txn_seq, error_number, reason }) => [
        txn_seq,
        txn_outcome,
        error_number ?? reason,
      ]),
    ).toEqual([
      [1, 'committed', undefined],
      [2, 'committed', undefined],
      [3, 'rolled_back', undefined],
      [4, 'rolled_back', 1213],
      [5, 'rolled_back', 'connection_closed'],
    ])
    expect(ofKind(events, 'statement').map(({ txn_seq, txn_status }) => [txn_seq, txn_status])).toEqual([
      [1, 'T'],
      [1, 'T'],
      [1, 'I'],
      [2, 'T'],
      [2, 'T'],
      [3, 'I'],
      [4, 'T'],
      [4, undefined],
      [5, 'T'],
    ])
  })

  test('outside a block each statement is one', () => {
    const records = statementsOf([
      ...asked('a'),
      sent(f.query('b')),
      replied(b.err(1, 'no')),
      ...asked('c'),
    ])
    expect(records.map(({ txn_seq }) => txn_seq)).toEqual([1, 2, 3])
  })
})
