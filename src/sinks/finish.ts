/**
 * What becomes of finished files: compressed, then shown to the hook, then kept or deleted; one after the
 * other, oldest first, one process at a time, off the event loop. What a process that is gone left undone
 * is adopted. A failure is told and tried again at the next rotation or start, and a file whose hook failed
 * is not deleted. Done at least once: a crash between a hook's success and its note lets it run again.
 */
import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { SinkError } from '../errors.ts'
import type { AuditLife, FileEnd } from '../event.ts'
import { compressFile } from './compress.ts'
import { runHook } from './hook.ts'
import { acquireLock, type Lock } from './lock.ts'
import { type LogName, parseName } from './names.ts'
import type { Holdings, OtherOwner, Owner } from './owner.ts'
import { expiredFiles, type FinishedFile, type RetentionLimits } from './retention.ts'
import { cutTornLine, tornFiles } from './torn.ts'

/** How long until another try when another process is at work on the same directory. */
const BUSY_MS = 1000
/** How often is looked whether the log has taken what was recovered. */
const WAIT_MS = 100
/** How long a stop waits for what is being done. */
const GRACE_MS = 5000

type Fields = AuditLife['fields']

export interface FinishOptions {
  readonly dir: string
  readonly fileName: string
  readonly compress: 'none' | 'gzip'
  /** path of a program; empty for none */
  readonly hook: string
  readonly hookTimeoutMs: number
  readonly retention: RetentionLimits
  readonly owner: Owner
  readonly currentPath: () => string
  readonly nowMs: () => number
  /** what else is said of a file that is about to be deleted */
  readonly describe?: (path: string) => Promise<Fields>
  /**
   * Told of each file that a process left when it went, and how it ends if that process said so; false when
   * it has to be told again.
   */
  readonly onLeft?: (name: string, end: FileEnd | undefined) => boolean
  /** Told of each file off whose end so many bytes of a torn line were cut. */
  readonly onCut?: ((name: string, bytes: number) => void) | undefined
  /**
   * Writes to the log what processes that are gone had in their journals; false while the log has not taken
   * it. `hasDead`: is there such a journal?
   */
  readonly recovery?: {
    run(nowMs: number, isStopping: () => boolean): Promise<boolean>
    hasDead(nowMs: number): boolean
  }
  readonly onDelete: (file: string, bytes: number, reason: string, more: Fields) => void
  readonly onProblem: (error: SinkError) => void
}

const problem = (what: string, cause: unknown): SinkError =>
  new SinkError('rotate', `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })

const sizeOf = (path: string): { readonly bytes: number; readonly mtimeMs: number } | undefined => {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat === undefined ? undefined : { bytes: stat.size, mtimeMs: stat.mtimeMs }
}

export class Finisher {
  readonly #options: FinishOptions
  readonly #stop = new AbortController()
  #lock: Lock | undefined
  #running: Promise<void> | undefined
  #isWorking = false
  #again = false
  #isClosing = false
  #retry: NodeJS.Timeout | undefined

  constructor(options: FinishOptions) {
    this.#options = options
  }

  /** Is there anything to be done with a finished file before it may be deleted? */
  get wantsFiles(): boolean {
    return this.#options.compress !== 'none' || this.#options.hook !== ''
  }

  get #expires(): boolean {
    const { count, maxAgeMs, maxTotal } = this.#options.retention
    return count > 0 || maxAgeMs > 0 || maxTotal > 0
  }

  /** Looks at what is pending, now or as soon as the present look is over. */
  kick(): void {
    if (this.#isClosing) return
    clearTimeout(this.#retry)
    this.#again = true
    // What is told of files that were left may make the writer rotate, and kick, before there is a promise.
    if (this.#isWorking) return
    this.#isWorking = true
    this.#running = this.#work().finally(() => {
      this.#isWorking = false
      this.#running = undefined
      if (this.#again) this.kick()
    })
  }

  /** Does what is to be done when a process has gone since the last look; says that this one is here. */
  look(): void {
    const { owner, recovery, nowMs } = this.#options
    this.#lock?.touch(new Date(nowMs()))
    try {
      const isLeft = owner.others(nowMs()).some(({ isAlive }) => !isAlive)
      if (isLeft || recovery?.hasDead(nowMs())) this.kick()
    } catch {
      // the directory is gone, or not to be read: the next look may find it
    }
  }

  /** Resolves when nothing is being done. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  /** Stops after a while: compression is abandoned then, a hook killed; the next start does it again. */
  async close(): Promise<void> {
    this.#isClosing = true
    clearTimeout(this.#retry)
    this.#again = false
    const timer = setTimeout(() => this.#stop.abort(), GRACE_MS)
    await this.#running
    clearTimeout(timer)
  }

  async #work(): Promise<void> {
    while (this.#again && !this.#isClosing) {
      this.#again = false
      try {
        if (!(await this.#locked())) this.#later()
      } catch (error) {
        this.#options.onProblem(problem(`finished files of ${this.#options.fileName}`, error))
      }
    }
  }

  #later(): void {
    this.#retry = setTimeout(() => this.kick(), BUSY_MS)
    this.#retry.unref()
  }

  async #locked(): Promise<boolean> {
    const { dir, fileName, owner } = this.#options
    const lock = acquireLock(join(dir, `.${fileName}.lock`), owner.identity)
    if (lock === undefined) return false
    this.#lock = lock
    try {
      const spoilt = owner.spoilt()
      const names = this.#namesLeft(spoilt.length > 0)
      if (names.size > 0) await this.#cutTornLines(names)
      for (const path of spoilt) rmSync(path, { force: true })
      let isRecovered = this.#isRecovered || (await this.#recover())
      this.#adopt()
      this.#clearTemporaries()
      for (const name of owner.pending) {
        if (this.#isClosing) break
        await this.#finish(name)
      }
      if (!this.#isClosing && this.#expires) await this.#expire()
      // not before: what retention deletes may be the room that the log lacks
      while (!isRecovered && !this.#isClosing) {
        await pause(WAIT_MS, undefined, { ref: false })
        isRecovered = this.#isRecovered || (await this.#recover())
      }
      return true
    } finally {
      this.#lock = undefined
      lock.release()
    }
  }

  /** Is nothing in journals of processes that are gone? */
  get #isRecovered(): boolean {
    const { recovery, nowMs } = this.#options
    return !recovery?.hasDead(nowMs())
  }

  async #recover(): Promise<boolean> {
    const { recovery, nowMs } = this.#options
    return (await recovery?.run(nowMs(), () => this.#isClosing)) ?? true
  }

  /**
   * Takes over what processes that are gone had open or pending. An owner names a file before it creates it:
   * if it died between the two, the name may by now be that of a living writer, which is not to be touched.
   */
  #adopt(): void {
    const { fileName, owner } = this.#options
    const { dead, isLeft } = this.#left()
    for (const { path, holdings } of dead) {
      const open = holdings.open.filter(isLeft)
      const left = [...holdings.pending.filter(isLeft), ...open]
      const fresh = left.filter(
        (name) => parseName(fileName, name) !== undefined && !owner.pending.includes(name),
      )
      if (this.wantsFiles && fresh.length > 0) owner.update(owner.open, [...fresh, ...owner.pending])
      if (this.#tellLeft({ ...holdings, open })) rmSync(path, { force: true })
    }
  }

  /** Processes that are gone, and which of the files that they name have no writer. */
  #left(): { readonly dead: readonly OtherOwner[]; readonly isLeft: (name: string) => boolean } {
    const { dir, owner } = this.#options
    // The listing comes before the owners: see Owner.others.
    const files = new Set(readdirSync(dir))
    const others = owner.others(this.#options.nowMs())
    const living = others.filter(({ isAlive }) => isAlive).flatMap(({ holdings }) => holdings.open)
    const written = new Set([...owner.open, ...living])
    const isLeft = (name: string): boolean =>
      !written.has(name) && (files.has(name) || files.has(`${name}.gz`))
    return { dead: others.filter(({ isAlive }) => !isAlive), isLeft }
  }

  /** Files whose writer is gone; where that is `isUnsaid`, by a power cut, those that look like one's. */
  #namesLeft(isUnsaid: boolean): ReadonlySet<string> {
    const { dir, fileName } = this.#options
    const { dead, isLeft } = this.#left()
    const names = dead.flatMap(({ holdings }) => holdings.open)
    if (isUnsaid) names.push(...tornFiles(dir, fileName))
    return new Set(names.filter(isLeft))
  }

  /** The last lines of processes that were killed, before anything is said of how their files end. */
  async #cutTornLines(names: ReadonlySet<string>): Promise<void> {
    const { dir, fileName, owner, onCut, onProblem } = this.#options
    for (const name of names) {
      try {
        const bytes = await cutTornLine(dir, fileName, name, owner.identity)
        if (bytes > 0) onCut?.(name, bytes)
      } catch (error) {
        onProblem(problem(name, error))
      }
    }
  }

  /** Before its files are touched. */
  #tellLeft({ open, end }: Holdings): boolean {
    const { onLeft } = this.#options
    if (onLeft === undefined) return true
    const isTold = end === undefined || onLeft(end.file, end)
    return open.map((name) => onLeft(name, undefined)).every(Boolean) && isTold
  }

  /** Half a .gz of a process that was killed; who holds the lock is the only one who makes any. */
  #clearTemporaries(): void {
    const { dir, fileName } = this.#options
    for (const file of readdirSync(dir)) {
      if (file.endsWith('.gz.tmp') && parseName(fileName, file.slice(1, -4)) !== undefined)
        rmSync(join(dir, file), { force: true })
    }
  }

  async #finish(name: string): Promise<void> {
    const { dir, compress, hook, hookTimeoutMs, owner } = this.#options
    const signal = this.#stop.signal
    const path = join(dir, name)
    try {
      let finished = sizeOf(path) === undefined ? `${path}.gz` : path
      if (sizeOf(finished) !== undefined) {
        if (compress === 'gzip') finished = await compressFile(path, signal)
        const current = this.#options.currentPath()
        if (hook !== '')
          await runHook({ program: hook, timeoutMs: hookTimeoutMs, signal }, finished, current)
      }
      owner.update(
        owner.open,
        owner.pending.filter((other) => other !== name),
      )
    } catch (error) {
      if (!signal.aborted) this.#options.onProblem(problem(name, error))
    }
  }

  /** Deletes what retention no longer keeps: never a file that has a writer or awaits the hook. */
  async #expire(): Promise<void> {
    const { dir, fileName, retention } = this.#options
    // The listing comes before the owners: see Owner.others.
    const names = readdirSync(dir).map((file) => parseName(fileName, file))
    const held = this.#heldNames()
    let kept = 0
    const finished: FinishedFile[] = []
    for (const name of names) {
      const size = name === undefined ? undefined : sizeOf(join(dir, name.file))
      if (name === undefined || size === undefined) continue
      if (held.has(name.plain)) kept += size.bytes
      else finished.push({ name, ...size })
    }
    for (const { file, reason } of expiredFiles(finished, retention, this.#options.nowMs(), kept)) {
      await this.#delete(file.name, file.bytes, reason)
    }
  }

  #heldNames(): ReadonlySet<string> {
    const { owner } = this.#options
    const held = new Set([...owner.open, ...owner.pending])
    for (const { holdings } of owner.others(this.#options.nowMs())) {
      for (const name of [...holdings.open, ...holdings.pending]) held.add(name)
    }
    return held
  }

  async #delete(name: LogName, bytes: number, reason: string): Promise<void> {
    const { dir, describe, onDelete } = this.#options
    const path = join(dir, name.file)
    try {
      const more = (await describe?.(path)) ?? {}
      rmSync(path)
      onDelete(name.file, bytes, reason, more)
    } catch (error) {
      this.#options.onProblem(problem(`deletion of ${name.file}`, error))
    }
  }
}
