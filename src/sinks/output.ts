/**
 * The file that is written, byte by byte counted and, where records are sealed, hashed; its checkpoints are
 * written from here. Whatever goes into the file goes through here.
 */
import { closeSync, ftruncateSync } from 'node:fs'
import type { FileEnd, SealReason } from '../event.ts'
import type { TornLine } from './backlog.ts'
import { BlockWriter, type WriteCall, type Written } from './block.ts'
import type { Clock } from './clock.ts'
import type { OpenFile } from './rotate.ts'
import { Sealer, type SealOptions } from './sealer.ts'

/** Who gives records their numbers. */
export interface Numbering {
  readonly nextSeq: number
  skip(count: number): void
}

export interface OutputOptions {
  readonly seal?: SealOptions | undefined
  readonly write: WriteCall
  readonly clock: Clock
  readonly numbering: Numbering
  /** a checkpoint ought to be written */
  readonly onDue: () => void
}

const LINE_FEED = 0x0a
const LINE_END = Buffer.from('\n')
const isLineEnd = (torn: TornLine): boolean => torn.whole.equals(LINE_END)

const linesIn = (bytes: Buffer): number => {
  let lines = 0
  for (const byte of bytes) if (byte === LINE_FEED) lines++
  return lines
}

export class Output {
  readonly #writer: BlockWriter
  readonly #options: OutputOptions
  readonly #sealer: Sealer | undefined
  #file: OpenFile
  #torn: TornLine | undefined
  #isCut = false

  /** Throws what the file system throws. */
  constructor(file: OpenFile, options: OutputOptions) {
    const { seal, clock, onDue } = options
    this.#options = options
    this.#writer = new BlockWriter(options.write)
    this.#file = file
    if (seal) this.#sealer = new Sealer(file, seal, clock, onDue)
  }

  get file(): OpenFile {
    return this.#file
  }

  /** Does the file have to get its first checkpoint, before any record that is not written yet? */
  get isUnbegun(): boolean {
    return this.#sealer?.isBegun === false
  }

  /** Is there a line to be completed before anything else, other than a checkpoint? */
  get isTorn(): boolean {
    return this.#torn !== undefined
  }

  /** records, none or one, of which the file has a part only */
  get tornRecords(): number {
    return this.#torn === undefined || isLineEnd(this.#torn) ? 0 : 1
  }

  /** That line was written in part, and is to be completed. */
  keep(torn: TornLine | undefined): void {
    this.#torn = torn
  }

  /**
   * A torn line went with the file that has its beginning, and what was to end an older one's is not needed.
   */
  lost(): void {
    if (this.#torn !== undefined)
      this.#torn = isLineEnd(this.#torn) ? undefined : { ...this.#torn, written: 0 }
  }

  /**
   * A file that an earlier process left in the middle of a line gets that line ended first; not one that is
   * ours, opened anew in the middle of a checkpoint.
   */
  heal(): void {
    if (this.#file.isTorn && this.#tornCheckpoint === 0)
      this.#torn = { whole: Buffer.concat([LINE_END, this.#torn?.whole ?? Buffer.of()]), written: 0 }
  }

  /** At the end: no half line stays. */
  giveUp(): void {
    this.cut((this.#torn?.written ?? 0) + this.#tornCheckpoint)
  }

  /** Writes so many whole lines, or as much of them as goes. */
  text(text: string, lines: number): Written {
    return this.#count(this.#writer.text(this.#file.fd, text), lines)
  }

  /** The same of bytes; lines are counted when it is not known how many there are. */
  bytes(buffer: Buffer, offset = 0, lines?: number): Written {
    return this.#count(this.#writer.bytes(this.#file.fd, buffer, offset), lines)
  }

  /** Completes what is torn. Throws when that cannot be written. */
  complete(): void {
    this.#completeCheckpoint()
    const torn = this.#torn
    if (torn === undefined) return
    const { bytes, error } = this.bytes(torn.whole, torn.written)
    torn.written += bytes
    if (error !== undefined) throw error
    this.#torn = undefined
  }

  #completeCheckpoint(): void {
    const sealer = this.#sealer
    if (!sealer?.rest) return
    const { bytes, error } = this.#writer.bytes(this.#file.fd, sealer.rest)
    this.#file.size += bytes
    if (sealer.took(bytes)) this.#options.numbering.skip(1)
    if (error !== undefined) throw error
  }

  /** What has to be in the file before the next record. Throws when that cannot be written. */
  begin(): void {
    this.complete()
    if (!this.isUnbegun) return
    this.#sealer?.begin(...this.#next())
    this.#completeCheckpoint()
  }

  /** The checkpoints that are due. Throws when one cannot be written. */
  seal(): void {
    const sealer = this.#sealer
    if (!sealer?.isDue) return
    this.begin()
    while (sealer.next(...this.#next())) this.#completeCheckpoint()
  }

  /** The file's last checkpoint, whole or not at all: the file that follows vouches for what has no seal. */
  finish(reason: SealReason): void {
    const sealer = this.#sealer
    if (!sealer?.isBegun) return
    sealer.finish(reason, ...this.#next())
    this.quietly(() => this.#completeCheckpoint())
    if (sealer.torn > 0 && this.cut(sealer.torn)) sealer.untear()
  }

  /** Takes bytes of a line that is not whole off the file's end; false where the disk does not let it. */
  cut(bytes: number): boolean {
    if (bytes === 0) return true
    try {
      ftruncateSync(this.#file.fd, this.#file.size - bytes)
    } catch {
      // The disk that did not take the rest of the line does not give back its beginning either.
      return false
    }
    this.#file.size -= bytes
    this.#isCut = true
    return true
  }

  /** For what is tried again before the next record, whose failure is told then. */
  quietly(write: () => void): void {
    try {
      write()
    } catch {
      // see above
    }
  }

  /**
   * Goes on in another file, or in the same one, opened anew. Throws what the file system throws, and then
   * stays where it is.
   */
  goOn(file: OpenFile): void {
    try {
      this.#sealer?.goOn(file)
    } catch (error) {
      closeSync(file.fd)
      throw error
    }
    this.#file = file
    this.#isCut = false
  }

  /**
   * A checkpoint is to name a file that has lost its writer: `known` is what that said of it, else it is
   * read. Throws what the file system throws.
   */
  adopt(name: string, path: string, known: FileEnd | undefined): void {
    const end = known ?? this.#sealer?.endOf(name, path)
    if (end !== undefined) this.#sealer?.adopt(end)
  }

  /** No more checkpoints but the last. */
  stop(): void {
    this.#sealer?.stop()
  }

  /** How the file ends, for whoever comes next; it is read where some of it was cut off. */
  end(): FileEnd | undefined {
    const { name, path } = this.#file
    const end = this.#sealer?.end()
    return end && this.#isCut ? this.#sealer?.endOf(name, path) : end
  }

  /** bytes in the file of a checkpoint that is not whole */
  get #tornCheckpoint(): number {
    return this.#sealer?.torn ?? 0
  }

  #next(): readonly [seq: number, at: number] {
    return [this.#options.numbering.nextSeq, this.#options.clock.nowMs() * 1000]
  }

  #count(written: Written, lines: number | undefined): Written {
    const { bytes, block, error } = written
    this.#file.size += bytes
    if (this.#sealer)
      this.#sealer.wrote(block, error === undefined && lines !== undefined ? lines : linesIn(block))
    return written
  }
}
