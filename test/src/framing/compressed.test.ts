import * as zlib from 'node:zlib'
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Bytes } from '../../../src/flow.ts'
import { CompressedFramer, type Compression, zstdAvailable } from '../../../src/framing/compressed.ts'
import { randomBytes, seededRandom, splitRandomly, splits } from '../../support/chunks.ts'
import { runs } from '../../support/fuzz.ts'
import { compressed, compressedFrame, fromHex, uint8, uint24 } from '../../support/my-wire.ts'

interface Told {
  readonly plain: Bytes
  readonly lost: boolean
  readonly midFrame: boolean
  readonly mostHeld: number
}

const run = (chunks: readonly Bytes[], compression: Compression = 'zlib'): Told => {
  const pieces: Bytes[] = []
  let lost = false
  let mostHeld = 0
  const framer = new CompressedFramer(
    {
      plain: (bytes) => pieces.push(Buffer.from(bytes)),
      gap: () => false,
      lost: () => {
        lost = true
      },
    },
    compression,
  )
  for (const chunk of chunks) {
    const used = framer.feed(chunk)
    if (!framer.stopped && used !== chunk.length) throw new Error(`${used} of ${chunk.length} used`)
    mostHeld = Math.max(mostHeld, framer.held)
  }
  return { plain: Buffer.concat(pieces), lost, midFrame: framer.midFrame, mostHeld }
}

/** A frame whose header says what it likes. */
const lying = (body: Bytes, claimed: number, seq = 0): Bytes =>
  Buffer.concat([uint24(body.length), uint8(seq), uint24(claimed), body])

const TEXT = Buffer.from('select 1 '.repeat(40))
const ZIPPED = deflateSync(TEXT)
const NEXT = compressedFrame(1, Buffer.from('next'))

// [name, stream, what it comes to, whether framing is lost]
const TABLE: [string, Bytes, string, boolean][] = [
  ['a stored frame', compressedFrame(0, Buffer.from('abc'), true), 'abc', false],
  ['a deflated frame', compressedFrame(0, TEXT), TEXT.toString(), false],
  [
    'as the manual shows it',
    fromHex('0d0000 00 000000 09000000 0373656c6563742031'),
    '\t\0\0\0\x03select 1',
    false,
  ],
  ['several frames', compressed(0, TEXT, 100), TEXT.toString(), false],
  ['ids that wrap', compressed(254, TEXT, 60), TEXT.toString(), false],
  ['an empty frame between others', Buffer.concat([lying(Buffer.alloc(0), 0), NEXT]), 'next', false],
  ['less than is claimed', Buffer.concat([lying(ZIPPED, 0xffffff), NEXT]), `${TEXT}next`, false],
  [
    'bytes behind the end of the stream',
    Buffer.concat([lying(Buffer.concat([ZIPPED, Buffer.from('garbage')]), TEXT.length), NEXT]),
    `${TEXT}next`,
    false,
  ],
  ['more than is claimed', Buffer.concat([lying(ZIPPED, TEXT.length - 1), NEXT]), '', true],
  ['a byte of very many', Buffer.concat([lying(ZIPPED, 1), NEXT]), '', true],
  ['a stream that breaks off', Buffer.concat([lying(ZIPPED.subarray(0, -5), TEXT.length), NEXT]), '', true],
  ['nothing that claims something', Buffer.concat([lying(Buffer.alloc(0), 5), NEXT]), '', true],
  ['what is no stream', Buffer.concat([lying(Buffer.from('select 1'), 8), NEXT]), '', true],
  [
    'a stream with a wrong checksum',
    Buffer.concat([lying(Buffer.concat([ZIPPED.subarray(0, -4), Buffer.alloc(4)]), TEXT.length)]),
    '',
    true,
  ],
  ['what came before is not lost', Buffer.concat([NEXT, lying(TEXT, 8)]), 'next', true],
]

describe.each(TABLE)('%s', (_, stream, plain, lost) => {
  test.each(splits(stream, 5))('$name', ({ chunks }) => {
    const told = run(chunks)
    expect({ plain: told.plain.toString(), lost: told.lost }).toEqual({ plain, lost })
    if (!lost) expect(told.midFrame).toBe(false)
  })
})

test('whatever is sent comes out, however it is framed and split', () => {
  const plans = fc.array(fc.record({ size: fc.integer({ min: 1, max: 1000 }), stored: fc.boolean() }), {
    maxLength: 12,
  })
  fc.assert(
    fc.property(plans, fc.nat(), (plan, seed) => {
      const random = seededRandom(seed)
      const plains = plan.map(({ size }) => randomBytes(random, size))
      const frames = plan.map(({ stored }, id) => compressedFrame(id, plains[id] as Bytes, stored))
      const told = run(splitRandomly(Buffer.concat(frames), random))
      expect(told.plain).toEqual(Buffer.concat(plains))
      expect([told.lost, told.midFrame]).toEqual([false, false])
    }),
    runs(40),
  )
})

test('holds no more than has arrived, and never more than twice of it', () => {
  const random = seededRandom(1)
  const frame = compressedFrame(0, randomBytes(random, 100_000), false)
  for (const size of [1000, 7000]) {
    const { mostHeld } = run([frame.subarray(0, size)])
    expect(mostHeld).toBeLessThanOrEqual(Math.max(4096, 2 * size))
  }
  expect(run([compressedFrame(0, randomBytes(random, 100_000), true).subarray(0, 50_000)]).mostHeld).toBe(0)
})

test('a bomb comes to what its header allows, and nothing else', () => {
  const bomb = deflateSync(Buffer.alloc(40 << 20))
  expect(bomb.length).toBeLessThan(1 << 18)
  const told = run([lying(bomb, 0xffffff)])
  expect([told.lost, told.plain.length]).toEqual([true, 0])
})

describe('a gap', () => {
  const open = (gapAllowed: boolean) => {
    const told: (string | number)[] = []
    const framer = new CompressedFramer(
      {
        plain: (bytes) => told.push(bytes.toString()),
        gap: (bytes) => {
          told.push(bytes)
          return gapAllowed
        },
        lost: () => told.push('lost'),
      },
      'zlib',
    )
    return { framer, told }
  }

  test('inside a plain body is a gap of what it holds', () => {
    const { framer, told } = open(true)
    framer.feed(compressedFrame(0, Buffer.from('abcdef')).subarray(0, 9))
    expect(framer.gap(3)).toBe(true)
    framer.feed(Buffer.from('f'))
    framer.feed(NEXT)
    expect(told).toEqual(['ab', 3, 'f', 'next'])
  })

  test.each([
    ['that the packets do not allow for', 9, 2, false],
    ['longer than the body', 9, 5, true],
    ['in a header', 3, 1, true],
  ])('%s', (_, fed, bytes, allowed) => {
    const { framer } = open(allowed)
    framer.feed(compressedFrame(0, Buffer.from('abcdef')).subarray(0, fed))
    expect(framer.gap(bytes)).toBe(false)
  })

  test('inside a compressed body, or between frames', () => {
    const { framer } = open(true)
    expect(framer.gap(1)).toBe(false)
    framer.feed(compressedFrame(0, TEXT).subarray(0, 20))
    expect(framer.gap(1)).toBe(false)
  })
})

describe('zstd', () => {
  const zstdCompress = (zlib as { zstdCompressSync?: (bytes: Bytes) => Bytes }).zstdCompressSync

  test.runIf(zstdAvailable)('is decoded where this Node can', () => {
    const body = (zstdCompress as (bytes: Bytes) => Bytes)(TEXT)
    for (const { chunks } of splits(Buffer.concat([lying(body, TEXT.length), NEXT]), 5)) {
      expect(run(chunks, 'zstd')).toMatchObject({ plain: Buffer.from(`${TEXT}next`), lost: false })
    }
    expect(run([lying(body, TEXT.length - 1)], 'zstd').lost).toBe(true)
  })

  test.runIf(!zstdAvailable)('is lost where it cannot; what is stored is not', () => {
    const told = run([Buffer.concat([NEXT, lying(TEXT, TEXT.length)])], 'zstd')
    expect([told.plain.toString(), told.lost]).toEqual(['next', true])
  })
})
