/**
 * Which file is written: opens new ones under names nobody had, keeps the symlink `dump.log` on the newest,
 * or, with rotation off, opens the one file of that name. A second process never shares a file: it gets the
 * next `.N`.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { makeDirectory } from './directory.ts'
import { acquireLock, type Lock } from './lock.ts'
import { type Millis, nextName, type Period, periodEnd, stampOf, type Timezone } from './names.ts'
import type { Owner } from './owner.ts'
import { openRegular } from './regular.ts'
import { cutAt } from './torn.ts'

export interface PlaceOptions {
  readonly dir: string
  /** `dump.log` */
  readonly fileName: string
  readonly rotateEnable: boolean
  readonly rotationTime: Period
  readonly timezone: Timezone
  /** permission bits, whatever the umask */
  readonly fileMode: number
  /** group id */
  readonly fileGroup?: number | undefined
  /** told of each file of a process that was killed off whose end so many bytes of a torn line were cut */
  readonly onCut?: ((name: string, bytes: number) => void) | undefined
}

/** A file that is open for appending. */
export interface OpenFile {
  readonly fd: number
  readonly name: string
  readonly path: string
  readonly inode: number
  /** a time at which another file is due; Infinity with rotation off */
  readonly until: Millis
  /** bytes in it; the writer counts on */
  size: number
  /** it ends in a torn line of an earlier process: a line feed has to come first */
  readonly isTorn: boolean
}

const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW
const MAX_TRIES = 1000

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

const kindOf = (path: string): 'none' | 'link' | 'file' | 'other' => {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return 'none'
  if (stat.isSymbolicLink()) return 'link'
  return stat.isFile() ? 'file' : 'other'
}

/** Is the last byte of the file something other than a line feed? */
const endsTorn = (path: string, size: number): boolean => {
  if (size === 0) return false
  const fd = openRegular(path)
  try {
    const last = Buffer.alloc(1)
    return readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a
  } finally {
    closeSync(fd)
  }
}

/** The directory and the names in it. Methods throw what the file system throws. */
export class Place {
  readonly #options: PlaceOptions
  readonly #owner: Owner
  readonly #link: string
  #lock: Lock | undefined
  #plainName: string | undefined

  constructor(options: PlaceOptions, owner: Owner) {
    this.#options = options
    this.#owner = owner
    this.#link = join(options.dir, options.fileName)
  }

  /** Opens the next file and says so in the owner's file before the name exists. */
  open(now: Millis): OpenFile {
    makeDirectory(this.#options.dir)
    return this.#options.rotateEnable ? this.#openNext(now) : this.#openPlain()
  }

  /** Says that the fixed name is still in use, to processes that cannot see this one. */
  touch(now: Date): void {
    this.#lock?.touch(now)
  }

  /** Lets go of a fixed name. */
  close(): void {
    this.#lock?.release()
    this.#lock = undefined
  }

  #openNext(now: Millis): OpenFile {
    const { dir, fileName, rotationTime, timezone } = this.#options
    if (kindOf(this.#link) === 'file') this.#setAside()
    const stamp = stampOf(now, rotationTime, timezone)
    const before = this.#owner.open
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const name = nextName(fileName, stamp, readdirSync(dir))
      this.#owner.update([...before, name], this.#owner.pending)
      try {
        const file = this.#opened(name, constants.O_EXCL, periodEnd(now, rotationTime, timezone))
        this.#pointTo(file)
        return file
      } catch (error) {
        this.#owner.update(before, this.#owner.pending)
        if (codeOf(error) !== 'EEXIST') throw error
      }
    }
    throw new Error(`no free name for ${fileName}.${stamp} after ${MAX_TRIES} tries`)
  }

  #openPlain(): OpenFile {
    const { dir, fileName } = this.#options
    const isOurs = this.#lock !== undefined
    if (!isOurs) this.#takeName()
    const name = this.#plainName ?? fileName
    // A link left by rotation points to a file that has, or had, a writer of its own.
    if (kindOf(join(dir, name)) === 'link') rmSync(join(dir, name))
    if (!this.#owner.open.includes(name)) this.#owner.update([name], this.#owner.pending)
    const file = this.#opened(name, 0, Number.POSITIVE_INFINITY)
    return isOurs || !file.isTorn ? file : this.#cut(file)
  }

  /** What a writer that was killed left of a line is cut off, before anything is written behind it. */
  #cut(file: OpenFile): OpenFile {
    const { dir, fileName } = this.#options
    try {
      const size = cutAt(dir, fileName, file.name)
      ftruncateSync(file.fd, size)
      if (size < file.size) this.#options.onCut?.(file.name, file.size - size)
      return { ...file, size, isTorn: file.isTorn && size === file.size }
    } catch (error) {
      closeSync(file.fd)
      throw error
    }
  }

  #takeName(): void {
    const { dir, fileName } = this.#options
    for (let n = 0; this.#lock === undefined; n++) {
      if (n === MAX_TRIES) throw new Error(`${fileName} and ${n} more names are taken by other processes`)
      this.#plainName = n === 0 ? fileName : `${fileName}.${n}`
      this.#lock = acquireLock(join(dir, `.${this.#plainName}.writer`), this.#owner.identity)
    }
  }

  #opened(name: string, flags: number, until: Millis): OpenFile {
    const { dir, fileMode, fileGroup } = this.#options
    const path = join(dir, name)
    const fd = openRegular(path, APPEND | flags, fileMode)
    try {
      const { ino, size } = fstatSync(fd)
      if (size === 0) fchmodSync(fd, fileMode)
      if (size === 0 && fileGroup !== undefined) fchownSync(fd, -1, fileGroup)
      return { fd, name, path, inode: ino, until, size, isTorn: endsTorn(path, size) }
    } catch (error) {
      closeSync(fd)
      throw error
    }
  }

  /** Puts the symlink on `file` in one step: a reader finds the old file or the new one, never none. */
  #pointTo(file: OpenFile): void {
    const temporary = join(
      this.#options.dir,
      `.${this.#options.fileName}.${randomBytes(4).toString('hex')}.tmp`,
    )
    try {
      rmSync(temporary, { force: true })
      symlinkSync(file.name, temporary)
      renameSync(temporary, this.#link)
    } catch (error) {
      closeSync(file.fd)
      rmSync(file.path, { force: true })
      rmSync(temporary, { force: true })
      throw error
    }
  }

  /**
   * A file stands where the symlink belongs (rotation was off before): it gets a second name and loses
   * nothing.
   */
  #setAside(): void {
    const { dir, fileName, rotationTime, timezone } = this.#options
    const stamp = stampOf(lstatSync(this.#link).mtimeMs, rotationTime, timezone)
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      try {
        linkSync(this.#link, join(dir, nextName(fileName, stamp, readdirSync(dir))))
        return
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error
      }
    }
  }
}

/** Is the file still to be found under its path? Where that cannot be told, it is taken to be. */
export const isInPlace = (file: OpenFile): boolean => {
  try {
    return (
      fstatSync(file.fd).nlink > 0 && statSync(file.path, { throwIfNoEntry: false })?.ino === file.inode
    )
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOTDIR'
  }
}
