/**
 * The classic capture format, {@link https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-05.html}:
 * a file header of 24 bytes, then records of 16 bytes and the packet. Times in microseconds or nanoseconds,
 * in the byte order of the machine that wrote them; both are told by the magic number. The records of
 * Kuznetzov's modified format have 8 bytes more.
 */
import type { Bytes } from '../flow.ts'
import { type CaptureFormat, type FormatContext, LARGEST_UNIT } from './format.ts'

const MICROSECONDS = 0xa1b2c3d4
const NANOSECONDS = 0xa1b23c4d
const MODIFIED = 0xa1b2cd34
const MAGICS: readonly number[] = [MICROSECONDS, NANOSECONDS, MODIFIED]

const FILE_HEADER = 24
const RECORD_HEADER = 16
const MODIFIED_HEADER = 24

/** The lower half of the last header word; its upper bits tell the length of a frame check sequence. */
const LINK_TYPE = 0xffff
const HAS_FCS = 0x0400_0000
const FCS_SHIFT = 28
/** in units of 16 bits */
const FCS_UNIT = 2

const swapped = (value: number): number =>
  ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0

/** Are these a pcap file's first four bytes, read as a little-endian number? */
export const isPcap = (magic: number): boolean => MAGICS.includes(magic) || MAGICS.includes(swapped(magic))

export class PcapFormat implements CaptureFormat {
  readonly dropped = 0
  headSize = FILE_HEADER
  readonly #isLittle: boolean
  readonly #isNanos: boolean
  readonly #recordHeader: number
  #fcs = 0

  constructor(magic: number) {
    this.#isLittle = MAGICS.includes(magic)
    const known = this.#isLittle ? magic : swapped(magic)
    this.#isNanos = known === NANOSECONDS
    this.#recordHeader = known === MODIFIED ? MODIFIED_HEADER : RECORD_HEADER
  }

  sizeOf(head: Bytes, at: number, context: FormatContext): number {
    if (this.headSize === FILE_HEADER && context.record.linkType < 0) return FILE_HEADER
    const captured = this.#uint32(head, at + 8)
    if (captured > LARGEST_UNIT)
      context.fail('invalid', `at most ${LARGEST_UNIT} bytes wanted, ${captured} announced`)
    return this.#recordHeader + captured
  }

  read(bytes: Bytes, start: number, end: number, context: FormatContext): void {
    const { record } = context
    if (record.linkType < 0) {
      const link = this.#uint32(bytes, start + 20)
      record.linkType = link & LINK_TYPE
      if ((link & HAS_FCS) !== 0) this.#fcs = (link >>> FCS_SHIFT) * FCS_UNIT
      this.headSize = this.#recordHeader
      return
    }
    const fraction = this.#uint32(bytes, start + 4)
    record.at =
      this.#uint32(bytes, start) * 1_000_000 + (this.#isNanos ? Math.floor(fraction / 1000) : fraction)
    record.bytes = bytes
    record.start = start + this.#recordHeader
    record.end = end
    record.wireLength = Math.max(this.#uint32(bytes, start + 12), end - record.start)
    if (this.#fcs > 0) cutCheckSequence(record, this.#fcs)
    record.number++
    context.onRecord(record)
  }

  #uint32(bytes: Bytes, at: number): number {
    return this.#isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at)
  }
}

/** Takes a frame check sequence off a record, as far as it was captured. */
export const cutCheckSequence = (
  record: { start: number; end: number; wireLength: number },
  bytes: number,
): void => {
  record.wireLength = Math.max(0, record.wireLength - bytes)
  record.end = Math.min(record.end, record.start + record.wireLength)
}
