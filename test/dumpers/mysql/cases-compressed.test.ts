/**
 * Compressed connections, where no id tells a command from a packet of a file or an answer: what servers do with
 * these bytes is held by test/live/mysql-semantics.test.ts.
 */
import { describe, expect, test } from 'vitest'
import { CLIENT_COMPRESS, COM } from '../../../dumpers/mysql/capabilities.ts'
import { ofKind, type Plain } from '../../support/canonical.ts'
import {
  answered,
  b,
  briefs,
  f,
  hold,
  loginOf,
  MODERN,
  type Options,
  packets,
  resultSet,
  sent,
  type Turn,
} from '../../support/my-conversation.ts'
import { command, compressed, compressedFrame, packet } from '../../support/my-wire.ts'

const LOGIN = loginOf({ flags: MODERN | CLIENT_COMPRESS })
/** A frame for each packet. */
const framed = (...pieces: readonly Buffer[]): Turn => sent(...pieces.map((piece) => compressed(0, piece)))
/** All in one frame. */
const joined = (...pieces: readonly Buffer[]): Turn => sent(compressed(0, Buffer.concat(pieces)))
const replied = (...payloads: readonly Buffer[]): Turn => answered(compressed(0, packets(1, ...payloads)))
const run = (turns: readonly Turn[], limits: Options['limits'] = {}): Plain[] =>
  hold([...LOGIN, ...turns], () => ({ limits: limits as NonNullable<Options['limits']> })).slice(1)
const gaps = (events: readonly Plain[]) => ofKind(events, 'gap').map(({ detail }) => detail)
const SHARED = 'commands share a compressed frame'
const UNASKED = 'reply to no command'

describe('case 38: compressed frames', () => {
  test('a command for each, several in pieces, one over several, empty and stored ones', () => {
    const plain = f.query(`select '${'x'.repeat(200)}'`)
    const pieces = [0, 3, 50, 51].map((at, index, all) => plain.subarray(at, all[index + 1]))
    const events = run([
      framed(f.ping(), f.query('select 1')),
      replied(b.ok()),
      replied(b.ok()),
      sent(
        compressedFrame(0, Buffer.alloc(0), true),
        ...pieces.map((piece, index) => compressedFrame(index, piece, index % 2 === 0)),
      ),
      replied(...resultSet(['a'], [b.textRow(['1'])])),
    ])
    expect(briefs(events)).toEqual(['success select 1', `success select '${'x'.repeat(200)}'`])
    expect(gaps(events)).toEqual([])
  })

  test('a reply over several frames, and several in one', () => {
    const plain = packets(1, ...resultSet(['a'], [b.textRow(['1']), b.textRow(['2'])]))
    const events = run([
      framed(f.query('select 1'), f.query('select 2'), f.query('select 3')),
      answered(compressed(0, plain, 7), compressed(0, Buffer.concat([plain, packets(1, b.ok())]))),
    ])
    expect(events).toMatchObject([{ rows_returned: 2 }, { rows_returned: 2 }, { text: 'select 3' }])
  })

  test('a body that does not inflate is a gap of that direction', () => {
    const bad = Buffer.from('0300000009000058595a', 'hex')
    const events = run([framed(f.query('select 1')), answered(bad), framed(f.query('select 2'))])
    expect(gaps(events)).toHaveLength(1)
    expect(briefs(events)).toEqual(['unknown select 1 replies_lost', 'unknown select 2 replies_lost'])
  })
})

/**
 * Servers write a reply over what they have read: of what is behind a command in the same frame they run what is
 * left. Here a query hides in the long data of no statement; MariaDB 10.11 and MySQL 5.6 run it.
 */
describe('case 59: a query that hides behind a PING in one frame', () => {
  const hidden = f.query("INSERT INTO t VALUES (4711, 'hidden')".padEnd(251))
  const data = Buffer.alloc(9 + 0x100 + 0x20000, ' ')
  data[0] = COM.STMT_SEND_LONG_DATA
  data[1] = 77
  hidden.copy(data, 0x20000 + 9)

  test('is not seen, and that is told', () => {
    const events = run([
      joined(f.ping(), packet(0, data)),
      replied(b.ok()),
      replied(b.err(1047, 'Unknown command', '08S01')),
      replied(b.ok({ affected: 1 })),
      framed(f.query('select 1')),
      replied(b.ok()),
    ])
    expect(gaps(events)).toEqual([SHARED, UNASKED])
    expect(ofKind(events, 'statement')).toMatchObject([{ text: 'select 1', after_gap: true }])
  })

  test('nor where the frame ends amid a header, or amid what is behind an answer', () => {
    expect(
      gaps(run([sent(compressed(0, Buffer.concat([f.ping(), f.query('do 1').subarray(0, 2)])))])),
    ).toEqual([])
    const cut = Buffer.concat([f.ping(), f.query('do 1')])
    const events = run([sent(compressed(0, cut.subarray(0, 7)), compressed(0, cut.subarray(7)))])
    expect(gaps(events)).toEqual([SHARED])
    expect(gaps(run([joined(f.changeUser({ user: 'bob' }), packet(2, 'answer'))]))).toEqual([SHARED])
  })

  test('what nothing replies to may stand before a command', () => {
    expect(gaps(run([joined(f.close(1), f.sendLongData(1, 0, 'x'), f.query('do 1'))]))).toEqual([])
  })
})

describe('packets that look like COM_QUIT', () => {
  test('of a file that is sent early', () => {
    const events = run([
      framed(f.query('load'), packet(2, '\x01 a line'), packet(3, ''), f.query('drop table t')),
      replied(b.localInfile('x')),
      replied(b.ok()),
      replied(b.ok()),
    ])
    expect(ofKind(events, 'local_infile')).toMatchObject([{ infile_bytes: 8 }])
    expect(briefs(events)).toEqual(['success load', 'success drop table t'])
  })

  test('of an early answer to COM_CHANGE_USER', () => {
    const events = run([
      framed(f.changeUser({ user: 'bob' }), packet(2, '\x01'), f.query('drop table t')),
      replied(b.authSwitch()),
      replied(b.err(1045, 'Access denied')),
      replied(b.ok()),
    ])
    expect(ofKind(events, 'change_user')).toMatchObject([{ outcome: 'error' }])
    expect(briefs(events)).toEqual(['success drop table t'])
  })

  test('and one that is COM_QUIT', () => {
    const events = run([
      framed(f.query('do 1'), f.quit(), f.query('drop table t')),
      replied(b.ok()),
      framed(f.query('drop table u')),
    ])
    expect(briefs(events)).toEqual(['success do 1'])
  })
})

describe('a full queue', () => {
  const line = packet(2, '\x03drop table t')

  test.each([
    ['by number', { maxQueue: 4 }, Array.from({ length: 10 }, () => line)],
    [
      'by bytes',
      { maxQueryBytes: 100 },
      Array.from({ length: 20 }, () => packet(2, Buffer.alloc(16_000, 3))),
    ],
  ])('%s: packets of a file stay packets of a file', (_, limits, file) => {
    const events = run(
      [
        framed(f.query('load'), ...file, packet(0, ''), f.query('do 1'), f.query('do 2')),
        replied(b.localInfile('x')),
        replied(b.ok({ affected: 10 })),
        replied(b.ok()),
        replied(b.err(1064, 'no')),
        framed(f.query('do 3')),
        replied(b.ok()),
      ],
      limits,
    )
    expect(ofKind(events, 'statement')).toMatchObject([
      { text: 'load', rows_affected: 10 },
      { outcome: 'success' },
      { outcome: 'error', error_number: 1064 },
      { text: 'do 3', outcome: 'success' },
    ])
    expect(ofKind(events, 'local_infile')).toHaveLength(1)
  })

  test('an answer to COM_CHANGE_USER stays an answer', () => {
    const events = run(
      [
        framed(f.changeUser({ user: 'bob' }), packet(2, Buffer.alloc(300_000, 3)), f.query('do 1')),
        replied(b.authSwitch()),
        replied(b.err(1045, 'Access denied')),
        replied(b.ok()),
        framed(f.query('do 2')),
        replied(b.ok()),
      ],
      { maxQueryBytes: 100, maxQueue: 4 },
    )
    expect(ofKind(events, 'statement')).toMatchObject([{ outcome: 'success' }, { text: 'do 2' }])
  })

  test('a command of the code that stands for an empty packet is none', () => {
    const events = run(
      [
        framed(...Array.from({ length: 3 }, () => f.ping()), command(0xff, 'x'), packet(0, '')),
        ...Array.from({ length: 3 }, () => replied(b.ok())),
        replied(b.err(1047, 'Unknown command')),
        replied(b.err(1047, 'Unknown command')),
      ],
      { maxQueue: 1 },
    )
    expect(briefs(events)).toEqual(['error COM_SLEEP overflow', 'error COM_SLEEP overflow'])
  })
})
