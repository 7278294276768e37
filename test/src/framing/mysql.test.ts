import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Bytes } from '../../../src/flow.ts'
import { SKIP } from '../../../src/framing/framer.ts'
import { MysqlFramer, type PayloadHandler } from '../../../src/framing/mysql.ts'
import { seededRandom, splitRandomly, splits } from '../../support/chunks.ts'
import { runs } from '../../support/fuzz.ts'
import { fromHex } from '../../support/my-wire.ts'

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
  expect(chunks.every((chunk) => framer.feed(chunk) === chunk.length)).toBe(true)
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

describe('payloads of several packets', () => {
  const MAX = 0xff_ffff

  /** A payload of `length` bytes that can be told apart from one that lost some, as packets from id 0 on. */
  const long = (length: number): { payload: Bytes; stream: Bytes } => {
    const payload = Buffer.alloc(length)
    for (let at = 0; at + 4 <= length; at += 4096) payload.writeUInt32LE(at, at)
    payload[0] = 3
    const pieces: Bytes[] = []
    for (let at = 0, seq = 0; at <= length; at += MAX, seq++) {
      pieces.push(packet(seq, payload.subarray(at, at + MAX)))
    }
    return { payload, stream: Buffer.concat(pieces) }
  }

  const chunksOf = (stream: Bytes, size: number): Bytes[] => {
    const chunks: Bytes[] = []
    for (let at = 0; at < stream.length; at += size) chunks.push(stream.subarray(at, at + size))
    return chunks
  }

  // lengths around 16 MiB - 1 and twice that; the last packet is empty where it is just that
  test.each([MAX - 1, MAX, MAX + 1, 2 * MAX, 2 * MAX + 7])('%i bytes are joined', (length) => {
    const { payload, stream } = long(length)
    const more = Buffer.concat([stream, packet(0, '\x0e')])
    for (const size of length > 2 * MAX ? [999_983] : [more.length, 65_536]) {
      const seen: Bytes[] = []
      const headers: number[][] = []
      const framer = new MysqlFramer({
        header: (seq, first, firstLength) => {
          headers.push([seq, first, firstLength])
          return 1 << 30
        },
        frame: (_seq, _first, bytes, start, end, whole) => {
          expect(whole).toBe(end - start)
          seen.push(Buffer.from(bytes.subarray(start, end)))
        },
        beyond: () => {},
      })
      for (const chunk of chunksOf(more, size)) framer.feed(chunk)
      expect(headers).toEqual([
        [0, 3, Math.min(length, MAX)],
        [0, 14, 1],
      ])
      expect(seen[0]?.equals(payload)).toBe(true)
      expect([seen.length, framer.midFrame, framer.held, framer.lastSeq]).toEqual([2, false, 0, 0])
    }
  })

  test('are kept in part, and followed to their end', () => {
    const { payload, stream } = long(MAX + 100)
    let beyond = 0
    let kept: string | undefined
    let mostHeld = 0
    const framer: MysqlFramer = new MysqlFramer({
      header: () => 5000,
      beyond: (head, bytes, start, end) => {
        expect(head.equals(payload.subarray(0, 5000))).toBe(true)
        expect(
          bytes.subarray(start, end).equals(payload.subarray(5000 + beyond, 5000 + beyond + end - start)),
        ).toBe(true)
        beyond += end - start
      },
      frame: (_seq, _first, bytes, start, end, length) => {
        kept = bytes.toString('latin1', start, end)
        expect(length).toBe(MAX + 100)
      },
    })
    for (const chunk of chunksOf(stream, 65_536)) {
      framer.feed(chunk)
      mostHeld = Math.max(mostHeld, framer.held)
    }
    expect([kept?.length, beyond, framer.lastSeq]).toEqual([5000, MAX + 100 - 5000, 1])
    expect(mostHeld).toBeLessThanOrEqual(8192)
  })

  test('are skipped, the last packet empty', () => {
    const told = framesOf([Buffer.concat([long(MAX).stream, packet(7, 'xyz')])], (first) =>
      first === 3 ? SKIP : 9,
    )
    expect(told).toEqual([[7, 120, 3, 'xyz']])
  })
})

test('holds no more than has arrived, and never more than twice of it', () => {
  const framer = new MysqlFramer({ header: () => 1 << 24, frame: () => {}, beyond: () => {} })
  const stream = packet(0, Buffer.alloc(1 << 20, 1))
  for (let fed = 0; fed < stream.length - 1; ) {
    framer.feed(stream.subarray(fed, Math.min(fed + 3000, stream.length - 1)))
    fed = Math.min(fed + 3000, stream.length - 1)
    expect(framer.held).toBeLessThanOrEqual(Math.max(4096, 2 * fed))
  }
})

describe('rows in a row', () => {
  interface Counted {
    readonly rows: number
    readonly bytes: number
    readonly others: readonly Told[]
    readonly lastSeq: number
    readonly runs: number
  }

  /** What a result set comes to; `runs`: told by `run` where it can be. */
  const count = (chunks: readonly Bytes[], runs: boolean): Counted => {
    let rows = 0
    let bytes = 0
    let told = 0
    const others: Told[] = []
    const handler: PayloadHandler = {
      header: (_seq, first, length) => {
        if (first === 0xff || first === -1 || (first === 0xfe && length < 0xff_ffff)) return length
        rows++
        bytes += length
        return SKIP
      },
      frame: (seq, first, chunk, start, end, length) => {
        others.push([seq, first, length, chunk.toString('latin1', start, end)])
      },
      beyond: () => {},
      ...(runs && {
        run: (more: number, length: number) => {
          told++
          rows += more
          bytes += length
        },
      }),
    }
    const framer = new MysqlFramer(handler)
    framer.rows = true
    for (const chunk of chunks) framer.feed(chunk)
    return { rows, bytes, others, lastSeq: framer.lastSeq, runs: told }
  }

  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.uint8Array({ minLength: 1, maxLength: 9 }).map((bytes) => Buffer.from([0xfe, ...bytes])),
    fc.uint8Array({ minLength: 1, maxLength: 9 }).map((bytes) => Buffer.from([0xff, ...bytes])),
    fc.uint8Array({ maxLength: 90 }).map((bytes) => Buffer.from([0, ...bytes])),
  )

  test('are counted as one by one, whatever stands between them', () => {
    fc.assert(
      fc.property(fc.array(payload, { maxLength: 60 }), fc.nat(), (payloads, seed) => {
        const stream = Buffer.concat(
          payloads.map((bytes, index) => packet(index & 0xff, Buffer.from(bytes))),
        )
        const slow = count([stream], false)
        const splitted = splitRandomly(stream, seededRandom(seed))
        for (const chunks of [[stream], splitted]) {
          const { runs, ...fast } = count(chunks, true)
          expect({ ...fast, runs: 0 }).toEqual(slow)
        }
      }),
      runs(200),
    )
  })

  test('are told in one call for each chunk', () => {
    const rows = Array.from({ length: 500 }, (_, index) =>
      packet(index & 0xff, Buffer.alloc(1 + (index % 90))),
    )
    const stream = Buffer.concat([...rows, packet(9, Buffer.from([0xfe, 0, 0, 2, 0]))])
    expect(count([stream], true)).toMatchObject({
      rows: 500,
      runs: 1,
      others: [[9, 0xfe, 5, '\xfe\0\0\x02\0']],
    })
  })

  test('only while they are expected', () => {
    let runs = 0
    const framer: MysqlFramer = new MysqlFramer({
      header: (_seq, first) => {
        if (first === 0xfe) framer.rows = true
        return SKIP
      },
      run: (rows) => {
        runs += rows
      },
      frame: () => {},
      beyond: () => {},
    })
    framer.feed(Buffer.concat([packet(0, 'a'), packet(1, 'b'), packet(2, '\xfe'), packet(3, 'c')]))
    framer.feed(
      Buffer.concat([packet(0, 'a'), packet(1, Buffer.from([0xfe])), packet(2, 'c'), packet(3, 'd')]),
    )
    expect(runs).toBe(2)
  })
})

describe('a gap', () => {
  const open = (keep: number) => {
    const told: [first: number, length: number][] = []
    const framer = new MysqlFramer({
      header: () => keep,
      frame: (_seq, first, _bytes, _start, _end, length) => told.push([first, length]),
      beyond: () => {},
    })
    return { framer, told }
  }
  const stream = packet(0, 'abcdef')

  test.each([0, SKIP])('within a payload of which nothing is kept (%i) is stepped over', (keep) => {
    const { framer, told } = open(keep)
    framer.feed(stream.subarray(0, 6))
    expect(framer.gap(3)).toBe(true)
    framer.feed(stream.subarray(9))
    framer.feed(stream.subarray(0, 6))
    expect(framer.gap(4)).toBe(true)
    expect(framer.midFrame).toBe(false)
    framer.feed(stream)
    expect(told).toEqual(keep === 0 ? Array(3).fill([97, 6]) : [])
  })

  // [name, bytes kept, bytes fed, bytes lost]
  test.each([
    ['between payloads', 0, 10, 1],
    ['in a header', 0, 2, 1],
    ['of the first byte', 0, 4, 1],
    ['beyond the payload', 0, 6, 5],
    ['in what is kept', 9, 6, 1],
    ['in what is followed', 1, 7, 1],
  ])('%s loses the framing', (_, keep, fed, lost) => {
    const { framer } = open(keep)
    framer.feed(stream.subarray(0, fed))
    expect(framer.gap(lost)).toBe(false)
  })

  test('at the end of a packet that is continued', () => {
    const { framer, told } = open(0)
    const whole = packet(0, Buffer.alloc(0xff_ffff, 1))
    framer.feed(whole.subarray(0, 100))
    expect(framer.gap(whole.length - 100)).toBe(true)
    expect([framer.midFrame, framer.gap(1)]).toEqual([true, false])
    framer.feed(packet(1, 'end'))
    expect([told, framer.midFrame]).toEqual([[[1, 0xff_ffff + 3]], false])
  })
})
