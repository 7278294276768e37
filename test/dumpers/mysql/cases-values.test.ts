/** Bound values, from the packets that send them to the record that tells them. */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { CLIENT_QUERY_ATTRIBUTES, COM, TYPE } from '../../../dumpers/mysql/capabilities.ts'
import { LAST_STATEMENT } from '../../../dumpers/mysql/statements.ts'
import { ofKind, type Plain } from '../../support/canonical.ts'
import {
  b,
  f,
  hold,
  LOGIN,
  loginOf,
  MODERN,
  prepared,
  replied,
  sent,
  statementsOf,
  type Turn,
  talk,
} from '../../support/my-conversation.ts'
import {
  command,
  lenencString,
  longParam,
  type Param,
  SERVERS,
  stringParam,
  uint32,
} from '../../support/my-wire.ts'

const INSERT = 'insert into t values (?, ?)'

/** Statement 1 of two parameters. */
const PREPARED: readonly Turn[] = [sent(f.prepare(INSERT)), replied(...prepared(1, 2, []))]
const OK = replied(b.ok({ affected: 1 }))

const blobParam = (value: string | null): Param => ({
  type: TYPE.BLOB,
  value: value === null ? null : lenencString(value),
})
/** Typed, and without a value in the body. */
const AHEAD: Param = { type: TYPE.BLOB, value: Buffer.alloc(0) }

const executed = (params: readonly Param[], options?: Parameters<typeof f.execute>[2]): readonly Turn[] => [
  sent(f.execute(1, params, options)),
  OK,
]

const valuesOf = (turns: readonly Turn[]): unknown[] =>
  statementsOf([...PREPARED, ...turns]).map(({ values }) => values)

describe('case 34: an execution', () => {
  test('has the text of its statement, values and types', () => {
    expect(statementsOf([...PREPARED, ...executed([longParam(-7), stringParam('ü')])])).toMatchObject([
      {
        protocol: 'binary',
        text: INSERT,
        stmt_id: 1,
        values: ['-7', 'ü'],
        types: ['long', 'var_string'],
        outcome: 'success',
        rows_affected: 1,
      },
    ])
  })

  test('case 66: that sends no types uses those before', () => {
    const params = [longParam(1), stringParam('a')]
    const again = [longParam(2), stringParam('b')]
    expect(
      valuesOf([
        ...executed(params),
        ...executed(again, { types: false }),
        ...executed(again, { types: false }),
      ]),
    ).toEqual([
      ['1', 'a'],
      ['2', 'b'],
      ['2', 'b'],
    ])
  })

  test('case 69: NULL typed VAR_STRING is NULL', () => {
    expect(valuesOf(executed([stringParam(null), stringParam('')]))).toEqual([[null, '']])
  })

  test('with a cursor: its values are there while its rows wait', () => {
    const [record] = statementsOf([...PREPARED, ...executed([longParam(1), longParam(2)], { flags: 1 })])
    expect(record?.values).toEqual(['1', '2'])
  })
})

describe('an execution whose statement is not known', () => {
  test('has an id and no values', () => {
    const [record] = statementsOf([
      sent(f.execute(9, [longParam(1)])),
      replied(b.err(1243, 'Unknown prepared')),
    ])
    expect(record).toMatchObject({ stmt_id: 9, outcome: 'error', error_number: 1243 })
    expect([record?.text, record?.values, record?.malformed]).toEqual([undefined, undefined, undefined])
  })

  test('is not known after COM_STMT_CLOSE', () => {
    const turns = [
      sent(f.close(1)),
      sent(f.execute(1, [longParam(1), longParam(2)])),
      replied(b.err(1243, 'x')),
    ]
    const [record] = statementsOf([...PREPARED, ...turns])
    expect([record?.text, record?.values]).toEqual([undefined, undefined])
  })
})

describe('case 47: MariaDB', () => {
  const PIPELINED = Buffer.concat([
    f.prepare(INSERT),
    f.execute(LAST_STATEMENT, [longParam(5), stringParam('p')]),
  ])

  test('prepares and executes without waiting for the id', () => {
    const [record] = statementsOf([sent(PIPELINED), replied(...prepared(77, 2, [])), OK])
    expect(record).toMatchObject({ text: INSERT, stmt_id: 77, values: ['5', 'p'], outcome: 'success' })
  })

  test('an execution behind a PREPARE that fails has no text and no values', () => {
    const [record] = statementsOf([
      sent(PIPELINED),
      replied(b.err(1064, 'syntax')),
      replied(b.err(1243, 'Unknown prepared statement handler')),
    ])
    expect(record).toMatchObject({ outcome: 'error' })
    expect([record?.text, record?.values]).toEqual([undefined, undefined])
  })

  test('executes in bulk: each row, with NULL, DEFAULT and IGNORE', () => {
    const rows = [
      [uint32(1), lenencString('a')],
      ['null', lenencString('DEFAULT')],
      ['default', 'ignore'],
    ] as const
    const bulk = f.bulkExecute(1, [TYPE.LONG, TYPE.VAR_STRING], rows)
    expect(statementsOf([...PREPARED, sent(bulk), OK])).toMatchObject([
      {
        protocol: 'bulk',
        text: INSERT,
        rows: [
          ['1', 'a'],
          [null, 'DEFAULT'],
          ['\\DEFAULT', '\\IGNORE'],
        ],
      },
    ])
  })

  test('executes in bulk with the types before', () => {
    const first = f.bulkExecute(1, [TYPE.LONG, TYPE.VAR_STRING], [[uint32(1), lenencString('a')]])
    const second = f.bulkExecute(1, undefined, [[uint32(2), lenencString('b')]])
    const records = statementsOf([...PREPARED, sent(first), OK, sent(second), OK])
    expect(records.map(({ rows }) => rows)).toEqual([[['1', 'a']], [['2', 'b']]])
  })
})

describe('case 35: long data', () => {
  const long = (data: string, param = 1): Turn => sent(f.sendLongData(1, param, data))
  const params = [longParam(1), AHEAD]

  test('supplies the value, in pieces, and is used up', () => {
    expect(
      valuesOf([
        long('hello '),
        long(''),
        long('world'),
        ...executed(params),
        ...executed([longParam(2), blobParam('x')]),
      ]),
    ).toEqual([
      ['1', 'hello world'],
      ['2', 'x'],
    ])
  })

  test('in the same segment as the execution', () => {
    const together = Buffer.concat([
      f.sendLongData(1, 1, 'a'),
      f.sendLongData(1, 1, 'b'),
      f.execute(1, params),
    ])
    expect(valuesOf([sent(together), OK])).toEqual([['1', 'ab']])
  })

  test('behind an execution that is not answered yet belongs to the next one', () => {
    const pipelined = [long('one'), f.execute(1, params), f.sendLongData(1, 1, 'two'), f.execute(1, params)]
    const bytes = pipelined.flatMap((part) =>
      Buffer.isBuffer(part) ? [part] : 'bytes' in part ? [part.bytes] : [],
    )
    expect(valuesOf([sent(Buffer.concat(bytes)), OK, OK])).toEqual([
      ['1', 'one'],
      ['1', 'two'],
    ])
  })

  test('is forgotten by COM_STMT_RESET', () => {
    const turns = [
      long('gone'),
      sent(f.reset(1)),
      replied(b.ok()),
      ...executed([longParam(1), blobParam('kept')]),
    ]
    expect(valuesOf(turns)).toEqual([['1', 'kept']])
  })

  test('longer than what is kept has a length and a hash', () => {
    const data = 'x'.repeat(150_000)
    const pieces = [0, 50_000, 100_000].map((at) => long(data.slice(at, at + 50_000)))
    const [record] = statementsOf([...PREPARED, ...pieces, ...executed(params)])
    expect(record?.values).toEqual(['1', 'x'.repeat(65_536)])
    expect(JSON.stringify(record)).toContain(createHash('sha256').update(data).digest('hex'))
    expect(JSON.stringify(record)).toContain('150000')
  })

  test('one piece longer than what is kept, too', () => {
    const data = 'y'.repeat(200_000)
    const [record] = statementsOf([...PREPARED, long(data), ...executed(params)])
    expect(JSON.stringify(record)).toContain(createHash('sha256').update(data).digest('hex'))
  })
})

describe('case 31: query attributes', () => {
  const login = loginOf(
    { flags: MODERN | CLIENT_QUERY_ATTRIBUTES },
    { ...SERVERS.mysql80, flags: SERVERS.mysql80.flags | CLIENT_QUERY_ATTRIBUTES },
  )
  const records = (turns: readonly Turn[]): Plain[] => ofKind(hold([...login, ...turns]), 'statement')

  test('of a query are told, and are not its text', () => {
    const query = f.queryWithAttributes('select 1', [stringParam('00-ab', 'traceparent'), longParam(7)])
    expect(records([sent(query), replied(b.ok())])).toMatchObject([
      { text: 'select 1', query_attributes: '{"traceparent":"00-ab","":"7"}' },
    ])
  })

  test('of an execution stand behind its parameters', () => {
    const attributes = [stringParam('v', 'k')]
    const options = { attributes, queryAttributes: true }
    const execute = f.execute(1, [longParam(1), stringParam('a')], options)
    expect(records([...PREPARED, sent(execute), OK])).toMatchObject([
      { text: INSERT, values: ['1', 'a'], query_attributes: '{"k":"v"}' },
    ])
  })
})

describe('case 63: lengths that lie', () => {
  test('an execution whose body makes no sense is a record, with its text and its bytes', () => {
    const lie: Param = { type: TYPE.VAR_STRING, value: Buffer.from([200]) }
    const [record, after] = statementsOf([
      ...PREPARED,
      ...executed([longParam(1), lie]),
      ...executed([longParam(2), stringParam('b')]),
    ])
    expect(record).toMatchObject({ text: INSERT, malformed: true, outcome: 'success', rows_affected: 1 })
    expect(record?.body_hex).toMatch(/^\\x01000000/)
    expect(record?.values).toBeUndefined()
    expect(after?.values).toEqual(['2', 'b'])
  })

  test('an execution of less than a header is a record too', () => {
    const turns = [
      sent(command(COM.STMT_EXECUTE, 'abc')),
      replied(b.err(1835, 'Malformed communication packet')),
    ]
    expect(statementsOf(turns)).toMatchObject([
      { malformed: true, body_hex: '\\x616263', outcome: 'error' },
    ])
  })
})

test('a value that is not of the character set is hex, and a blob that is text is text', () => {
  const params = [
    { type: TYPE.VAR_STRING, value: lenencString(Buffer.from([0x61, 0xff])) },
    blobParam('text'),
  ]
  expect(valuesOf(executed(params))).toEqual([['\\x61ff', 'text']])
})

test('an execution longer than what is kept has each value, its length and its hash', () => {
  const data = 'z'.repeat(300_000)
  const turns = [...PREPARED, ...executed([longParam(1), blobParam(data)])]
  const [record] = ofKind(talk(turns, { maxQueryBytes: 10_000, maxValueBytes: 1000 }), 'statement')
  expect(record?.values).toEqual(['1', 'z'.repeat(1000)])
  expect(JSON.stringify(record)).toContain(createHash('sha256').update(data).digest('hex'))
  expect(record?.malformed).toBeUndefined()
})

test('one that is that long and had to wait has no values: none are guessed', () => {
  const data = 'z'.repeat(300_000)
  const long = f.execute(1, [longParam(1), blobParam(data)])
  const short = f.execute(1, [longParam(2), blobParam('b')], { types: false })
  const fresh = f.execute(1, [longParam(3), blobParam('c')])
  const turns = [
    ...LOGIN,
    ...PREPARED,
    sent(Buffer.concat([f.query('select 1'), long, short, fresh])),
    ...[replied(b.ok()), OK, OK, OK],
  ]
  const records = ofKind(
    hold(turns, () => ({ limits: { maxQueryBytes: 10_000 } })),
    'statement',
  )
  expect(records.map(({ text, values, malformed }) => [text, values, malformed])).toEqual([
    ['select 1', undefined, undefined],
    [INSERT, undefined, undefined],
    [INSERT, undefined, undefined],
    [INSERT, ['3', 'c'], undefined],
  ])
})
