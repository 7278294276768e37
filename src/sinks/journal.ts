/**
 * The gate of guarantees `written` and `synced`: intents of all connections go to the journal with one write
 * per turn of the event loop, and only then may the bytes go on that they were found in. `synced` waits for
 * fdatasync besides: what comes while one runs joins the next. An intent leaves the journal when its record
 * is in the log, or, with `synced`, on stable storage there.
 */
import { SinkError } from '../errors.ts'
import type { AuditEvent, FlowFacts, FlowIntents, Intents, Line, Statement } from '../event.ts'
import type { LogGate } from '../flow.ts'
import { Batch, HANG_MS } from './batch.ts'
import { type Clock, SYSTEM_CLOCK } from './clock.ts'
import { failure, noPlace } from './file-options.ts'
import { type JournalEncoder, JournalFiles, type Live, type Sync, type WriteAt } from './journal-files.ts'
import { FlowJournal, type SharedJournal } from './journal-flow.ts'
import { HEARTBEAT_MS, type Identity, ownIdentity } from './owner.ts'
import { entryOf, lineOf } from './recover-records.ts'
import { Trouble } from './trouble.ts'

/** What the journal asks of the log's writer. */
export interface JournaledLog {
  /** path of this writer's own files beside the log, without their endings */
  readonly stem: string
  readonly isInTrouble: boolean
  /** records taken so far */
  readonly accepted: number
  /** records, in the order in which they were taken, that are in the file, or told there as lost */
  readonly settled: number
  /** it was closed, and all that is `settled` is on stable storage */
  readonly isStable: boolean
  append(line: Line): void
  /** `onRecovery` is called when trouble is over; with `isSynced`, {@link sync} is going to be called. */
  watch(onRecovery: () => void, isSynced: boolean): void
  /** Brings the log to stable storage. Rejects when it cannot; what was written may be lost then. */
  sync(): Promise<void>
}

export interface JournalOptions {
  readonly log: JournaledLog
  readonly encoder: JournalEncoder
  /** filter and redaction; undefined for what is not written, and hence waits for nothing */
  readonly mask: (event: AuditEvent) => AuditEvent | undefined
  readonly guarantee: 'written' | 'synced'
  /** while the log or the journal cannot be written: nothing goes on, or everything does */
  readonly onFailure: 'block' | 'continue'
  /** told once when the journal cannot be written, and once when it can again */
  readonly onTrouble: (error: SinkError) => void
  readonly onRecovered: () => void
  /** cursors and portals that a session may leave open: no reply settles their intents */
  readonly openStatements?: number
  /** bytes of each of the two files */
  readonly segmentBytes?: number
  readonly clock?: Clock
  /** the system calls, for tests */
  readonly write?: WriteAt
  readonly sync?: Sync
  readonly syncNow?: (fd: number) => void
  /** the process that the journal names, for tests */
  readonly identity?: Identity
}

const SEGMENT_BYTES = 1 << 20
/** `synced` frees intents once a second. */
const SEGMENT_BYTES_SYNCED = 1 << 22
/** How long until the journal is told of records that are in the log, when nothing else is written to it. */
const MARK_MS = 100
const SYNC_LOG_MS = 1000
/** How often is looked whether the files are still where they were put. */
const LOOK_MS = 50

/**
 * Unsettled intents of a connection past which its client is not read, and those of all past which fewer are
 * let through. A server that is asked to reply only at the end holds replies to 1,638 commands back at most:
 * 8 KiB of them, of 5 bytes each (PostgreSQL's `BindComplete`). Fewer could wait for ever.
 */
const MOST_UNSETTLED = 10_000
const FEW_UNSETTLED = 2000
const MANY_IN_ALL = 100_000

class Journal implements Intents, SharedJournal {
  /** {@link SharedJournal.live} */
  live = 0
  readonly #options: JournalOptions
  readonly #log: JournaledLog
  readonly #clock: Clock
  readonly #files: JournalFiles
  readonly #trouble: Trouble
  readonly #isSynced: boolean
  readonly #blocks: boolean
  /** chunks of this turn, or those that are held since the log cannot be written */
  #batch: Batch | undefined
  /** written, but not on stable storage; and those that the running fdatasync is for */
  #unsynced: Batch[] = []
  #syncing: Batch[] | undefined
  /** intents whose records the log's writer has, oldest first */
  #ending: Live[] = []
  #firstEnding = 0
  /** records that are on stable storage */
  #durable = 0
  /** an fdatasync does not end: until it does nothing is written */
  #isHung = false
  #isSyncingLog = false
  #isLogUnsafe = false
  #syncLogAtMs = 0
  #cancelMarks: (() => void) | undefined
  #cancelBeat: () => void = () => undefined
  #lookAtMs = 0
  #isClosed = false

  /** Throws ConfigError `environment` when the files cannot be made. */
  constructor(options: JournalOptions) {
    const { log, guarantee, onFailure, encoder } = options
    this.#options = options
    this.#log = log
    this.#clock = options.clock ?? SYSTEM_CLOCK
    this.#isSynced = guarantee === 'synced'
    this.#blocks = onFailure === 'block'
    this.#trouble = new Trouble({ ...options, clock: this.#clock, retry: () => this.#proceed() })
    try {
      this.#files = new JournalFiles({
        stem: log.stem,
        owner: { identity: options.identity ?? ownIdentity(), guarantee },
        encoder,
        segmentBytes: options.segmentBytes ?? (this.#isSynced ? SEGMENT_BYTES_SYNCED : SEGMENT_BYTES),
        isSynced: this.#isSynced,
        write: options.write,
        sync: options.sync,
        syncNow: options.syncNow,
      })
    } catch (error) {
      throw noPlace(log.stem, error)
    }
    log.watch(() => this.#proceed(), this.#isSynced)
    this.#beat()
  }

  open(_facts: FlowFacts): FlowIntents {
    return new FlowJournal(this)
  }

  /** {@link LogGate.isBlocked} */
  get isBlocked(): boolean {
    return this.#blocks && this.#isTroubled
  }

  get #isTroubled(): boolean {
    return this.#trouble.isOn || this.#log.isInTrouble
  }

  /** {@link SharedJournal.mostUnsettled} */
  get mostUnsettled(): number {
    const most = this.live > MANY_IN_ALL ? FEW_UNSETTLED : MOST_UNSETTLED
    return Math.max(most, 2 * (this.#options.openStatements ?? 0))
  }

  /** {@link SharedJournal.batch} */
  get batch(): Batch {
    this.#batch ??= new Batch()
    return this.#batch
  }

  /** {@link SharedJournal.take} */
  take(token: number, facts: FlowFacts, statement: Statement): Live | undefined {
    if (this.#isClosed || (!this.#blocks && this.#isTroubled && this.#files.isOverBound)) return undefined
    try {
      const masked = this.#options.mask(statement)
      return masked && this.#files.take(token, facts, masked)
    } catch {
      return this.#files.take(token, facts, withoutText(statement))
    }
  }

  /** {@link SharedJournal.record} */
  record(live: Live): void {
    const { id, token, record } = this.#files.read(live)
    this.#log.append(lineOf(entryOf({ id, token, record })))
    this.end(live)
  }

  /** {@link SharedJournal.end} */
  end(live: Live): void {
    live.mark = this.#log.accepted
    this.#ending.push(live)
    if (this.#cancelMarks === undefined && !this.#isClosed) this.#markSoon()
  }

  /** {@link LogGate.settle} */
  settle(): void {
    if (this.#batch === undefined) return
    // its own retries go on by themselves
    if (!this.#trouble.isOn) this.#proceed()
    else if (!this.#blocks) this.#release()
  }

  /**
   * Ends the journal: what is left in it of records that are not in the log stays, for the next start to
   * recover. Call it when the log's writer is closed.
   */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#cancelMarks?.()
    this.#cancelBeat()
    this.#trouble.end()
    this.#mark(this.#isSynced && !this.#log.isStable ? this.#durable : this.#log.settled)
    const isNeeded = !this.#files.isEmpty
    try {
      if (isNeeded) this.#files.write()
    } catch {
      // what was written before holds the same and more
    }
    this.#files.close(isNeeded)
  }

  /** Writes what is new and lets go what has waited for that. */
  #proceed(): void {
    if (this.#isClosed || this.#isHung || (this.#blocks && this.#log.isInTrouble)) return
    try {
      this.#mark(this.#isSynced ? this.#durable : this.#log.settled)
      this.#lookAfter()
      this.#files.write()
    } catch (error) {
      this.#failed(error)
      return
    }
    if (this.#isSynced) this.#syncSoon()
    else {
      this.#trouble.over()
      this.#release()
    }
  }

  #failed(error: unknown): void {
    const path = this.#log.stem
    this.#trouble.on(failure(`journal ${path}`, error))
    if (!this.#blocks) this.#release()
  }

  #release(): void {
    const batch = this.#batch
    this.#batch = undefined
    batch?.ready()
  }

  #syncSoon(): void {
    if (this.#batch !== undefined) this.#unsynced.push(this.#batch)
    this.#batch = undefined
    this.#syncLog()
    if (this.#syncing === undefined && (this.#unsynced.length > 0 || this.#trouble.isOn)) this.#sync()
  }

  #sync(): void {
    const batches = this.#unsynced
    this.#unsynced = []
    this.#syncing = batches
    const wait = this.#blocks ? HANG_MS.block : HANG_MS.continue
    const cancel = this.#clock.after(wait, () => {
      if (this.#syncing === batches) this.#hangs(wait)
    })
    this.#files.sync((error) => {
      cancel()
      this.#syncing = undefined
      const wasHung = this.#isHung
      this.#isHung = false
      if (error === null) {
        for (const batch of batches) batch.ready()
        this.#goOn(wasHung)
        return
      }
      if (this.#blocks) this.#unsynced.unshift(...batches)
      else for (const batch of [...batches, ...this.#unsynced.splice(0)]) batch.ready()
      if (!this.#isClosed) this.#failed(error)
    })
  }

  /** The file system does not answer. What is asked of it from now on would hang this thread as well. */
  #hangs(wait: number): void {
    if (this.#isClosed) return
    this.#isHung = true
    this.#trouble.on(
      new SinkError('write', `journal ${this.#log.stem}: fdatasync has run for ${wait / 1000} s`),
    )
    if (this.#blocks) return
    for (const batch of [...(this.#syncing ?? []), ...this.#unsynced.splice(0)]) batch.ready()
    this.#release()
  }

  /** After an fdatasync: what came meanwhile. */
  #goOn(wasHung: boolean): void {
    if (this.#isClosed) return
    // a write that failed meanwhile is tried again in its time, and may have spoilt what is not synchronized
    if (this.#files.mustTurn) {
      if (wasHung) this.#proceed()
      return
    }
    if (this.#unsynced.length > 0) this.#sync()
    else if (this.#trouble.over()) this.#proceed()
  }

  /** Says in the next frame which intents' records are in the log. */
  #mark(upTo: number): void {
    const ending = this.#ending
    let at = this.#firstEnding
    while (at < ending.length && (ending[at] as Live).mark <= upTo) this.#files.end(ending[at++] as Live)
    if (at === ending.length) {
      ending.length = 0
      at = 0
    } else if (at > 1024 && at * 2 > ending.length) {
      ending.splice(0, at)
      at = 0
    }
    this.#firstEnding = at
  }

  #markSoon(): void {
    this.#cancelMarks = this.#clock.after(MARK_MS, () => {
      this.#cancelMarks = undefined
      if (!this.#trouble.isOn) this.#proceed()
      if (this.#ending.length > 0) this.#markSoon()
    })
  }

  #syncLog(): void {
    const now = this.#clock.nowMs()
    if (this.#isSyncingLog || this.#ending.length === 0) return
    if (now < this.#syncLogAtMs && !this.#files.isNearlyFull) return
    this.#isSyncingLog = true
    this.#syncLogAtMs = now + SYNC_LOG_MS
    const { settled } = this.#log
    const over = (error?: unknown): void => {
      this.#isSyncingLog = false
      if (error === undefined) this.#durable = Math.max(this.#durable, settled)
      else this.#keep(settled)
      this.#tellOfLog(error)
    }
    this.#log.sync().then(() => over(), over)
  }

  /** Once that the log cannot be brought to stable storage, once that it can again. */
  #tellOfLog(error: unknown): void {
    if (this.#isLogUnsafe === (error !== undefined)) return
    this.#isLogUnsafe = error !== undefined
    if (this.#isLogUnsafe) this.#options.onTrouble(failure(`log of ${this.#log.stem}`, error))
    else this.#options.onRecovered()
  }

  /** Records that the disk may have lost: their intents stay, for the next start to look. */
  #keep(upTo: number): void {
    this.#ending = this.#ending.slice(this.#firstEnding).filter(({ mark }) => mark > upTo)
    this.#firstEnding = 0
  }

  #lookAfter(): void {
    const now = this.#clock.nowMs()
    const wait = this.#lookAtMs - now
    if (wait > 0 && wait <= LOOK_MS && !this.#trouble.isOn) return
    this.#lookAtMs = now + LOOK_MS
    this.#files.lookAfter()
  }

  #beat(): void {
    this.#cancelBeat = this.#clock.after(HEARTBEAT_MS, () => {
      this.#files.touch(new Date(this.#clock.nowMs()))
      this.#beat()
    })
  }
}

/** For what cannot be redacted or encoded: it is audited that there was a statement. */
const withoutText = ({ at, who, stmt_seq, protocol }: Statement): AuditEvent => {
  const known = { event: 'statement', at, who, stmt_seq, protocol, outcome: 'unknown', recovered: true }
  return { ...known, encode_error: 'redact' } as unknown as AuditEvent
}

/** The journal of one log file's writer, and the gate before it. */
export interface OpenJournal {
  readonly intents: Intents
  readonly gate: LogGate
  /** To be called when the log's writer is closed. */
  close(): void
}

/** Makes the journal beside the log. Throws ConfigError `environment` when it cannot. */
export const openJournal = (options: JournalOptions): OpenJournal => {
  const journal = new Journal(options)
  return { intents: journal, gate: journal, close: () => journal.close() }
}
