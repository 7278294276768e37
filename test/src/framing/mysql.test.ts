import { describe, expect, test } from 'vitest'
import type { Bytes } from '../../../src/flow.ts'
import { SKIP } from '../../../src/framing/framer.ts'
import { MysqlFramer, type PayloadHandler } from '../../../src/framing/mysql.ts'
import { splits } from '../../support/chunks.ts'
import { fromHex } from '../../support/pg-wire.ts'

/** What a payload came to: sequence id, first byte, length, kept bytes and how many were followed beyond. */
type Told = readonly [seq: number, first: number, length: number, kept: string, beyond?: number]

const packet = (seq: number, payload: Bytes | string): Bytes => {
  const bytes = Buffer.from(payload)
  const header = Buffer.alloc(4)
  header.writeUIntLE(bytes.length, 0, 3)
  header[3] = seq
  return Buffer.concat([header, bytes])
}

/** Payloads of a stream, `keep` bytes of each kept. */
const framesOf = (chunks: readonly Bytes[], keep: (first: number) => number): Told[] => {
  const told: Told[] = []
  let beyond = 0
  const handler: PayloadHandler = {
    header: (_seq, first) => keep(first),
    frame: (seq, first, bytes, start, end, length) => {
      const kept = bytes.toString('latin1', start, end)
      told.push(beyond > 0 ? [seq, first, length, kept, beyond] : [seq, first, length, kept])
      beyond = 0
    },
    beyond: (_head, _bytes, start, end) => {
      beyond += end - start
    },
  }
  const framer = new MysqlFramer(handler)
  for (const chunk of chunks) expect(framer.feed(chunk)).toBe(chunk.length)
  expect([framer.midFrame, framer.held]).toEqual([false, 0])
  return told
}

// [name, stream, bytes kept, expected payloads]
const TABLE: [string, Bytes, number, readonly Told[]][] = [
  ['a packet', packet(0, '\x03select 1'), 99, [[0, 3, 9, '\x03select 1']]],
  ['an empty one', packet(7, ''), 99, [[7, -1, 0, '']]],
  ['one byte', packet(0, '\x0e'), 99, [[0, 14, 1, '\x0e']]],
  ['nothing of it', packet(0, '\x0eabc'), 0, [[0, 14, 4, '']]],
  ['a part of it', packet(0, '\x0eabcdef'), 3, [[0, 14, 7, '\x0eab', 4]]],
  ['as much as there is', packet(0, '\x0eab'), 3, [[0, 14, 3, '\x0eab']]],
  [
    'several',
    Buffer.concat([packet(0, '\x03a'), packet(1, ''), packet(255, 'bc'), packet(0, '')]),
    99,
    [
      [0, 3, 2, '\x03a'],
      [1, -1, 0, ''],
      [255, 98, 2, 'bc'],
      [0, -1, 0, ''],
    ],
  ],
]

describe.each(TABLE)('%s', (_, stream, keep, expected) => {
  test.each(splits(stream, 5))('$name', ({ chunks }) => {
    expect(framesOf(chunks, () => keep)).toEqual(expected)
  })
})

test('what is skipped is not handed on', () => {
  const stream = Buffer.concat([packet(0, 'abc'), packet(1, ''), packet(2, 'xyz')])
  for (const { chunks } of splits(stream)) {
    const told = framesOf(chunks, (first) => (first === 120 ? 9 : SKIP))
    expect(told).toEqual([[2, 120, 3, 'xyz']])
  }
})

test('stops where it is told to', () => {
  const framer: MysqlFramer = new MysqlFramer({
    header: () => 9,
    frame: (_seq, first) => {
      framer.stopped = first === 2
    },
    beyond: () => {},
  })
  expect(framer.feed(Buffer.concat([packet(0, '\x01'), packet(0, '\x02'), fromHex('160301')]))).toBe(10)
  expect(framer.feed(fromHex('160301'))).toBe(0)
})
