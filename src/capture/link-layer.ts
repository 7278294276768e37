/**
 * Where the IP header begins in a frame: Ethernet, stacked VLAN tags, Linux cooked, PPP(oE), raw,
 * loopback.
 */
import type { Bytes } from '../flow.ts'

/** Link types as capture files number them, {@link https://www.tcpdump.org/linktypes.html}. */
const NULL = 0
const ETHERNET = 1
const PPP = 9
/** DLT_RAW of different systems, which found its way into files */
const RAW_BSD = 12
const RAW_OPENBSD = 14
const PPP_HDLC = 50
const PPP_ETHER = 51
const RAW = 101
const LOOP = 108
const LINUX_SLL = 113
const IPV4 = 228
const IPV6 = 229
const LINUX_SLL2 = 276

const LINK_TYPES: readonly number[] = [
  ...[NULL, ETHERNET, PPP, RAW_BSD, RAW_OPENBSD, PPP_HDLC, PPP_ETHER, RAW, LOOP],
  ...[LINUX_SLL, IPV4, IPV6, LINUX_SLL2],
]

/** Ethertypes, {@link https://www.iana.org/assignments/ieee-802-numbers}. */
const TYPE_IPV4 = 0x0800
const TYPE_IPV6 = 0x86dd
const TYPE_VLAN = 0x8100
const TYPE_QINQ = 0x88a8
const TYPE_QINQ_OLD = 0x9100
const TYPE_PPPOE = 0x8864

/** PPP protocol numbers. */
const PPP_IPV4 = 0x0021
const PPP_IPV6 = 0x0057

const ETHERNET_TYPE = 12
const SLL_TYPE = 14
const SLL2_HEADER = 20
const PPPOE_HEADER = 6
const LOOPBACK_HEADER = 4

/** No IP packet, or none that anybody here reads. */
const NONE = -1

/** Can frames of this link type be decoded? */
export const isKnownLink = (linkType: number): boolean => LINK_TYPES.includes(linkType)

/** Offset of the IP header in `bytes[start … end)`; -1 when there is none, `end` when it was cut off. */
export const linkHeader = (linkType: number, bytes: Bytes, start: number, end: number): number => {
  switch (linkType) {
    case ETHERNET:
      return etherType(bytes, start + ETHERNET_TYPE, end)
    case LINUX_SLL:
      return etherType(bytes, start + SLL_TYPE, end)
    case LINUX_SLL2:
      return cooked2(bytes, start, end)
    case RAW:
    case RAW_BSD:
    case RAW_OPENBSD:
    case IPV4:
    case IPV6:
      return start
    case NULL:
    case LOOP:
      return loopback(bytes, start, end)
    case PPP:
    case PPP_HDLC:
      return ppp(bytes, start, end)
    case PPP_ETHER:
      return ppp(bytes, start + PPPOE_HEADER, end)
    default:
      return NONE
  }
}

const typeAt = (bytes: Bytes, at: number): number =>
  ((bytes[at] as number) << 8) | (bytes[at + 1] as number)

/** Follows the ethertype at `at` through any number of VLAN tags. */
const etherType = (bytes: Bytes, from: number, end: number): number => {
  let at = from
  while (at + 2 <= end) {
    const type = typeAt(bytes, at)
    if (type === TYPE_IPV4 || type === TYPE_IPV6) return at + 2
    if (type === TYPE_PPPOE) return ppp(bytes, at + 2 + PPPOE_HEADER, end)
    if (type !== TYPE_VLAN && type !== TYPE_QINQ && type !== TYPE_QINQ_OLD) return NONE
    at += 4
  }
  return end
}

/** uint16 protocol, reserved, interface, ARPHRD, packet type, address; tags stand behind the header. */
const cooked2 = (bytes: Bytes, start: number, end: number): number => {
  if (start + SLL2_HEADER > end) return end
  const type = typeAt(bytes, start)
  if (type === TYPE_IPV4 || type === TYPE_IPV6) return start + SLL2_HEADER
  const isTag = type === TYPE_VLAN || type === TYPE_QINQ || type === TYPE_QINQ_OLD
  return isTag ? etherType(bytes, start + SLL2_HEADER + 2, end) : NONE
}

/** The family's number differs among systems and byte orders: the IP header tells its version itself. */
const loopback = (bytes: Bytes, start: number, end: number): number => {
  const at = start + LOOPBACK_HEADER
  if (at >= end) return end
  const version = (bytes[at] as number) >> 4
  return version === 4 || version === 6 ? at : NONE
}

/** Address and control bytes (ff 03) may be left out; a protocol number is one byte when it is odd. */
const ppp = (bytes: Bytes, from: number, end: number): number => {
  let at = from
  if (at + 2 <= end && bytes[at] === 0xff && bytes[at + 1] === 0x03) at += 2
  if (at + 2 > end) return end
  const isShort = ((bytes[at] as number) & 1) === 1
  const protocol = isShort ? (bytes[at] as number) : typeAt(bytes, at)
  if (protocol !== PPP_IPV4 && protocol !== PPP_IPV6) return NONE
  return at + (isShort ? 1 : 2)
}
