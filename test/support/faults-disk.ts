/**
 * What a disk holds of one directory when the power fails, as POSIX has it: of a file's bytes those that an
 * fsync or fdatasync of it covered, of the names those that an fsync of the directory covered. Of the rest
 * anything may have arrived.
 */
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Call } from './faults.ts'

/** What of the unsynced arrived: nothing, everything, or any part of it. */
export type Arrival = 'nothing' | 'everything' | 'something'

const SECTOR_BYTES = 512

/** A file's bytes, which grow at their end. */
class Contents {
  #bytes: Buffer
  #length: number

  constructor(bytes: Buffer = Buffer.alloc(0)) {
    this.#bytes = Buffer.from(bytes)
    this.#length = bytes.length
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  write(offset: number, bytes: Buffer): void {
    const end = offset + bytes.length
    if (end > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(end)])
    bytes.copy(this.#bytes, offset)
    this.#length = Math.max(this.#length, end)
  }

  resize(length: number): void {
    if (length > this.#length) this.write(length, Buffer.alloc(0))
    else this.#bytes.fill(0, length, this.#length)
    this.#length = length
  }
}

interface Change {
  readonly at: number
  /** undefined where the file was cut, or grew, to `offset` */
  readonly bytes?: Buffer
  readonly offset: number
}

const change = (contents: Contents, { offset, bytes }: Change): void => {
  if (bytes) contents.write(offset, bytes)
  else contents.resize(offset)
}

/** A file, whatever its names. */
class DiskFile {
  readonly synced = new Contents()
  unsynced: Change[] = []

  /** What was done before that call was begun is on the disk. */
  sync(before: number): void {
    for (const one of this.unsynced) if (one.at < before) change(this.synced, one)
    this.unsynced = this.unsynced.filter(({ at }) => at >= before)
  }
}

/** A name's meaning: a file, or where a symbolic link points. */
type Entry = DiskFile | string
type Names = Map<string, Entry>
interface NameChange {
  readonly at: number
  apply(names: Names): void
}

/** The bytes of a file of which any part of the unsynced arrived. */
const partOf = (name: string, file: DiskFile, random: () => number): Buffer => {
  const contents = new Contents(file.synced.bytes)
  const { unsynced } = file
  // a journal is written in place: any sectors may arrive; what is appended to arrives from its front on
  if (name.includes('.journal-')) {
    for (const one of unsynced) writeSectors(contents, one, random)
    return contents.bytes
  }
  const whole = Math.floor(random() * (unsynced.length + 1))
  for (const one of unsynced.slice(0, whole)) change(contents, one)
  const last = unsynced[whole]
  if (last?.bytes)
    contents.write(last.offset, last.bytes.subarray(0, Math.floor(random() * last.bytes.length)))
  // its length may arrive before its bytes do
  if (last?.bytes && random() < 0.5) {
    const end = last.offset + last.bytes.length
    if (end > contents.bytes.length) contents.resize(end)
  }
  return contents.bytes
}

const writeSectors = (contents: Contents, one: Change, random: () => number): void => {
  if (!one.bytes) {
    change(contents, one)
    return
  }
  const { offset, bytes } = one
  for (let start = 0; start < bytes.length; ) {
    const end = Math.min(bytes.length, start + SECTOR_BYTES - ((offset + start) % SECTOR_BYTES))
    if (random() < 0.5) contents.write(offset + start, bytes.subarray(start, end))
    start = end
  }
}

/** A directory and what calls make of it. */
export class Disk {
  readonly #files = new Map<bigint, DiskFile>()
  readonly #directory: bigint
  readonly #syncs = new Map<number, number>()
  readonly #synced: Names = new Map()
  #unsynced: NameChange[] = []
  #calls = 0

  /** An empty directory of that inode. */
  constructor(directory: bigint) {
    this.#directory = directory
  }

  /** The next call was made. */
  take(call: Call): void {
    this.#calls++
    if (call.kind === 'write' || call.kind === 'truncate') this.#change(call)
    else if (call.kind === 'syncBegun') this.#syncs.set(call.sync, this.#calls)
    else if (call.kind === 'syncDone') this.#sync(call.inode, this.#syncs.get(call.sync) ?? 0)
    else if (call.kind !== 'send') this.#rename(call)
  }

  #change(call: Extract<Call, { kind: 'write' | 'truncate' }>): void {
    const file = this.#files.get(call.inode)
    if (!file) throw new Error('a write to a file that nobody has opened')
    const what =
      call.kind === 'write' ? { offset: call.offset, bytes: call.bytes } : { offset: call.length }
    file.unsynced.push({ at: this.#calls, ...what })
  }

  #sync(inode: bigint, before: number): void {
    if (inode !== this.#directory) {
      this.#files.get(inode)?.sync(before)
      return
    }
    for (const one of this.#unsynced) if (one.at < before) one.apply(this.#synced)
    this.#unsynced = this.#unsynced.filter(({ at }) => at >= before)
  }

  #rename(call: Extract<Call, { kind: 'create' | 'rename' | 'link' | 'symlink' | 'unlink' }>): void {
    const created = call.kind === 'create' ? new DiskFile() : undefined
    if (call.kind === 'create' && created) this.#files.set(call.inode, created)
    const apply = (names: Names): void => {
      if (call.kind === 'create') names.set(call.name, created as DiskFile)
      else if (call.kind === 'unlink') names.delete(call.name)
      else if (call.kind === 'symlink') names.set(call.to, call.from)
      else {
        const entry = names.get(call.from)
        if (entry !== undefined) names.set(call.to, entry)
        if (call.kind === 'rename') names.delete(call.from)
      }
    }
    this.#unsynced.push({ at: this.#calls, apply })
  }

  /** Puts into an empty directory what is found there after the power failed now. */
  restore(directory: string, arrival: Arrival, random: () => number): void {
    const names: Names = new Map(this.#synced)
    // names are kept in the order in which they were changed: file systems write a log of that
    const share = { nothing: 0, everything: 1, something: random() }[arrival]
    for (const one of this.#unsynced.slice(0, Math.round(this.#unsynced.length * share))) one.apply(names)
    for (const [name, entry] of names) {
      if (typeof entry === 'string') symlinkSync(entry, join(directory, name))
      else writeFileSync(join(directory, name), bytesOf(name, entry, arrival, random), { mode: 0o600 })
    }
  }
}

const bytesOf = (name: string, file: DiskFile, arrival: Arrival, random: () => number): Buffer => {
  if (arrival === 'nothing') return file.synced.bytes
  if (arrival === 'something') return partOf(name, file, random)
  const contents = new Contents(file.synced.bytes)
  for (const one of file.unsynced) change(contents, one)
  return contents.bytes
}
