/** Gathers a PROXY header that comes in pieces. */
import type { Bytes, FlowFacts } from '../flow.ts'
import { parseProxyHeader } from '../framing/proxy-header.ts'
import { giveBack, type Inlet } from './inlet.ts'

const FIRST_BYTES = 256

type HeaderFacts = Pick<FlowFacts, 'proxy_protocol_src_addr' | 'proxy_protocol_dst_addr'>

export class ProxyHeaderReader {
  #room = Buffer.allocUnsafe(FIRST_BYTES)
  #length = 0
  /** why there is no header, in words for the operational log */
  invalid: string | undefined
  /** the header as it came */
  bytes: Bytes = this.#room.subarray(0, 0)
  facts: HeaderFacts = {}

  /** Gives what followed the header; undefined while it is not complete. The parser bounds what is kept. */
  feed(chunk: Bytes): Bytes | undefined {
    this.#append(chunk)
    const seen = this.#room.subarray(0, this.#length)
    const header = parseProxyHeader(seen)
    if (header.kind === 'short') return undefined
    if (header.kind === 'invalid') {
      this.invalid = header.reason
      return seen
    }
    this.bytes = seen.subarray(0, header.length)
    if (!header.local) {
      this.facts = {
        ...(header.source !== undefined && { proxy_protocol_src_addr: header.source }),
        ...(header.destination !== undefined && { proxy_protocol_dst_addr: header.destination }),
      }
    }
    return seen.subarray(header.length)
  }

  #append(chunk: Bytes): void {
    const wanted = this.#length + chunk.length
    if (wanted > this.#room.length) {
      const larger = Buffer.allocUnsafe(Math.max(wanted, 2 * this.#room.length))
      this.#room.copy(larger, 0, 0, this.#length)
      this.#room = larger
    }
    chunk.copy(this.#room, this.#length)
    this.#length = wanted
  }
}

/** Reads the header off a client's beginning, and calls back with what followed it. */
export const readProxyHeader = (
  client: Inlet,
  callback: (header: ProxyHeaderReader, rest: Bytes) => void,
): void => {
  const header = new ProxyHeaderReader()
  client.onChunk = (chunk, loan) => {
    const rest = header.feed(chunk)
    if (loan) giveBack(loan)
    if (rest) callback(header, rest)
    return true
  }
  client.resume()
}
