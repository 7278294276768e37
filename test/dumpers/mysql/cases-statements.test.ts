import { describe, expect, test } from 'vitest'
import { COM, TYPE } from '../../../dumpers/mysql/capabilities.ts'
import type { Bytes } from '../../../src/flow.ts'
import { ofKind, type Plain } from '../../support/canonical.ts'
import {
  asked,
  b,
  brief,
  briefs,
  f,
  hold,
  loginOf,
  MODERN,
  NO_EOF,
  prepared,
  replied,
  resultSet,
  sent,
  statementsOf,
  type Turn,
  talk,
} from '../../support/my-conversation.ts'
import { command, lenencString, longParam, stringParam, uint8, uint64 } from '../../support/my-wire.ts'

const CURSOR = 2 | 64
const LAST_ROW = 2 | 128
const OUT_PARAMS = 2 | 8 | 4096
const row = b.binaryRow([lenencString('v')])
const ready = (id = 1, params = 1, text = 'select ?'): readonly Turn[] => [
  sent(f.prepare(text)),
  replied(...prepared(id, params, ['a'])),
]

describe('a prepared statement', () => {
  test('case 33: is told, and run with its values and the types of before', () => {
    const events = talk([
      ...ready(7, 2, 'select ?, ?'),
      sent(f.execute(7, [stringParam('it'), longParam(5)])),
      replied(...resultSet(['a'], [row])),
      sent(f.execute(7, [stringParam('again'), longParam(-6)], { types: false })),
      replied(...resultSet(['a'], [row, row])),
    ])
    expect(events).toMatchObject([
      { event: 'prepare', stmt_seq: 1, stmt_id: 7, text: 'select ?, ?', outcome: 'success' },
      {
        stmt_seq: 2,
        stmt_id: 7,
        protocol: 'binary',
        text: 'select ?, ?',
        values: ['it', '5'],
        rows_returned: 1,
      },
      { stmt_seq: 3, values: ['again', '-6'], rows_returned: 2 },
    ])
  })

  test('with NULL and the empty text', () => {
    expect(
      statementsOf([
        ...ready(1, 2),
        sent(f.execute(1, [stringParam(null), stringParam('')])),
        replied(b.ok()),
      ]),
    ).toMatchObject([{ values: [null, ''] }])
  })

  test('that fails to be prepared', () => {
    expect(talk([sent(f.prepare('selec')), replied(b.err(1064, 'syntax', '42000'))])).toMatchObject([
      { event: 'prepare', outcome: 'error', error_number: 1064, text: 'selec' },
    ])
  })

  test('whose reply cannot be read is told all the same', () => {
    const turns = [sent(f.prepare('select ?')), replied(Buffer.from([0, 1])), ...asked('select 1')]
    expect(talk(turns)).toMatchObject([
      { event: 'prepare', outcome: 'unknown', text: 'select ?' },
      { event: 'statement', text: 'select 1', outcome: 'success' },
    ])
  })

  test('is gone when it is closed, and by a reset of the connection', () => {
    const run: readonly Turn[] = [sent(f.execute(1, [longParam(1)])), replied(b.err(1243, 'Unknown'))]
    const records = statementsOf([
      ...ready(),
      sent(f.close(1)),
      ...run,
      ...ready(),
      sent(f.resetConnection()),
      replied(b.ok()),
      ...run,
    ])
    expect(records.map(brief)).toEqual([
      'error text_unknown',
      'success COM_RESET_CONNECTION',
      'error text_unknown',
    ])
  })

  test('prepared and run in one go, by the id of the last', () => {
    const records = statementsOf([
      sent(f.prepare('insert ?'), f.execute(0xffffffff, [longParam(4)]), f.query('select 1')),
      replied(...prepared(12, 1, [])),
      replied(b.ok({ affected: 1 })),
      replied(b.ok()),
    ])
    expect(records.map(brief)).toEqual(['success insert ? ["4"]', 'success select 1'])
    expect(records[0]).toMatchObject({ stmt_id: 12 })
  })

  test('that failed to be prepared, and is run by the id of the last', () => {
    const events = talk([
      sent(f.prepare('inser ?'), f.execute(0xffffffff, [longParam(4)])),
      replied(b.err(1064, 'syntax')),
      replied(b.err(1243, 'Unknown prepared statement handler')),
    ])
    expect(events).toMatchObject([
      { event: 'prepare', outcome: 'error' },
      { event: 'statement', outcome: 'error', reason: 'text_unknown' },
    ])
  })

  test('with long data, once', () => {
    const events = talk([
      ...ready(1, 1),
      sent(f.sendLongData(1, 0, 'long '), f.sendLongData(1, 0, 'data'), f.execute(1, [stringParam(null)])),
      replied(b.ok()),
      sent(f.execute(1, [stringParam('short')])),
      replied(b.ok()),
      sent(f.sendLongData(1, 0, 'x'), f.reset(1)),
      replied(b.ok()),
      sent(f.execute(1, [stringParam('other')])),
      replied(b.ok()),
    ])
    expect(briefs(events)).toEqual([
      'success select ? ["long data"]',
      'success select ? ["short"]',
      'success select ? ["other"]',
    ])
  })

  test('that begins, ends, renames: as its text would', () => {
    const run = (id: number, status: number): readonly Turn[] => [
      sent(f.execute(id)),
      replied(b.ok({ status })),
    ]
    const events = talk([
      ...ready(1, 0, 'BEGIN'),
      ...ready(2, 0, 'COMMIT'),
      ...ready(3, 0, 'SET NAMES latin1'),
      ...run(1, 3),
      ...run(2, 2),
      ...run(3, 2),
      ...asked('select 1'),
    ])
    expect(ofKind(events, 'txn.end')).toMatchObject([{ txn_outcome: 'committed' }])
    expect(ofKind(events, 'statement').map(({ character_set }) => character_set)).toEqual([
      ...['utf8mb4', 'utf8mb4', 'utf8mb4'],
      'latin1',
    ])
  })

  test('with OUT parameters', () => {
    const records = statementsOf([
      ...ready(),
      sent(f.execute(1, [longParam(1)])),
      replied(...resultSet(['a'], [row], { status: OUT_PARAMS }), b.ok()),
    ])
    expect(records).toMatchObject([{ results: ['OUT 1', 'OK 0'], rows_returned: 1 }])
  })

  test('too short to name one keeps its place', () => {
    const records = statementsOf([
      sent(command(COM.STMT_EXECUTE, 'ab'), f.query('select 1')),
      replied(b.err(1243, 'Unknown')),
      replied(b.ok()),
    ])
    expect(records).toMatchObject([
      { malformed: true, body_hex: '\\x6162', outcome: 'error' },
      { text: 'select 1', outcome: 'success' },
    ])
  })

  test('longer than what is kept: the value has its length and hash', () => {
    const long = 'y'.repeat(100_000)
    const [record] = statementsOf([...ready(), sent(f.execute(1, [stringParam(long)])), replied(b.ok())], {
      maxQueryBytes: 4096,
      maxValueBytes: 16,
    })
    expect(record).toMatchObject({ values: ['y'.repeat(16)], longValues: { lengths: [100_000] } })
  })
})

describe.each([
  ['with EOF', MODERN],
  ['without EOF', NO_EOF],
])('a cursor, %s', (_, flags) => {
  const [count, column, end] = resultSet(['a'], [], { status: CURSOR, flags })
  const opened = (id: number): readonly Turn[] => [
    ...loginOf({ flags }),
    sent(f.prepare('select ?')),
    replied(...prepared(id, 1, ['a'], { flags })),
    sent(f.execute(id, [longParam(1)], { flags: 1 })),
    replied(count!, column!, end!),
  ]
  const fetched = (id: number, count: number, status: number): readonly Turn[] => [
    sent(f.fetch(id, 2)),
    replied(...Array.from({ length: count }, () => row), resultSet([], [], { status, flags }).at(-1)!),
  ]

  test('is one record, its rows summed', () => {
    const events = hold([...opened(3), ...fetched(3, 2, CURSOR), ...fetched(3, 1, LAST_ROW)])
    expect(events.slice(2)).toMatchObject([
      { event: 'statement.open', stmt_seq: 2 },
      { event: 'statement', stmt_seq: 2, rows_returned: 3, fetches: 2, outcome: 'success', values: ['1'] },
    ])
  })

  test('takes long data along with it when its last row is fetched', () => {
    const ahead = sent(f.sendLongData(3, 0, 'ahead'))
    const run = [sent(f.execute(3, [stringParam('own')])), replied(b.ok())]
    const events = hold([...opened(3), ahead, ...fetched(3, 1, LAST_ROW), ...run])
    expect(ofKind(events, 'statement').map(({ values }) => values)).toEqual([['1'], ['own']])
    const kept = hold([...opened(3), ahead, ...fetched(3, 1, CURSOR), ...run])
    expect(ofKind(kept, 'statement').map(({ values }) => values)).toEqual([['1'], ['ahead']])
  })

  test('is recorded when it is closed, and when the connection ends', () => {
    const closed = hold([...opened(3), ...fetched(3, 2, CURSOR), sent(f.close(3)), ...asked('select 1')])
    expect(ofKind(closed, 'statement')).toMatchObject([
      { rows_returned: 2, fetches: 1, reason: 'cursor_closed' },
      { text: 'select 1' },
    ])
    expect(ofKind(hold(opened(3)), 'statement')).toMatchObject([
      { fetches: 0, reason: 'connection_closed' },
    ])
  })

  test('that fails amid its rows', () => {
    const events = hold([...opened(3), sent(f.fetch(3, 5)), replied(row, b.err(1317, 'interrupted'))])
    expect(ofKind(events, 'statement')).toMatchObject([
      { rows_returned: 1, outcome: 'cancelled', fetches: 1 },
    ])
  })

  test('that is not there', () => {
    const events = hold([...loginOf({ flags }), sent(f.fetch(9, 5)), replied(b.err(1243, 'Unknown'))])
    expect(ofKind(events, 'statement')).toMatchObject([
      { command: 'COM_STMT_FETCH', stmt_id: 9, outcome: 'error' },
    ])
  })
})

describe.each([
  ['with EOF', MODERN],
  ['without EOF', NO_EOF],
])('a bulk execution that asks for a result of each row, %s', (_, flags) => {
  const SEND_BOTH = 64 | 128
  const column = (name: string) => b.column(name, TYPE.LONGLONG, 63, Buffer.alloc(0))
  const units = [column('Id'), column('Affected_rows')]
  const eof = resultSet([], [], { flags }).at(-1)!
  const ends = flags === MODERN ? [eof] : []
  const row = (id: number, affected: number) => b.binaryRow([uint64(id), uint64(affected)])
  const run = (...payloads: Bytes[]): readonly Turn[] => [
    sent(f.bulkExecute(2, [TYPE.VAR_STRING], [[lenencString('a')], [lenencString('b')]], SEND_BOTH)),
    replied(...payloads),
  ]
  const shown = (mariadb: number, ...turns: readonly (readonly Turn[])[]): Plain[] =>
    ofKind(
      hold([
        ...loginOf({ flags, mariadb }, { mariadb }),
        sent(f.prepare('insert ?')),
        replied(...prepared(2, 1, [], { flags })),
        ...turns.flat(),
        ...asked('select 1'),
      ]),
      'statement',
    )

  test('has their counts added up, and the first generated id', () => {
    const records = shown(0x3d, run(uint8(2), ...units, ...ends, row(7, 1), row(8, 2), eof))
    expect(records).toMatchObject([{ rows_affected: 3, last_insert_id: 7 }, { text: 'select 1' }])
    expect(records[0]).not.toHaveProperty('rows_returned')
  })

  test('also when its columns are not told again', () => {
    const cached = Buffer.from([2, 0])
    const first = run(Buffer.from([2, 1]), ...units, ...ends, row(0, 1), eof)
    const again = run(cached, ...ends, row(0, 5), row(0, 0xfe), eof)
    expect(shown(0x3d, first, again)).toMatchObject([
      { rows_affected: 1 },
      { rows_affected: 259 },
      { text: 'select 1' },
    ])
    expect(shown(0x3d, again)).toMatchObject([{ rows_returned: 2 }, { text: 'select 1' }])
  })

  test('and has rows of its own is counted by these', () => {
    const columns = [column('Id'), column('name')]
    const records = shown(0x3d, run(uint8(2), ...columns, ...ends, row(7, 1), row(8, 2), eof))
    expect(records).toMatchObject([{ rows_returned: 2 }, { text: 'select 1' }])
  })

  test('whose rows or columns make no sense is followed all the same', () => {
    const broken = shown(0x3d, run(uint8(2), ...units, ...ends, uint8(0), row(8, 2), eof))
    expect(broken).toMatchObject([{ rows_affected: 2 }, { text: 'select 1', outcome: 'success' }])
    const nameless = shown(0x3d, run(uint8(2), uint8(9), units[1]!, ...ends, row(8, 2), eof))
    expect(nameless).toMatchObject([{ rows_returned: 1 }, { text: 'select 1', outcome: 'success' }])
  })
})

test('a bulk execution has the values of each row', () => {
  const login = loginOf({ mariadb: 0x1d })
  const events = hold([
    ...login,
    sent(f.prepare('insert ?')),
    replied(...prepared(2, 1, [])),
    sent(f.bulkExecute(2, [TYPE.VAR_STRING], [[lenencString('a')], ['null'], [lenencString('c')]])),
    replied(b.ok({ affected: 3 })),
  ])
  expect(ofKind(events, 'statement')).toMatchObject([
    { protocol: 'bulk', text: 'insert ?', rows: [['a'], [null], ['c']], rows_affected: 3 },
  ])
})
