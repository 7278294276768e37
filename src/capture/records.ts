/**
 * The records of a capture file, from chunks of any size: a push parser for pcap and pcapng.
 *
 *   chunk ──feed──▶ [rest of the unit begun before] + [units that lie whole in the chunk] ──▶ onRecord
 *
 * A unit is a file header, a record or a block. One that lies whole in the chunk is read in place; of one
 * that spans chunks only its own bytes are gathered, so a file of any size needs no more memory than its
 * largest unit, and that is bounded (`LARGEST_UNIT`). Units that nobody reads are stepped over however long
 * they claim to be. The format says of each unit how long it is (`sizeOf`) before it is read (`read`).
 *
 * Damage is a CaptureError with the record's number and the file's offset, thrown after every record before
 * it was given; a file that is cut within a unit says so at `end`.
 */
import { CaptureError } from '../errors.ts'
import type { Bytes } from '../flow.ts'
import {
  type CaptureFormat,
  type CaptureRecord,
  type FormatContext,
  LARGEST_UNIT,
  MORE,
  type OnRecord,
} from './format.ts'
import { isPcap, PcapFormat } from './pcap.ts'
import { isPcapng, PcapngFormat } from './pcapng.ts'

export type { CaptureRecord, OnRecord } from './format.ts'

/** The parser of one file. */
export interface RecordReader {
  /** Throws CaptureError when the file is damaged or of no known format; nothing is to be fed after it. */
  feed(chunk: Bytes, onRecord: OnRecord): void
  /** The file ended: throws CaptureError `truncated` if it did so within a record. */
  end(): void
  /** packets that the file says were lost before they were captured (pcapng) */
  readonly dropped: number
  /** records so far */
  readonly records: number
}

const MAGIC_SIZE = 4
const FIRST_CARRY = 64 * 1024
const NO_BYTES = Buffer.alloc(0)

class Reader implements RecordReader, FormatContext {
  readonly record: CaptureRecord = {
    bytes: NO_BYTES,
    start: 0,
    end: 0,
    wireLength: 0,
    at: 0,
    linkType: -1,
    interface: undefined,
    number: 0,
  }
  onRecord: OnRecord = () => {}
  #format: CaptureFormat | undefined
  /** file offset of the unit at hand */
  #offset = 0
  #carry = NO_BYTES
  #carried = 0
  /** bytes yet to be stepped over */
  #skip = 0

  get dropped(): number {
    return this.#format?.dropped ?? 0
  }

  get records(): number {
    return this.record.number
  }

  fail(code: CaptureError['code'], what: string): never {
    const number = this.record.number + 1
    throw new CaptureError(code, `capture: ${what}, record ${number}, byte ${this.#offset}`, number)
  }

  feed(chunk: Bytes, onRecord: OnRecord): void {
    this.onRecord = onRecord
    let at = this.#stepOver(chunk, 0)
    while (this.#carried > 0 && at < chunk.length) at = this.#stepOver(chunk, this.#continue(chunk, at))
    while (at < chunk.length) {
      const size = this.#sizeOf(chunk, at, chunk.length - at)
      if (size === MORE || (size > 0 && chunk.length - at < size)) {
        this.#keep(chunk, at, chunk.length)
        return
      }
      if (size < 0) {
        this.#skip = -size
        at = this.#stepOver(chunk, at)
      } else {
        this.#format?.read(chunk, at, at + size, this)
        this.#offset += size
        at += size
      }
    }
  }

  end(): void {
    if (this.#carried > 0 || this.#skip > 0) this.fail('truncated', 'the file ends within a record')
    if (this.#format === undefined) this.fail('truncated', 'the file is empty')
  }

  /** The format is known by the first four bytes. */
  #sizeOf(bytes: Bytes, at: number, have: number): number {
    if (this.#format === undefined) {
      if (have < MAGIC_SIZE) return MORE
      const magic = bytes.readUInt32LE(at)
      if (isPcap(magic)) this.#format = new PcapFormat(magic)
      else if (isPcapng(magic)) this.#format = new PcapngFormat()
      else this.fail('unsupported', 'neither pcap nor pcapng')
    }
    const format = this.#format
    if (have < format.headSize) return MORE
    const size = format.sizeOf(bytes, at, this)
    if (size > LARGEST_UNIT) this.fail('invalid', `at most ${LARGEST_UNIT} bytes wanted, ${size} announced`)
    return size
  }

  /** Completes the unit that began in earlier chunks; answers the offset behind what was used. */
  #continue(chunk: Bytes, from: number): number {
    let at = from
    const head = this.#format?.headSize ?? MAGIC_SIZE
    at = this.#fill(chunk, at, head)
    if (this.#carried < head) return at
    const size = this.#sizeOf(this.#carry, 0, this.#carried)
    if (size === MORE) return at
    if (size < 0) {
      this.#skip = -size - this.#carried
      this.#offset += this.#carried
      this.#carried = 0
      return at
    }
    at = this.#fill(chunk, at, size)
    if (this.#carried < size) return at
    this.#carried = 0
    this.#format?.read(this.#carry, 0, size, this)
    this.#offset += size
    return at
  }

  #fill(chunk: Bytes, at: number, wanted: number): number {
    const end = Math.min(chunk.length, at + Math.max(0, wanted - this.#carried))
    this.#keep(chunk, at, end)
    return end
  }

  /** Grows with what has really arrived, not with what is announced. */
  #keep(chunk: Bytes, start: number, end: number): void {
    const wanted = this.#carried + end - start
    if (wanted > this.#carry.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_CARRY, wanted, 2 * this.#carry.length))
      this.#carry.copy(larger, 0, 0, this.#carried)
      this.#carry = larger
    }
    chunk.copy(this.#carry, this.#carried, start, end)
    this.#carried = wanted
  }

  #stepOver(chunk: Bytes, at: number): number {
    const step = Math.min(this.#skip, chunk.length - at)
    this.#skip -= step
    this.#offset += step
    return at + step
  }
}

/** A parser for one capture file, pcap or pcapng by its first bytes. */
export const openRecords = (): RecordReader => new Reader()
