/** What `read` and `probe` share: records of a capture in, events to the audit log out. */
import { createHash } from 'node:crypto'
import type { Config } from '../../config/load.ts'
import { type Capture, openCapture } from '../capture/engine.ts'
import type { CaptureRecord } from '../capture/records.ts'
import type { AuditEvent, FlowFacts, Sink } from '../event.ts'
import type { Micros } from '../flow.ts'
import type { Log } from '../log.ts'
import { openLink } from '../observe/link.ts'
import { StillOpenTimer } from '../observe/still-open.ts'
import type { CaptureSubject } from './capture-targets.ts'
import { openObservation } from './observation.ts'

export interface CaptureRunOptions {
  readonly config: Pick<Config, 'dumpLog' | 'querytap'>
  readonly subject: CaptureSubject
  readonly sink: Sink
  readonly log: Log
  /** absent: ids that are the same whenever the same capture is read */
  readonly connId?: () => string
  readonly interface?: string
}

const ID_LETTERS = 26

/**
 * Ids of connections by the packet that shows them first, its time and its bytes: the same whenever that
 * packet is read, and no other's.
 */
export class PacketIds {
  #record: CaptureRecord | undefined
  #number = -1
  #count = 0

  at(record: CaptureRecord): void {
    this.#record = record
  }

  readonly next = (): string => {
    const record = this.#record
    const number = record?.number ?? 0
    this.#count = number === this.#number ? this.#count + 1 : 0
    this.#number = number
    const hash = createHash('sha256').update(`${record?.at ?? 0} ${this.#count} `)
    if (record !== undefined) hash.update(record.bytes.subarray(record.start, record.end))
    return hash.digest('hex').slice(0, ID_LETTERS)
  }
}

/** Hands events on, and counts the statements among them. */
class CountingSink implements Sink {
  readonly #sink: Sink
  statements = 0

  constructor(sink: Sink) {
    this.#sink = sink
  }

  emit(flow: FlowFacts | undefined, event: AuditEvent): void {
    if (event.event === 'statement') this.statements++
    this.#sink.emit(flow, event)
  }
}

/**
 * One capture. Time is the packets' own: a statement that runs for long is told when packets show that so
 * much time has passed.
 */
export class CaptureRun {
  readonly capture: Capture
  readonly #sink: CountingSink
  readonly #ids = new PacketIds()
  readonly #stillOpen: StillOpenTimer | undefined
  readonly #sweepEvery: Micros
  #now: Micros = 0
  #sweepAt: Micros = 0

  constructor(options: CaptureRunOptions) {
    const { config, subject, log, connId = this.#ids.next } = options
    const { dumpLog } = config
    const { openAfter } = dumpLog
    this.#sink = new CountingSink(options.sink)
    this.#sweepEvery = openAfter * 250
    if (openAfter > 0) {
      const never = { setInterval: () => ({}), clearInterval: () => {} }
      this.#stillOpen = new StillOpenTimer({ openAfter, now: () => this.#now, ...never })
    }
    const openFlow = openObservation({
      dumper: subject.dumper,
      sink: this.#sink,
      limits: dumpLog,
      detail: dumpLog.detail,
      link: openLink(),
      budget: { limit: dumpLog.sessionBytes, used: 0 },
      stillOpen: this.#stillOpen,
      log,
    })
    this.capture = openCapture({
      ...{ targets: subject.targets, targetText: subject.targetText },
      ...{ openFlow, connId, log, proxyProtocol: config.querytap.proxyProtocol },
      ...(options.interface !== undefined && { interface: options.interface }),
    })
  }

  get statements(): number {
    return this.#sink.statements
  }

  readonly record = (record: CaptureRecord): void => {
    if (record.at >= this.#sweepAt) this.#sweep(record.at)
    this.#ids.at(record)
    this.capture.record(record)
  }

  /** No packet comes, but time goes on. */
  advance(at: Micros): void {
    this.capture.advance(at)
    if (at >= this.#sweepAt) this.#sweep(at)
  }

  end(reason?: string): void {
    this.capture.end(reason)
  }

  #sweep(at: Micros): void {
    this.#now = at
    this.#sweepAt = at + this.#sweepEvery
    this.#stillOpen?.sweep()
  }
}
