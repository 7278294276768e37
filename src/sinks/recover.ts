/**
 * What processes that are gone had in their journals: statements that may have been executed, and of which
 * the log may not tell. Those that are in no log file are written as they were taken, `outcome` being
 * `unknown`. The journal goes when they are on stable storage, so that a crash in between makes the next one
 * look again, and find in the log what was written. Runs under the lock of those who look after files.
 */
import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { SinkError } from '../errors.ts'
import type { Line } from '../event.ts'
import { messageOf } from './file-options.ts'
import { OWNER_BYTES, type ReadSegment, readOwner, readSegment } from './journal-format.ts'
import { type Identity, isAlive, type Owner, writerOf } from './owner.ts'
import { type Entry, entryOf, lastOfEach, lineOf, readWritten } from './recover-records.ts'

/** The log's writer, which gets the records. */
export interface RecoveredLog {
  readonly accepted: number
  readonly settled: number
  readonly isInTrouble: boolean
  append(line: Line): void
  flush(): void
  sync(): Promise<void>
}

export interface RecoverOptions {
  readonly dir: string
  readonly fileName: string
  /** gives a journal's record in the log's format, should that be another one now */
  readonly recode?: ((record: Buffer) => Buffer) | undefined
  /** told when statements were found that the log did not tell of, and how many it told of already */
  readonly onIntents?: ((recovered: number, known: number) => void) | undefined
  readonly onTrouble: (error: SinkError) => void
}

interface Segment {
  readonly path: string
  readonly mtimeMs: number
}

/** A journal as found in the directory. */
interface Found {
  readonly stem: string
  readonly segments: readonly Segment[]
}

interface Opened {
  readonly found: Found
  readonly entries: readonly Entry[]
}

const ENDINGS = ['.journal-a', '.journal-b']
/** Bytes of records that are looked for at a time, roughly. */
const MOST_BYTES = 64 << 20
/** Bytes that the log's writer is given at a time: less than it may ever have to drop. */
const MOST_WAITING = 1 << 14

const isAllWritten = (log: RecoveredLog): boolean => {
  log.flush()
  return !log.isInTrouble && log.settled >= log.accepted
}

const isIdentity = (value: unknown): value is Identity =>
  typeof (value as Partial<Identity> | undefined)?.pid === 'number'

export class Recovery {
  readonly #options: RecoverOptions
  readonly #owner: Owner
  readonly #log: RecoveredLog
  /** journals of which nothing can be read, until somebody has looked at them */
  readonly #unread = new Set<string>()
  readonly #told = new Set<string>()

  constructor(options: RecoverOptions, owner: Owner, log: RecoveredLog) {
    this.#options = options
    this.#owner = owner
    this.#log = log
  }

  /** Is there a journal to be looked at whose process is gone? */
  hasDead(nowMs: number): boolean {
    return this.#find().some((found) => !this.#unread.has(found.stem) && !this.#isAlive(found, nowMs))
  }

  /**
   * False while what was found is not in the log: the lock is to be kept until it is, for who gets that next
   * looks there. A journal that makes difficulties is told of, and looked at again another time. However
   * many there are, the log is searched once for as much of them as is held in memory at a time.
   */
  async run(nowMs: number, isStopping: () => boolean): Promise<boolean> {
    // the process's own first record comes before those of others
    await setImmediate()
    const dead = this.#find().filter(
      (found) => !this.#unread.has(found.stem) && !this.#isAlive(found, nowMs),
    )
    for (let done = 0; done < dead.length; ) {
      const batch: Opened[] = []
      for (let bytes = 0; done < dead.length && bytes < MOST_BYTES; done++) {
        if (isStopping()) return false
        const opened = this.#open(dead[done] as Found)
        if (opened === undefined) continue
        batch.push(opened)
        bytes += opened.entries.reduce((sum, { record }) => sum + record.length, 0)
      }
      if (!(await this.#recover(batch, isStopping))) return false
    }
    return true
  }

  #find(): readonly Found[] {
    const { dir, fileName } = this.#options
    const journals = new Map<string, Segment[]>()
    for (const file of readdirSync(dir)) {
      const writer = ENDINGS.map((ending) => writerOf(fileName, file, ending)).find(Boolean)
      const stem = `.${fileName}.${writer}`
      if (writer === undefined || join(dir, stem) === this.#owner.stem) continue
      const path = join(dir, file)
      const stat = lstatSync(path, { throwIfNoEntry: false })
      if (!stat?.isFile()) continue
      const segments = journals.get(stem) ?? []
      segments.push({ path, mtimeMs: stat.mtimeMs })
      journals.set(stem, segments)
    }
    return [...journals].map(([stem, segments]) => ({ stem, segments }))
  }

  /** So is one that cannot be asked. */
  #isAlive(found: Found, nowMs: number): boolean {
    try {
      return this.#lives(found, nowMs)
    } catch (error) {
      this.#tellOf(found, error)
      return true
    }
  }

  #lives({ stem, segments }: Found, nowMs: number): boolean {
    const owner = statSync(join(this.#options.dir, `${stem}.owner`), { throwIfNoEntry: false })
    const touched = Math.max(owner?.mtimeMs ?? 0, ...segments.map(({ mtimeMs }) => mtimeMs))
    for (const { path } of segments) {
      const identity = identityIn(readOwner(headOf(path)))
      if (identity !== undefined) return isAlive(identity, this.#owner.identity, nowMs - touched)
    }
    return false
  }

  /** What a journal has that is to be looked for; undefined where nothing can be done with it. */
  #open(found: Found): Opened | undefined {
    try {
      return this.#read(found)
    } catch (error) {
      this.#tellOf(found, error)
      return undefined
    }
  }

  #read(found: Found): Opened | undefined {
    const read = found.segments.map(({ path }) => readSegment(readFileSync(path)))
    const newest = newestOf(read)
    if (newest === undefined) {
      this.#unreadable(found, read.includes('newer'))
      return undefined
    }
    if (newest.isBroken) this.#tell(found.stem, 'is damaged: what is behind the damage is not recovered')
    const intents = [...newest.intents].sort((one, other) => one.id - other.id)
    // a copy each, so that not all segments are held
    return { found, entries: intents.map((it) => entryOf({ ...it, record: Buffer.from(it.record) })) }
  }

  /** True when nothing is left to be done with these journals now. */
  async #recover(batch: readonly Opened[], isStopping: () => boolean): Promise<boolean> {
    const entries = lastOfEach(batch.flatMap((opened) => opened.entries))
    try {
      if (entries.length > 0 && !(await this.#write(entries, isStopping))) return false
      // the newest last: it alone says what is needed
      for (const { found } of batch) for (const path of byAge(found)) rmSync(path, { force: true })
    } catch (error) {
      for (const { found } of batch) this.#tellOf(found, error)
    }
    return true
  }

  /**
   * Writes those that the log has not, and brings them to stable storage. Where that breaks off, the next
   * try finds in the log how far it came.
   */
  async #write(entries: readonly Entry[], isStopping: () => boolean): Promise<boolean> {
    const { dir, fileName, onIntents, recode } = this.#options
    const log = this.#log
    const onUnread = (file: string, error: unknown): void =>
      this.#say(
        'rotate',
        `${file} could not be searched: what it holds may be written again: ${messageOf(error)}`,
      )
    // what an earlier try has left with the writer is to be found
    if (!isAllWritten(log)) return false
    const written = await readWritten(dir, fileName, entries, onUnread)
    if (isStopping() || log.isInTrouble) return false
    let bytes = 0
    for (const entry of entries) {
      if (written.has(entry)) continue
      log.append(lineOf(recode ? { ...entry, record: recode(entry.record) } : entry))
      bytes += entry.record.length
      if (bytes < MOST_WAITING) continue
      bytes = 0
      if (!isAllWritten(log)) return false
    }
    if (!isAllWritten(log)) return false
    await log.sync()
    onIntents?.(entries.length - written.size, written.size)
    return true
  }

  /** Nothing but zeros is of a process that died at its start. */
  #unreadable({ stem, segments }: Found, isNewer: boolean): void {
    const isEmpty = segments.every(({ path }) => readFileSync(path).every((byte) => byte === 0))
    if (isEmpty) {
      for (const { path } of segments) rmSync(path, { force: true })
      return
    }
    this.#unread.add(stem)
    if (isNewer) this.#tell(stem, 'is of a newer version and was left for that')
    else
      this.#tell(stem, 'cannot be read: statements may be missing in the log; delete it when that is clear')
  }

  #tellOf({ stem }: Found, error: unknown): void {
    // gone since it was listed: its process ends just now, or another one has recovered it
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    this.#tell(stem, `could not be recovered: ${messageOf(error)}`)
  }

  #tell(stem: string, what: string): void {
    this.#say('journal', `journal ${join(this.#options.dir, stem)} ${what}`)
  }

  #say(code: SinkError['code'], message: string): void {
    if (this.#told.has(message)) return
    this.#told.add(message)
    this.#options.onTrouble(new SinkError(code, message))
  }
}

const identityIn = (owner: unknown): Identity | undefined => {
  const identity = (owner as { identity?: unknown } | undefined)?.identity
  return isIdentity(identity) ? identity : undefined
}

const headOf = (path: string): Buffer => {
  const head = Buffer.alloc(OWNER_BYTES)
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    return head.subarray(0, readSync(fd, head))
  } finally {
    closeSync(fd)
  }
}

const newestOf = (segments: readonly ReturnType<typeof readSegment>[]): ReadSegment | undefined => {
  let newest: ReadSegment | undefined
  for (const segment of segments) {
    if (typeof segment === 'string' || identityIn(segment.owner) === undefined) continue
    if (newest === undefined || segment.epoch > newest.epoch) newest = segment
  }
  return newest
}

const epochOf = (path: string): number => {
  try {
    const segment = readSegment(readFileSync(path))
    return typeof segment === 'string' ? -1 : segment.epoch
  } catch {
    return -1
  }
}

const byAge = ({ segments }: Found): readonly string[] =>
  segments
    .map(({ path }) => ({ path, epoch: epochOf(path) }))
    .sort((a, b) => a.epoch - b.epoch)
    .map(({ path }) => path)
