/**
 * What processes that are gone had in their journals: statements that may have been executed, and of which
 * the log may not tell. Those that are in no log file are written as they were taken, `outcome` being
 * `unknown`. The journal goes when they are on stable storage, so that a crash in between makes the next one
 * look again, and find in the log what was written. Runs under the lock of those who look after files.
 */
import {
  closeSync,
  constants,
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
import { OWNER_BYTES, type ReadSegment, readOwner, readSegment } from './journal-format.ts'
import { type Identity, isAlive, type Owner } from './owner.ts'
import { type Entry, entryOf, lineOf, readWritten } from './recover-records.ts'

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
  /** journals that were told of */
  readonly #told = new Set<string>()

  constructor(options: RecoverOptions, owner: Owner, log: RecoveredLog) {
    this.#options = options
    this.#owner = owner
    this.#log = log
  }

  /** Is there a journal to be looked at whose process is gone? */
  hasDead(nowMs: number): boolean {
    return this.#find().some((found) => !this.#told.has(found.stem) && !this.#isAlive(found, nowMs))
  }

  /**
   * False when it has to be done again: the log cannot be written, or the process stops. Rejects as the file
   * system says. However many journals there are, the log is searched once for as much of them as is held in
   * memory at a time.
   */
  async run(nowMs: number, isStopping: () => boolean): Promise<boolean> {
    // the process's own first record comes before those of others
    await setImmediate()
    const dead = this.#find().filter((found) => !this.#isAlive(found, nowMs))
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
      const stem = /^(\..*\.\d+-[0-9a-f]{8})\.journal-[ab]$/.exec(file)?.[1]
      if (!stem?.startsWith(`.${fileName}.`) || join(dir, stem) === this.#owner.stem) continue
      const path = join(dir, file)
      const stat = statSync(path, { throwIfNoEntry: false })
      if (!stat?.isFile()) continue
      const segments = journals.get(stem) ?? []
      segments.push({ path, mtimeMs: stat.mtimeMs })
      journals.set(stem, segments)
    }
    return [...journals].map(([stem, segments]) => ({ stem, segments }))
  }

  #isAlive({ stem, segments }: Found, nowMs: number): boolean {
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

  /** True when nothing is left to be done with these journals. */
  async #recover(batch: readonly Opened[], isStopping: () => boolean): Promise<boolean> {
    const entries = batch.flatMap((opened) => opened.entries)
    if (entries.length > 0 && !(await this.#write(entries, isStopping))) return false
    // the newest last: it alone says what is needed
    for (const { found } of batch) for (const path of byAge(found)) rmSync(path, { force: true })
    return true
  }

  /**
   * Writes those that the log has not, and brings them to stable storage. Where that breaks off, the next
   * try finds in the log how far it came.
   */
  async #write(entries: readonly Entry[], isStopping: () => boolean): Promise<boolean> {
    const { dir, fileName, onIntents } = this.#options
    const log = this.#log
    // what an earlier try has left with the writer is to be found
    if (!isAllWritten(log)) return false
    const written = await readWritten(dir, fileName, entries)
    if (isStopping() || log.isInTrouble) return false
    let bytes = 0
    for (const entry of entries) {
      if (written.has(entry)) continue
      log.append(lineOf(entry))
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
    if (isEmpty) for (const { path } of segments) rmSync(path, { force: true })
    else if (isNewer) this.#tell(stem, 'is of a newer version and was left for that')
    else
      this.#tell(stem, 'cannot be read: statements may be missing in the log; delete it when that is clear')
  }

  #tell(stem: string, what: string): void {
    if (this.#told.has(stem)) return
    this.#told.add(stem)
    this.#options.onTrouble(new SinkError('journal', `journal ${join(this.#options.dir, stem)} ${what}`))
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
