/**
 * Who writes which file. Each writer keeps a small file beside the log, `.dump.log.PID-RANDOM.owner`, which
 * names its process, its open files, and its finished files that still await compression or the hook. Only
 * its writer changes it, atomically; when the process is gone another adopts what it left. A process is
 * known by pid, start time, boot and pid namespace; one of another namespace or machine counts as alive
 * while its file is touched every minute.
 */
import { randomBytes } from 'node:crypto'
import {
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import type { FileEnd } from '../event.ts'
import { syncDirectory } from './directory.ts'
import { readRegular } from './regular.ts'

/** How often an owner touches its file, and after which silence a foreign one counts as gone. */
export const HEARTBEAT_MS = 60_000
export const SILENCE_MS = 5 * HEARTBEAT_MS

/** One process, for ever: a pid that is used again has another start time. */
export interface Identity {
  readonly pid: number
  /** clock ticks after boot, from /proc; empty where there is none */
  readonly start: string
  readonly boot: string
  readonly namespace: string
  readonly host: string
}

const attempt = <T>(action: () => T, otherwise: T): T => {
  try {
    return action()
  } catch {
    return otherwise
  }
}

interface Stat {
  readonly state: string
  readonly start: string
}

/** Fields 3 and 22 of /proc/PID/stat; the command's name before them may hold blanks and brackets. */
const statOf = (pid: number): Stat =>
  attempt(
    () => {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return { state: fields[0] ?? '', start: fields[19] ?? '' }
    },
    { state: '', start: '' },
  )

/** It has ended, and nobody has asked how. */
const ZOMBIE = 'Z'

/** Of a thread besides the first its own number, as unique: it may end before its process. */
const ownPid = (): number =>
  isMainThread
    ? process.pid
    : attempt(() => Number(readlinkSync('/proc/thread-self').split('/').at(-1)), process.pid)

/** This process, or this thread of it. */
export const ownIdentity = (pid = ownPid()): Identity => ({
  pid,
  start: statOf(pid).start,
  boot: attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(), ''),
  namespace: attempt(() => readlinkSync('/proc/self/ns/pid'), ''),
  host: hostname(),
})

const runs = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * Does that process still run? `silentMs` is how long its file was not touched: all that is known of
 * foreign ones.
 */
export const isAlive = (other: Identity, own: Identity, silentMs: number): boolean => {
  if (other.host === own.host && other.boot !== own.boot) return false
  if (other.boot !== own.boot || other.namespace !== own.namespace) return silentMs < SILENCE_MS
  if (!runs(other.pid)) return false
  const { state, start } = statOf(other.pid)
  if (state === ZOMBIE) return false
  return start === '' || other.start === '' || start === other.start
}

/** What an owner's file says. */
export interface Holdings {
  readonly identity: Identity
  /** names of the files it writes; at a rotation two */
  readonly open: readonly string[]
  /** names of finished files to be compressed or shown to the hook, oldest first */
  readonly pending: readonly string[]
  /** how the file ends that it wrote last, until a file of another process says so */
  readonly end?: FileEnd | undefined
  /** it has stopped writing and left the rest to others */
  readonly closed: boolean
}

const isEnd = (end: Partial<FileEnd>): boolean =>
  [end.file, end.seal, end.sha256].every((text) => typeof text === 'string') &&
  [end.records, end.bytes].every((number) => typeof number === 'number')

const isHoldings = (value: unknown): value is Holdings => {
  const it = value as Partial<Holdings> | null
  return (
    typeof it?.identity?.pid === 'number' &&
    Array.isArray(it.open) &&
    Array.isArray(it.pending) &&
    (it.end === undefined || (typeof it.end === 'object' && it.end !== null && isEnd(it.end)))
  )
}

/** Another owner's file as found in the directory. */
export interface OtherOwner {
  readonly path: string
  readonly holdings: Holdings
  readonly isAlive: boolean
}

/** The name, `PID-RANDOM`, of the writer of the log `base` whose file that is; of no other log's. */
export const writerOf = (base: string, file: string, ending: string): string | undefined => {
  if (!file.startsWith(`.${base}.`) || !file.endsWith(ending)) return undefined
  const name = file.slice(base.length + 2, -ending.length)
  return /^\d+-[0-9a-z]+$/.test(name) ? name : undefined
}

/** This writer's own file. Its methods throw what the file system throws. */
export class Owner {
  readonly identity: Identity = ownIdentity()
  readonly #dir: string
  readonly #base: string
  /** path of what this writer has beside the log, without its ending */
  readonly stem: string
  readonly #path: string
  #open: readonly string[] = []
  #pending: readonly string[] = []
  #isSafe = false

  constructor(dir: string, base: string) {
    this.#dir = dir
    this.#base = base
    this.stem = join(dir, `.${base}.${process.pid}-${randomBytes(4).toString('hex')}`)
    this.#path = `${this.stem}.owner`
  }

  get pending(): readonly string[] {
    return this.#pending
  }

  get open(): readonly string[] {
    return this.#open
  }

  update(open: readonly string[], pending: readonly string[], closed = false, end?: FileEnd): void {
    const holdings: Holdings = { identity: this.identity, open, pending, closed, end }
    const temporary = `${this.#path}.tmp`
    try {
      writeFileSync(temporary, `${JSON.stringify(holdings)}\n`, { mode: 0o600, flush: this.#isSafe })
      renameSync(temporary, this.#path)
      if (this.#isSafe) syncDirectory(this.#dir)
    } catch (error) {
      rmSync(temporary, { force: true })
      throw error
    }
    this.#open = open
    this.#pending = pending
  }

  /** From here on what the file says survives a power cut, and is there before a file that it names. */
  keepSafely(): void {
    this.#isSafe = true
    attempt(() => this.update(this.#open, this.#pending), undefined)
  }

  /** Says that this process is still here, to those who cannot see it. */
  touch(now: Date): void {
    attempt(() => utimesSync(this.#path, now, now), undefined)
  }

  /**
   * Leaves: what is pending, and how the last file ends, is for others to adopt; with neither, no trace
   * stays.
   */
  close(end?: FileEnd): void {
    if (this.#pending.length === 0 && end === undefined) rmSync(this.#path, { force: true })
    else this.update([], this.#pending, true, end)
  }

  /** Files of owners in which a power cut left nothing that could be read: they are no living process's. */
  spoilt(): readonly string[] {
    return this.#files().filter((path) => {
      const text = attempt(() => readRegular(path).toString('utf8'), undefined)
      return text !== undefined && !attempt(() => JSON.parse(text) !== null, false)
    })
  }

  #files(): readonly string[] {
    return readdirSync(this.#dir)
      .filter((file) => writerOf(this.#base, file, '.owner') !== undefined)
      .map((file) => join(this.#dir, file))
      .filter((path) => path !== this.#path)
  }

  /**
   * All other owners. A name that was in the directory before this was called and is in nobody's `open` has
   * no writer: owners name a file before they create it.
   */
  others(nowMs: number): readonly OtherOwner[] {
    const found: OtherOwner[] = []
    for (const path of this.#files()) {
      const holdings = attempt<unknown>(() => JSON.parse(readRegular(path).toString('utf8')), undefined)
      if (!isHoldings(holdings)) continue
      const files = [path, ...holdings.open.map((name) => join(this.#dir, name))]
      const touched = Math.max(...files.map((file) => attempt(() => statSync(file).mtimeMs, 0)))
      const silent = nowMs - touched
      found.push({
        path,
        holdings,
        isAlive: !holdings.closed && isAlive(holdings.identity, this.identity, silent),
      })
    }
    return found
  }
}
