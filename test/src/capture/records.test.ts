import { describe, expect, test } from 'vitest'
import { type CaptureRecord, openRecords } from '../../../src/capture/records.ts'
import { CaptureError } from '../../../src/errors.ts'
import type { Bytes } from '../../../src/flow.ts'
import { recordsOf } from '../../support/captured.ts'
import { randomBytes, seededRandom } from '../../support/chunks.ts'
import { type Captured, pcapFile, pcapng } from '../../support/packets.ts'

const AT = 1_700_000_000_123_456
const PACKETS: readonly Captured[] = [
  { bytes: Buffer.from('first'), at: AT },
  { bytes: Buffer.from('the second one'), at: AT + 1, captured: 3 },
  { bytes: Buffer.alloc(0), at: AT + 999_999 },
]

const plain = ({ bytes, at, wireLength, linkType, number }: CaptureRecord) => ({
  ...{ text: bytes.toString('latin1'), at, wireLength, linkType, number },
})
const WANTED = [
  { text: 'first', at: AT, wireLength: 5, linkType: 1, number: 1 },
  { text: 'the', at: AT + 1, wireLength: 14, linkType: 1, number: 2 },
  { text: '', at: AT + 999_999, wireLength: 0, linkType: 1, number: 3 },
]
const SIZES = [1, 2, 3, 7, 16, 24, 41, 1000]

describe('case 56: pcap', () => {
  test.each([
    ['microseconds, little-endian', {}],
    ['microseconds, big-endian', { isBig: true }],
    ['nanoseconds, little-endian', { isNanos: true }],
    ['nanoseconds, big-endian', { isNanos: true, isBig: true }],
    ["Kuznetzov's longer records", { magic: 0xa1b2cd34 }],
  ])('%s, in chunks of any size', (_name, options) => {
    const file = pcapFile(PACKETS, options)
    for (const size of SIZES) expect(recordsOf(file, size).map(plain)).toEqual(WANTED)
  })

  test('a frame check sequence is no part of the packet', () => {
    const file = pcapFile([{ bytes: Buffer.from('frameFCS!'), at: AT }], { linkType: 0x2400_0001 })
    expect(recordsOf(file).map(plain)).toMatchObject([{ text: 'frame', wireLength: 5, linkType: 1 }])
  })
})

describe('case 56: pcapng', () => {
  const order = (isBig: boolean): Bytes => {
    const ng = pcapng(isBig)
    const nanos = BigInt(AT) * 1000n + 999n
    return Buffer.concat([
      ng.section(),
      ng.interface(1, { 2: Buffer.from('eth0') }),
      ng.block(4, Buffer.from('name resolution')),
      ng.interface(101, { 2: Buffer.from('tun0\0'), 9: Buffer.from([9]) }),
      ng.enhanced(0, BigInt(AT), Buffer.from('micro')),
      ng.enhanced(1, nanos, Buffer.from('nanosecond'), 20),
      ng.block(0x0bad, Buffer.from('custom')),
      ng.packet(0, BigInt(AT + 5), Buffer.from('obsolete')),
      ng.simple(Buffer.from('simple!')),
      ng.block(5, Buffer.alloc(12), ng.options({ 5: ng.uint64(7n), 7: ng.uint64(2n) })),
    ])
  }
  const read = [
    { text: 'micro', at: AT, wireLength: 5, linkType: 1, interface: 'eth0' },
    { text: 'nanosecond', at: AT, wireLength: 20, linkType: 101, interface: 'tun0' },
    { text: 'obsolete', at: AT + 5, wireLength: 8, linkType: 1, interface: 'eth0' },
    { text: 'simple!', wireLength: 7, linkType: 1, interface: 'eth0' },
  ]
  const told = (record: CaptureRecord) => ({ ...plain(record), interface: record.interface })

  test.each([
    ['little-endian', order(false), 1],
    ['big-endian', order(true), 1],
    ['sections of both byte orders', Buffer.concat([order(false), order(true)]), 2],
  ])('%s, in chunks of any size', (_name, file, sections) => {
    const wanted = Array.from({ length: sections }, () => read).flat()
    for (const size of SIZES) expect(recordsOf(file, size).map(told)).toMatchObject(wanted)
  })

  test('drop counters are summed over interfaces and sections; of one interface the last counts', () => {
    const ng = pcapng()
    const dropped = (count: bigint) => ng.block(5, Buffer.alloc(12), ng.options({ 5: ng.uint64(count) }))
    const reader = openRecords()
    const section = Buffer.concat([ng.section(), ng.interface(1), dropped(3n), dropped(8n)])
    reader.feed(Buffer.concat([section, section]), () => {})
    reader.end()
    expect(reader.dropped).toBe(16)
  })

  test.each([
    [6, 1_700_000_000_123_456n, 1_700_000_000_123_456],
    [0, 1_700_000_000n, 1_700_000_000_000_000],
    [3, 1_700_000_000_123n, 1_700_000_000_123_000],
    [9, 1_700_000_000_123_456_789n, 1_700_000_000_123_456],
    [12, 1_700_000_000_123_456_789n, 1_700_000_000_123],
    [0x80 | 10, 1_700_000_000n * 1024n + 512n, 1_700_000_000_500_000],
  ])('if_tsresol %i', (code, units, wanted) => {
    const ng = pcapng()
    const options = { 9: Buffer.from([code]) }
    const file = Buffer.concat([
      ng.section(),
      ng.interface(1, options),
      ng.enhanced(0, units, Buffer.from('x')),
    ])
    expect(recordsOf(file)[0]?.at).toBe(wanted)
  })

  test('if_tsoffset and if_fcslen', () => {
    const ng = pcapng()
    const options = { 13: Buffer.from([4]), 14: ng.uint64(1_700_000_000n) }
    const bytes = Buffer.from('frameFCS!')
    const file = Buffer.concat([ng.section(), ng.interface(1, options), ng.enhanced(0, 5n, bytes)])
    expect(plain(recordsOf(file)[0]!)).toMatchObject({ at: 1_700_000_000_000_005, text: 'frame' })
  })

  test('a simple packet is as long as the snapshot length lets it be', () => {
    const ng = pcapng()
    const file = Buffer.concat([
      ng.section(),
      ng.interface(1, {}, 3),
      ng.block(3, Buffer.from([9, 0, 0, 0]), Buffer.from('abcd')),
    ])
    expect(plain(recordsOf(file)[0]!)).toMatchObject({ text: 'abc', wireLength: 9 })
  })
})

/** What a damaged file gives, and how it ends, read in chunks of one size. */
const damaged = (file: Bytes, size: number): { texts: string[]; error: CaptureError | undefined } => {
  const reader = openRecords()
  const texts: string[] = []
  try {
    for (let at = 0; at < file.length; at += size) {
      reader.feed(file.subarray(at, at + size), ({ bytes, start, end }) => {
        texts.push(bytes.toString('latin1', start, end))
      })
    }
    reader.end()
  } catch (error) {
    if (!(error instanceof CaptureError)) throw error
    return { texts, error }
  }
  return { texts, error: undefined }
}

describe('case 56: damaged files give what came before, then say where', () => {
  const pcap = pcapFile(PACKETS)
  const ng = pcapng()
  const before = Buffer.concat([ng.section(), ng.interface(1), ng.enhanced(0, 1n, Buffer.from('good'))])
  const words = (...values: number[]): Bytes => {
    const bytes = Buffer.alloc(4 * values.length)
    for (const [index, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, 4 * index)
    return bytes
  }
  const wrongTail = ng.enhanced(0, 1n, Buffer.from('evil'))
  wrongTail.writeUInt32LE(44, wrongTail.length - 4)

  test.each([
    ['cut in a packet', pcap.subarray(0, pcap.length - 18), ['first'], 'truncated', 2, 45],
    ['cut in a header', pcap.subarray(0, 30), [], 'truncated', 1, 24],
    ['cut in the file header', pcap.subarray(0, 20), [], 'truncated', 1, 0],
    ['empty', Buffer.alloc(0), [], 'truncated', 1, 0],
    ['no capture', Buffer.from('GET / HTTP/1.1\r\n'), [], 'unsupported', 1, 0],
    ['4 GB', Buffer.concat([pcap, words(0, 0, -1, -1)]), ['first', 'the', ''], 'invalid', 4, pcap.length],
    [
      'a 4 GB block',
      Buffer.concat([before, words(6, 0xffff_fffc, 0)]),
      ['good'],
      'invalid',
      2,
      before.length,
    ],
    [
      'an endless custom block',
      Buffer.concat([before, words(99, -1, 0)]),
      ['good'],
      'truncated',
      2,
      undefined,
    ],
    ['a block of 4 bytes', Buffer.concat([before, words(6, 4, 0)]), ['good'], 'invalid', 2, before.length],
    ['two lengths', Buffer.concat([before, wrongTail]), ['good'], 'invalid', 2, before.length],
    ['no interface', Buffer.concat([ng.section(), ng.enhanced(0, 1n, words(1))]), [], 'invalid', 1, 28],
    ['no magic', Buffer.concat([before, words(0x0a0d0d0a, 28, 5)]), ['good'], 'invalid', 2, before.length],
  ] as const)('%s', (_name, file, texts, code, record, offset) => {
    for (const size of SIZES) {
      const found = damaged(file, size)
      expect(found.texts).toEqual(texts)
      expect(found.error).toMatchObject({ code, record })
      if (offset !== undefined) expect(found.error?.message).toContain(`record ${record}, byte ${offset}`)
    }
  })

  test('random and mutated files end in records or a CaptureError, with bounded memory', () => {
    const random = seededRandom(4)
    const files = [pcap, Buffer.concat([before, before]), pcapFile(PACKETS, { isBig: true })]
    let errors = 0
    for (let round = 0; round < 3000; round++) {
      const file = Buffer.from(files[round % files.length] as Bytes)
      const mutations = 1 + Math.floor(random() * 4)
      for (let count = 0; count < mutations; count++)
        file[Math.floor(random() * file.length)] = Math.floor(random() * 256)
      if (damaged(file, 1 + Math.floor(random() * 64)).error) errors++
      damaged(randomBytes(random, 40), 7)
    }
    expect(errors).toBeGreaterThan(500)
  })
})
