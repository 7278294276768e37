/** The example of docs/dumpers.md is a dumper, and keeps the rules that the page gives. */
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { loadDumper } from '../../dumpers/index.ts'
import type { AuditEvent, MessageEvent } from '../../src/event.ts'
import type { Direction } from '../../src/flow.ts'
import type { SessionContext } from '../../src/session.ts'
import { randomBytes, randomInteger, seededRandom, splits } from '../support/chunks.ts'

const dumper = await loadDumper(fileURLToPath(new URL('../../docs/example-dumper.mjs', import.meta.url)))
const context: SessionContext = {
  limits: { maxQueryBytes: 1024, maxValueBytes: 1024, maxStatements: 10, maxQueue: 10 },
  detail: 'statement',
  connId: '1',
  link: { claim() {}, release() {}, find: () => undefined },
}
const open = () => dumper.open(context)

const fieldsOf = (events: readonly AuditEvent[]) => events.map((event) => (event as MessageEvent).fields)

const REQUESTS = Buffer.from(
  [
    '\r\nPING\r\n',
    '*2\r\n$4\r\nAUTH\r\n$6\r\nsesame\r\n',
    '*3\r\n$3\r\nset\r\n$3\r\nk:1\r\n$12\r\né, a\r\nline\n\r\n',
    '*2\r\n$4\r\nMGET\r\n$1\r\na\r\n',
    '*2\r\n$3\r\nGET\r\n$3\r\nnil\r\n',
    '*1\r\n$4\r\nNOPE\r\n',
    'GET late\r\n',
  ].join(''),
)
const REPLIES = Buffer.from(
  [
    '+PONG\r\n',
    '+OK\r\n',
    '+OK\r\n',
    '*3\r\n$3\r\n-1\n\r\n*1\r\n:7\r\n*0\r\n',
    '$-1\r\n',
    '-ERR unknown\r\n',
  ].join(''),
)
const RECORDS = [
  { command: 'PING', query: 'PING', outcome: 'success', duration_us: 5 },
  { command: 'AUTH', query: 'AUTH <redacted>', outcome: 'success', duration_us: 5 },
  { command: 'SET', query: 'set k:1 "é, a\\r\\nline\\n"', outcome: 'success', duration_us: 5 },
  { command: 'MGET', query: 'MGET a', outcome: 'success', duration_us: 5 },
  { command: 'GET', query: 'GET nil', outcome: 'success', duration_us: 5 },
  { command: 'NOPE', query: 'NOPE', outcome: 'error', duration_us: 5, error_message: 'ERR unknown' },
]

describe('the example dumper', () => {
  test('is a dumper', () => {
    expect(dumper).toMatchObject({ name: 'redis', defaultPort: 6379 })
  })

  test.each(splits(REQUESTS).map(({ name }, index) => [name, index] as const))(
    'gives the same records %s',
    (_, index) => {
      const session = open()
      const events: AuditEvent[] = []
      const feedAll = (from: Direction, bytes: Buffer, at: number) => {
        for (const chunk of splits(bytes)[index]!.chunks) events.push(...session.feed(from, chunk, at))
      }
      feedAll('frontend', REQUESTS, 1000)
      expect(events).toEqual([])
      feedAll('backend', REPLIES, 1005)
      expect(fieldsOf(events)).toEqual(RECORDS)
      const late = session.close(1010)
      expect(fieldsOf(late)).toEqual([
        { command: 'GET', query: 'GET late', outcome: 'unknown', duration_us: 10 },
      ])
      expect(session.totals).toMatchObject({ statements: 7, undecodedIn: 0, undecodedOut: 0 })
    },
  )

  test('says what it cannot read, once, and counts from there on', () => {
    const session = open()
    const [gap] = session.gap('frontend', 100, 1)
    expect(gap).toMatchObject({ event: 'gap', gap_reason: 'lost', direction: '->', gap_bytes: 100 })
    expect(session.feed('frontend', Buffer.from('PING\r\n'), 2)).toEqual([])
    expect(session.gap('backend', 7, 3)).toEqual([])
    expect(session.totals).toMatchObject({ undecodedIn: 106, undecodedOut: 7 })

    expect(open().feed('backend', Buffer.from('*many\r\n'), 1)).toMatchObject([{ gap_reason: 'framing' }])
    const broken = open().feed('frontend', Buffer.from('*1\r\n$x\r\n'), 1)
    expect(broken).toMatchObject([{ event: 'gap', gap_reason: 'framing', direction: '->' }])
  })

  test('keeps the beginning of a huge value, and goes on behind it', () => {
    const session = open()
    const huge = Buffer.alloc(3_000_000, 'x')
    session.feed('frontend', Buffer.from(`*2\r\n$3\r\nGET\r\n$${huge.length}\r\n`), 1)
    session.feed('frontend', huge, 1)
    session.feed('frontend', Buffer.from('\r\nPING\r\n'), 1)
    const [first, second] = fieldsOf(session.feed('backend', Buffer.from('+OK\r\n+PONG\r\n'), 2))
    expect(first?.query).toBe(`GET ${'x'.repeat(1020)}`)
    expect(second?.query).toBe('PING')
  })

  test('never throws', () => {
    const random = seededRandom(5)
    for (let round = 0; round < 300; round++) {
      const session = open()
      const bytes = Buffer.concat([REQUESTS, randomBytes(random, 20)])
      for (let n = 0; n < 5; n++)
        bytes[randomInteger(random, 0, bytes.length - 1)] = randomInteger(random, 0, 255)
      for (const from of ['frontend', 'backend'] as const) {
        for (const chunk of splits(bytes)[2]!.chunks)
          expect(Array.isArray(session.feed(from, chunk, 1))).toBe(true)
      }
      expect(Array.isArray(session.close(2))).toBe(true)
    }
  })
})
