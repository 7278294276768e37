/**
 * Which checkpoints a log file gets, and when: one at its beginning, one for every interval in which records
 * were written, one at its end, one for each file that another process has left. A checkpoint that could be
 * written only in part is completed before anything else; until it is whole it has no number and no seal.
 */
import type { Chain, Chains, Checkpoint, FileEnd, Micros, SealReason } from '../event.ts'
import type { Clock } from './clock.ts'
import type { OpenFile } from './rotate.ts'

export interface SealOptions {
  readonly chains: Chains
  /** a record is sealed so many milliseconds after it was written at the latest */
  readonly intervalMs: number
  /** told of each checkpoint that is in the file */
  readonly onSeal?: (checkpoint: Checkpoint, path: string) => void
}

/** Room in a file, in bytes, that is left for its last checkpoint. */
export const CHECKPOINT_ROOM = 1024

/** A checkpoint on its way into the file. */
interface Pending {
  readonly checkpoint: Checkpoint
  written: number
}

export class Sealer {
  readonly #options: SealOptions
  readonly #clock: Clock
  readonly #onDue: () => void
  #file: OpenFile
  #chain: Chain
  #pending: Pending | undefined
  /** the file before this one, until a checkpoint of this one names it */
  #before: FileEnd | undefined
  #beginning: 'start' | 'continue' = 'start'
  #isBegun = false
  #isDue = false
  #cancelTimer: (() => void) | undefined
  readonly #left: FileEnd[] = []

  /** `onDue` is called when a checkpoint ought to be written. Throws what the file system throws. */
  constructor(file: OpenFile, options: SealOptions, clock: Clock, onDue: () => void) {
    this.#options = options
    this.#clock = clock
    this.#onDue = onDue
    this.#file = file
    this.#chain = options.chains.open(file.name, file.path, file.size)
  }

  /** Has the file, in this process, got its first checkpoint? */
  get isBegun(): boolean {
    return this.#isBegun
  }

  /** bytes that are in the file of a checkpoint that is not whole */
  get torn(): number {
    return this.#pending?.written ?? 0
  }

  /** what of a checkpoint has to be written before anything else */
  get rest(): Buffer | undefined {
    return this.#pending?.checkpoint.line.subarray(this.#pending.written)
  }

  /** These bytes were written to the file, and so many line feeds among them. */
  wrote(bytes: Buffer, lines: number): void {
    if (bytes.length === 0) return
    this.#chain.add(bytes, lines)
    this.#cancelTimer ??= this.#clock.after(this.#options.intervalMs, () => {
      this.#cancelTimer = undefined
      this.#isDue = this.#chain.isOpen
      if (this.#isDue) this.#onDue()
    })
  }

  /** The file's first checkpoint. */
  begin(seq: number, at: Micros): void {
    this.#isBegun = true
    this.#prepare(this.#beginning, seq, at, this.#before)
  }

  /** The last of the file, or of the process. */
  finish(reason: SealReason, seq: number, at: Micros): void {
    this.#prepare(reason, seq, at)
  }

  /** A checkpoint for what is due, if anything is. */
  next(seq: number, at: Micros): boolean {
    const left = this.#left.shift()
    if (left !== undefined) this.#prepare('adopt', seq, at, left)
    else if (this.#isDue && this.#chain.isOpen) this.#prepare('interval', seq, at)
    else this.#isDue = false
    return this.#pending !== undefined
  }

  /** Is there something for {@link next}? */
  get isDue(): boolean {
    return this.#left.length > 0 || (this.#isDue && this.#chain.isOpen)
  }

  /** A file that has lost its writer is to be named by the next checkpoint. */
  adopt(left: FileEnd): void {
    this.#left.push(left)
  }

  /** How a file ends that has no writer any more; undefined for one without a record. */
  endOf(name: string, path: string): FileEnd | undefined {
    return this.#options.chains.endOf(name, path)
  }

  /** So many bytes more of the checkpoint were written; true when it is whole, and has its number. */
  took(bytes: number): boolean {
    const pending = this.#pending as Pending
    pending.written += bytes
    const { checkpoint, written } = pending
    if (written < checkpoint.line.length) return false
    this.#pending = undefined
    this.#before = undefined
    this.#beginning = 'continue'
    this.#isDue = false
    this.#chain.settle(checkpoint)
    this.#options.onSeal?.(checkpoint, this.#file.path)
    return true
  }

  /** What was written of the checkpoint was taken out of the file again. */
  untear(): void {
    if (this.#pending !== undefined) this.#pending.written = 0
  }

  /** The writer goes on in `file`. Throws what the file system throws. */
  goOn(file: OpenFile): void {
    if (file.inode === this.#file.inode && file.size === this.#file.size) {
      this.#file = file
      return
    }
    const chain = this.#options.chains.open(file.name, file.path, file.size)
    this.#before = this.end()
    this.#isBegun = false
    this.#file = file
    this.#chain = chain
  }

  /** How the file ends now; what came before it, as long as nothing of this one was sealed. */
  end(): FileEnd | undefined {
    const pending = this.#pending
    this.#pending = undefined
    if (pending !== undefined && pending.written > 0)
      this.#chain.add(pending.checkpoint.line.subarray(0, pending.written), 0)
    return this.#chain.seal === '' ? this.#before : this.#chain.end()
  }

  stop(): void {
    this.#cancelTimer?.()
  }

  #prepare(reason: SealReason, seq: number, at: Micros, before?: FileEnd): void {
    this.#pending = { checkpoint: this.#chain.checkpoint(reason, seq, at, before), written: 0 }
  }
}
