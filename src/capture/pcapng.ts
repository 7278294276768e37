/**
 * The newer capture format, {@link https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html}: blocks of
 *
 *   uint32 type, uint32 total length (a multiple of 4, counts itself), body, uint32 total length again
 *
 * A section header block begins a section: its byte order, and interfaces of its own. Packets come in
 * enhanced, simple and (obsolete) packet blocks; interface statistics tell what was dropped; every other
 * block is stepped over.
 */
import type { Bytes, Micros } from '../flow.ts'
import { type CaptureFormat, type FormatContext, LARGEST_UNIT } from './format.ts'
import { cutCheckSequence } from './pcap.ts'

const SECTION_HEADER = 0x0a0d0d0a
const INTERFACE_DESCRIPTION = 1
const PACKET = 2
const SIMPLE_PACKET = 3
const INTERFACE_STATISTICS = 5
const ENHANCED_PACKET = 6

/** Body bytes before the packet or the options, by block type; blocks that are not here are not read. */
const FIXED: Readonly<Record<number, number>> = {
  [SECTION_HEADER]: 16,
  [INTERFACE_DESCRIPTION]: 8,
  [PACKET]: 20,
  [SIMPLE_PACKET]: 4,
  [INTERFACE_STATISTICS]: 12,
  [ENHANCED_PACKET]: 20,
}

const BYTE_ORDER_MAGIC = 0x1a2b3c4d
const BYTE_ORDER_SWAPPED = 0x4d3c2b1a
const VERSION = 1
const HEAD = 8
const TAIL = 4
const SHORTEST = HEAD + TAIL
/** type, length and byte-order magic: what tells the order of a section's first length */
const SECTION_HEAD = 12

/** Options: uint16 code, uint16 length, value padded to 4 bytes. */
const END_OF_OPTIONS = 0
const IF_NAME = 2
const IF_TSRESOL = 9
const IF_FCSLEN = 13
const IF_TSOFFSET = 14
const ISB_IFDROP = 5
const ISB_OSDROP = 7

/** Interfaces of one section; more are a damaged file. */
const MOST_INTERFACES = 4096
const LONGEST_NAME = 256
const TWO_32 = 2 ** 32
const MICROS = 1_000_000

/** Turns the two halves of a timestamp into microseconds. */
type ToMicros = (high: number, low: number) => Micros

interface Interface {
  readonly linkType: number
  readonly snapLength: number
  name: string | undefined
  fcs: number
  offset: Micros
  toMicros: ToMicros
  dropped: number
}

const microseconds: ToMicros = (high, low) => high * TWO_32 + low

/**
 * if_tsresol: 10 to the minus of its low bits, or 2 to the minus of them with the high bit set. Exact: 64
 * bits of nanoseconds do not fit a number, so the high half is divided with its remainder.
 */
const resolution = (code: number): ToMicros => {
  const power = code & 0x7f
  if (code === 6) return microseconds
  if (code > 6 && code <= 15) {
    const divisor = 10 ** (power - 6)
    const whole = Math.floor(TWO_32 / divisor)
    const rest = TWO_32 - whole * divisor
    return (high, low) => high * whole + Math.floor((high * rest + low) / divisor)
  }
  const base = code < 0x80 ? 10n : 2n
  const units = base ** BigInt(power)
  return (high, low) => Number((((BigInt(high) << 32n) | BigInt(low)) * BigInt(MICROS)) / units)
}

/** Are these a pcapng file's first four bytes, read as a little-endian number? */
export const isPcapng = (magic: number): boolean => magic === SECTION_HEADER

export class PcapngFormat implements CaptureFormat {
  readonly headSize = SECTION_HEAD
  #isLittle = true
  #interfaces: Interface[] = []
  /** of the sections before */
  #droppedBefore = 0

  get dropped(): number {
    return this.#interfaces.reduce((sum, { dropped }) => sum + dropped, this.#droppedBefore)
  }

  sizeOf(head: Bytes, at: number, context: FormatContext): number {
    const isSection = head.readUInt32LE(at) === SECTION_HEADER
    if (isSection) this.#orderOf(head, at + HEAD, context)
    const type = this.#uint32(head, at)
    const length = this.#uint32(head, at + 4)
    const fixed = FIXED[type]
    if (length < SHORTEST + (fixed ?? 0)) context.fail('invalid', `a block of ${length} bytes`)
    // Of blocks that are stepped over nobody needs the padding to be right.
    if (fixed === undefined) return -(length + (-length & 3))
    if (length % 4 !== 0) context.fail('invalid', `a block of ${length} bytes`)
    if (length > LARGEST_UNIT)
      context.fail('invalid', `at most ${LARGEST_UNIT} bytes wanted, ${length} announced`)
    return length
  }

  read(bytes: Bytes, start: number, end: number, context: FormatContext): void {
    const type = this.#uint32(bytes, start)
    if (this.#uint32(bytes, end - TAIL) !== end - start)
      context.fail('invalid', "a block's two lengths differ")
    const at = start + HEAD
    const bodyEnd = end - TAIL
    switch (type) {
      case SECTION_HEADER:
        this.#section(bytes, at, context)
        break
      case INTERFACE_DESCRIPTION:
        this.#interface(bytes, at, bodyEnd, context)
        break
      case INTERFACE_STATISTICS:
        this.#statistics(bytes, at, bodyEnd)
        break
      case SIMPLE_PACKET:
        this.#simplePacket(bytes, at, bodyEnd, context)
        break
      case PACKET:
        this.#packet(bytes, at, bodyEnd, this.#uint16(bytes, at), context)
        break
      default:
        this.#packet(bytes, at, bodyEnd, this.#uint32(bytes, at), context)
    }
  }

  /** A section's byte order is that of the magic number behind its length. */
  #orderOf(bytes: Bytes, at: number, context: FormatContext): void {
    const magic = bytes.readUInt32LE(at)
    if (magic !== BYTE_ORDER_MAGIC && magic !== BYTE_ORDER_SWAPPED)
      context.fail('invalid', 'a section without its byte-order magic')
    this.#isLittle = magic === BYTE_ORDER_MAGIC
  }

  #section(bytes: Bytes, at: number, context: FormatContext): void {
    const version = this.#uint16(bytes, at + 4)
    if (version !== VERSION) context.fail('unsupported', `pcapng version 1 wanted, got ${version}`)
    this.#droppedBefore = this.dropped
    this.#interfaces = []
  }

  #interface(bytes: Bytes, at: number, end: number, context: FormatContext): void {
    if (this.#interfaces.length >= MOST_INTERFACES)
      context.fail('invalid', `more than ${MOST_INTERFACES} interfaces`)
    const found: Interface = {
      linkType: this.#uint16(bytes, at),
      snapLength: this.#uint32(bytes, at + 4),
      name: undefined,
      fcs: 0,
      offset: 0,
      toMicros: microseconds,
      dropped: 0,
    }
    this.#options(bytes, at + 8, end, (code, start, length) => {
      if (code === IF_NAME) found.name = readName(bytes, start, length)
      else if (code === IF_TSRESOL && length >= 1) found.toMicros = resolution(bytes[start] as number)
      else if (code === IF_FCSLEN && length >= 1) found.fcs = bytes[start] as number
      else if (code === IF_TSOFFSET && length >= 8) found.offset = this.#int64(bytes, start) * MICROS
    })
    this.#interfaces.push(found)
  }

  /** The counts run from the capture's start: the last word counts. */
  #statistics(bytes: Bytes, at: number, end: number): void {
    const found = this.#interfaces[this.#uint32(bytes, at)]
    if (found === undefined) return
    let dropped = 0
    this.#options(bytes, at + 12, end, (code, start, length) => {
      if ((code === ISB_IFDROP || code === ISB_OSDROP) && length >= 8)
        dropped += Math.max(0, this.#int64(bytes, start))
    })
    found.dropped = dropped
  }

  /** uint32 (16 and 16) interface, uint32 high and low of the time, uint32 captured, uint32 original */
  #packet(bytes: Bytes, at: number, end: number, number: number, context: FormatContext): void {
    const { record } = context
    const found = this.#interfaceOf(number, context)
    const captured = this.#uint32(bytes, at + 12)
    if (captured > end - at - 20)
      context.fail('invalid', `${captured} bytes wanted in a block with ${end - at - 20}`)
    record.at = found.toMicros(this.#uint32(bytes, at + 4), this.#uint32(bytes, at + 8)) + found.offset
    this.#give(bytes, at + 20, captured, this.#uint32(bytes, at + 16), found, context)
  }

  /** uint32 original length; the interface is the first, and nothing tells the time. */
  #simplePacket(bytes: Bytes, at: number, end: number, context: FormatContext): void {
    const found = this.#interfaceOf(0, context)
    const original = this.#uint32(bytes, at)
    const most = found.snapLength === 0 ? end - at - 4 : Math.min(found.snapLength, end - at - 4)
    this.#give(bytes, at + 4, Math.min(original, most), original, found, context)
  }

  #give(
    bytes: Bytes,
    start: number,
    captured: number,
    original: number,
    found: Interface,
    { record, onRecord }: FormatContext,
  ): void {
    record.bytes = bytes
    record.start = start
    record.end = start + captured
    record.wireLength = Math.max(original, captured)
    record.linkType = found.linkType
    record.interface = found.name
    if (found.fcs > 0) cutCheckSequence(record, found.fcs)
    record.number++
    onRecord(record)
  }

  #interfaceOf(number: number, context: FormatContext): Interface {
    const found = this.#interfaces[number]
    if (found === undefined) context.fail('invalid', `interface ${number} is not described`)
    return found
  }

  #options(
    bytes: Bytes,
    from: number,
    end: number,
    each: (code: number, start: number, length: number) => void,
  ): void {
    let at = from
    while (at + 4 <= end) {
      const code = this.#uint16(bytes, at)
      const length = this.#uint16(bytes, at + 2)
      if (code === END_OF_OPTIONS || at + 4 + length > end) return
      each(code, at + 4, length)
      at += 4 + length + (-length & 3)
    }
  }

  #uint16(bytes: Bytes, at: number): number {
    return this.#isLittle ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at)
  }

  #uint32(bytes: Bytes, at: number): number {
    return this.#isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at)
  }

  #int64(bytes: Bytes, at: number): number {
    return Number(this.#isLittle ? bytes.readBigInt64LE(at) : bytes.readBigInt64BE(at))
  }
}

/** Names end at a NUL in some writers' files. */
const readName = (bytes: Bytes, start: number, length: number): string => {
  const text = bytes.toString('utf8', start, start + Math.min(length, LONGEST_NAME))
  const nul = text.indexOf('\0')
  return nul < 0 ? text : text.slice(0, nul)
}
