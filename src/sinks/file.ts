/**
 * The log file's writer. All lines of one turn of the event loop go out in one write. What cannot be
 * written waits in bounded memory and is tried again; a line that was written in part is completed, never
 * repeated. Writes are synchronous on purpose: into the page cache they take a microsecond or two,
 * asynchronous ones forty; a disk that hangs, hangs the thread.
 */
import { rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { SinkError } from '../errors.ts'
import type { AuditEvent, DirectEncoder, FileEnd, FlowFacts, Line } from '../event.ts'
import { Backlog, type Loss } from './backlog.ts'
import { type Clock, SYSTEM_CLOCK } from './clock.ts'
import { DirectBlock } from './direct.ts'
import { type FileSinkOptions, failure, messageOf, noPlace, type RotateReason } from './file-options.ts'
import { Finisher } from './finish.ts'
import { deleted, rotated } from './life.ts'
import { Output } from './output.ts'
import { HEARTBEAT_MS, Owner } from './owner.ts'
import { Recovery } from './recover.ts'
import { isInPlace, type OpenFile, Place } from './rotate.ts'
import { CHECKPOINT_ROOM } from './sealer.ts'
import { StableFiles } from './stable.ts'
import { Trouble } from './trouble.ts'

/** Characters that are joined into one write. */
const BLOCK_CHARS = 300_000
/** When a rotation failed, writing goes on in the old file for so long. */
const ROTATE_AGAIN_MS = 10_000

export type { FileSinkOptions } from './file-options.ts'

export class FileSink {
  readonly #options: FileSinkOptions
  readonly #clock: Clock
  readonly #backlog: Backlog
  #direct = new DirectBlock()
  #isDirect = false
  readonly #trouble: Trouble
  readonly #owner: Owner
  /** path of what this writer has beside the log, without its ending */
  readonly stem: string
  readonly #place: Place
  readonly #finisher: Finisher
  readonly #out: Output
  readonly #stable = new StableFiles()
  /** records taken so far */
  accepted = 0
  /** it was closed, and all that is `settled` is on stable storage */
  isStable = false
  #onRecovery: () => void = () => undefined
  #writtenBefore = 0
  /** lines that a new file takes however long they are: its `audit.rotate` and one more */
  #leastLines: number
  /** how often is looked whether the file is still where it was put: at each write where that is awaited */
  #lookMs = 1000
  #lookAtMs = 0
  #rotateNotBeforeMs = 0
  #wantsReopen = false
  /** finished files not yet noted as pending */
  #finished: string[] = []
  #isScheduled = false
  #flushNotBeforeMs = 0
  #isClosed = false
  #closing: Promise<void> | undefined
  #stopHeartbeat: () => void = () => undefined

  /** Opens the first file. Throws ConfigError `environment` when it cannot. */
  constructor(options: FileSinkOptions) {
    this.#options = options
    this.#clock = options.clock ?? SYSTEM_CLOCK
    this.#backlog = new Backlog(options.bufferBytes, options.encodeLife)
    this.#trouble = new Trouble({ ...options, clock: this.#clock, retry: () => this.#attempt() })
    this.#owner = new Owner(options.dir, options.fileName)
    this.stem = this.#owner.stem
    this.#place = new Place(options, this.#owner)
    this.#leastLines = options.seal ? 2 : 1
    try {
      this.#out = new Output(this.#place.open(this.#clock.nowMs()), {
        seal: options.seal,
        write: options.write ?? writeSync,
        clock: this.#clock,
        numbering: this.#backlog,
        onDue: () => this.flush(),
      })
    } catch (error) {
      this.#abandon()
      throw noPlace(options.dir, error)
    }
    this.#finisher = this.#openFinisher()
    this.#out.heal()
    this.#beat()
    this.#finisher.kick()
  }

  /** path of the file that is written */
  get path(): string {
    return this.#out.file.path
  }

  /** records that wait to be written */
  get waiting(): number {
    return this.#backlog.waiting + this.#direct.count
  }

  /** Can the log not be written? */
  get isInTrouble(): boolean {
    return this.#trouble.isOn
  }

  /** records, in the order in which they were taken, that are in a file, or told there as lost */
  get settled(): number {
    return this.accepted - this.waiting - (this.#backlog.loss?.records ?? 0) - this.#out.tornRecords
  }

  /** `onRecovery` is called when trouble is over; with `isSynced`, {@link sync} is going to be called. */
  watch(onRecovery: () => void, isSynced: boolean): void {
    this.#onRecovery = onRecovery
    this.#lookMs = 0
    if (isSynced) this.#stable.want(this.#owner)
  }

  /** Brings what was written to stable storage. Rejects when it cannot: that may be lost then. */
  sync(): Promise<void> {
    return this.#stable.sync(() => this.#out.file.fd, this.#options.dir)
  }

  /** the number that the next record will get, if none waits */
  get nextSeq(): number {
    return this.#backlog.nextSeq + this.waiting
  }

  /** Takes a line; it is written at the end of this turn of the event loop. Never throws. */
  append(line: Line): void {
    if (this.#isClosed) return
    this.accepted++
    if (this.#joins(line)) return
    this.#backlog.push(line)
    if (this.#trouble.isOn) this.#dropExcess()
    else if (this.#backlog.isOverBound) this.flush()
    else this.#schedule()
  }

  /**
   * Takes a record by the fast path, if its encoder writes that kind and nothing waits before it; else
   * answers false, and it must come by `append`. Never throws.
   */
  appendDirect(encoder: DirectEncoder, flow: FlowFacts | undefined, event: AuditEvent): boolean {
    if (this.#isClosed || this.#trouble.isOn || !this.#backlog.isEmpty) return false
    this.#isDirect = true
    if (!this.#direct.add(encoder, this.#backlog.nextSeq, flow, event)) {
      if (this.#direct.count === 0) return false
      // it may be the room that was missing
      this.flush()
      if (this.#trouble.isOn || !this.#backlog.isEmpty) return false
      if (!this.#direct.add(encoder, this.#backlog.nextSeq, flow, event)) return false
    }
    this.accepted++
    this.#schedule()
    return true
  }

  /**
   * Takes a block that was numbered elsewhere, from `seq` on, and writes it at once. True when it could go
   * as it was; else its records went as lines, and got other numbers. Never throws.
   */
  take(block: DirectBlock, seq: number): boolean {
    const isFree = !this.#isClosed && !this.#trouble.isOn && this.#backlog.isEmpty
    const isNext = isFree && this.#direct.count === 0 && seq === this.nextSeq
    if (isNext) this.accepted += block.count
    if (isNext) [this.#direct, block] = [block, this.#direct]
    else for (const line of block.lines()) this.append(line)
    this.flush()
    if (isNext) this.#direct = block
    return isNext
  }

  /** Records were lost on their way here: the next one is told after them. */
  lose(loss: Loss): void {
    this.#backlog.lose(loss)
    this.#schedule()
  }

  /** A line among records of the fast path becomes one of them: those behind it need not wait as lines. */
  #joins(line: Line): boolean {
    if (!this.#isDirect || line.tail === '' || this.#trouble.isOn || !this.#backlog.isEmpty) return false
    const isIn = this.#direct.addLine(this.#backlog.nextSeq, line)
    if (isIn) this.#schedule()
    return isIn
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    const { flushEveryMs = 0 } = this.#options
    const wait = this.#flushNotBeforeMs - this.#clock.nowMs()
    if (wait <= 0) setImmediate(this.#turn)
    // longer only where the wall clock was set back
    else this.#clock.after(Math.min(wait, flushEveryMs), this.#turn)
  }

  /** Writes what waits, now; in trouble that is left to the next retry. Never throws. */
  flush(): void {
    if (!this.#isClosed && !this.#trouble.isOn) this.#attempt()
  }

  /** SIGHUP: goes on in a new file; with rotation off, in whatever bears the name now. Never throws. */
  reopen(): void {
    if (this.#isClosed) return
    this.#wantsReopen = true
    this.#attempt()
  }

  /** Resolves when finished files are compressed, hooked and expired, as far as is possible now. */
  idle(): Promise<void> {
    return this.#finisher.idle()
  }

  /** Writes what waits or gives it up, and leaves the file at the end of a whole line. Never rejects. */
  async close(): Promise<void> {
    this.#closing ??= this.#close()
    await this.#closing
  }

  async #close(): Promise<void> {
    this.#stopHeartbeat()
    await this.#finisher.close()
    this.#attempt()
    this.#isClosed = true
    this.#out.stop()
    if (!this.#trouble.isOn) this.#out.finish('stop')
    this.#giveUp()
    this.isStable = await this.#stable.close(this.#out.file.fd, this.#options.dir)
    this.#abandon()
  }

  readonly #turn = (): void => {
    this.#isScheduled = false
    this.#flushNotBeforeMs = this.#clock.nowMs() + (this.#options.flushEveryMs ?? 0)
    this.flush()
  }

  #attempt(): void {
    try {
      this.#writeAll()
      if (this.#trouble.over()) this.#onRecovery()
    } catch (error) {
      this.#putBack()
      this.#trouble.on(failure(this.#out.file.path, error))
      this.#dropExcess()
    }
  }

  #dropExcess(): void {
    const before = this.#backlog.loss?.records ?? 0
    this.#backlog.drop()
    this.#trouble.lose((this.#backlog.loss?.records ?? 0) - before)
  }

  #writeAll(): void {
    this.#lookAfter()
    this.#out.complete()
    this.#writeDirect()
    this.#writeWaiting()
    this.#out.seal()
    if (!this.#wantsReopen) return
    this.#rotate('reopen')
    this.#out.complete()
    this.#writeWaiting()
  }

  /** Writes the block as it stands; when a rotation is due its records go the way of the others. */
  #writeDirect(): void {
    const direct = this.#direct
    if (direct.count === 0) return
    const due = this.#out.isUnbegun || (this.#mayRotate() && this.#clock.nowMs() >= this.#out.file.until)
    if (due || this.#wantsReopen || direct.used > this.#room()) {
      this.#putBack()
      return
    }
    const { bytes, error } = this.#out.bytes(direct.bytes, 0, direct.count)
    if (error === undefined) this.#backlog.skip(direct.count)
    else this.#keepUnwritten(bytes)
    direct.clear()
    if (error !== undefined) throw error
  }

  /** The block's records wait as lines. */
  #putBack(): void {
    if (this.#direct.count === 0) return
    this.#backlog.unshift(...this.#direct.lines())
    this.#direct.clear()
  }

  /**
   * Of a block of which only `bytes` were written, a torn record is kept to be completed, the rest as
   * lines.
   */
  #keepUnwritten(bytes: number): void {
    const { whole, torn, rest } = this.#direct.cutAt(bytes)
    this.#out.keep(torn)
    this.#backlog.skip(torn === undefined ? whole : whole + 1)
    this.#backlog.unshift(...rest)
  }

  #writeWaiting(): void {
    while (!this.#backlog.isEmpty) {
      if (this.#mayRotate() && this.#clock.nowMs() >= this.#out.file.until) this.#rotate('time')
      this.#out.begin()
      const least = this.#leastLines - (this.#backlog.written - this.#writtenBefore)
      const batch = this.#backlog.batch(BLOCK_CHARS, this.#room(), least, this.#clock.nowMs() * 1000)
      if (batch === undefined) {
        this.#rotate('size')
        continue
      }
      const { bytes, error } = this.#out.text(batch.text, batch.lines.length)
      this.#out.keep(this.#backlog.commit(batch, error === undefined ? undefined : bytes))
      if (error !== undefined) throw error
    }
  }

  /** A checkpoint names a file that its writer has left. False when that cannot be written now. */
  #adopt(name: string, end: FileEnd | undefined): boolean {
    if (!this.#options.seal || this.#owner.open.includes(name)) return true
    if (this.#isClosed || this.#trouble.isOn) return false
    this.#out.adopt(name, join(this.#options.dir, name), end)
    this.flush()
    return !this.#trouble.isOn
  }

  #mayRotate(): boolean {
    return this.#options.rotateEnable && this.#clock.nowMs() >= this.#rotateNotBeforeMs
  }

  /** Bytes that may still go into the file. */
  #room(): number {
    const { rotationSize } = this.#options
    if (rotationSize === 0 || !this.#mayRotate()) return Number.POSITIVE_INFINITY
    return rotationSize - this.#out.file.size - (this.#options.seal ? CHECKPOINT_ROOM : 0)
  }

  /** Notices from time to time, and before each retry, that the file or its directory was taken away. */
  #lookAfter(): void {
    const now = this.#clock.nowMs()
    const wait = this.#lookAtMs - now
    // longer than that where the wall clock was set back
    if (wait > 0 && wait <= this.#lookMs && !this.#trouble.isOn) return
    this.#lookAtMs = now + this.#lookMs
    if (isInPlace(this.#out.file)) return
    this.#out.lost()
    this.#rotate('vanished')
  }

  /** Goes on in another file. Where that fails, in the old one, if it still has a place to be found. */
  #rotate(reason: RotateReason): void {
    this.#wantsReopen = false
    const [old, now] = [this.#out.file, this.#clock.nowMs()]
    if (reason === 'reopen' && this.#options.rotateEnable && old.size === 0 && now < old.until) return
    if (reason !== 'vanished') this.#out.finish(this.#options.rotateEnable ? 'rotate' : 'interval')
    try {
      this.#out.goOn(this.#place.open(now))
    } catch (error) {
      if (reason === 'vanished') throw new SinkError('open', messageOf(error), { cause: error })
      this.#rotateNotBeforeMs = now + ROTATE_AGAIN_MS
      this.#options.onTrouble(failure(old.path, error, 'rotate'))
      return
    }
    this.#stable.leave(old.fd)
    const isTold = this.#out.file.inode !== old.inode && this.#tellRotation(old, reason)
    this.#leastLines = 1 + Number(isTold) + Number(this.#options.seal !== undefined)
    this.#writtenBefore = this.#backlog.written
    this.#out.heal()
    // The file before it is named while this process holds both; what has its number comes first.
    if (!this.#out.isTorn && this.#direct.count === 0) this.#out.quietly(() => this.#out.begin())
    this.#stable.enter(this.#out.file.fd)
    if (this.#options.rotateEnable) this.#leave(old, reason)
  }

  #tellRotation(old: OpenFile, reason: RotateReason): boolean {
    if (old.size === 0 && reason !== 'vanished') return false
    const records = this.#backlog.written - this.#writtenBefore
    const event = rotated(reason, old, this.#out.file, records, this.#clock.nowMs())
    this.#backlog.unshift(this.#options.encodeLife(event))
    return true
  }

  /** Hands a file that is done to the finisher; one that stayed empty is removed. */
  #leave(old: OpenFile, reason: RotateReason): void {
    if (reason !== 'vanished' && old.size === 0) rmSync(old.path, { force: true })
    else if (reason !== 'vanished' && this.#finisher.wantsFiles) this.#finished.push(old.name)
    try {
      this.#owner.update([this.#out.file.name], [...this.#owner.pending, ...this.#finished])
      this.#finished = []
      this.#finisher.kick()
    } catch (error) {
      this.#options.onTrouble(failure(old.path, error, 'rotate'))
    }
  }

  /** At the end: what cannot be written is lost, but no half line stays. */
  #giveUp(): void {
    this.#out.giveUp()
    this.#backlog.drop(true)
    const lost = (this.#backlog.loss?.records ?? 0) + this.#out.tornRecords
    this.#trouble.end()
    if (lost > 0)
      this.#options.onTrouble(new SinkError('full', `${this.path}: ${lost} records lost at the end`))
  }

  /** Leaves the directory: unfinished files are for the next process to adopt. */
  #abandon(): void {
    try {
      const rest =
        this.#isClosed && this.#finisher.wantsFiles && this.#options.rotateEnable ? this.#owner.open : []
      if (this.#isClosed) this.#owner.update([], [...this.#owner.pending, ...this.#finished, ...rest])
      this.#owner.close(this.#isClosed ? this.#out.end() : undefined)
      this.#place.close()
    } catch {
      // Whoever comes next finds the process gone and adopts what its file says.
    }
  }

  #openFinisher(): Finisher {
    const { rotationHook, encodeLife, seal } = this.#options
    return new Finisher({
      ...this.#options,
      hook: rotationHook,
      recovery: new Recovery(this.#options, this.#owner, this),
      owner: this.#owner,
      currentPath: () => this.#out.file.path,
      nowMs: () => this.#clock.nowMs(),
      onProblem: this.#options.onTrouble,
      ...(seal && { describe: (path) => seal.chains.describe(path) }),
      onLeft: (name, end) => this.#adopt(name, end),
      onDelete: (...what) => this.append(encodeLife(deleted(...what, this.#clock.nowMs()))),
    })
  }

  #beat(): void {
    this.#stopHeartbeat = this.#clock.after(HEARTBEAT_MS, () => {
      const now = new Date(this.#clock.nowMs())
      this.#owner.touch(now)
      this.#place.touch(now)
      this.#finisher.look()
      this.#beat()
    })
  }
}

/** Opens the audit log file. Throws ConfigError `environment` when that cannot be written. */
export const openFileSink = (options: FileSinkOptions): FileSink => new FileSink(options)
