import { describe, expect, test } from 'vitest'
import { Defragmenter } from '../../../src/capture/fragments.ts'
import { decodePacket, newPacket, type PacketKind } from '../../../src/capture/packet.ts'
import type { Bytes } from '../../../src/flow.ts'
import { randomBytes, seededRandom } from '../../support/chunks.ts'
import { ethernet, ipv4, ipv6, tcp } from '../../support/packets.ts'

const SEGMENT = tcp({ sequence: 0xffff_fff0, acknowledgement: 0x8000_0001, flags: 'P.', bytes: 'select 1' })

/** What a frame is, and the text of its segment. */
const decode = (linkType: number, bytes: Bytes, wireLength = bytes.length) => {
  const packet = newPacket()
  // Frames stand somewhere in a larger buffer.
  const around = Buffer.concat([Buffer.from('xyz'), bytes, Buffer.from('0123456789')])
  const kind = decodePacket(linkType, around, 3, 3 + bytes.length, wireLength, packet)
  return { kind, packet, text: around.toString('latin1', packet.start, packet.end) }
}

const uint16s = (...values: number[]): Bytes =>
  Buffer.from(values.flatMap((value) => [value >> 8, value & 0xff]))
const IP = ipv4(SEGMENT)
const IP6 = ipv6(SEGMENT)
const sll = (type: number): Bytes => Buffer.concat([Buffer.alloc(14), uint16s(type)])
const sll2 = (type: number): Bytes => Buffer.concat([uint16s(type), Buffer.alloc(18)])

describe('case 55: links', () => {
  test.each([
    ['Ethernet', 1, ethernet(IP)],
    ['Ethernet, IPv6', 1, ethernet(IP6, [0x86dd])],
    ['VLAN', 1, ethernet(IP, [0x8100, 0x0800])],
    ['stacked VLAN, 802.1ad', 1, ethernet(IP, [0x88a8, 0x8100, 0x0800])],
    ['stacked VLAN, 0x9100, three deep', 1, ethernet(IP6, [0x9100, 0x8100, 0x8100, 0x86dd])],
    ['PPPoE', 1, ethernet(Buffer.concat([uint16s(0x1100, 7, 50, 0x0021), IP]), [0x8864])],
    ['Linux cooked v1', 113, Buffer.concat([sll(0x0800), IP])],
    ['Linux cooked v1, VLAN', 113, Buffer.concat([sll(0x8100), uint16s(5, 0x86dd), IP6])],
    ['Linux cooked v2', 276, Buffer.concat([sll2(0x0800), IP])],
    ['Linux cooked v2, VLAN', 276, Buffer.concat([sll2(0x8100), uint16s(5, 0x0800), IP])],
    ['raw IP', 101, IP],
    ['raw IP, 12', 12, IP6],
    ['raw IP, 14', 14, IP],
    ['raw IPv4', 228, IP],
    ['raw IPv6', 229, IP6],
    ['NULL, little-endian', 0, Buffer.concat([Buffer.from([2, 0, 0, 0]), IP])],
    ['NULL, big-endian, IPv6', 0, Buffer.concat([Buffer.from([0, 0, 0, 30]), IP6])],
    ['LOOP', 108, Buffer.concat([Buffer.from([0, 0, 0, 2]), IP])],
    ['PPP', 9, Buffer.concat([uint16s(0xff03, 0x0021), IP])],
    ['PPP without address, short protocol', 9, Buffer.concat([Buffer.from([0x57]), IP6])],
  ])('%s', (_name, linkType, frame) => {
    const { kind, packet, text } = decode(linkType, frame)
    expect(kind).toBe('tcp')
    expect(text).toBe('select 1')
    expect(packet).toMatchObject({
      ...{ sourcePort: 50_000, destinationPort: 5432, sequence: 0xffff_fff0 },
      ...{ acknowledgement: 0x8000_0001, flags: 0x18, length: 8 },
    })
    for (let cut = 0; cut < frame.length - 8; cut++)
      expect(['broken', 'other', 'tcp']).toContain(
        decode(linkType, frame.subarray(0, cut), frame.length).kind,
      )
  })

  test.each<[string, number, Bytes, PacketKind]>([
    ['ARP', 1, ethernet(IP, [0x0806]), 'other'],
    ['UDP', 101, ipv4(SEGMENT, { protocol: 17 }), 'other'],
    ['an unknown link type', 147, IP, 'other'],
    ['IP version 5', 101, Buffer.concat([Buffer.from([0x55]), IP.subarray(1)]), 'broken'],
    ['a header of 16 bytes', 101, Buffer.concat([Buffer.from([0x44]), IP.subarray(1)]), 'broken'],
    ['a total length below the header', 101, ipv4(SEGMENT, { totalLength: 19 }), 'broken'],
    [
      'a TCP header longer than the packet',
      101,
      ipv4(SEGMENT.subarray(0, 20), { totalLength: 39 }),
      'broken',
    ],
  ])('%s', (_name, linkType, frame, wanted) => {
    expect(decode(linkType, frame).kind).toBe(wanted)
  })
})

describe('case 55: IP', () => {
  test('IPv4 options, TCP options', () => {
    const segment = tcp({ sequence: 1, bytes: 'text', options: Buffer.alloc(12, 1) })
    expect(decode(101, ipv4(segment, { options: Buffer.alloc(8, 1) }))).toMatchObject({
      ...{ kind: 'tcp', text: 'text' },
    })
  })

  test('IPv6 extension headers', () => {
    const hop = Buffer.from([60, 0, 1, 4, 0, 0, 0, 0])
    const destination = Buffer.concat([Buffer.from([43, 1]), Buffer.alloc(14)])
    const routing = Buffer.from([51, 0, 0, 0, 0, 0, 0, 0])
    const authentication = Buffer.concat([Buffer.from([44, 4]), Buffer.alloc(22)])
    const atomic = Buffer.concat([Buffer.from([6, 0, 0, 0]), Buffer.alloc(4)])
    const body = Buffer.concat([hop, destination, routing, authentication, atomic, SEGMENT])
    expect(decode(101, ipv6(body, { next: 0 }))).toMatchObject({ kind: 'tcp', text: 'select 1' })
    expect(decode(101, ipv6(Buffer.from([59, 0, 1, 4, 0, 0, 0, 0]), { next: 0 })).kind).toBe('other')
    expect(decode(101, ipv6(body.subarray(0, 20), { next: 0 })).kind).toBe('broken')
  })

  test('the padding of short frames is no data', () => {
    const frame = Buffer.concat([ethernet(ipv4(tcp({ sequence: 1 }))), Buffer.alloc(6, 0xee)])
    expect(decode(1, frame)).toMatchObject({ kind: 'tcp', text: '', packet: { length: 0 } })
  })

  test('a total length of 0 is as long as the frame (segmentation offload)', () => {
    expect(decode(1, ethernet(ipv4(SEGMENT, { totalLength: 0 })))).toMatchObject({ text: 'select 1' })
    const jumbo = ipv6(SEGMENT)
    jumbo.writeUInt16BE(0, 4)
    expect(decode(1, ethernet(jumbo, [0x86dd]))).toMatchObject({ text: 'select 1' })
  })

  test('case 54: what the capture cut is still counted', () => {
    const frame = ethernet(IP)
    const { kind, packet, text } = decode(1, frame.subarray(0, frame.length - 5), frame.length)
    expect({ kind, text, length: packet.length }).toEqual({ kind: 'tcp', text: 'sel', length: 8 })
  })
})

/** Feeds fragments, answers the text of the datagram that the last one completed. */
const assemble = (defragmenter: Defragmenter, packets: readonly Bytes[], at = 0): string[] =>
  packets.flatMap((bytes) => {
    const packet = newPacket()
    const kind = decodePacket(101, bytes, 0, bytes.length, bytes.length, packet)
    expect(kind).toBe('fragment')
    if (defragmenter.add(packet, bytes, at) !== 'tcp') return []
    return [defragmenter.bytes.toString('latin1', packet.start, packet.end)]
  })

const LONG = tcp({ sequence: 1, bytes: 'x'.repeat(500) + 'y'.repeat(500) })
const fragment4 = (start: number, end: number, id = 7): Bytes =>
  ipv4(LONG.subarray(start, end), { id, offset: start, more: end < LONG.length })
const fragment6 = (start: number, end: number): Bytes => {
  const header = Buffer.alloc(8)
  header[0] = 6
  header.writeUInt16BE(start | (end < LONG.length ? 1 : 0), 2)
  header.writeUInt32BE(0xdead_beef, 4)
  return ipv6(Buffer.concat([header, LONG.subarray(start, end)]), { next: 44 })
}
const CUTS = [
  [0, 8],
  [8, 400],
  [400, 800],
  [800, LONG.length],
] as const
const TEXT = 'x'.repeat(500) + 'y'.repeat(500)

describe('case 55: fragments', () => {
  test.each([
    ['IPv4', fragment4],
    ['IPv6', fragment6],
  ])('%s, in any order, each twice', (_name, make) => {
    for (const order of [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [2, 0, 3, 1],
    ]) {
      const packets = order.map((index) => make(...(CUTS[index] as (typeof CUTS)[0])))
      expect(assemble(new Defragmenter(), packets)).toEqual([TEXT])
      const twice = packets.slice(0, 3).flatMap((packet) => [packet, packet])
      const defragmenter = new Defragmenter()
      expect(assemble(defragmenter, [...twice, packets[3] as Bytes])).toEqual([TEXT])
      expect(defragmenter.held).toBe(0)
    }
  })

  test('datagrams of two numbers do not mix', () => {
    const packets = CUTS.flatMap(([start, end]) => [fragment4(start, end, 1), fragment4(start, end, 2)])
    expect(assemble(new Defragmenter(), packets)).toEqual([TEXT, TEXT])
  })

  test.each([
    ['overlapping', [fragment4(0, 400), fragment4(392, 800), fragment4(800, LONG.length)]],
    ['two ends', [fragment4(0, 400), fragment4(800, LONG.length), ipv4(LONG, { id: 7, offset: 8 })]],
    [
      'beyond 64 KiB',
      [ipv4(LONG, { id: 7, offset: 65_528 }), fragment4(0, 400), fragment4(400, LONG.length)],
    ],
  ])('%s fragments drop their datagram', (_name, packets) => {
    const defragmenter = new Defragmenter()
    expect(assemble(defragmenter, packets)).toEqual([])
    expect(
      assemble(
        defragmenter,
        CUTS.map(([start, end]) => fragment4(start, end)),
      ),
    ).toEqual([])
    expect(defragmenter).toMatchObject({ held: 0, dropped: 1 })
  })

  test('what is kept is bounded in bytes, datagrams and time', () => {
    const limits = { maxBytes: 20_000, maxDatagrams: 10, timeout: 1000 }
    const defragmenter = new Defragmenter(limits)
    for (let id = 0; id < 500; id++) {
      assemble(defragmenter, [fragment4(0, 800, id)], id)
      expect(defragmenter.held).toBeLessThanOrEqual(20_000)
    }
    expect(defragmenter.dropped).toBeGreaterThanOrEqual(490)
    expect(assemble(defragmenter, [fragment4(0, 8, 999)], 5000)).toEqual([])
    expect(defragmenter.held).toBeLessThan(200)
  })

  test('case 54: of a cut fragment the bytes before the cut are given', () => {
    const defragmenter = new Defragmenter()
    const packet = newPacket()
    const second = fragment4(400, LONG.length)
    assemble(defragmenter, [fragment4(0, 400)])
    decodePacket(101, second, 0, second.length - 600, second.length, packet)
    expect(defragmenter.add(packet, second, 0)).toBe('tcp')
    expect(packet.length).toBe(1000)
    expect(packet.end - packet.start).toBe(400)
  })
})

test('no bytes make the decoder throw or read beyond the packet', () => {
  const random = seededRandom(7)
  const defragmenter = new Defragmenter()
  const frames = [ethernet(IP), ethernet(IP6, [0x86dd]), fragment4(0, 400), fragment6(8, 400)]
  const kinds = new Set<string>()
  for (let round = 0; round < 20_000; round++) {
    const bytes = Buffer.from(frames[round % 4] as Bytes)
    for (let count = 0; count < 3; count++)
      bytes[Math.floor(random() * Math.min(90, bytes.length))] = Math.floor(random() * 256)
    const end = Math.floor(random() * (bytes.length + 1))
    const packet = newPacket()
    const linkType = [1, 1, 101, 101, 113, 276, 0, 9][Math.floor(random() * 8)] as number
    const input = random() < 0.1 ? randomBytes(random, end) : bytes
    const kind = decodePacket(linkType, input, 0, end, end + Math.floor(random() * 9), packet)
    kinds.add(kind)
    if (kind === 'fragment') defragmenter.add(packet, input, round)
    else if (kind === 'tcp') {
      expect(packet.start).toBeLessThanOrEqual(packet.end)
      expect(packet.end).toBeLessThanOrEqual(end)
      expect(packet.end - packet.start).toBeLessThanOrEqual(packet.length)
    }
  }
  expect([...kinds].sort()).toEqual(['broken', 'fragment', 'other', 'tcp'])
})
