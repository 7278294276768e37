/** Sessions that are more than is kept: what is told then, and how much is held. */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { COM, TYPE } from '../../../dumpers/mysql/capabilities.ts'
import { MysqlSession } from '../../../dumpers/mysql/session.ts'
import type { Bytes } from '../../../src/flow.ts'
import { converse, ofKind, openContext, type Plain } from '../../support/canonical.ts'
import { randomBytes, seededRandom } from '../../support/chunks.ts'
import {
  b,
  brief,
  f,
  LOGIN,
  packets,
  prepared,
  replied,
  resultSet,
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
  stringParam,
  uint8,
  uint16,
  uint24,
  uint32,
} from '../../support/my-wire.ts'

const INSERT = 'insert into t values (?, ?)'
const PREPARED: readonly Turn[] = [sent(f.prepare(INSERT)), replied(...prepared(1, 2, []))]
const OK = replied(b.ok())
const AHEAD: Param = { type: TYPE.BLOB, value: Buffer.alloc(0) }
const repeat = (count: number, make: (index: number) => Bytes): Bytes =>
  Buffer.concat(Array.from({ length: count }, (_, index) => make(index)))
/** So many answers of OK. */
const oks = (count: number): Turn[] => Array.from({ length: count }, () => OK)
const shownOf = (record: Plain | undefined): readonly string[] => record?.values as string[]
const valuesOf = (records: readonly Plain[]): unknown[] => records.map(({ values }) => values)

describe('a full queue', () => {
  const full = { maxQueue: 4 }

  test('every command behind it still meets its reply, and its record says why it has no text', () => {
    const replies = Array.from({ length: 10 }, (_, i) => (i === 7 ? replied(b.err(1064, 'no')) : OK))
    const turns = [sent(repeat(10, (index) => f.query(`select ${index}`))), ...replies]
    const records = statementsOf(turns, full)
    expect(records.map(brief)).toEqual([
      ...[0, 1, 2, 3].map((index) => `success select ${index}`),
      ...['success', 'success', 'success', 'error', 'success', 'success'].map(
        (outcome) => `${outcome} overflow`,
      ),
    ])
    expect(records.map(({ stmt_seq }) => stmt_seq)).toEqual(records.map((_, index) => index + 1))
  })

  const four = repeat(4, () => f.query('select 1'))
  const typed = (value: number) => [longParam(value), stringParam('v')]
  const ran = (params: readonly Param[], types: boolean): Turn[] => [
    sent(f.execute(1, params, { types })),
    OK,
  ]

  test('after an execution that was not kept no value hangs on types that it may have sent', () => {
    const turns = [
      ...PREPARED,
      ...ran(typed(1), true),
      sent(four, f.execute(1, [stringParam('a'), stringParam('b')])),
      ...oks(5),
      ...ran(typed(2), false),
      ...ran(typed(3), true),
    ]
    expect(valuesOf(statementsOf(turns, full)).slice(-3)).toEqual([undefined, undefined, ['3', 'v']])
  })

  test('nor are those for which long data was not kept, or a RESET', () => {
    const long = f.sendLongData(1, 1, 'ahead')
    const turns = [...PREPARED, sent(four, long), ...oks(4), ...ran([longParam(1), AHEAD], true)]
    expect(valuesOf(statementsOf(turns, full)).at(-1)).toBeUndefined()
    const reset = [...PREPARED, sent(long), sent(four, f.reset(1)), ...oks(5)]
    const params = [longParam(1), { type: TYPE.BLOB, value: lenencString('x') }]
    expect(valuesOf(statementsOf([...reset, ...ran(params, true)], full)).at(-1)).toBeUndefined()
  })
})

describe('what is kept is bounded', () => {
  /** The most that a session told the process it holds, while `bytes` come again and again. */
  const mostHeld = (opening: readonly Turn[], bytes: (index: number) => Bytes, rounds = 40): number => {
    const budget = { limit: 1 << 30, used: 0 }
    const session = new MysqlSession(openContext({ budget }))
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
  const slow: readonly Turn[] = [...PREPARED, sent(f.query('select sleep(10)'))]

  test.each<[string, readonly Turn[], (index: number) => Bytes, number]>([
    ['queries that nobody answers', [], () => f.query(`select '${MILLION}'`), 10_000_000],
    ['PREPAREs that nobody answers', [], () => f.prepare(`select '${MILLION}'`), 10_000_000],
    [
      'executions that nobody answers',
      PREPARED,
      () => f.execute(1, [longParam(1), stringParam(MILLION)]),
      10_000_000,
    ],
    ['long data of one parameter', PREPARED, () => f.sendLongData(1, 1, MILLION), 200_000],
    ['long data behind a query that runs', slow, () => f.sendLongData(1, 1, MILLION), 10_000_000],
    ['long data of no statement', [], (index) => f.sendLongData(index, 1, MILLION), 10_000],
  ])('%s', (_, opening, bytes, limit) => {
    expect(mostHeld(opening, bytes)).toBeLessThan(limit)
  })

  test('long data of twenty thousand parameters', () => {
    const PARAMS = 5000
    const definitions = Array.from({ length: PARAMS }, () => b.column('?'))
    const described = packets(1, b.prepareOk(1, 0, PARAMS), ...definitions, b.eof())
    const pieces = repeat(PARAMS, (param) => f.sendLongData(1, param, 'some data'))
    const size = pieces.length / PARAMS
    const statements = [1, 2, 3, 4].flatMap((id) => {
      const bytes = Buffer.from(described)
      bytes.writeUInt32LE(id, 5)
      return [sent(f.prepare(INSERT)), { from: 'backend' as const, bytes }]
    })
    const forStatement = (id: number): Bytes => {
      const bytes = Buffer.from(pieces)
      for (let at = 0; at < bytes.length; at += size) bytes.writeUInt32LE(id, at + 5)
      return bytes
    }
    const most = mostHeld(statements, (round) => forStatement(round + 1), 4)
    expect(most).toBeGreaterThan(500_000)
    expect(most).toBeLessThan(4_000_000)
  })

  test('twenty thousand statements that are never closed', () => {
    const budget = { limit: 1 << 30, used: 0 }
    const session = new MysqlSession(openContext({ budget }))
    for (const turn of LOGIN) if ('bytes' in turn) session.feed(turn.from, turn.bytes, 1)
    for (let id = 1; id <= 20_000; id++) {
      session.feed('frontend', f.prepare(`select ${id}`), 2)
      session.feed('backend', packets(1, b.prepareOk(id, 0, 0)), 3)
    }
    expect(budget.used).toBeLessThan(4_000_000)
    session.feed('frontend', Buffer.concat([f.execute(20_000), f.execute(16_000), f.execute(5)]), 4)
    const events = [1, 2, 3].flatMap(() => session.feed('backend', packets(1, b.ok()), 5))
    // of the newest the text, of an older one the record that has it, of one long gone nothing
    expect(
      ofKind(
        events.map((event) => ({ ...event })),
        'statement',
      ),
    ).toMatchObject([
      { stmt_id: 20_000, text: { text: 'select 20000' } },
      { stmt_id: 16_000, text: undefined, prepare_seq: 16_000 },
      { stmt_id: 5, text: undefined, prepare_seq: undefined, reason: 'text_unknown' },
    ])
    session.close(6)
    expect(budget.used).toBe(0)
  })

  test('an execution without end, of packets of 16 MiB', () => {
    const head = f.execute(1, [longParam(1), AHEAD]).subarray(4)
    const length = Buffer.from([0xfe, 0, 0, 0, 0, 1, 0, 0, 0])
    const first = Buffer.concat([uint24(0xffffff), uint8(0), head, length])
    const rest = Buffer.alloc(0xffffff - head.length - length.length, 0x61)
    const next = Buffer.concat([uint24(0xffffff), uint8(1), Buffer.alloc(0xffffff, 0x61)])
    expect(mostHeld([...PREPARED, sent(first, rest)], () => next, 6)).toBeLessThan(3_000_000)
  })

  test('random commands', () => {
    const random = seededRandom(7)
    const bytes = () => command(Math.floor(random() * 40), randomBytes(random, Math.floor(random() * 200)))
    expect(mostHeld(PREPARED, bytes, 5000)).toBeLessThan(10_000_000)
  })
})

test('a 64 MB execution is a head, a length and a hash for each value', () => {
  const data = Buffer.alloc(64_000_000, 0x7a)
  const session = new MysqlSession(openContext())
  const packet = f.execute(1, [longParam(9), { type: TYPE.LONG_BLOB, value: lenencString(data) }])
  const [record] = ofKind(converse(session, [...LOGIN, ...PREPARED, sent(packet), OK]), 'statement')
  expect(record).toMatchObject({ text: INSERT, outcome: 'success' })
  expect(shownOf(record).map((value) => value.length)).toEqual([1, 65_536])
  expect(record?.longValues).toEqual({
    hashes: [null, createHash('sha256').update(data).digest('hex')],
    lengths: [4, 64_000_000],
  })
})

test('a process over its budget keeps heads, lengths and hashes', () => {
  const budget = { limit: 1000, used: 2000 }
  const value = 'v'.repeat(100_000)
  const events = converse(new MysqlSession(openContext({ budget })), [
    ...[...LOGIN, ...PREPARED],
    ...[sent(f.execute(1, [longParam(1), stringParam(value)])), OK],
  ])
  const [record] = ofKind(events, 'statement')
  expect(shownOf(record)[1]?.length).toBeLessThan(10_000)
  expect(record?.longValues).toMatchObject({
    hashes: [null, createHash('sha256').update(value).digest('hex')],
  })
  expect(budget.used).toBe(2000)
})

describe('what a session may be made to keep', () => {
  /** Bytes that the session says it holds, at most. */
  const most = (turns: readonly Turn[], limits: Parameters<typeof openContext>[0] = {}): number => {
    const budget = { used: 0, limit: 2 ** 40 }
    const session = new MysqlSession(openContext({ ...limits, budget }))
    let held = 0
    for (const turn of turns) {
      if ('bytes' in turn) session.feed(turn.from, turn.bytes, 1)
      held = Math.max(held, budget.used)
    }
    session.close(2)
    expect(budget.used).toBe(0)
    return held
  }

  test('values and texts of open cursors: the oldest are recorded, the rest is bounded', () => {
    const limits = { maxQueryBytes: 20_000 }
    const big = Buffer.alloc(18_000, 'x')
    const [header, column, end] = resultSet(['a'], [], { status: 2 | 64 })
    const turns = Array.from({ length: 12 }, (_, id) => [
      sent(f.prepare('select ?')),
      replied(...prepared(id, 1, ['a'])),
      sent(f.execute(id, [{ type: TYPE.BLOB, value: lenencString(big) }], { flags: 1 })),
      replied(header!, column!, end!),
    ]).flat()
    const records = statementsOf(turns, limits)
    expect(records.map(({ reason }) => reason)).toContain('overflow')
    expect(records).toHaveLength(12)
    expect(most([...LOGIN, ...turns], { limits })).toBeLessThan(120_000)
  })

  test('long data of many parameters: those past the bound have a length and a hash', () => {
    const limits = { maxQueryBytes: 20_000 }
    const data = Buffer.alloc(1000, 'y')
    const params = Array.from({ length: 200 }, () => AHEAD)
    const turns = [
      sent(f.prepare('insert')),
      replied(...prepared(1, 200, [])),
      ...params.map((_, index) => sent(f.sendLongData(1, index, data))),
      sent(f.execute(1, params)),
      OK,
    ]
    const [record] = statementsOf(turns, limits)
    const shown = shownOf(record)
    expect(shown).toHaveLength(200)
    expect(shown[0]).toBe(data.toString())
    expect(shown[199]).toBe('')
    expect(JSON.stringify(record)).toContain(createHash('sha256').update(data).digest('hex'))
    expect(most([...LOGIN, ...turns], { limits })).toBeLessThan(400_000)
  })

  test('files that a server asks for without end are told as they come', () => {
    const turns = [
      sent(f.query('load')),
      ...Array.from({ length: 100 }, (_, index) => replied(b.localInfile(`file ${index}`))),
      OK,
    ]
    const told = ofKind(talk(turns), 'local_infile')
    expect(told.map((event) => event.infile_name)).toEqual(
      Array.from({ length: 100 }, (_, index) => `file ${index}`),
    )
  })

  test('files that a client sends unasked are followed up to some, and one record says that more came', () => {
    const file = Buffer.concat([f.fileData(2, 'x'), f.fileData(3, '')])
    const events = talk([sent(f.query('select 1')), sent(repeat(500, () => file)), OK])
    expect(ofKind(events, 'gap')).toMatchObject([{ gap_reason: 'framing', detail: 'packet out of order' }])
    expect(ofKind(events, 'statement')).toMatchObject([{ text: 'select 1', outcome: 'success' }])
  })

  test('rows of a bulk execution that are a byte each', () => {
    const rows = 200_000
    const body = Buffer.concat([...[uint32(1), uint16(128), uint16(TYPE.LONG)], Buffer.alloc(rows, 1)])
    const [record] = statementsOf([
      sent(f.prepare('insert')),
      replied(...prepared(1, 1, [])),
      sent(command(COM.STMT_BULK_EXECUTE, body)),
      OK,
    ])
    const shown = record?.rows as unknown[][]
    expect(shown).toHaveLength(65_537)
    expect(shown[0]).toEqual([null])
    expect(shown.at(-1)).toEqual(['\\REST'])
  })
})

describe('texts that take long to read', () => {
  const spaces = ' '.repeat(300_000)
  test.each([
    ['blanks before a semicolon that does not end it', `select 1${spaces};x`],
    ['one word', 'x'.repeat(900_000)],
    ['a verb and blanks', `kill${spaces}`],
    ['values of an EXECUTE', `execute s using @a${spaces}+1, @b${spaces}+1`],
    ['as many statements as there is room for', 'a;'.repeat(100_000)],
  ])('are read once, from left to right: %s', (_what, text) => {
    const session = new MysqlSession(openContext({}))
    const events = converse(session, [...LOGIN, sent(f.query(text)), OK])
    expect(ofKind(events, 'statement')).toHaveLength(1)
  })
})
