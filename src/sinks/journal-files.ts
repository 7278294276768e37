/**
 * The journal's two files, written in place: each was filled with zeros at the start, so that writing
 * needs no room on the disk. A buffer has the same layout as the file that is being written: intents are
 * encoded straight into it, and what is new is written with one call. When a file is full, the other one
 * begins a new epoch with all that is still needed; until that is whole, the old one is what counts.
 */
import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import type { AuditEvent, DirectEncoder, FlowFacts, Line } from '../event.ts'
import { makeDirectory, syncDirectory } from './directory.ts'
import {
  FRAME_HEADER,
  INTENT_HEADER,
  OVER_BYTES,
  ownerEntry,
  type ReadIntent,
  readIntent,
  sealFrame,
  writeIntentHeader,
  writeOver,
} from './journal-format.ts'

/** Room behind a segment's bound: one turn's intents begin before it, and may end behind it. */
const SLACK = 1 << 17
/** So many segments are kept of what cannot be written, where nobody waits for that. */
const MOST_SEGMENTS = 16
const LINE_FEED = 0x0a

/** `writeSync` of node:fs at a position, or a test's. */
export type WriteAt = (
  fd: number,
  buffer: Buffer,
  offset: number,
  length: number,
  position: number,
) => number
/** `fdatasync` of node:fs, or a test's. */
export type Sync = (fd: number, callback: (error: Error | null) => void) => void

/** What turns an event into its record. Throws for what it cannot encode. */
export interface JournalEncoder {
  encode(flow: FlowFacts | undefined, event: AuditEvent): Line
  readonly direct?: DirectEncoder | undefined
}

export interface JournalFilesOptions {
  /** path of the files without `.journal-a` */
  readonly stem: string
  /** what the first entry of each segment says of its writer */
  readonly owner: unknown
  readonly encoder: JournalEncoder
  /** bytes that a file has from the start, and that it is used to, unless more is needed at once */
  readonly segmentBytes: number
  readonly isSynced: boolean
  readonly write?: WriteAt | undefined
  readonly sync?: Sync | undefined
  readonly syncNow?: ((fd: number) => void) | undefined
}

/** An intent whose record is not known to be in the log. Those that are needed make a ring. */
export interface Live {
  readonly id: number
  /** where its entry lies in the buffer */
  offset: number
  length: number
  /** records that the log's writer had taken when it got this one's */
  mark: number
  before: Live
  next: Live
}

interface Segment {
  readonly path: string
  fd: number
  inode: number
  bytes: Buffer
  /** of the file */
  size: number
}

const ring = (): Live => {
  const head = { id: 0, offset: 0, length: 0, mark: 0 } as Live
  head.before = head
  head.next = head
  return head
}

export class JournalFiles {
  readonly #options: JournalFilesOptions
  readonly #owner: Buffer
  readonly #write: WriteAt
  readonly #sync: Sync
  readonly #live = ring()
  #segments: [Segment, Segment]
  #current: 0 | 1 = 0
  #epoch = 0
  #nextId = 1
  /** bytes of the buffer that are used; where the frame begins that is not written, or -1 */
  #used = 0
  #frame = -1
  #limit: number
  #mustTurn = false
  /** the epoch's beginning is on stable storage */
  #isBegunSafely = true
  /** the file that is being brought to stable storage, or -1 */
  #syncing = -1

  /** Makes both files, and begins. Throws what the file system throws. */
  constructor(options: JournalFilesOptions) {
    this.#options = options
    this.#owner = ownerEntry(options.owner)
    this.#write =
      options.write ?? ((fd, buffer, offset, length, at) => writeSync(fd, buffer, offset, length, at))
    this.#sync = options.sync ?? fdatasync
    this.#limit = options.segmentBytes
    const segment = (letter: string): Segment => {
      const bytes = Buffer.alloc(options.segmentBytes + SLACK)
      return { path: `${options.stem}.journal-${letter}`, fd: -1, inode: 0, bytes, size: 0 }
    }
    this.#segments = [segment('a'), segment('b')]
    this.#make()
    this.write()
  }

  /** paths of both files */
  get paths(): readonly string[] {
    return this.#segments.map(({ path }) => path)
  }

  /** Is there something that is not written? */
  get isPending(): boolean {
    return this.#frame >= 0 || this.#mustTurn
  }

  /** A write failed: what is in the file behind its last frame is not known, and a new epoch is due. */
  get mustTurn(): boolean {
    return this.#mustTurn
  }

  /** Is the file that is being written nearly full? */
  get isNearlyFull(): boolean {
    return this.#used > this.#limit * 0.75
  }

  /** Is there far more than what one file is for? */
  get isOverBound(): boolean {
    return this.#used > this.#options.segmentBytes * MOST_SEGMENTS
  }

  /** Is no intent needed any more? */
  get isEmpty(): boolean {
    return this.#live.next === this.#live
  }

  /** Encodes an intent into the frame that is written next. Throws what the encoder throws. */
  take(token: number, flow: FlowFacts, event: AuditEvent): Live {
    this.#begin()
    const start = this.#used
    const end = this.#encode(start + INTENT_HEADER, flow, event)
    const id = this.#nextId++
    writeIntentHeader(this.#bytes, start, end, id, token)
    this.#used = end
    const last = this.#live.before
    const live: Live = { id, offset: start, length: end - start, mark: 0, before: last, next: this.#live }
    last.next = live
    this.#live.before = live
    return live
  }

  /** The intent as it was taken; its record is borrowed until the next one is taken. */
  read({ offset }: Live): ReadIntent {
    return readIntent(this.#bytes, offset)
  }

  /** That intent is needed no longer: the next frame says so. */
  end(live: Live): void {
    live.before.next = live.next
    live.next.before = live.before
    this.#begin()
    this.#reserve(this.#used + OVER_BYTES)
    this.#used = writeOver(this.#bytes, this.#used, live.id)
  }

  /** Writes what is new, or begins a new epoch. Throws what the file system throws, and tries that next. */
  write(): void {
    if (!this.isPending) return
    if (this.#mustTurn || this.#used > this.#limit) this.#turn()
    else this.#append()
  }

  /** Brings what was written to stable storage; one call at a time. */
  sync(callback: (error: Error | null) => void): void {
    const epoch = this.#epoch
    const { fd } = this.#segment
    this.#syncing = fd
    this.#sync(fd, (error) => {
      this.#syncing = -1
      if (error !== null) this.#mustTurn = true
      else if (epoch === this.#epoch) this.#isBegunSafely = true
      if (this.#segments.every((segment) => segment.fd !== fd)) closeSync(fd)
      callback(error)
    })
  }

  /** Makes the files anew when they were taken away; the next write begins an epoch there. */
  lookAfter(): void {
    // one that could not be made again is closed, and may well be where it was
    const isThere = ({ path, fd, inode }: Segment): boolean =>
      fd >= 0 && statSync(path, { throwIfNoEntry: false })?.ino === inode
    if (this.#segments.every(isThere)) return
    this.#mustTurn = true
    this.#make()
  }

  /** Says that this process is still here, to those who cannot see it. */
  touch(now: Date): void {
    for (const { path } of this.#segments) {
      try {
        utimesSync(path, now, now)
      } catch {
        // it was taken away: the next look finds out
      }
    }
  }

  /** Removes the files, unless they are needed. */
  close(isNeeded: boolean): void {
    for (const segment of this.#segments) {
      this.#closeFile(segment)
      if (!isNeeded) rmSync(segment.path, { force: true })
    }
  }

  get #segment(): Segment {
    return this.#segments[this.#current]
  }

  get #bytes(): Buffer {
    return this.#segment.bytes
  }

  #begin(): void {
    if (this.#frame >= 0) return
    this.#reserve(this.#used + FRAME_HEADER)
    this.#frame = this.#used
    this.#used += FRAME_HEADER
  }

  #encode(at: number, flow: FlowFacts, event: AuditEvent): number {
    const { encoder } = this.#options
    const end = at < this.#bytes.length ? this.#direct(at, flow, event) : -1
    if (end >= 0) return end
    const { head, tail } = encoder.encode(flow, event)
    this.#reserve(at + Buffer.byteLength(head) + Buffer.byteLength(tail) + 2)
    const bytes = this.#bytes
    let to = at + bytes.write(head, at)
    to += bytes.write('0', to)
    to += bytes.write(tail, to)
    bytes[to] = LINE_FEED
    return to + 1
  }

  #direct(at: number, flow: FlowFacts, event: AuditEvent): number {
    try {
      return this.#options.encoder.direct?.encode(this.#bytes, at, 0, flow, event) ?? -1
    } catch {
      return -1
    }
  }

  /** Sees to it that the buffer has so many bytes. */
  #reserve(bytes: number): void {
    const segment = this.#segment
    if (bytes <= segment.bytes.length) return
    const larger = Buffer.alloc(bytes * 2)
    segment.bytes.copy(larger, 0, 0, this.#used)
    segment.bytes = larger
  }

  #append(): void {
    const segment = this.#segment
    sealFrame(segment.bytes, this.#frame, this.#used, this.#epoch)
    this.#put(segment, segment.bytes, this.#frame, this.#used)
    this.#frame = -1
  }

  /**
   * Begins a new epoch in the other file; in the same one while that is not known to be on stable storage,
   * for then the other is what counts after a power cut.
   */
  #turn(): void {
    const { isSynced } = this.#options
    if (isSynced && !this.#isBegunSafely && !this.#mustTurn) this.#syncNow()
    const target = (isSynced && !this.#isBegunSafely) === (this.#current === 0) ? 0 : 1
    const segment = this.#segments[target]
    if (target === this.#current && this.#syncing === segment.fd)
      throw new Error('fdatasync has not ended, and what it is for may not be overwritten')
    this.#epoch++
    const first = FRAME_HEADER + this.#owner.length
    let end = first
    for (let live = this.#live.next; live !== this.#live; live = live.next) end += live.length
    const bytes = this.#gather(target, first, end)
    sealFrame(bytes, 0, end, this.#epoch)
    this.#put(segment, bytes, 0, end)
    for (let live = this.#live.next, at = first; live !== this.#live; live = live.next) {
      live.offset = at
      at += live.length
    }
    segment.bytes = bytes
    this.#current = target
    this.#used = end
    this.#frame = -1
    this.#isBegunSafely = false
    this.#limit = Math.max(this.#options.segmentBytes, end * 2)
    this.#shrink(segment)
  }

  #syncNow(): void {
    this.#mustTurn = true
    const { syncNow = fdatasyncSync } = this.#options
    syncNow(this.#segment.fd)
    this.#mustTurn = false
    this.#isBegunSafely = true
  }

  /** The owner and all live intents, in a buffer for that segment. */
  #gather(target: 0 | 1, first: number, end: number): Buffer {
    const room = Math.max(this.#options.segmentBytes, end * 2) + SLACK
    const old = this.#segments[target].bytes
    const fits = target !== this.#current && old.length >= room && old.length <= room * 4
    const bytes = fits ? old : Buffer.alloc(room)
    this.#owner.copy(bytes, FRAME_HEADER)
    let at = first
    for (let live = this.#live.next; live !== this.#live; live = live.next)
      at += this.#bytes.copy(bytes, at, live.offset, live.offset + live.length)
    return bytes
  }

  #put(segment: Segment, bytes: Buffer, start: number, end: number): void {
    this.#mustTurn = true
    let at = start
    while (at < end) {
      const count = this.#write(segment.fd, bytes, at, end - at, at)
      if (count <= 0) throw new Error('write wrote nothing')
      at += count
    }
    this.#mustTurn = false
    segment.size = Math.max(segment.size, end)
  }

  /** Gives back what one large turn had needed. */
  #shrink(segment: Segment): void {
    const { segmentBytes } = this.#options
    if (segment.size <= segmentBytes || this.#limit > segmentBytes) return
    try {
      ftruncateSync(segment.fd, segmentBytes)
      segment.size = segmentBytes
    } catch {
      // larger than it needs to be
    }
  }

  /** Makes both files, each whole before it bears its name: nobody sees one without an owner. */
  #make(): void {
    const { stem, segmentBytes, isSynced } = this.#options
    makeDirectory(dirname(stem))
    const end = FRAME_HEADER + this.#owner.length
    const bytes = Buffer.alloc(Math.max(segmentBytes, end))
    this.#owner.copy(bytes, FRAME_HEADER)
    for (const segment of this.#segments) {
      sealFrame(bytes, 0, end, ++this.#epoch)
      this.#closeFile(segment)
      segment.fd = makeFile(segment.path, bytes, isSynced)
      segment.size = bytes.length
      segment.inode = fstatSync(segment.fd).ino
    }
    if (isSynced) syncDirectory(dirname(stem))
    this.#isBegunSafely = true
    this.#mustTurn = true
  }

  /** A file that is being synchronized is closed when that is over. */
  #closeFile(segment: Segment): void {
    if (segment.fd >= 0 && segment.fd !== this.#syncing) closeSync(segment.fd)
    segment.fd = -1
  }
}

const makeFile = (path: string, bytes: Buffer, isSynced: boolean): number => {
  const temporary = `${path}.tmp`
  const { O_RDWR, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants
  const fd = openSync(temporary, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600)
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
    if (isSynced) fsyncSync(fd)
    renameSync(temporary, path)
    return fd
  } catch (error) {
    closeSync(fd)
    rmSync(temporary, { force: true })
    throw error
  }
}
