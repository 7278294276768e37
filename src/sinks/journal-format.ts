/**
 * The journal on disk: intents whose records are not in the log yet. A segment is a sequence of frames from
 * its first byte on, all of one epoch; numbers are little-endian:
 *
 *     frame  := magic u32 "QTJ1" │ CRC-32 u32 of all behind it │ epoch u32 │ length u32 │ body
 *     body   := entries, `length` bytes
 *     owner  := 1 u8 │ length u32 │ JSON {identity, guarantee}       first in each segment
 *     intent := 2 u8 │ length u32 │ id f64 │ token f64 │ record, with the number 0 and its line feed
 *     over   := 3 u8 │ id f64                                        the record of that intent is in the log
 *
 * Behind the last frame lies what an earlier epoch left there, or a frame that was not written whole.
 * Records hold no byte below 0x20 but a tab and their line feed, so no text of a client looks like a frame.
 */
import { crc32 } from 'node:zlib'

const MAGIC = 0x314a5451
/** the same in any version */
const FAMILY = 'QTJ'

export const FRAME_HEADER = 16
/** bytes of an intent's entry before its record */
export const INTENT_HEADER = 21
export const OVER_BYTES = 9
const ENTRY_HEADER = 5

const OWNER = 1
const INTENT = 2
const OVER = 3

/** Completes the frame that begins at `start`: its body is in the buffer, up to `end`. */
export const sealFrame = (buffer: Buffer, start: number, end: number, epoch: number): void => {
  buffer.writeUInt32LE(MAGIC, start)
  buffer.writeUInt32LE(epoch, start + 8)
  buffer.writeUInt32LE(end - start - FRAME_HEADER, start + 12)
  buffer.writeUInt32LE(checksum(buffer, start, end), start + 4)
}

const checksum = (buffer: Buffer, start: number, end: number): number =>
  crc32(buffer.subarray(start + 8, end))

/** The owner's entry. */
export const ownerEntry = (owner: unknown): Buffer => {
  const text = Buffer.from(JSON.stringify(owner))
  const entry = Buffer.allocUnsafe(ENTRY_HEADER + text.length)
  entry[0] = OWNER
  entry.writeUInt32LE(text.length, 1)
  text.copy(entry, ENTRY_HEADER)
  return entry
}

/** Writes what stands before an intent's record; the record lies behind it already, up to `end`. */
export const writeIntentHeader = (
  buffer: Buffer,
  start: number,
  end: number,
  id: number,
  token: number,
): void => {
  buffer[start] = INTENT
  buffer.writeUInt32LE(end - start - ENTRY_HEADER, start + 1)
  buffer.writeDoubleLE(id, start + 5)
  buffer.writeDoubleLE(token, start + 13)
}

/** Says that the intent is no longer needed; answers the offset behind it. */
export const writeOver = (buffer: Buffer, start: number, id: number): number => {
  buffer[start] = OVER
  return buffer.writeDoubleLE(id, start + 1)
}

/** An intent that was not over when the journal ended. */
export interface ReadIntent {
  readonly id: number
  readonly token: number
  /** its record, without the line feed */
  readonly record: Buffer
}

export interface ReadSegment {
  readonly epoch: number
  /** what the owner's entry says */
  readonly owner: unknown
  readonly intents: readonly ReadIntent[]
  /** bytes of sound frames */
  readonly end: number
  /** a broken frame has a sound one of the same epoch behind it: more than an end that was torn */
  readonly isBroken: boolean
}

/** Bytes of a segment's beginning that hold its owner's entry. */
export const OWNER_BYTES = 4096

/** What the owner's entry says, by a segment's first {@link OWNER_BYTES} alone; undefined without one. */
export const readOwner = (head: Buffer): unknown => {
  if (head.length < FRAME_HEADER + ENTRY_HEADER || head.readUInt32LE(0) !== MAGIC) return undefined
  if (head[FRAME_HEADER] !== OWNER) return undefined
  const start = FRAME_HEADER + ENTRY_HEADER
  return parsed(head.toString('utf8', start, start + head.readUInt32LE(FRAME_HEADER + 1)))
}

/** Why a segment cannot be read at all. */
export type Unreadable = 'empty' | 'newer' | 'foreign'

interface Frame {
  readonly epoch: number
  readonly start: number
  readonly end: number
}

const frameAt = (segment: Buffer, start: number): Frame | undefined => {
  if (segment.length - start < FRAME_HEADER || segment.readUInt32LE(start) !== MAGIC) return undefined
  const end = start + FRAME_HEADER + segment.readUInt32LE(start + 12)
  if (end > segment.length || segment.readUInt32LE(start + 4) !== checksum(segment, start, end))
    return undefined
  return { epoch: segment.readUInt32LE(start + 8), start: start + FRAME_HEADER, end }
}

/** Reads the sound frames of a segment; the intents refer to its bytes. */
export const readSegment = (segment: Buffer): ReadSegment | Unreadable => {
  const first = frameAt(segment, 0)
  if (first === undefined) return whyUnreadable(segment)
  const intents = new Map<number, ReadIntent>()
  let owner: unknown
  let frame: Frame | undefined = first
  let end = 0
  while (frame !== undefined && frame.epoch === first.epoch) {
    const named = readEntries(segment, frame, intents)
    owner ??= named
    end = frame.end
    frame = frameAt(segment, end)
  }
  const { epoch } = first
  return { epoch, owner, intents: [...intents.values()], end, isBroken: goesOn(segment, end, epoch) }
}

const whyUnreadable = (segment: Buffer): Unreadable => {
  if (segment.subarray(0, FRAME_HEADER).every((byte) => byte === 0)) return 'empty'
  const magic = segment.toString('latin1', 0, 4)
  if (magic.startsWith(FAMILY)) return segment.readUInt32LE(0) === MAGIC ? 'empty' : 'newer'
  return 'foreign'
}

/** Is there, behind a frame that is not sound, another one of that epoch? */
const goesOn = (segment: Buffer, end: number, epoch: number): boolean => {
  const magic = Buffer.alloc(4)
  magic.writeUInt32LE(MAGIC)
  for (let at = segment.indexOf(magic, end); at >= 0; at = segment.indexOf(magic, at + 1))
    if (frameAt(segment, at)?.epoch === epoch) return true
  return false
}

/** The intent whose entry begins at `at`; its record is a part of the segment. */
export const readIntent = (segment: Buffer, at: number): ReadIntent => {
  const end = at + ENTRY_HEADER + segment.readUInt32LE(at + 1)
  const [id, token] = [segment.readDoubleLE(at + 5), segment.readDoubleLE(at + 13)]
  return { id, token, record: segment.subarray(at + INTENT_HEADER, end - 1) }
}

/** Takes in a frame's entries; answers the owner, where one is named. */
const readEntries = (segment: Buffer, frame: Frame, intents: Map<number, ReadIntent>): unknown => {
  let owner: unknown
  for (let at = frame.start; at < frame.end; ) {
    const kind = segment[at]
    if (kind === OVER) {
      intents.delete(segment.readDoubleLE(at + 1))
      at += OVER_BYTES
      continue
    }
    const end = at + ENTRY_HEADER + segment.readUInt32LE(at + 1)
    if (kind === OWNER) owner = parsed(segment.toString('utf8', at + ENTRY_HEADER, end))
    else if (kind === INTENT) {
      const intent = readIntent(segment, at)
      intents.set(intent.id, intent)
    } else break
    at = end
  }
  return owner
}

const parsed = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
