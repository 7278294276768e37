/**
 * The torn last line of a writer that was killed, or the NUL bytes that a power cut leaves: cut off, so
 * that a log holds whole lines alone. Not what a checkpoint has vouched for already: its hash is of the torn
 * bytes too.
 */
import { closeSync, constants, fstatSync, ftruncateSync, lstatSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { acquireLock } from './lock.ts'
import type { Identity } from './owner.ts'
import { openRegular } from './regular.ts'
import { filesChangedSince, isFixedName, type Search, searchFile, searchFileSync } from './scan.ts'

const BLOCK = 1 << 16
const LINE_FEED = 0x0a

/** Where the last whole line of a file ends. Throws what the file system throws. */
const wholeEnd = (fd: number, size: number): number => {
  const block = Buffer.allocUnsafe(BLOCK)
  for (let end = size; end > 0; end -= BLOCK) {
    const start = Math.max(0, end - BLOCK)
    const count = readSync(fd, block, 0, end - start, start)
    const at = block.subarray(0, count).lastIndexOf(LINE_FEED)
    if (at >= 0) return start + at + 1
  }
  return 0
}

const NUMBERS = [Buffer.from('"log_seq":'), Buffer.from('\tlog_seq:')]

/** Is the last whole line of the file, which ends at `whole`, a record of ours? */
const endsInRecord = (fd: number, whole: number): boolean => {
  const line = Buffer.alloc(Math.min(BLOCK, Math.max(0, whole - 1)))
  readSync(fd, line, 0, line.length, whole - 1 - line.length)
  const last = line.subarray(line.lastIndexOf(LINE_FEED) + 1)
  return NUMBERS.some((number) => last.includes(number))
}

interface End {
  readonly size: number
  /** bytes up to there are whole lines */
  readonly whole: number
  readonly mtimeMs: number
}

const endOf = (path: string): End | undefined => {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) return undefined
  const fd = openRegular(path)
  try {
    const { size, mtimeMs } = fstatSync(fd)
    return { size, mtimeMs, whole: wholeEnd(fd, size) }
  } finally {
    closeSync(fd)
  }
}

/**
 * Torn files of which nobody says whose they are: records of ours stand before the tear. Other programs
 * write files of such names as well.
 */
export const tornFiles = (dir: string, base: string): readonly string[] =>
  filesChangedSince(dir, base, 0).filter((name) => !name.endsWith('.gz') && isTornRecord(join(dir, name)))

const isTornRecord = (path: string): boolean => {
  let fd: number | undefined
  try {
    fd = openRegular(path)
    const { size } = fstatSync(fd)
    const whole = wholeEnd(fd, size)
    return whole > 0 && whole < size && endsInRecord(fd, whole)
  } catch {
    // what cannot be read is not ours
    return false
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

const CHECKPOINT = '"event":"audit.checkpoint"'
const CHECKPOINT_LTSV = '\tevent:audit.checkpoint\t'

/** Finds checkpoints that name a file as the one before theirs. */
class Vouchers implements Search {
  readonly marks: readonly Buffer[]
  hasFound = false

  constructor(name: string) {
    this.marks = [Buffer.from(`"prev_file":${JSON.stringify(name)}`), Buffer.from(`\tprev_file:${name}\t`)]
  }

  readonly found = (line: Buffer): void => {
    if (line.includes(CHECKPOINT) || line.includes(CHECKPOINT_LTSV)) this.hasFound = true
  }
}

/** A file that was empty at a rotation is taken away, whenever that is: it vouched for nothing. */
const unlessGone = (error: unknown): void => {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}

/**
 * Where the file at `path`, which is ours alone to append to, is to be cut: its size where it is whole, or
 * vouched for as it is by a file that is not compressed.
 */
export const cutAt = (dir: string, base: string, name: string): number => {
  const end = endOf(join(dir, name))
  if (end === undefined || end.whole === end.size) return end?.size ?? 0
  const vouchers = new Vouchers(name)
  for (const other of filesChangedSince(dir, base, end.mtimeMs)) {
    if (other === name || other.endsWith('.gz')) continue
    try {
      searchFileSync(join(dir, other), vouchers)
    } catch (error) {
      unlessGone(error)
    }
  }
  return vouchers.hasFound ? end.size : end.whole
}

/**
 * Cuts the torn line off a file whose writer is gone, and answers how many bytes that were. Rejects with
 * what the file system says. A file of a fixed name is left alone when somebody else has begun to write
 * to it.
 */
export const cutTornLine = async (
  dir: string,
  base: string,
  name: string,
  own: Identity,
): Promise<number> => {
  const path = join(dir, name)
  const end = endOf(path)
  if (end === undefined || end.whole === end.size) return 0
  const vouchers = new Vouchers(name)
  for (const other of filesChangedSince(dir, base, end.mtimeMs))
    if (other !== name) await searchFile(join(dir, other), vouchers).catch(unlessGone)
  if (vouchers.hasFound) return 0
  const lock = isFixedName(base, name) ? acquireLock(join(dir, `.${name}.writer`), own) : undefined
  if (lock === undefined && isFixedName(base, name)) return 0
  const fd = openRegular(path, constants.O_RDWR)
  try {
    // who has written since lives
    if (fstatSync(fd).size !== end.size) return 0
    ftruncateSync(fd, end.whole)
    return end.size - end.whole
  } finally {
    closeSync(fd)
    lock?.release()
  }
}
