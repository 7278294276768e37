/**
 * Records on their way to a writer elsewhere: gathered in blocks, a few of which are with the writer at a
 * time, the others in bounded memory. Past the bound the oldest that were not handed over are dropped and
 * counted. Records are numbered as if the writer put nothing among them.
 */
import type { AuditEvent, DirectEncoder, FlowFacts, Line, Micros } from '../event.ts'
import { joinLosses, type Loss } from './backlog.ts'
import { BLOCK_BYTES, DirectBlock } from './direct.ts'
import type { BlockMessage, LinesMessage } from './remote-messages.ts'

/** What is handed over at once; what was dropped before it. */
export interface Parcel {
  readonly message: BlockMessage | LinesMessage
  readonly bytes: number
  readonly lost: Loss
  /** of its records those that have a number */
  readonly numbered: number
  before: Loss | undefined
}

/** Blocks hold no less, or a record of some length would find no room. */
const LEAST_BLOCK = 1 << 16
/** Lines gathered in one parcel, in characters. */
const LINES_CHARS = 1 << 16
/** What a waiting line costs beside its characters. */
const LINE_OVERHEAD = 96
/** Buffers kept for later. */
const MOST_FREE = 8
const JSON_NUMBER = '"log_seq":'

/** For a loss that no record follows. */
const emptyParcel = (): Parcel => ({
  message: { kind: 'lines', lines: [] },
  bytes: 0,
  numbered: 0,
  lost: { records: 0, first: Number.POSITIVE_INFINITY, last: Number.NEGATIVE_INFINITY },
  before: undefined,
})

export class Parcels {
  readonly #bound: number
  readonly #blockBytes: number
  readonly #free: ArrayBuffer[] = []
  readonly #queue: Parcel[] = []
  readonly #sent: Parcel[] = []
  #block: DirectBlock | undefined
  #seq = 1
  #lines: Line[] = []
  #lineBytes = 0
  #first: Micros = Number.POSITIVE_INFINITY
  #last: Micros = Number.NEGATIVE_INFINITY
  /** bytes, records and numbered records that are queued or with the writer */
  #bytes = 0
  #records = 0
  #numbered = 0
  /** the writer's number for the first of those */
  #next = 1
  #loss: Loss | undefined

  /** `bound` in bytes, roughly. */
  constructor(bound: number) {
    this.#bound = bound
    this.#blockBytes = Math.max(LEAST_BLOCK, Math.min(BLOCK_BYTES, bound >> 2))
  }

  /** parcels with the writer */
  get sent(): number {
    return this.#sent.length
  }

  /** parcels that are to be handed over */
  get queued(): number {
    return this.#queue.length
  }

  /** records that the writer did not confirm */
  get records(): number {
    return this.#records + (this.#block?.count ?? 0) + this.#lines.length
  }

  /** bytes gathered for the next parcel */
  get gathered(): number {
    return (this.#block?.used ?? 0) + this.#lineBytes
  }

  /** False when the event is not one of the fast path. */
  addDirect(encoder: DirectEncoder, flow: FlowFacts | undefined, event: AuditEvent): boolean {
    const block = this.#open()
    if (!block.add(encoder, this.#seq, flow, event)) {
      if (!block.isHalfFull) return false
      this.#sealBlock()
      if (!this.#open().add(encoder, this.#seq, flow, event)) return false
    }
    this.#note(event.at)
    return true
  }

  addLine(line: Line): void {
    const isNumbered = line.tail !== '' && line.head.endsWith(JSON_NUMBER)
    const isInBlock = isNumbered && this.#addToBlock(line)
    if (!isInBlock) {
      this.#sealBlock()
      this.#lines.push(line)
      this.#lineBytes += line.head.length + line.tail.length + LINE_OVERHEAD
    }
    this.#note(line.at)
    if (this.#lineBytes >= LINES_CHARS) this.#sealLines()
  }

  /** The next parcel to be handed over, if there is anything. */
  take(): Parcel | undefined {
    if (this.#queue.length === 0) this.#seal()
    const parcel = this.#queue.shift() ?? (this.#loss && emptyParcel())
    if (parcel === undefined) return undefined
    parcel.before = this.#loss
    this.#loss = undefined
    this.#sent.push(parcel)
    return parcel
  }

  /** The writer is done with the oldest parcel it had, and would go on with the number `next`. */
  done(next: number, buffer: ArrayBuffer | undefined): void {
    const parcel = this.#sent.shift()
    if (parcel !== undefined) this.#forget(parcel)
    if (buffer !== undefined && this.#free.length < MOST_FREE) this.#free.push(buffer)
    this.#next = next
  }

  /** The writer is gone, and what it had, `more` records of earlier parcels too. How many that is. */
  fail(more: number, at: Micros): number {
    let lost = more
    if (more > 0) this.#loss = joinLosses(this.#loss, { records: more, first: at, last: at })
    for (const parcel of this.#sent.splice(0)) {
      this.#forget(parcel)
      lost += parcel.lost.records
      this.#loss = joinLosses(this.#loss, parcel.lost)
      if (parcel.before !== undefined) this.#loss = joinLosses(this.#loss, parcel.before)
    }
    return lost
  }

  /** A new writer would begin with this number. */
  restart(next: number): void {
    this.#next = next
  }

  /** Drops what is over the bound. How many records that is. */
  drop(): number {
    if (this.#bytes + this.gathered > this.#bound) this.#seal()
    let lost = 0
    while (this.#bytes > this.#bound) {
      const parcel = this.#queue.shift()
      if (parcel === undefined) break
      this.#forget(parcel)
      this.#loss = joinLosses(this.#loss, parcel.lost)
      lost += parcel.lost.records
      if (parcel.message.kind === 'block' && this.#free.length < MOST_FREE)
        this.#free.push(parcel.message.buffer)
    }
    return lost
  }

  /** Adds to the block at hand, or, where that lacked room, to the next. */
  #addToBlock(line: Line): boolean {
    const block = this.#open()
    if (block.addLine(this.#seq, line)) return true
    if (block.used === 0) return false
    this.#sealBlock()
    return this.#open().addLine(this.#seq, line)
  }

  #open(): DirectBlock {
    this.#sealLines()
    if (this.#block === undefined) {
      const free = this.#free.pop()
      this.#block = new DirectBlock(free ? Buffer.from(free) : Buffer.allocUnsafeSlow(this.#blockBytes))
    }
    if (this.#block.used === 0) this.#seq = this.#next + this.#numbered
    return this.#block
  }

  #note(at: Micros): void {
    if (at < this.#first) this.#first = at
    if (at > this.#last) this.#last = at
  }

  #seal(): void {
    this.#sealLines()
    this.#sealBlock()
  }

  #sealBlock(): void {
    const block = this.#block
    if (block === undefined || block.used === 0) return
    this.#block = undefined
    const { used, count } = block
    const buffer = block.buffer.buffer as ArrayBuffer
    this.#push({ kind: 'block', buffer, used, count, seq: this.#seq }, used, count, count)
  }

  #sealLines(): void {
    const lines = this.#lines
    if (lines.length === 0) return
    const bytes = this.#lineBytes
    this.#lines = []
    this.#lineBytes = 0
    const numbered = lines.filter(({ tail }) => tail !== '').length
    this.#push({ kind: 'lines', lines }, bytes, lines.length, numbered)
  }

  #push(message: Parcel['message'], bytes: number, records: number, numbered: number): void {
    const lost = { records, first: this.#first, last: this.#last }
    this.#first = Number.POSITIVE_INFINITY
    this.#last = Number.NEGATIVE_INFINITY
    this.#queue.push({ message, bytes, numbered, lost, before: undefined })
    this.#bytes += bytes
    this.#records += records
    this.#numbered += numbered
  }

  #forget({ bytes, numbered, lost }: Parcel): void {
    this.#bytes -= bytes
    this.#records -= lost.records
    this.#numbered -= numbered
  }
}
