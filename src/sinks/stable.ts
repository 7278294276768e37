/**
 * Brings a log's files to stable storage, on a thread. A file that its writer has left is closed only when
 * that is done; the directory follows, so that a new file's name is there too.
 */
import { close, closeSync, fdatasync, fdatasyncSync, fsync, fsyncSync, open, openSync } from 'node:fs'
import { promisify } from 'node:util'
import type { Owner } from './owner.ts'

const [syncFile, syncDirectory] = [promisify(fdatasync), promisify(fsync)]
const [openFile, closeFile] = [promisify(open), promisify(close)]

export class StableFiles {
  readonly #syncNow: (fd: number) => void
  /** files that were left since the last time, still open */
  #left: number[] = []
  #hasNewName = true
  #isWanted = false
  /** why a file that was left may not be on stable storage: the system tells that once */
  #failure: unknown
  #running: Promise<void> | undefined

  /** `syncNow` is the system call, or a test's. */
  constructor(syncNow: (fd: number) => void = fdatasyncSync) {
    this.#syncNow = syncNow
  }

  /** Every file is to be brought to stable storage from here on, and what says whose they are. */
  want(owner: Owner): void {
    this.#isWanted = true
    owner.keepSafely()
  }

  /** The writer goes on in another file, which says how this one ends: that has to be true by then. */
  leave(fd: number): void {
    this.#hasNewName = true
    if (!this.#isWanted) {
      closeSync(fd)
      return
    }
    // closed later: it may be in use
    this.#left.push(fd)
    this.enter(fd)
  }

  /** What that file says of the one before it is there before its owner stops naming that one. */
  enter(fd: number): void {
    if (!this.#isWanted) return
    try {
      this.#syncNow(fd)
    } catch (error) {
      this.#failure = error
    }
  }

  /** What was written so far to files that were left, and to the present one. Rejects as the system says. */
  async sync(present: () => number, dir: string): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => undefined)
    this.#running = this.#sync(present(), dir)
    try {
      await this.#running
    } finally {
      this.#running = undefined
    }
  }

  /** The same of all files, at the end, and closes them; false when it could not be done. */
  async close(fd: number, dir: string): Promise<boolean> {
    while (this.#running !== undefined) await this.#running.catch(() => undefined)
    const left = this.#left.splice(0)
    try {
      if (this.#isWanted) {
        for (const one of [...left, fd]) this.#syncNow(one)
        const directory = openSync(dir, 'r')
        fsyncSync(directory)
        closeSync(directory)
      }
      return this.#failure === undefined
    } catch {
      return false
    } finally {
      for (const one of [...left, fd]) closeSync(one)
    }
  }

  async #sync(fd: number, dir: string): Promise<void> {
    const [left, failure] = [this.#left, this.#failure]
    this.#left = []
    this.#failure = undefined
    try {
      for (const one of left) await syncFile(one)
      await syncFile(fd)
    } finally {
      for (const one of left) await closeFile(one)
    }
    if (failure !== undefined) throw failure
    if (this.#hasNewName) await this.#syncNames(dir)
  }

  async #syncNames(dir: string): Promise<void> {
    this.#hasNewName = false
    try {
      const directory = await openFile(dir, 'r')
      await syncDirectory(directory).finally(() => closeFile(directory))
    } catch (error) {
      this.#hasNewName = true
      throw error
    }
  }
}
