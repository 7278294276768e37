/**
 * From captured records to flows, as a live proxy makes them:
 *
 *   record ─▶ decodePacket ─▶ (Defragmenter) ─▶ FlowTable ─▶ TcpFlow: order ─▶ CapturedFlow ─▶ FlowObserver
 *
 * Everything runs by the packets' own times; no clock is asked. A live source calls `advance` with its own
 * time while nothing is captured, so that what waits for more packets does not wait for ever.
 */
import type { Micros, OpenFlow } from '../flow.ts'
import type { Log } from '../log.ts'
import { type CaptureCounts, newCounts } from './counts.ts'
import { FlowTable } from './flow-table.ts'
import { Defragmenter } from './fragments.ts'
import { DEFAULT_LIMITS, type ReassemblyLimits } from './limits.ts'
import { isKnownLink } from './link-layer.ts'
import { decodePacket, newPacket, type PacketKind } from './packet.ts'
import type { CaptureRecord } from './records.ts'
import { type CaptureTarget, TargetMatcher } from './targets.ts'

export interface CaptureOptions {
  readonly targets: readonly CaptureTarget[]
  readonly openFlow: OpenFlow
  /** makes the `conn_id` of each flow */
  readonly connId: () => string
  readonly log: Log
  /** the target as its user wrote it, for `probe_target_addr` */
  readonly targetText?: string
  /** where it was captured; a name in the file counts before it */
  readonly interface?: string
  /** clients' connections begin with a PROXY header */
  readonly proxyProtocol?: boolean
  readonly limits?: Partial<ReassemblyLimits>
}

export type { CaptureCounts } from './counts.ts'

/** Takes a capture's records in their order. */
export interface Capture {
  /** Never throws, whatever the bytes are; observers must not either. */
  record(record: CaptureRecord): void
  /** So late is it, though no packet says so: declares lost what is, expires what is idle. */
  advance(at: Micros): void
  /** Nothing more comes: shows what waits, closes the flows that are still open. */
  end(reason?: string): void
  readonly counts: Readonly<CaptureCounts>
  /** flows open now */
  readonly open: number
  /** bytes kept for flows, out of order or in fragments */
  readonly held: number
}

class Engine implements Capture {
  readonly counts = newCounts()
  readonly #table: FlowTable
  readonly #log: Log
  readonly #packet = newPacket()
  readonly #fragments = new Defragmenter()
  readonly #unknownLinks = new Set<number>()

  constructor(options: CaptureOptions) {
    const limits = { ...DEFAULT_LIMITS, ...options.limits }
    const matcher = new TargetMatcher(options.targets)
    this.#log = options.log
    this.#table = new FlowTable({ ...options, limits, matcher, counts: this.counts })
  }

  get open(): number {
    return this.#table.open
  }

  get held(): number {
    return this.#table.held + this.#fragments.held
  }

  record(record: CaptureRecord): void {
    const { bytes, start, end, wireLength, at } = record
    const packet = this.#packet
    this.counts.packets++
    this.counts.bytes += wireLength
    const kind = decodePacket(record.linkType, bytes, start, end, wireLength, packet)
    if (kind === 'tcp') this.#table.segment(packet, bytes, at, record.interface)
    else if (kind === 'fragment') {
      const whole = this.#fragments.add(packet, bytes, at)
      if (whole === 'tcp') this.#table.segment(packet, this.#fragments.bytes, at, record.interface)
      else this.#other(whole, record)
    } else this.#other(kind, record)
  }

  advance(at: Micros): void {
    this.#table.advance(at)
  }

  end(reason = 'capture_end'): void {
    this.#table.end(reason)
  }

  #other(kind: PacketKind, { linkType, at }: CaptureRecord): void {
    this.#table.advance(at)
    if (kind === 'broken') this.counts.broken++
    if (kind !== 'other' || isKnownLink(linkType) || this.#unknownLinks.has(linkType)) return
    this.#unknownLinks.add(linkType)
    this.#log.warn({ link_type: linkType }, 'packets of this link type cannot be decoded')
  }
}

/** Watches the connections of the targets. Throws ConfigError for a target's address that is none. */
export const openCapture = (options: CaptureOptions): Capture => new Engine(options)
