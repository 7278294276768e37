/** Little-endian bytes, packets and compressed frames of MySQL's wire, built. */
import { deflateSync } from 'node:zlib'
import type { Bytes } from '../../src/flow.ts'

/** UTF-8, or bytes as they are. */
export type Text = string | Bytes

export const uint8 = (value: number): Bytes => Buffer.from([value & 0xff])

const little = (value: number | bigint, size: number): Bytes => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)))
  return bytes.subarray(0, size)
}

export const uint16 = (value: number): Bytes => little(value, 2)
export const uint24 = (value: number): Bytes => little(value, 3)
export const uint32 = (value: number): Bytes => little(value, 4)
export const uint64 = (value: number | bigint): Bytes => little(value, 8)

const NULL = Buffer.from([0xfb])

/** A length-encoded integer. */
export const lenenc = (value: number | bigint): Bytes => {
  if (value < 0xfb) return uint8(Number(value))
  if (value < 0x1_0000) return Buffer.concat([uint8(0xfc), uint16(Number(value))])
  if (value < 0x100_0000) return Buffer.concat([uint8(0xfd), uint24(Number(value))])
  return Buffer.concat([uint8(0xfe), uint64(value)])
}

/** A length-encoded string; null is NULL, as in a row. */
export const lenencString = (text: Text | null): Bytes => {
  if (text === null) return NULL
  const bytes = Buffer.from(text as string)
  return Buffer.concat([lenenc(bytes.length), bytes])
}

const MAX_PACKET = 0xff_ffff

/** Payload → its packet, or packets where it is longer than 16 MiB - 1. */
export const packet = (seq: number, payload: Text): Bytes => {
  const bytes = Buffer.from(payload as string)
  const pieces: Bytes[] = []
  for (let at = 0, id = seq; at <= bytes.length; at += MAX_PACKET, id++) {
    const piece = bytes.subarray(at, at + MAX_PACKET)
    pieces.push(uint24(piece.length), uint8(id), piece)
  }
  return Buffer.concat(pieces)
}

/** Payloads → packets, numbered from `seq` on. */
export const packets = (seq: number, ...payloads: readonly Bytes[]): Bytes => {
  const pieces: Bytes[] = []
  let id = seq
  for (const payload of payloads) {
    pieces.push(packet(id, payload))
    id += Math.floor(payload.length / MAX_PACKET) + 1
  }
  return Buffer.concat(pieces)
}

/** A bit for each NULL, the lowest first, behind `offset` bits that stay 0. */
export const nullBitmap = (values: readonly (Bytes | null)[], offset = 0): Bytes => {
  const bitmap = Buffer.alloc(Math.floor((values.length + 7 + offset) / 8))
  values.forEach((value, index) => {
    const bit = index + offset
    if (value === null) bitmap[bit >> 3] = (bitmap[bit >> 3] as number) | (1 << (bit & 7))
  })
  return bitmap
}

/** One frame of a compressed connection: its 7-byte header, and the bytes as they are or deflated. */
export const compressedFrame = (seq: number, plain: Bytes, stored = plain.length < 50): Bytes => {
  const body = stored ? plain : deflateSync(plain)
  return Buffer.concat([uint24(body.length), uint8(seq), uint24(stored ? 0 : plain.length), body])
}

/** Plain bytes → frames of at most `size` plain bytes each, numbered from `seq` on. */
export const compressed = (seq: number, plain: Bytes, size = 0xff_ffff): Bytes => {
  const frames: Bytes[] = []
  for (let at = 0; at < plain.length; at += size) {
    frames.push(compressedFrame(seq + frames.length, plain.subarray(at, at + size)))
  }
  return Buffer.concat(frames)
}
