import type { Bytes } from '../flow.ts'

const IPV4_BYTES = 4
const IPV6_BYTES = 16
const GROUPS = IPV6_BYTES / 2

/** Four bytes as `192.0.2.1`. */
export const formatIpv4 = (bytes: Bytes, at = 0): string =>
  `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`

/** Where the longest run of zero groups begins and its length; the first of several, at least two groups. */
const longestZeros = (groups: readonly number[]): { start: number; length: number } => {
  let best = { start: -1, length: 1 }
  for (let start = 0; start < groups.length; start++) {
    let end = start
    while (groups[end] === 0) end++
    if (end - start > best.length) best = { start, length: end - start }
  }
  return best
}

/** An IPv4 address within: `::192.0.2.1` and `::ffff:192.0.2.1`, but `::2` is none. */
const holdsIpv4 = (groups: readonly number[], zeros: { start: number; length: number }): boolean =>
  zeros.start === 0 && (zeros.length === 6 || (zeros.length === 5 && groups[5] === 0xffff))

/**
 * Sixteen bytes as RFC 5952 writes them and as inet_ntop does: lower case, the longest run of zero groups as
 * `::`, an embedded IPv4 address dotted.
 */
export const formatIpv6 = (bytes: Bytes, at = 0): string => {
  const groups = Array.from({ length: GROUPS }, (_, index) => bytes.readUInt16BE(at + 2 * index))
  const zeros = longestZeros(groups)
  const dotted = holdsIpv4(groups, zeros)
  const words = groups.slice(0, dotted ? GROUPS - 2 : GROUPS).map((group) => group.toString(16))
  if (dotted) words.push(formatIpv4(bytes, at + IPV6_BYTES - IPV4_BYTES))
  if (zeros.start < 0) return words.join(':')
  const before = words.slice(0, zeros.start).join(':')
  return `${before}::${words.slice(zeros.start + zeros.length).join(':')}`
}

const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`)

/** Is this a dotted IPv4 address in its one canonical spelling (no leading zeros)? */
export const isIpv4 = (text: string): boolean => IPV4.test(text)

/** The groups of one side of `::`, an IPv4 address at the end as two; undefined when one is wrong. */
const parseGroups = (text: string): number[] | undefined => {
  if (text === '') return []
  const groups: number[] = []
  const words = text.split(':')
  for (const [index, word] of words.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(word)) groups.push(Number.parseInt(word, 16))
    else if (index === words.length - 1 && isIpv4(word)) {
      const [a, b, c, d] = word.split('.').map(Number) as [number, number, number, number]
      groups.push(a * 256 + b, c * 256 + d)
    } else return undefined
  }
  return groups
}

/** Sixteen bytes of an IPv6 address in any spelling of RFC 4291, without a zone; undefined if it is none. */
export const parseIpv6 = (text: string): Bytes | undefined => {
  const sides = text.split('::')
  if (sides.length > 2 || (sides.length === 2 && sides[0]?.includes('.'))) return undefined
  const [head, tail] = [parseGroups(sides[0] ?? ''), parseGroups(sides[1] ?? '')]
  if (!head || !tail) return undefined
  const missing = GROUPS - head.length - tail.length
  if (sides.length === 2 ? missing < 1 : missing !== 0) return undefined
  const groups = [...head, ...Array<number>(missing).fill(0), ...tail]
  const bytes = Buffer.alloc(IPV6_BYTES)
  for (const [index, group] of groups.entries()) bytes.writeUInt16BE(group, 2 * index)
  return bytes
}
