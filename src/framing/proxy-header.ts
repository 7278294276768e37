/**
 * The PROXY protocol's header, versions 1 and 2, that a load balancer sends before the client's first byte.
 * Specification: {@link https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt}
 */
import type { Bytes } from '../flow.ts'
import { formatIpv4, formatIpv6, isIpv4, parseIpv6 } from './ip-address.ts'

/** Captured packets' addresses are spelt as those of headers. */
export { formatIpv6, isIpv4, parseIpv6 } from './ip-address.ts'

/** What the bytes so far are. Addresses are `host:port`, `[v6]:port` or a Unix socket's path. */
export type ProxyHeader =
  /** a beginning that may become a header: ask again with more bytes */
  | { readonly kind: 'short' }
  /** no header, and no byte that follows can make it one; the words are for the operational log */
  | { readonly kind: 'invalid'; readonly reason: string }
  | {
      readonly kind: 'header'
      readonly version: 1 | 2
      /** bytes of the header; what follows is the client's */
      readonly length: number
      /** the balancer's own connection (a health check): no addresses, the real ones count */
      readonly local: boolean
      /** absent too when the balancer did not know them (UNKNOWN, UNSPEC): the real ones count */
      readonly source?: string
      readonly destination?: string
    }

const SHORT: ProxyHeader = { kind: 'short' }
const invalid = (reason: string): ProxyHeader => ({ kind: 'invalid', reason })

const V1_START = Buffer.from('PROXY ', 'latin1')
/** Section 2.1: a line with its CRLF is never longer. */
const V1_LONGEST = 107
const V2_SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
const V2_FIXED = 16
/** The format allows 64 KiB; real ones have some hundred bytes, with a client certificate some thousand. */
const V2_LONGEST_BLOCK = 16 * 1024

/** Do the bytes agree with `start` as far as both reach? */
const begins = (bytes: Bytes, start: Bytes): boolean => {
  const length = Math.min(bytes.length, start.length)
  return bytes.compare(start, 0, length, 0, length) === 0
}

/**
 * Reads a PROXY header from the bytes that have arrived on a connection so far, all of them from its first
 * one on. Keeps nothing: with more bytes it is asked again. Says `invalid` at the first byte that no header
 * can have.
 */
export const parseProxyHeader = (bytes: Bytes): ProxyHeader => {
  if (bytes.length === 0) return SHORT
  if (begins(bytes, V1_START)) return parseV1(bytes)
  if (begins(bytes, V2_SIGNATURE)) return parseV2(bytes)
  return invalid('no PROXY header: neither "PROXY " nor the signature of version 2')
}

const CRLF = '\r\n'
const UNKNOWN = 'UNKNOWN'

const parseV1 = (bytes: Bytes): ProxyHeader => {
  const line = bytes.toString('latin1', 0, Math.min(bytes.length, V1_LONGEST))
  const end = line.indexOf(CRLF)
  if (end < 0) {
    if (!mayBecomeV1(line)) return invalid('version 1: the line does not follow the grammar')
    return line.length < V1_LONGEST ? SHORT : invalid(`version 1: no CRLF in the first ${V1_LONGEST} bytes`)
  }
  return parseLine(line.slice(0, end), end + CRLF.length)
}

const parseLine = (line: string, length: number): ProxyHeader => {
  const [, family, source, destination, sourcePort, destinationPort, ...more] = line.split(' ')
  // What follows UNKNOWN is to be ignored, whatever it is.
  if (family === UNKNOWN) return { kind: 'header', version: 1, length, local: false }
  const format = family === 'TCP4' ? v4Address : family === 'TCP6' ? v6Address : undefined
  if (!format || more.length > 0) return invalid('version 1: the line does not follow the grammar')
  const from = format(source ?? '', sourcePort ?? '')
  const to = format(destination ?? '', destinationPort ?? '')
  if (!from || !to) return invalid(`version 1: a wrong ${from ? 'destination' : 'source'} address or port`)
  return { kind: 'header', version: 1, length, local: false, source: from, destination: to }
}

const PORT = /^(?:0|[1-9]\d{0,4})$/
const isPort = (text: string): boolean => PORT.test(text) && Number(text) <= 0xffff

const v4Address = (host: string, port: string): string | undefined =>
  isIpv4(host) && isPort(port) ? `${host}:${port}` : undefined

const v6Address = (host: string, port: string): string | undefined => {
  const bytes = parseIpv6(host)
  return bytes && isPort(port) ? `[${formatIpv6(bytes)}]:${port}` : undefined
}

/** Can a line that ends in CRLF begin like this? */
const mayBecomeV1 = (begun: string): boolean => {
  // A line may be cut between CR and LF; nowhere else can a CR stand, except behind UNKNOWN.
  const ended = begun.endsWith('\r')
  const [, family = '', ...words] = (ended ? begun.slice(0, -1) : begun).split(' ')
  if (family === UNKNOWN) return true
  if (words.length === 0) return !ended && FAMILIES.some((name) => name.startsWith(family))
  if (family !== 'TCP4' && family !== 'TCP6') return false
  if (words.length > 4 || (ended && words.length < 4)) return false
  const [isAddress, mayBecome] = family === 'TCP4' ? [isIpv4, mayBecomeIpv4] : [isIpv6, mayBecomeIpv6]
  return words.every((word, index) => {
    const whole = ended || index < words.length - 1
    if (index >= 2) return isPort(word) || (!whole && word === '')
    return whole ? isAddress(word) : mayBecome(word)
  })
}

const FAMILIES = ['TCP4', 'TCP6', UNKNOWN]

/** Tails that complete every beginning of a canonical address, if one can. */
const IPV4_TAILS = ['', '0', '.0', '0.0', '.0.0', '0.0.0', '.0.0.0', '0.0.0.0']
const mayBecomeIpv4 = (text: string): boolean => IPV4_TAILS.some((tail) => isIpv4(text + tail))

const IPV6_TAILS = [
  '',
  '0',
  ':',
  '::',
  ...Array.from({ length: 7 }, (_, n) => `0${':0'.repeat(n)}`),
].flatMap((tail) => [tail, `:${tail}`])
const isIpv6 = (text: string): boolean => parseIpv6(text) !== undefined
const mayBecomeIpv6 = (text: string): boolean => {
  const tails = text.includes('.') ? IPV4_TAILS : IPV6_TAILS
  return tails.some((tail) => isIpv6(text + tail))
}

const LOCAL = 0x20
const PROXY = 0x21

/** The high half of byte 14, and the bytes of its two addresses with their ports. */
const INET = 1
const INET6 = 2
const UNIX = 3
const BLOCKS = [0, 12, 36, 216] as const
const UNIX_PATH = 108
/** The low half of byte 14: 0 is unspecified, 1 a stream, 2 datagrams. */
const LAST_TRANSPORT = 2

const parseV2 = (bytes: Bytes): ProxyHeader => {
  const command = bytes[12]
  const family = (bytes[13] ?? 0) >> 4
  const transport = (bytes[13] ?? 0) & 0x0f
  if (command !== undefined && command !== LOCAL && command !== PROXY) {
    return invalid('version 2: an unknown version or command')
  }
  // The family of a LOCAL header is to be ignored, and so are the bytes of its block.
  if (command === PROXY && (family > UNIX || transport > LAST_TRANSPORT)) {
    return invalid('version 2: an unknown address family or transport')
  }
  const least = command === PROXY && transport !== 0 ? (BLOCKS[family] ?? 0) : 0
  if (bytes[14] !== undefined && bytes[14] << 8 > V2_LONGEST_BLOCK) {
    return invalid(`version 2: a header over ${V2_LONGEST_BLOCK} bytes`)
  }
  if (bytes.length < V2_FIXED) return SHORT
  const block = bytes.readUInt16BE(14)
  if (block > V2_LONGEST_BLOCK) return invalid(`version 2: a header over ${V2_LONGEST_BLOCK} bytes`)
  if (block < least) return invalid(`version 2: ${least} bytes of addresses wanted, ${block} announced`)
  const length = V2_FIXED + block
  if (bytes.length < length) return SHORT
  if (command === LOCAL) return { kind: 'header', version: 2, length, local: true }
  const wrong = checkExtensions(bytes.subarray(0, length), V2_FIXED + least, least > 0)
  if (wrong) return invalid(`version 2: ${wrong}`)
  return {
    kind: 'header',
    version: 2,
    length,
    local: false,
    ...(least > 0 && readAddresses(bytes, family)),
  }
}

const readAddresses = (bytes: Bytes, family: number): { source?: string; destination?: string } => {
  const at = V2_FIXED
  if (family === INET) {
    return {
      source: `${formatIpv4(bytes, at)}:${bytes.readUInt16BE(at + 8)}`,
      destination: `${formatIpv4(bytes, at + 4)}:${bytes.readUInt16BE(at + 10)}`,
    }
  }
  if (family === INET6) {
    return {
      source: `[${formatIpv6(bytes, at)}]:${bytes.readUInt16BE(at + 32)}`,
      destination: `[${formatIpv6(bytes, at + 16)}]:${bytes.readUInt16BE(at + 34)}`,
    }
  }
  const source = readPath(bytes, at)
  const destination = readPath(bytes, at + UNIX_PATH)
  return { ...(source && { source }), ...(destination && { destination }) }
}

/** A Unix socket's path, NUL-padded; an unnamed socket has none. */
const readPath = (bytes: Bytes, at: number): string => {
  const field = bytes.subarray(at, at + UNIX_PATH)
  const nul = field.indexOf(0)
  return field.toString('utf8', 0, nul < 0 ? UNIX_PATH : nul)
}

const CRC32C_TYPE = 0x03

/**
 * Walks the type-length-value extensions and verifies the checksum if there is one (section 2.2.3). Behind
 * an unspecified family the bytes may be something else (not `strict`): broken ones are no fault there.
 */
const checkExtensions = (header: Bytes, from: number, strict: boolean): string | undefined => {
  let at = from
  while (at < header.length) {
    const start = at + 3
    const end = start <= header.length ? start + header.readUInt16BE(at + 1) : Number.POSITIVE_INFINITY
    if (end > header.length) return strict ? 'an extension goes past the end of the header' : undefined
    if (header[at] === CRC32C_TYPE) {
      if (end - start !== 4) return 'a checksum that is not 4 bytes long'
      if (header.readUInt32BE(start) !== crc32c(header, start)) return 'the checksum is wrong'
    }
    at = end
  }
  return undefined
}

const CASTAGNOLI = 0x82f63b78
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ CASTAGNOLI : crc >>> 1
  return crc
})

/** CRC32C (RFC 4960, appendix B) of the header with the four bytes at `hole` taken as zeros. */
const crc32c = (header: Bytes, hole: number): number => {
  let crc = 0xffffffff
  for (const [index, byte] of header.entries()) {
    const seen = index >= hole && index < hole + 4 ? 0 : byte
    crc = (CRC_TABLE[(crc ^ seen) & 0xff] as number) ^ (crc >>> 8)
  }
  return (crc ^ 0xffffffff) >>> 0
}
