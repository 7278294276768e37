/** Builds frames, and capture files from them. */
import type { Bytes } from '../../src/flow.ts'

export interface TcpFields {
  readonly source?: string
  readonly destination?: string
  readonly sourcePort?: number
  readonly destinationPort?: number
  readonly sequence: number
  readonly acknowledgement?: number
  /** letters as tcpdump has them: S F R P . */
  readonly flags?: string
  readonly bytes?: Bytes | string
  readonly options?: Bytes
}

const FLAG_BITS: Readonly<Record<string, number>> = { F: 1, S: 2, R: 4, P: 8, '.': 16 }
export const CLIENT = '192.0.2.1'
export const SERVER = '192.0.2.2'
export const CLIENT_PORT = 50_000
export const SERVER_PORT = 5432

export const toBytes = (bytes: Bytes | string): Bytes =>
  typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes

/** A TCP segment without a checksum, as one whose checksum is left to the network card. */
export const tcp = (fields: TcpFields): Bytes => {
  const options = fields.options ?? Buffer.alloc(0)
  const header = Buffer.alloc(20)
  header.writeUInt16BE(fields.sourcePort ?? CLIENT_PORT, 0)
  header.writeUInt16BE(fields.destinationPort ?? SERVER_PORT, 2)
  header.writeUInt32BE(fields.sequence >>> 0, 4)
  header.writeUInt32BE((fields.acknowledgement ?? 0) >>> 0, 8)
  header[12] = ((20 + options.length) / 4) << 4
  header[13] = [...(fields.flags ?? '.')].reduce((bits, letter) => bits | (FLAG_BITS[letter] ?? 0), 0)
  header.writeUInt16BE(64, 14)
  return Buffer.concat([header, options, toBytes(fields.bytes ?? '')])
}

const words = (address: string): number[] => address.split('.').map(Number)

export interface Ipv4Fields {
  readonly source?: string
  readonly destination?: string
  readonly id?: number
  /** in bytes */
  readonly offset?: number
  readonly more?: boolean
  readonly options?: Bytes
  readonly totalLength?: number
  readonly protocol?: number
}

export const ipv4 = (body: Bytes, fields: Ipv4Fields = {}): Bytes => {
  const options = fields.options ?? Buffer.alloc(0)
  const header = Buffer.alloc(20)
  header[0] = 0x40 | ((20 + options.length) / 4)
  header.writeUInt16BE(fields.totalLength ?? 20 + options.length + body.length, 2)
  header.writeUInt16BE(fields.id ?? 0, 4)
  header.writeUInt16BE((fields.more ? 0x2000 : 0) | ((fields.offset ?? 0) / 8), 6)
  header[8] = 64
  header[9] = fields.protocol ?? 6
  header.set(words(fields.source ?? CLIENT), 12)
  header.set(words(fields.destination ?? SERVER), 16)
  return Buffer.concat([header, options, body])
}

/** Addresses are `2001:db8::SOURCE` and `2001:db8::DESTINATION`; `next` is the type of the first header. */
export const ipv6 = (
  body: Bytes,
  fields: { source?: number; destination?: number; next?: number } = {},
) => {
  const header = Buffer.alloc(40)
  header[0] = 0x60
  header.writeUInt16BE(body.length, 4)
  header[6] = fields.next ?? 6
  header[7] = 64
  header.writeUInt32BE(0x20010db8, 8)
  header.writeUInt32BE(fields.source ?? 1, 20)
  header.writeUInt32BE(0x20010db8, 24)
  header.writeUInt32BE(fields.destination ?? 2, 36)
  return Buffer.concat([header, body])
}

/** Ethernet with the ethertypes given, each but the last a VLAN tag's. */
export const ethernet = (body: Bytes, types: readonly number[] = [0x0800]): Bytes => {
  const tags = types.map((type, index) => {
    const bytes = Buffer.alloc(index < types.length - 1 ? 4 : 2)
    bytes.writeUInt16BE(type, 0)
    if (bytes.length === 4) bytes.writeUInt16BE(100 + index, 2)
    return bytes
  })
  return Buffer.concat([Buffer.alloc(12), ...tags, body])
}

/** A segment in an Ethernet frame over IPv4. */
export const frame = (fields: TcpFields): Bytes =>
  ethernet(
    ipv4(tcp(fields), {
      ...(fields.source !== undefined && { source: fields.source }),
      ...(fields.destination !== undefined && { destination: fields.destination }),
    }),
  )

/** What a capture file says of a packet. */
export interface Captured {
  readonly bytes: Bytes
  readonly at: number
  /** bytes that were captured of it; all, unless told */
  readonly captured?: number
}

export interface PcapOptions {
  readonly isNanos?: boolean
  readonly isBig?: boolean
  readonly linkType?: number
  readonly magic?: number
}

const writer = (isBig: boolean) => ({
  uint32: (...values: number[]): Bytes => {
    const bytes = Buffer.alloc(4 * values.length)
    for (const [index, value] of values.entries()) {
      if (isBig) bytes.writeUInt32BE(value >>> 0, 4 * index)
      else bytes.writeUInt32LE(value >>> 0, 4 * index)
    }
    return bytes
  },
  uint16: (...values: number[]): Bytes => {
    const bytes = Buffer.alloc(2 * values.length)
    for (const [index, value] of values.entries()) {
      if (isBig) bytes.writeUInt16BE(value, 2 * index)
      else bytes.writeUInt16LE(value, 2 * index)
    }
    return bytes
  },
})

/** A classic capture file. */
export const pcapFile = (packets: readonly Captured[], options: PcapOptions = {}): Bytes => {
  const { uint32, uint16 } = writer(options.isBig ?? false)
  const magic = options.magic ?? (options.isNanos ? 0xa1b23c4d : 0xa1b2c3d4)
  const head = [uint32(magic), uint16(2, 4), uint32(0, 0, 262_144, options.linkType ?? 1)]
  const records = packets.flatMap(({ bytes, at, captured = bytes.length }) => {
    const fraction = (at % 1e6) * (options.isNanos ? 1000 : 1)
    const extra = options.magic === 0xa1b2cd34 ? [Buffer.alloc(8)] : []
    const fields = uint32(Math.floor(at / 1e6), fraction, captured, bytes.length)
    return [fields, ...extra, bytes.subarray(0, captured)]
  })
  return Buffer.concat([...head, ...records])
}

const padded = (bytes: Bytes): Bytes => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)])

/** Blocks of a pcapng file of one byte order. */
export const pcapng = (isBig = false) => {
  const { uint32, uint16 } = writer(isBig)
  const block = (type: number, ...body: readonly Bytes[]): Bytes => {
    const bytes = padded(Buffer.concat(body))
    const length = uint32(bytes.length + 12)
    return Buffer.concat([uint32(type), length, bytes, length])
  }
  const option = (code: number, value: Bytes): Bytes =>
    Buffer.concat([uint16(code, value.length), padded(value)])
  const end = uint32(0)
  const options = (list: Readonly<Record<number, Bytes>>): Bytes =>
    Buffer.concat([...Object.entries(list).map(([code, value]) => option(Number(code), value)), end])
  return {
    block,
    options,
    section: (): Bytes => block(0x0a0d0d0a, uint32(0x1a2b3c4d), uint16(1, 0), uint32(-1, -1)),
    interface: (linkType: number, list: Readonly<Record<number, Bytes>> = {}, snap = 0): Bytes =>
      block(1, uint16(linkType, 0), uint32(snap), options(list)),
    /** `units` is the time in the interface's resolution */
    enhanced: (id: number, units: bigint, bytes: Bytes, original = bytes.length): Bytes =>
      block(
        6,
        uint32(id, Number(units >> 32n), Number(units & 0xffff_ffffn), bytes.length, original),
        padded(bytes),
        options({ 1: Buffer.from('a comment') }),
      ),
    packet: (id: number, units: bigint, bytes: Bytes): Bytes =>
      block(
        2,
        uint16(id, 0),
        uint32(Number(units >> 32n), Number(units & 0xffff_ffffn), bytes.length, bytes.length),
        padded(bytes),
      ),
    simple: (bytes: Bytes, original = bytes.length): Bytes => block(3, uint32(original), padded(bytes)),
    uint64: (value: bigint): Bytes => {
      const [high, low] = [Number(value >> 32n), Number(value & 0xffff_ffffn)]
      return isBig ? uint32(high, low) : uint32(low, high)
    },
  }
}
