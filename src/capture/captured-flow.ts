/** What a reassembled connection becomes for its observer: opened once, told in order, closed once. */
import type { Bytes, Direction, FlowEnd, FlowFacts, FlowObserver, Micros, OpenFlow } from '../flow.ts'
import { parseProxyHeader } from '../framing/proxy-header.ts'
import type { Log } from '../log.ts'
import type { CaptureCounts } from './counts.ts'

export interface FlowContext {
  readonly openFlow: OpenFlow
  readonly connId: () => string
  readonly log: Log
  readonly proxyProtocol?: boolean | undefined
  readonly counts: CaptureCounts
}

/** The facts of the packets; the rest comes with the opening. */
export type EndFacts = Omit<FlowFacts, 'conn_id'>

const NO_BYTES = Buffer.alloc(0)

/**
 * Opens the flow at its first sign of life. Where a PROXY header is expected, at its end, so that the facts
 * have the real addresses; if the server speaks before, they are told later (`dialled`).
 */
export class CapturedFlow {
  readonly #context: FlowContext
  readonly #factsOf: () => EndFacts
  #facts: FlowFacts | undefined
  #observer: FlowObserver | undefined
  /** the beginning of a PROXY header; undefined when none is awaited */
  #header: Bytes | undefined
  #openedAt: Micros | undefined
  #lastAt = 0
  #bytesIn = 0
  #bytesOut = 0

  /** `factsOf` is asked when the flow opens: most of what a scan begins never does. */
  constructor(context: FlowContext, factsOf: () => EndFacts) {
    this.#context = context
    this.#factsOf = factsOf
    if (context.proxyProtocol) this.#header = NO_BYTES
  }

  /** Was it begun, whether or not its observer knows? */
  get isOpen(): boolean {
    return this.#openedAt !== undefined
  }

  open(at: Micros, isMidStream: boolean): void {
    if (this.#openedAt !== undefined) return
    this.#openedAt = at
    // Where the beginning is missing, so is the header.
    if (isMidStream) this.#header = undefined
    if (this.#header === undefined) this.#observe(isMidStream)
  }

  chunk(from: Direction, bytes: Bytes, at: Micros): void {
    const time = this.#time(at)
    if (this.#header !== undefined) {
      if (from === 'frontend') {
        this.#gather(bytes, time)
        return
      }
      this.#observe(false)
    }
    this.#show(from, bytes, time)
  }

  gap(from: Direction, bytes: number, at: Micros): void {
    const time = this.#time(at)
    if (this.#header !== undefined) {
      if (from === 'frontend') this.#giveHeaderUp(time)
      this.#observe(false)
    }
    this.#context.counts.lost += bytes
    this.#count(from, bytes)
    this.#observer?.gap(from, bytes, time)
  }

  closed(end: Pick<FlowEnd, 'by' | 'reason'>, at: Micros): void {
    if (this.#openedAt === undefined) return
    const time = this.#time(at)
    this.#giveHeaderUp(time)
    this.#observe(false)
    this.#observer?.closed({ ...end, bytesIn: this.#bytesIn, bytesOut: this.#bytesOut }, time)
    // Ended connections are remembered for a while; what observed them need not be.
    this.#observer = undefined
  }

  /** Times of a flow never go back, whatever the order in which its packets were captured. */
  #time(at: Micros): Micros {
    if (at > this.#lastAt) this.#lastAt = at
    return this.#lastAt
  }

  #observe(isMidStream: boolean): void {
    if (this.#observer !== undefined) return
    const at = this.#openedAt ?? this.#lastAt
    this.#context.counts.flows++
    this.#observer = this.#context.openFlow(this.#known(), at)
    if (isMidStream) this.#observer.midStream?.(at)
  }

  #known(): FlowFacts {
    this.#facts ??= { conn_id: this.#context.connId(), ...this.#factsOf() }
    return this.#facts
  }

  #show(from: Direction, bytes: Bytes, at: Micros): void {
    if (bytes.length === 0) return
    this.#count(from, bytes.length)
    this.#observer?.chunk(from, bytes, at)
  }

  #count(from: Direction, bytes: number): void {
    if (from === 'frontend') this.#bytesIn += bytes
    else this.#bytesOut += bytes
  }

  #gather(bytes: Bytes, at: Micros): void {
    const seen = this.#header === NO_BYTES ? bytes : Buffer.concat([this.#header ?? NO_BYTES, bytes])
    const header = parseProxyHeader(seen)
    if (header.kind === 'short') {
      this.#header = Buffer.from(seen)
      return
    }
    this.#header = undefined
    if (header.kind === 'invalid') {
      const { conn_id, src_addr } = this.#known()
      this.#context.log.warn({ conn_id, src_addr }, `broken PROXY header: ${header.reason}`)
      this.#observe(false)
      this.#show('frontend', seen, at)
      return
    }
    if (!header.local) this.#learn(header, at)
    this.#observe(false)
    this.#show('frontend', seen.subarray(header.length), at)
  }

  #learn(header: { readonly source?: string; readonly destination?: string }, at: Micros): void {
    this.#facts = {
      ...this.#known(),
      ...(header.source !== undefined && { proxy_protocol_src_addr: header.source }),
      ...(header.destination !== undefined && { proxy_protocol_dst_addr: header.destination }),
    }
    this.#observer?.dialled(this.#facts, at)
  }

  /** What was gathered is no header any more: it is shown as it came. */
  #giveHeaderUp(at: Micros): void {
    const seen = this.#header
    this.#header = undefined
    if (seen === undefined) return
    this.#observe(false)
    this.#show('frontend', seen, at)
  }
}
