/**
 * Which connections are watched: `3306`, `host:3306`, `host`, `[v6]:3306`, several joined by `||`. A target
 * names the server's end, so it also tells the direction of a connection whose SYN was not captured. Names
 * are resolved by the caller, once: packets have addresses only.
 */
import { ConfigError } from '../errors.ts'
import { formatIpv6, isIpv4, parseIpv6 } from '../framing/proxy-header.ts'
import type { Packet } from './packet.ts'

/** One target as its user wrote it; at least one of the two is there. */
export interface Target {
  readonly host?: string
  readonly port?: number
}

/** A target whose host is resolved: any address, when there are none. */
export interface CaptureTarget {
  readonly port?: number
  readonly addresses?: readonly string[]
}

const PORT = /^\d{1,5}$/
const BRACKETED = /^\[([^\]]+)\](?::(\d{1,5}))?$/
const HOST_PORT = /^([^:\s]+):(\d{1,5})$/
const HOST = /^[^:\s[\]|]+$/
const MOST_PORT = 0xffff

/** Parses a target option; throws ConfigError `invalid-value` for the option of that name. */
export const parseTargets = (text: string, option = '--target'): readonly Target[] =>
  text.split('||').map((word) => parseTarget(word.trim(), option))

const parseTarget = (text: string, option: string): Target => {
  if (PORT.test(text)) return { port: toPort(text, option) }
  const colon = text.startsWith(':') ? text.slice(1) : ''
  if (PORT.test(colon)) return { port: toPort(colon, option) }
  const [, host, port] = BRACKETED.exec(text) ?? HOST_PORT.exec(text) ?? []
  if (host !== undefined) return { host, ...(port !== undefined && { port: toPort(port, option) }) }
  if (parseIpv6(text) !== undefined || HOST.test(text)) return { host: text }
  throw new ConfigError(
    'invalid-value',
    option,
    `${option}: wanted a port, host:port or host, several joined by ||, got ${JSON.stringify(text)}`,
  )
}

const toPort = (text: string, option: string): number => {
  const port = Number(text)
  if (port >= 1 && port <= MOST_PORT) return port
  throw new ConfigError('invalid-value', option, `${option}: wanted a port from 1 to 65535, got ${text}`)
}

/** The four words of an address as {@link Packet} has them. */
interface Address {
  readonly version: 4 | 6
  readonly words: readonly [number, number, number, number]
}

const MAPPED = '::ffff:'

const parseAddress = (text: string): Address | undefined => {
  const plain = text.startsWith(MAPPED) && text.includes('.') ? text.slice(MAPPED.length) : text
  if (isIpv4(plain)) {
    const [a, b, c, d] = plain.split('.').map(Number) as [number, number, number, number]
    return { version: 4, words: [((a << 24) | (b << 16) | (c << 8) | d) >>> 0, 0, 0, 0] }
  }
  const bytes = parseIpv6(plain.replace(/%.*$/, ''))
  if (bytes === undefined) return undefined
  const word = (index: number): number => bytes.readUInt32BE(4 * index)
  return { version: 6, words: [word(0), word(1), word(2), word(3)] }
}

/** `host:port` or `[v6]:port` of an address in words; a mapped IPv4 address as what it is. */
export const showEnd = (version: 4 | 6, words: readonly number[], port: number): string => {
  const bytes = Buffer.alloc(16)
  for (const [index, word] of words.entries()) bytes.writeUInt32BE(word, 4 * index)
  if (version === 4) return `${bytes.subarray(0, 4).join('.')}:${port}`
  const text = formatIpv6(bytes)
  const isMapped = text.startsWith(MAPPED) && text.includes('.')
  return isMapped ? `${text.slice(MAPPED.length)}:${port}` : `[${text}]:${port}`
}

interface Rule {
  readonly port: number | undefined
  readonly addresses: readonly Address[] | undefined
}

/** Answers for each packet of no known flow, so most are told by their ports alone. */
export class TargetMatcher {
  readonly #rules: readonly Rule[]
  readonly #mayBe = new Uint8Array(MOST_PORT + 1)

  /** Throws ConfigError for an address that is none: names must have been resolved. */
  constructor(targets: readonly CaptureTarget[]) {
    this.#rules = targets.map(({ port, addresses }) => ({
      port,
      addresses: addresses?.map((text) => {
        const address = parseAddress(text)
        if (address) return address
        throw new ConfigError('invalid-value', '--target', `not an IP address: ${JSON.stringify(text)}`)
      }),
    }))
    for (const { port } of this.#rules) {
      if (port === undefined) this.#mayBe.fill(1)
      else this.#mayBe[port] = 1
    }
  }

  /** Is the packet's destination the server's end of a target? */
  isToTarget(packet: Packet): boolean {
    if (this.#mayBe[packet.destinationPort] === 0) return false
    const { destination0: a, destination1: b, destination2: c, destination3: d } = packet
    return this.#matches(packet.version, a, b, c, d, packet.destinationPort)
  }

  /** Is the packet's source the server's end of a target? */
  isFromTarget(packet: Packet): boolean {
    if (this.#mayBe[packet.sourcePort] === 0) return false
    const { source0: a, source1: b, source2: c, source3: d } = packet
    return this.#matches(packet.version, a, b, c, d, packet.sourcePort)
  }

  #matches(version: 4 | 6, a: number, b: number, c: number, d: number, port: number): boolean {
    for (const rule of this.#rules) {
      if (rule.port !== undefined && rule.port !== port) continue
      if (rule.addresses === undefined) return true
      for (const { version: wanted, words } of rule.addresses) {
        if (wanted !== version || words[0] !== a) continue
        if (words[1] === b && words[2] === c && words[3] === d) return true
      }
    }
    return false
  }
}
