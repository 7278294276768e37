/**
 * Looks for lines in log files, whole lines alone: JSON and LTSV, plain and compressed, in pieces. Where a
 * mark stands no text of a client can stand: quotes and tabs inside of values are escaped.
 */
import { closeSync, createReadStream, lstatSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { createGunzip } from 'node:zlib'
import { parseName } from './names.ts'
import { openRegular } from './regular.ts'

const LINE_FEED = 0x0a
const PIECE = 1 << 20
/** Times of files and of records are taken from one clock, more or less. */
const SLACK_MS = 60_000

/** What is looked for. */
export interface Search {
  readonly marks: readonly Buffer[]
  /** Is it worth reading the line that has a mark before `at`? */
  wants?(bytes: Buffer, at: number): boolean
  /** a line, without its line feed; borrowed */
  found(line: Buffer): void
}

/** Is given a file's bytes in order. */
class LineSearch {
  readonly #search: Search
  #rest: Buffer = Buffer.alloc(0)

  constructor(search: Search) {
    this.#search = search
  }

  add(piece: Buffer): void {
    const end = piece.lastIndexOf(LINE_FEED) + 1
    if (end === 0) {
      this.#rest = Buffer.concat([this.#rest, piece])
      return
    }
    const lines =
      this.#rest.length === 0 ? piece.subarray(0, end) : Buffer.concat([this.#rest, piece.subarray(0, end)])
    this.#rest = Buffer.from(piece.subarray(end))
    for (const mark of this.#search.marks) this.#look(lines, mark)
  }

  #look(lines: Buffer, mark: Buffer): void {
    const { wants, found } = this.#search
    for (let at = lines.indexOf(mark); at >= 0; at = lines.indexOf(mark, at)) {
      at += mark.length
      if (wants !== undefined && !wants(lines, at)) continue
      const end = lines.indexOf(LINE_FEED, at)
      found(lines.subarray(lines.lastIndexOf(LINE_FEED, at) + 1, end))
      at = end
    }
  }
}

/** Searches a file, `.gz` by its name. Rejects with what the file system or zlib says. */
export const searchFile = async (path: string, search: Search): Promise<void> => {
  const lines = new LineSearch(search)
  const source = createReadStream(path, { highWaterMark: PIECE })
  const pieces = path.endsWith('.gz') ? source.pipe(createGunzip({ chunkSize: PIECE })) : source
  if (pieces !== source) source.on('error', (error) => pieces.destroy(error))
  try {
    for await (const piece of pieces as AsyncIterable<Buffer>) lines.add(piece)
  } finally {
    source.destroy()
  }
}

/** The same of a plain file, at once. Throws what the file system throws. */
export const searchFileSync = (path: string, search: Search): void => {
  const lines = new LineSearch(search)
  const fd = openRegular(path)
  try {
    const piece = Buffer.allocUnsafe(PIECE)
    for (let count = readSync(fd, piece); count > 0; count = readSync(fd, piece))
      lines.add(piece.subarray(0, count))
  } finally {
    closeSync(fd)
  }
}

/** Names of the log's files, current and finished ones, that were changed at that time or later. */
export const filesChangedSince = (dir: string, base: string, sinceMs: number): readonly string[] =>
  readdirSync(dir).filter((file) => {
    const isOurs = parseName(base, file) !== undefined || isFixedName(base, file)
    // not the symlink on the newest file
    const stat = isOurs ? lstatSync(join(dir, file), { throwIfNoEntry: false }) : undefined
    return stat?.isFile() === true && stat.mtimeMs >= sinceMs - SLACK_MS
  })

/** With rotation off: `dump.log`, and `dump.log.1` and so on of further processes. */
export const isFixedName = (base: string, file: string): boolean =>
  file === base || (file.startsWith(`${base}.`) && /^[1-9]\d{0,3}$/.test(file.slice(base.length + 1)))
