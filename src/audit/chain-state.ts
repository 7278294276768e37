/**
 * Where the chain of a file stands, read from its end: the last checkpoint, and what lies behind it. Costs
 * the reading of what has no seal, which is about a second of records.
 */
import { createHash, type Hash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { CHECKPOINT_MARKS, numberOf, readCheckpoint } from './log-line.ts'

export interface ChainState {
  /** of all bytes since the last seal, that one included */
  readonly hash: Hash
  /** empty when there is none */
  readonly seal: string
  readonly lines: number
  readonly bytes: number
  /** lines and bytes behind the last checkpoint */
  readonly openLines: number
  readonly openBytes: number
}

const BLOCK = 1 << 18
/** A checkpoint is shorter: names of two files, numbers, seals. */
const LONGEST_CHECKPOINT = 1 << 14
const LINE_FEED = 0x0a
const LONGEST_MARK = Math.max(...CHECKPOINT_MARKS.map((mark) => mark.length))

/** The line feeds among the bytes. */
export const countLines = (bytes: Buffer): number => {
  let lines = 0
  for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) lines++
  return lines
}

/** Bytes from `start` to `end`, or as many of them as the file has. */
const readAt = (fd: number, start: number, end: number): Buffer => {
  const from = Math.max(0, start)
  const buffer = Buffer.allocUnsafe(Math.max(0, end - from))
  let used = 0
  while (used < buffer.length) {
    const count = readSync(fd, buffer, used, buffer.length - used, from + used)
    if (count === 0) break
    used += count
  }
  return buffer.subarray(0, used)
}

interface Place {
  /** where the checkpoint's seal and the line behind it begin; 0 without a checkpoint */
  readonly sealAt: number
  readonly behind: number
  readonly seal: string
  /** lines up to there */
  readonly lines: number
}

const NOWHERE: Place = { sealAt: 0, behind: 0, seal: '', lines: 0 }

/** The checkpoint whose mark is at `mark`, if it is one, and whole. */
const checkpointAt = (fd: number, mark: number): Place | undefined => {
  const from = Math.max(0, mark - LONGEST_CHECKPOINT)
  const around = readAt(fd, from, mark + LONGEST_CHECKPOINT)
  const start = mark > from ? around.lastIndexOf(LINE_FEED, mark - from - 1) + 1 : 0
  const end = around.indexOf(LINE_FEED, mark - from) + 1
  const checkpoint = end === 0 ? undefined : readCheckpoint(around.subarray(start, end))
  if (checkpoint === undefined) return undefined
  const { sealAt, seal, fields } = checkpoint
  const lines = numberOf(fields, 'records') + 1
  return { sealAt: from + start + sealAt, behind: from + end, seal, lines }
}

/** The file's last whole checkpoint, searched from its end. */
const lastCheckpoint = (fd: number, size: number): Place => {
  for (let end = size; end > 0; end -= BLOCK) {
    const start = Math.max(0, end - BLOCK)
    // a mark may stand astride two blocks
    const block = readAt(fd, start, Math.min(size, end + LONGEST_MARK))
    let before = block.length
    while (before >= 0) {
      const mark = Math.max(...CHECKPOINT_MARKS.map((text) => lastIndexBefore(block, text, before)))
      if (mark < 0) break
      const place = checkpointAt(fd, start + mark)
      if (place !== undefined) return place
      before = mark - 1
    }
  }
  return NOWHERE
}

/** A negative offset would count from the end. */
const lastIndexBefore = (block: Buffer, text: Buffer, before: number): number =>
  before < 0 ? -1 : block.lastIndexOf(text, before)

/** Where the chain of an empty file stands. */
export const emptyState = (): ChainState => ({
  hash: createHash('sha256'),
  seal: '',
  lines: 0,
  bytes: 0,
  openLines: 0,
  openBytes: 0,
})

/** Reads where the chain of a file stands. Throws what the file system throws, unless it is not there. */
export const readState = (path: string): ChainState => {
  const hash = createHash('sha256')
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return emptyState()
    throw error
  }
  try {
    const { size } = fstatSync(fd)
    const { sealAt, behind, seal, lines } = lastCheckpoint(fd, size)
    let [at, openLines] = [behind, 0]
    hash.update(readAt(fd, sealAt, behind))
    while (at < size) {
      const block = readAt(fd, at, Math.min(size, at + BLOCK))
      if (block.length === 0) break
      hash.update(block)
      openLines += countLines(block)
      at += block.length
    }
    return { hash, seal, lines: lines + openLines, bytes: at, openLines, openBytes: at - behind }
  } finally {
    closeSync(fd)
  }
}
