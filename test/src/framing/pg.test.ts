import { describe, expect, test } from 'vitest'
import type { Bytes } from '../../../src/flow.ts'
import type { FrameHandler } from '../../../src/framing/framer.ts'
import { ANSWER, PgFramer, type PgHeader, STARTUP } from '../../../src/framing/pg.ts'
import { splits } from '../../support/chunks.ts'
import { backend, fromHex, frontend, int32, message, untyped } from '../../support/pg-wire.ts'

type Told = readonly [type: number | 'lost', body: string]

/** Frames of a stream; `then` may say what the header behind a frame is. */
const framesOf = (
  first: PgHeader,
  chunks: readonly Bytes[],
  then: (type: number, framer: PgFramer) => void = () => {},
): Told[] => {
  const told: Told[] = []
  const handler: FrameHandler = {
    header: (_type, length) => length,
    frame: (type, bytes, start, end) => {
      told.push([type, bytes.toString('latin1', start, end)])
      then(type, framer)
    },
    beyond: () => {},
    lost: () => told.push(['lost', '']),
  }
  const framer = new PgFramer(handler)
  framer.expect(first)
  for (const chunk of chunks) if (!framer.stopped) framer.feed(chunk)
  return told
}

const startup = frontend.startup({ user: 'u' })
const code = (type: string): number => type.charCodeAt(0)

// [name, first header, stream, expected frames]
const TABLE: [string, PgHeader, Bytes, readonly Told[]][] = [
  ['a startup packet', 'startup', startup, [[STARTUP, startup.toString('latin1', 4)]]],
  [
    'typed messages, also of no body',
    'typed',
    Buffer.concat([frontend.query('select 1'), frontend.sync(), frontend.terminate()]),
    [
      [code('Q'), 'select 1\0'],
      [code('S'), ''],
      [code('X'), ''],
    ],
  ],
  [
    'an answer E is followed by an error without its type',
    'answer',
    backend.error({ S: 'FATAL', C: '0A000' }),
    [
      [ANSWER | code('E'), ''],
      [code('E'), 'SFATAL\0C0A000\0\0'],
    ],
  ],
  [
    'a startup packet of the largest size',
    'startup',
    untyped(Buffer.alloc(10_000)),
    [[0, '\0'.repeat(10_000)]],
  ],
  ['a startup packet that is too long', 'startup', untyped(Buffer.alloc(10_001)), [['lost', '']]],
  ['a startup packet too short for its code', 'startup', untyped(Buffer.alloc(3)), [['lost', '']]],
  ['a startup packet of negative length', 'startup', int32(-1), [['lost', '']]],
  ['direct TLS in the place of a startup packet', 'startup', fromHex('16030100'), [['lost', '']]],
  ['a length that does not count itself', 'typed', message('Q', '', 3), [['lost', '']]],
  ['a length of nothing', 'typed', message('Q', '', 0), [['lost', '']]],
  ['a negative length', 'typed', message('Q', '', -1), [['lost', '']]],
  ['a length over the limit of a message', 'typed', message('Q', '', 0x3fff_ffff + 4), [['lost', '']]],
  [
    'an error behind an answer whose length makes no sense',
    'answer',
    Buffer.from('Enope'),
    [
      [ANSWER | code('E'), ''],
      ['lost', ''],
    ],
  ],
]

describe.each(TABLE)('%s', (_, first, stream, expected) => {
  test.each(splits(stream, 5))('$name', ({ chunks }) => {
    expect(framesOf(first, chunks)).toEqual(expected)
  })
})

test('the longest message that there may be is waited for', () => {
  const framer = new PgFramer({ header: () => 0, frame: () => {}, beyond: () => {}, lost: () => {} })
  framer.expect('typed')
  framer.feed(message('Q', '', 0x3fff_fffe + 4))
  expect([framer.stopped, framer.midFrame]).toEqual([false, true])
})

describe('the header changes between two frames', () => {
  const stream = Buffer.concat([frontend.gssencRequest(), frontend.sslRequest(), startup, frontend.sync()])
  const byLength = (type: number, framer: PgFramer): void => {
    if (type === STARTUP && told++ === 2) framer.expect('typed')
  }
  let told = 0
  test.each(splits(stream, 5))('$name', ({ chunks }) => {
    told = 0
    const frames = framesOf('startup', chunks, byLength)
    expect(frames.map(([type]) => type)).toEqual([STARTUP, STARTUP, STARTUP, code('S')])
  })
})

describe('answers are one byte each until told otherwise', () => {
  test.each(splits(Buffer.from('NNG')))('$name', ({ chunks }) => {
    expect(framesOf('answer', chunks).map(([type]) => type)).toEqual([
      ANSWER | code('N'),
      ANSWER | code('N'),
      ANSWER | code('G'),
    ])
  })
})

describe('rows in a row', () => {
  const rows = Array.from({ length: 40 }, (_, index) => message('D', Buffer.alloc(index % 7)))
  const copied = Array.from({ length: 9 }, (_, index) => message('d', Buffer.alloc(index * 3)))
  const complete = message('C', Buffer.from('SELECT 40\0'))
  const stream = Buffer.concat([...rows, complete, ...copied, complete, ...rows.slice(0, 2)])

  test.each(splits(stream))('are counted as one by one: $name', ({ chunks }) => {
    const counts = new Map<number, { count: number; bytes: number }>()
    const order: number[] = []
    const add = (type: number, count: number, bytes: number): void => {
      const known = counts.get(type) ?? { count: 0, bytes: 0 }
      counts.set(type, { count: known.count + count, bytes: known.bytes + bytes })
      if (order.at(-1) !== type) order.push(type)
    }
    const framer = new PgFramer({
      header: (type, length) => {
        if (type === code('C')) return length
        add(type, 1, length)
        return -1
      },
      run: add,
      frame: (type) => order.push(type),
      beyond: () => {},
      lost: () => expect.fail('lost'),
    })
    framer.expect('typed')
    for (const chunk of chunks) framer.feed(chunk)
    const sizes = (all: readonly Bytes[]): number => all.reduce((sum, { length }) => sum + length - 5, 0)
    expect(counts.get(code('D'))).toEqual({ count: 42, bytes: sizes([...rows, ...rows.slice(0, 2)]) })
    expect(counts.get(code('d'))).toEqual({ count: 9, bytes: sizes(copied) })
    expect(order).toEqual(['D', 'C', 'd', 'C', 'D'].map(code))
    expect(framer.midFrame).toBe(false)
  })

  test('a length that makes no sense is lost, and no row', () => {
    let seen = 0
    let lost = 0
    const framer = new PgFramer({
      header: () => {
        seen++
        return -1
      },
      run: (_type, count) => {
        seen += count
      },
      frame: () => {},
      beyond: () => {},
      lost: () => lost++,
    })
    framer.expect('typed')
    framer.feed(Buffer.concat([...rows.slice(0, 3), Buffer.from('D'), int32(3), Buffer.alloc(9)]))
    expect([seen, lost]).toEqual([3, 1])
  })
})
