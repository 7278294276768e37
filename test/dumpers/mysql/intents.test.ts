/** What is told of commands before they are sent on: when, by which number, and what of them is known. */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { COM, TYPE } from '../../../dumpers/mysql/capabilities.ts'
import { MysqlSession } from '../../../dumpers/mysql/session.ts'
import type { AuditEvent } from '../../../src/event.ts'
import type { Bytes } from '../../../src/flow.ts'
import { canonical, openContext, type Plain, type Turn } from '../../support/canonical.ts'
import { LOGIN, packets } from '../../support/my-conversation.ts'
import {
  briefs,
  COMPRESSED,
  intentsIn,
  kinds,
  open,
  overs,
  recordsIn,
  WHOLE,
  whole,
} from '../../support/my-intents.ts'
import {
  backend as b,
  command,
  compressed,
  frontend as f,
  longParam,
  packet,
  prepared,
  resultSet,
  stringParam,
} from '../../support/my-wire.ts'

const OK = packets(1, b.ok())

describe('a command alone', () => {
  const LONG = 'x'.repeat(70_000)
  test.each<[string, Bytes, string[]]>([
    ['COM_QUERY', f.query('select 1'), ['1 #1 select 1']],
    ['XA', f.query("xa prepare 'a'"), ["1 #1 xa prepare 'a'"]],
    ['COM_INIT_DB', f.initDb('d'), ['1 #1 COM_INIT_DB d']],
    ['COM_PROCESS_KILL', f.processKill(7), ['1 #1 COM_PROCESS_KILL']],
    ['COM_RESET_CONNECTION', f.resetConnection(), ['1 #1 COM_RESET_CONNECTION']],
    ['COM_FIELD_LIST', f.fieldList('t'), ['1 #1 COM_FIELD_LIST t']],
    ['one that nobody knows', command(0x42, 'abc'), ['1 #1 COM_0x42']],
    ['an empty packet', packet(0, Buffer.alloc(0)), ['1 #1 COM_SLEEP']],
    ['COM_STMT_EXECUTE of nothing', f.execute(9), ['1 #1 text_unknown']],
    ['COM_STMT_EXECUTE, broken', command(COM.STMT_EXECUTE, 'ab'), ['1 #1 malformed']],
    ['COM_STMT_FETCH without a cursor', f.fetch(3, 1), ['1 #1 COM_STMT_FETCH']],
    ['COM_STMT_PREPARE', f.prepare('select ?'), ['0']],
    ['COM_CHANGE_USER', f.changeUser({ user: 'bob' }), ['0']],
    ['COM_PING', f.ping(), []],
    ['COM_STATISTICS', f.statistics(), []],
    ['COM_SET_OPTION', f.setOption(0), []],
    ['COM_STMT_CLOSE', f.close(1), []],
    ['COM_STMT_RESET', f.reset(1), []],
    ['COM_STMT_SEND_LONG_DATA', f.sendLongData(1, 0, 'abc'), []],
    ['COM_QUIT', f.quit(), []],
    ['a packet out of order', packet(3, Buffer.from('\x03select 1')), []],
  ])('%s', (_what, bytes, expected) => {
    expect(briefs(open().client(bytes))).toEqual(expected)
    const { client } = open()
    for (let at = 0; at < bytes.length - 1; at++)
      expect(briefs(client(bytes.subarray(at, at + 1)))).toEqual([])
    expect(briefs(client(bytes.subarray(-1)))).toEqual(expected)
  })

  test('has the class and the shape of its record', () => {
    const { client, server, sent } = open()
    const [intent] = intentsIn(client(f.query('select 1')))
    sent()
    const [record] = server(OK)
    expect(Object.getPrototypeOf(intent?.statement)).toBe(Object.getPrototypeOf(record))
    expect(Object.keys(intent?.statement ?? {})).toEqual(Object.keys(record ?? {}))
    expect(canonical(intent?.statement as AuditEvent)).toEqual({
      event: 'statement',
      at: 4,
      who: expect.objectContaining({ username: 'alice', database: 'shop' }),
      stmt_seq: 1,
      protocol: 'text',
      text: 'select 1',
      outcome: 'unknown',
      recovered: true,
      txn_seq: expect.any(Number),
      character_set: 'utf8mb4',
    })
  })

  test('a long text is cut, and hashed', () => {
    const { client } = open(LOGIN, { maxQueryBytes: 100 })
    const [intent] = intentsIn(client(f.query(LONG)))
    expect(intent?.statement?.text).toMatchObject({
      text: 'x'.repeat(100),
      truncated: { bytes: LONG.length, sha256: createHash('sha256').update(LONG).digest('hex') },
    })
  })

  test('in packets of 16 MiB is told of with the last of them', () => {
    const payload = Buffer.alloc(WHOLE + 3, ' ')
    payload.write('\x03do 1', 'latin1')
    const { client } = open(LOGIN, { maxQueryBytes: 100 })
    expect(kinds(client(whole(payload.subarray(0, WHOLE))))).toEqual([])
    const last = packet(1, payload.subarray(WHOLE))
    expect(kinds(client(last.subarray(0, -1)))).toEqual([])
    expect(intentsIn(client(last.subarray(-1)))[0]?.statement?.text?.truncated?.bytes).toBe(WHOLE + 2)
  })

  test('values are those of the record', () => {
    const { client, server } = open()
    client(f.prepare('select ?'))
    server(packets(1, ...prepared(5, 1, ['a'])))
    expect(briefs(client(f.execute(5, [stringParam('v')])))).toEqual(['2 #2 select ? ["v"]'])
    server(OK)
    expect(briefs(client(f.bulkExecute(5, [3], [[longParam(1).value as Bytes], ['null']])))).toEqual([
      '3 #3 select ? [["1"],[null]]',
    ])
  })

  test('rows that are fetched are those of a statement that was told of', () => {
    const { client, server } = open()
    client(f.prepare('select 1'))
    server(packets(1, ...prepared(5, 0, ['a'])))
    client(f.execute(5, [], { flags: 1 }))
    server(packets(1, ...resultSet(['a'], [], { status: 2 | 64 }).slice(0, 3)))
    expect(kinds(client(f.fetch(5, 1)))).toEqual([])
  })

  test('a file that the server asked for is none', () => {
    const { client, server } = open()
    client(f.query("load data local infile 'x' into table t"))
    server(packets(1, b.localInfile('x')))
    expect(kinds(client(f.fileData(2, '\x03drop table t'), f.fileData(3, '')))).toEqual([])
    server(packets(4, b.ok()))
    expect(briefs(client(f.query('do 2')))).toEqual(['2 #2 do 2'])
  })

  test('an answer of a COM_CHANGE_USER is none', () => {
    const { client, server } = open()
    client(f.changeUser({ user: 'bob' }))
    server(packets(1, b.authSwitch()))
    expect(kinds(client(f.authResponse(2, '\x03select secret')))).toEqual([])
  })

  test('with lines for messages there is none', () => {
    const session = new MysqlSession(openContext({ intents: true, detail: 'message' }))
    const events = LOGIN.flatMap((turn) => ('bytes' in turn ? session.feed(turn.from, turn.bytes, 1) : []))
    events.push(...session.feed('frontend', f.query('do 1'), 2), ...session.close(3))
    expect(kinds(events)).not.toContain('intent')
    expect(kinds(events)).toContain('message')
  })
})

describe('commands that wait', () => {
  test('are numbered as they come', () => {
    const { client, server, close } = open()
    expect(
      briefs(client(f.query('do 1'), f.ping(), f.prepare('do 3'), f.query('do 4'), f.initDb('d'))),
    ).toEqual(['1 #1 do 1', '0', '3 #3 do 4', '4 #4 COM_INIT_DB d'])
    const events = server(OK, OK, packets(1, ...prepared(1, 0, [])), OK)
    const numbers = [...events, ...close()].flatMap((event) =>
      event.event === 'statement' || event.event === 'prepare' ? [event.stmt_seq] : [],
    )
    expect(numbers).toEqual([1, 2, 3, 4])
  })

  test('have the values that are known by then', () => {
    const { client, server } = open()
    client(f.prepare('select ?'))
    server(packets(1, ...prepared(5, 1, ['a'])))
    const said = client(
      ...[f.query('do 1'), f.execute(5, [longParam(1)], { types: false }), f.execute(5, [longParam(2)])],
      ...[f.execute(5, [longParam(3)], { types: false }), f.sendLongData(5, 0, 'long')],
      ...[f.execute(5, [{ type: TYPE.BLOB, value: Buffer.alloc(0) }]), f.execute(6, [longParam(5)])],
    )
    expect(briefs(said)).toEqual([
      ...['2 #2 do 1', '3 #3 select ?', '4 #4 select ? ["2"]', '5 #5 select ? ["3"]', '6 #6 select ?'],
      '7 #7 text_unknown',
    ])
    // their turns are not disturbed by it
    const records = recordsIn(server(OK, OK, OK, OK, OK, packets(1, b.err(1243, 'unknown'))))
    expect(records.map(({ values }) => values)).toEqual([
      ...[undefined, undefined, ['2'], ['3'], ['long'], undefined],
    ])
  })

  test.each([
    ['behind the reply to another', [f.query('do 1'), f.prepare('do ?')], ['1 #1 do 1', '0', '3 #3 do ?']],
    ['that is first', [f.prepare('do ?')], ['0', '2 #2 do ?']],
  ])('the last prepared statement is known while it is being prepared, %s', (_, before, expected) => {
    const { client } = open()
    expect(briefs(client(...before, f.execute(0xffffffff, [longParam(1)])))).toEqual(expected)
  })

  test('a statement whose id is guessed has the texts that are being prepared', () => {
    const { client, server } = open()
    expect(briefs(client(f.prepare('do 1'), f.execute(1)))).toEqual(['0', '2 #2 do 1'])
    const [, intent] = intentsIn(client(f.prepare('do 3'), f.execute(2)))
    expect(intent?.statement).toMatchObject({ reason: 'text_unknown', executed: { text: 'do 1;\ndo 3' } })
    const events = server(packets(1, ...prepared(1, 0, [])), OK, packets(1, ...prepared(2, 0, [])), OK)
    expect(recordsIn(events).map(({ text }) => text)).toEqual(['do 1', 'do 3'])
  })

  test('rows to fetch are told of for a while', () => {
    const { client, server } = open()
    expect(briefs(client(f.query('do 1'), f.fetch(3, 1)))).toEqual(['1 #1 do 1', '-1 #? COM_STMT_FETCH'])
    const events = server(OK, packets(1, b.err(1421, 'no cursor')))
    expect(kinds(events)).toEqual(['statement', 'statement', 'intent.over'])
    expect(recordsIn(events).map(({ stmt_seq }) => stmt_seq)).toEqual([1, 2])
    expect(overs(events)).toEqual([-1])
  })

  test('in a full queue have their number too', () => {
    const { client, server } = open(LOGIN, { maxQueue: 2 })
    const queries = Array.from({ length: 6 }, (_, index) => f.query(`do ${index}`))
    expect(briefs(client(...queries, f.ping(), f.query('do 6')))).toEqual([
      ...['1 #1 do 0', '2 #2 do 1', '3 #3 overflow', '4 #4 overflow', '5 #5 overflow', '6 #6 overflow'],
      '7 #7 overflow',
    ])
    const records = recordsIn(server(...Array.from({ length: 8 }, () => OK)))
    expect(records.map(({ stmt_seq }) => stmt_seq)).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(records[4]?.gate_wait_us).toBeUndefined()
  })

  test('are read by the character set of the time', () => {
    const { client, server } = open()
    const said = intentsIn(client(f.query('set names latin1'), f.query(Buffer.from("do '\xe9'", 'latin1'))))
    expect(said[1]?.statement?.character_set).toBe('utf8mb4')
    expect(said[1]?.statement?.text?.hex).toBe('\\x646f2027e927')
    expect(recordsIn(server(OK, OK))[1]).toMatchObject({ text: "do 'é'", character_set: 'latin1' })
  })

  test('leave the session as it was: a long text is hashed for both', () => {
    const text = 'y'.repeat(20_000)
    const { client, server } = open(LOGIN, { maxQueryBytes: 100 })
    const [, told] = intentsIn(client(f.query('do 1'), f.query(text)))
    const [, record] = recordsIn(server(OK, OK))
    expect((record as { text: Plain }).text.truncated).toEqual(told?.statement?.text?.truncated)
  })
})

describe('along with the log-in', () => {
  const [greeting, response] = LOGIN as [Turn, Turn]
  const early = () => {
    const opened = open([greeting, response])
    return { ...opened, told: opened.client(f.query('do 1'), f.query('do 2')) }
  }

  test('commands are told of when they come, and again by their numbers', () => {
    const { told, server, client } = early()
    expect(briefs(told)).toEqual(['-1 #1 do 1', '-2 #2 do 2'])
    const events = server(packets(2, b.ok()))
    expect(briefs(events)).toEqual(['1 #1 do 1', '2 #2 do 2'])
    expect(overs(events)).toEqual([-1, -2])
    expect(kinds(events)[0]).toBe('session.auth')
    expect(briefs(client(f.query('do 3')))).toEqual(['3 #3 do 3'])
    expect(recordsIn(server(OK, OK, OK)).map(({ text }) => text)).toEqual(['do 1', 'do 2', 'do 3'])
  })

  test('commands of a log-in that is refused never ran', () => {
    const { server, close } = early()
    const events = [...server(packets(2, b.err(1045, 'no'))), ...close()]
    expect(overs(events)).toEqual([-1, -2])
    expect(recordsIn(events)).toEqual([])
  })

  test('the last byte is the one that counts, and answers are none', () => {
    const { client, server } = open([greeting, response])
    server(packets(2, b.authSwitch()))
    const bytes = Buffer.concat([packet(3, Buffer.from('\x03select secret')), f.query('do 1')])
    for (let at = 0; at < bytes.length - 1; at++)
      expect(kinds(client(bytes.subarray(at, at + 1)))).toEqual([])
    expect(briefs(client(bytes.subarray(-1)))).toEqual(['-1 #1 do 1'])
  })

  test('what waits is where the command begins', () => {
    const { client, session, server } = open([greeting, response])
    server(packets(2, b.authSwitch()))
    const answer = packet(3, Buffer.from('secret'))
    client(answer, f.query('do 1'))
    expect(session.heldFrom).toBe(answer.length)
  })

  test('commands that were sent on are told from those that were not', () => {
    const { session, client, sent, server, close } = open([greeting, response])
    client(f.query('do 1'))
    sent()
    client(f.query('do 2'))
    server(packets(2, b.ok()))
    expect(session.totals.statements).toBe(0)
    expect(recordsIn(close()).map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['unknown', undefined],
      ['skipped', 'not_forwarded'],
    ])
  })

  test('commands that may have run are on record though too much follows them', () => {
    const { client, sent, server, close } = early()
    sent()
    const events = [...client(f.query('x'.repeat(70_000))), ...server(packets(2, b.ok())), ...close()]
    expect(recordsIn(events).map(({ text, outcome }) => [text, outcome])).toEqual([
      ['do 1', 'unknown'],
      ['do 2', 'unknown'],
    ])
    expect(overs(events)).toEqual([-1, -2])
    expect(kinds(events)).toContain('gap')
  })

  test('chunks that were sent on are told from one that was not', () => {
    const { session, client, server, close } = open([greeting, response])
    client(f.query('do 1'))
    client(f.query('do 2'))
    session.sent(9, f.query('do 2').length)
    server(packets(2, b.ok()))
    expect(recordsIn(close()).map(({ outcome }) => outcome)).toEqual(['unknown', 'skipped'])
  })

  test('compressed', () => {
    const { client, server } = open(COMPRESSED.slice(0, 2))
    expect(briefs(client(compressed(0, f.query('do 1'))))).toEqual(['-1 #1 do 1'])
    expect(overs(server(packets(2, b.ok())))).toEqual([-1])
  })
})

describe('compressed', () => {
  test('one command at a time is told of by its number', () => {
    const { client, server, session } = open(COMPRESSED)
    expect(briefs(client(compressed(0, f.query('do 1'))))).toEqual(['1 #1 do 1'])
    expect(session.heldFrom).toBe(0)
    server(compressed(1, OK))
    expect(briefs(client(compressed(0, f.query('do 2'))))).toEqual(['2 #2 do 2'])
  })

  test('what waits may be a file', () => {
    const { client, server } = open(COMPRESSED)
    client(compressed(0, f.query("load data local infile 'x' into table t")))
    expect(briefs(client(compressed(1, f.fileData(2, '\x03do 1'))))).toEqual(['-1 #? do 1'])
    const [over] = server(compressed(1, packets(1, b.localInfile('x'))))
    expect(over).toMatchObject({ event: 'intent.over', token: -1 })
    expect(kinds(client(compressed(2, f.fileData(3, ''))))).toEqual([])
    server(compressed(4, packets(4, b.ok())))
    expect(briefs(client(compressed(0, f.query('do 2'))))).toEqual(['2 #2 do 2'])
  })

  test('what waits may be a secret', () => {
    const { client, server } = open(COMPRESSED)
    client(compressed(0, f.changeUser({ user: 'bob' })))
    expect(briefs(client(compressed(1, packet(0, Buffer.from('\x03\xf1\xf2 secret')))))).toEqual([
      '-1 #? may_be_secret',
    ])
    expect(briefs(client(compressed(2, f.query('do 1'))))).toEqual(['-2 #? do 1'])
    expect(overs(server(compressed(1, packets(1, b.authSwitch()))))).toEqual([-1])
    expect(overs(server(compressed(1, packets(4, b.ok())), compressed(1, OK)))).toEqual([-2])
  })
})
