/**
 * The headers of one captured packet: link, network, TCP. Nothing is allocated: the fields go into a
 * {@link Packet} that its owner uses again and again.
 *
 *   link layer ──ethertype──▶ IPv4 / IPv6 ──protocol 6──▶ TCP: `tcp`
 *                                  └──a part of a datagram──▶ `fragment`
 *
 * What is no TCP is `other`; headers that were cut or make no sense are `broken`. How long the segment
 * was on the wire is what the network header says, so the padding of short frames falls off; a total
 * length of 0 (segmentation offload) means: as long as the frame. Addresses are four 32-bit words; an
 * IPv4 address is its word and three zeros, told apart by `version`. An IPv6 address that holds an IPv4
 * one stays what it is.
 */
import type { Bytes } from '../flow.ts'
import { linkHeader } from './link-layer.ts'

/** What a packet is: `tcp` only when its whole TCP header was read. */
export type PacketKind = 'tcp' | 'fragment' | 'other' | 'broken'

/** The TCP flags, {@link https://www.rfc-editor.org/rfc/rfc9293#section-3.1}. */
export const FIN = 0x01
export const SYN = 0x02
export const RST = 0x04
export const ACK = 0x10

/** Fields of a packet's headers. `start … end` are offsets into the record's bytes. */
export interface Packet {
  version: 4 | 6
  source0: number
  source1: number
  source2: number
  source3: number
  destination0: number
  destination1: number
  destination2: number
  destination3: number
  sourcePort: number
  destinationPort: number
  /** unsigned, as are the others */
  sequence: number
  acknowledgement: number
  flags: number
  /** the segment's captured bytes; of a fragment, the datagram's */
  start: number
  end: number
  /** bytes of the segment (or fragment) on the wire; more than `end - start` when the capture cut it */
  length: number
  /** of a fragment: its datagram's number, its place in it, whether more follow */
  fragmentId: number
  fragmentOffset: number
  hasMore: boolean
}

/** A packet to decode into. */
export const newPacket = (): Packet => ({
  version: 4,
  source0: 0,
  source1: 0,
  source2: 0,
  source3: 0,
  destination0: 0,
  destination1: 0,
  destination2: 0,
  destination3: 0,
  sourcePort: 0,
  destinationPort: 0,
  sequence: 0,
  acknowledgement: 0,
  flags: 0,
  start: 0,
  end: 0,
  length: 0,
  fragmentId: 0,
  fragmentOffset: 0,
  hasMore: false,
})

const IPV4_HEADER = 20
const IPV6_HEADER = 40
const TCP_HEADER = 20
const TCP = 6

/** Extension headers, {@link https://www.iana.org/assignments/ipv6-parameters}. */
const HOP_BY_HOP = 0
const ROUTING = 43
const FRAGMENT = 44
const AUTHENTICATION = 51
const DESTINATION = 60
const MOBILITY = 135
const HIP = 139
const SHIM6 = 140
const FRAGMENT_HEADER = 8

const MORE_FRAGMENTS = 0x2000
const OFFSET_MASK = 0x1fff

const uint16 = (bytes: Bytes, at: number): number =>
  ((bytes[at] as number) << 8) | (bytes[at + 1] as number)

const uint32 = (bytes: Bytes, at: number): number =>
  (((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)) >>>
  0

/**
 * Reads the headers of `bytes[start … end)`, a frame of `wireLength` bytes on a link of that type
 * ({@link https://www.tcpdump.org/linktypes.html}).
 */
export const decodePacket = (
  linkType: number,
  bytes: Bytes,
  start: number,
  end: number,
  wireLength: number,
  packet: Packet,
): PacketKind => {
  const at = linkHeader(linkType, bytes, start, end)
  if (at < 0) return 'other'
  if (at >= end) return 'broken'
  const wireEnd = start + wireLength
  const version = (bytes[at] as number) >> 4
  if (version === 4) return decodeIpv4(bytes, at, end, wireEnd, packet)
  if (version === 6) return decodeIpv6(bytes, at, end, wireEnd, packet)
  return 'broken'
}

/** RFC 791, section 3.1 */
const decodeIpv4 = (bytes: Bytes, at: number, end: number, wireEnd: number, packet: Packet): PacketKind => {
  if (end - at < IPV4_HEADER) return 'broken'
  const headerLength = ((bytes[at] as number) & 0x0f) * 4
  const totalLength = uint16(bytes, at + 2) || wireEnd - at
  if (headerLength < IPV4_HEADER || totalLength < headerLength) return 'broken'
  if (bytes[at + 9] !== TCP) return 'other'
  packet.version = 4
  packet.source0 = uint32(bytes, at + 12)
  packet.destination0 = uint32(bytes, at + 16)
  packet.source1 = packet.source2 = packet.source3 = 0
  packet.destination1 = packet.destination2 = packet.destination3 = 0
  const fragment = uint16(bytes, at + 6)
  packet.start = at + headerLength
  packet.end = Math.min(end, at + totalLength)
  packet.length = totalLength - headerLength
  if (packet.end < packet.start) return 'broken'
  if ((fragment & (MORE_FRAGMENTS | OFFSET_MASK)) === 0) return decodeTcp(bytes, packet)
  packet.fragmentId = uint16(bytes, at + 4)
  packet.fragmentOffset = (fragment & OFFSET_MASK) * 8
  packet.hasMore = (fragment & MORE_FRAGMENTS) !== 0
  return 'fragment'
}

/** RFC 8200, sections 3 and 4 */
const decodeIpv6 = (bytes: Bytes, at: number, end: number, wireEnd: number, packet: Packet): PacketKind => {
  if (end - at < IPV6_HEADER) return 'broken'
  const payload = uint16(bytes, at + 4)
  // 0: a jumbogram, or segmentation offload
  const wire = payload === 0 ? wireEnd : at + IPV6_HEADER + payload
  packet.version = 6
  packet.source0 = uint32(bytes, at + 8)
  packet.source1 = uint32(bytes, at + 12)
  packet.source2 = uint32(bytes, at + 16)
  packet.source3 = uint32(bytes, at + 20)
  packet.destination0 = uint32(bytes, at + 24)
  packet.destination1 = uint32(bytes, at + 28)
  packet.destination2 = uint32(bytes, at + 32)
  packet.destination3 = uint32(bytes, at + 36)
  packet.end = Math.min(end, wire)
  packet.start = at + IPV6_HEADER
  const kind = decodeExtensions(bytes, bytes[at + 6] as number, packet)
  packet.length = wire - packet.start
  if (packet.length < packet.end - packet.start) return 'broken'
  return kind === 'tcp' ? decodeTcp(bytes, packet) : kind
}

/** Steps over extension headers from `packet.start` on, as far as TCP or a fragment. */
const decodeExtensions = (bytes: Bytes, first: number, packet: Packet): PacketKind => {
  let next = first
  while (next !== TCP) {
    const at = packet.start
    if (packet.end - at < FRAGMENT_HEADER) return isExtension(next) ? 'broken' : 'other'
    if (next === FRAGMENT) {
      const fragment = uint16(bytes, at + 2)
      packet.fragmentId = uint32(bytes, at + 4)
      packet.fragmentOffset = fragment & 0xfff8
      packet.hasMore = (fragment & 1) !== 0
      packet.start = at + FRAGMENT_HEADER
      // An atomic fragment (RFC 6946) is a whole datagram.
      if (packet.fragmentOffset > 0 || packet.hasMore) return fragmentOf(bytes[at] as number)
    } else if (next === AUTHENTICATION) packet.start = at + ((bytes[at + 1] as number) + 2) * 4
    else if (isExtension(next)) packet.start = at + ((bytes[at + 1] as number) + 1) * 8
    else return 'other'
    next = bytes[at] as number
  }
  return packet.start <= packet.end ? 'tcp' : 'broken'
}

/** Extension headers behind a fragment header are rare to the point of being an attack: not followed. */
const fragmentOf = (protocol: number): PacketKind => (protocol === TCP ? 'fragment' : 'other')

const isExtension = (next: number): boolean =>
  next === HOP_BY_HOP ||
  next === ROUTING ||
  next === FRAGMENT ||
  next === AUTHENTICATION ||
  next === DESTINATION ||
  next === MOBILITY ||
  next === HIP ||
  next === SHIM6

/**
 * Reads the TCP header at `packet.start` (RFC 9293, section 3.1) and moves `start` and `length` behind it.
 * Also for a datagram that was put together from fragments.
 */
export const decodeTcp = (bytes: Bytes, packet: Packet): PacketKind => {
  const at = packet.start
  if (packet.end - at < TCP_HEADER) return 'broken'
  const header = ((bytes[at + 12] as number) >> 4) * 4
  if (header < TCP_HEADER || header > packet.length) return 'broken'
  packet.sourcePort = uint16(bytes, at)
  packet.destinationPort = uint16(bytes, at + 2)
  packet.sequence = uint32(bytes, at + 4)
  packet.acknowledgement = uint32(bytes, at + 8)
  packet.flags = bytes[at + 13] as number
  packet.length -= header
  // The capture may have cut within the options: the fields above are whole.
  packet.start = Math.min(at + header, packet.end)
  return 'tcp'
}
