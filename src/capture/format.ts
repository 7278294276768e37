/** What the two capture formats have in common: the record that they give, and how a reader drives them. */
import type { CaptureError } from '../errors.ts'
import type { Bytes, Micros } from '../flow.ts'

/**
 * One captured packet: `bytes[start … end)`, borrowed until the callback returns. The object is the reader's
 * and is used again for the next one.
 */
export interface CaptureRecord {
  bytes: Bytes
  start: number
  end: number
  /** the packet's length on the wire; more than `end - start` when the capture cut it */
  wireLength: number
  at: Micros
  /** LINKTYPE_… of the interface: {@link https://www.tcpdump.org/linktypes.html} */
  linkType: number
  /** the interface's name, where the file has one */
  interface: string | undefined
  /** from 1, over the whole file */
  number: number
}

export type OnRecord = (record: CaptureRecord) => void

/** What a format needs to know of the file besides a unit's bytes, and what it found. */
export interface FormatContext {
  readonly record: CaptureRecord
  readonly onRecord: OnRecord
  /** throws the error of a damaged file, with the place */
  fail(code: CaptureError['code'], what: string): never
}

/** Bytes of a unit that were there too few of to tell its length. */
export const MORE = 0

/** One of the two file formats. `read` is called with the whole unit, `skip` for one that nobody reads. */
export interface CaptureFormat {
  /** packets that the capturing system says it lost, so far */
  readonly dropped: number
  /** bytes that are wanted before `sizeOf` can tell */
  readonly headSize: number
  /** length of the unit that begins with these bytes, negative when it is to be stepped over */
  sizeOf(head: Bytes, at: number, context: FormatContext): number
  read(bytes: Bytes, start: number, end: number, context: FormatContext): void
}

/** Above every snapshot length in use (262,144) and the frames of segmentation offload. */
export const LARGEST_UNIT = 16 * 1024 * 1024
