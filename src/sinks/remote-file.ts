/**
 * A log file whose writer has a thread of its own, so that a file system that hangs stops that thread and
 * nothing else. Records are handed over in blocks, a few at a time; what the writer does not take waits here
 * in bounded memory. A writer that dies is replaced, and what it had is counted as lost.
 */
import { ConfigError, never, SinkError } from '../errors.ts'
import type { AuditEvent, DirectEncoder, FlowFacts, Line } from '../event.ts'
import { type Clock, SYSTEM_CLOCK } from './clock.ts'
import { messageOf } from './file-options.ts'
import { Parcels } from './parcels.ts'
import type { FromWriter, PlainError, ToWriter } from './remote-messages.ts'

/** The writer as it is seen from here. */
export interface Writer {
  post(message: ToWriter, transfer?: readonly ArrayBuffer[]): void
  /** It hangs: the process may end without it. */
  abandon(): void
}

/** What the writer's thread says. */
export interface WriterEvents {
  readonly onMessage: (message: FromWriter) => void
  /** the thread has ended */
  readonly onGone: (reason: unknown) => void
}

export interface RemoteFileOptions {
  /** begins a thread in which the file is opened; called again for each that dies */
  readonly start: (events: WriterEvents) => Writer
  /** bytes of records that may wait for the writer, beside those that the writer itself lets wait */
  readonly bufferBytes: number
  /** of the output `file`, or of another that works beside the writer */
  readonly onTrouble: (error: SinkError, output: string) => void
  /** told when all that waited was taken; `lost` records had been dropped */
  readonly onRecovered: (lost: number) => void
  /** told of statements in the journal of a process that was killed, and of a torn line that was cut */
  readonly onIntents?: ((recovered: number, known: number) => void) | undefined
  readonly onCut?: ((file: string, bytes: number) => void) | undefined
  /** told before the others, and sooner: the file system does not answer, or does again */
  readonly onHang?: ((hangs: boolean) => void) | undefined
  readonly clock?: Clock
}

/**
 * Records are handed over so often, in milliseconds, or when there are so many bytes of them: to wake a
 * thread costs as much as ten records.
 */
const POST_EVERY_MS = 16
const POST_BYTES = 1 << 17
/** Parcels with the writer. */
const MOST_SENT = 4
const FIRST_PAUSE_MS = 100
const LAST_PAUSE_MS = 5000
/** A writer from which nothing was heard for so many beats hangs. */
const BEAT_MS = 1000
const BEATS = 5

const OUTPUT = 'file'

const sinkErrorOf = ({ code, message }: PlainError): SinkError =>
  new SinkError((code === '' ? 'write' : code) as SinkError['code'], message)

export class RemoteFile {
  readonly #options: RemoteFileOptions
  readonly #clock: Clock
  readonly #parcels: Parcels
  /** Resolves when the file was opened the first time. Rejects with ConfigError `environment` where not. */
  readonly opened: Promise<void>
  /** blocks that were written as they were, and those whose numbers were wrong */
  readonly blocks = { whole: 0, renumbered: 0 }
  #settleOpened: { resolve: () => void; reject: (error: Error) => void } | undefined
  #writer: Writer | undefined
  #isOpen = false
  #path = ''
  /** records that the writer has and could not write */
  #held = 0
  #cancelPost: (() => void) | undefined
  #cancelBeat: (() => void) | undefined
  #isHeard = false
  #missed = 0
  #hangs = false
  #isTold = false
  #lost = 0
  #pauseMs = FIRST_PAUSE_MS
  #idlers: (() => void)[] = []
  #isClosed = false
  #isCloseSent = false
  #closing: Promise<void> | undefined
  #endClosing: (() => void) | undefined

  constructor(options: RemoteFileOptions) {
    this.#options = options
    this.#clock = options.clock ?? SYSTEM_CLOCK
    this.#parcels = new Parcels(options.bufferBytes)
    this.opened = new Promise((resolve, reject) => {
      this.#settleOpened = { resolve, reject }
    })
    this.#start()
  }

  /** path of the file that was written last; empty until there is one */
  get path(): string {
    return this.#path
  }

  /** records that wait to be written */
  get waiting(): number {
    return this.#parcels.records + this.#held
  }

  /** Takes a line; it is handed over soon. Never throws. */
  append(line: Line): void {
    if (this.#isClosed) return
    this.#parcels.addLine(line)
    this.#added()
  }

  /** Takes a record by the fast path, if its encoder writes that kind; else it must come by `append`. */
  appendDirect(encoder: DirectEncoder, flow: FlowFacts | undefined, event: AuditEvent): boolean {
    if (this.#isClosed || !this.#parcels.addDirect(encoder, flow, event)) return false
    this.#added()
    return true
  }

  /** Hands over what there is, as far as the writer takes it. Never throws. */
  flush(): void {
    this.#cancelPost?.()
    this.#cancelPost = undefined
    this.#pump()
  }

  /** SIGHUP. Never throws. */
  reopen(): void {
    this.flush()
    if (this.#isOpen) this.#writer?.post({ kind: 'reopen' })
  }

  /** Resolves when finished files are compressed, hooked and expired, as far as is possible now. */
  async idle(): Promise<void> {
    this.flush()
    if (!this.#isOpen) return
    await new Promise<void>((resolve) => {
      this.#idlers.push(resolve)
      this.#writer?.post({ kind: 'idle' })
    })
  }

  /** Has all written, or counts it as lost when the writer hangs. Never rejects. */
  async close(): Promise<void> {
    this.#closing ??= this.#close()
    await this.#closing
  }

  #close(): Promise<void> {
    this.#isClosed = true
    this.#missed = 0
    return new Promise((resolve) => {
      this.#endClosing = () => {
        this.#endClosing = undefined
        this.#cancelBeat?.()
        this.#release()
        resolve()
      }
      if (this.#isOpen) this.#end()
      else this.#giveUp()
    })
  }

  #end(): void {
    this.flush()
    this.#finish()
    this.#beat()
  }

  /** At the end, when the writer has taken all there was. */
  #finish(): void {
    if (this.#endClosing === undefined || this.#isCloseSent || this.#parcels.records > 0) return
    this.#isCloseSent = true
    this.#writer?.post({ kind: 'close' })
  }

  #giveUp(): void {
    const lost = this.waiting
    if (lost > 0) this.#tell(new SinkError('full', `${this.#path}: ${lost} records lost at the end`))
    this.#isOpen = false
    this.#writer?.abandon()
    this.#endClosing?.()
  }

  #added(): void {
    const lost = this.#parcels.drop()
    if (lost > 0) this.#lose(lost)
    const { gathered, queued } = this.#parcels
    if (gathered >= POST_BYTES || queued > 0) this.flush()
    else this.#cancelPost ??= this.#clock.after(POST_EVERY_MS, this.#due)
  }

  #lose(lost: number): void {
    if (this.#lost === 0)
      this.#tell(new SinkError('full', 'the buffer is full: the oldest waiting records are dropped'))
    this.#lost += lost
  }

  #tell(error: SinkError): void {
    this.#isTold = true
    this.#options.onTrouble(error, OUTPUT)
  }

  readonly #due = (): void => {
    this.#cancelPost = undefined
    this.#pump()
  }

  #pump(): void {
    const writer = this.#writer
    if (!this.#isOpen || writer === undefined) return
    while (this.#parcels.sent < MOST_SENT) {
      const parcel = this.#parcels.take()
      if (parcel === undefined) return
      const { message, before } = parcel
      if (before !== undefined) writer.post({ kind: 'loss', loss: before })
      if (message.kind === 'block') writer.post(message, [message.buffer])
      else writer.post(message)
      if (this.#cancelBeat === undefined) this.#beat()
    }
  }

  #start(): void {
    const isCurrent = (): boolean => this.#writer === writer
    const writer = this.#options.start({
      onMessage: (message) => {
        if (isCurrent()) this.#hear(message)
      },
      onGone: (reason) => {
        if (isCurrent()) this.#gone(reason)
      },
    })
    this.#writer = writer
  }

  #hear(message: FromWriter): void {
    this.#isHeard = true
    this.#setHanging(false)
    switch (message.kind) {
      case 'opened':
        this.#begin(message.path, message.next)
        break
      case 'failed':
        this.#failed(message.error)
        break
      case 'done':
        this.#done(message)
        break
      case 'trouble':
        this.#options.onTrouble(sinkErrorOf(message.error), message.output)
        break
      case 'recovered':
        this.#held = 0
        this.#options.onRecovered(message.lost)
        break
      case 'intents':
        this.#options.onIntents?.(message.recovered, message.known)
        break
      case 'cut':
        this.#options.onCut?.(message.file, message.bytes)
        break
      case 'idle':
        this.#release()
        break
      case 'closed':
        this.#endClosing?.()
        break
      case 'pong':
        break
      default:
        never(message)
    }
  }

  #begin(path: string, next: number): void {
    this.#path = path
    this.#isOpen = true
    this.#pauseMs = FIRST_PAUSE_MS
    this.#parcels.restart(next)
    this.#settleOpened?.resolve()
    this.#settleOpened = undefined
    this.#pump()
    this.#recover()
  }

  #failed(error: PlainError): void {
    const { code, option, message } = error
    if (this.#settleOpened === undefined) this.#tell(new SinkError('open', message))
    else if (option === undefined) this.#refuse(sinkErrorOf(error))
    else this.#refuse(new ConfigError(code as ConfigError['code'], option, message))
  }

  /** It was never opened, and is not going to be. */
  #refuse(error: Error): void {
    this.#isClosed = true
    this.#writer = undefined
    this.#settleOpened?.reject(error)
    this.#settleOpened = undefined
  }

  #done({ next, buffer, waiting, path, isWhole }: FromWriter & { kind: 'done' }): void {
    if (buffer !== undefined) this.blocks[isWhole ? 'whole' : 'renumbered']++
    this.#held = waiting
    this.#path = path
    this.#parcels.done(next, buffer)
    // what came while the writer had enough has waited long enough
    if (this.#cancelPost === undefined) this.#pump()
    this.#recover()
    this.#finish()
  }

  #recover(): void {
    if (!this.#isTold || this.#parcels.sent > 0) return
    const lost = this.#lost
    this.#isTold = false
    this.#lost = 0
    this.#options.onRecovered(lost)
  }

  #gone(reason: unknown): void {
    const wasOpen = this.#isOpen
    this.#writer = undefined
    this.#isOpen = false
    this.#release()
    if (this.#settleOpened !== undefined)
      this.#refuse(new SinkError('open', `the log's writer could not be started: ${messageOf(reason)}`))
    else if (this.#endClosing !== undefined) this.#giveUp()
    else if (!this.#isClosed) this.#replace(wasOpen, reason)
  }

  #replace(wasOpen: boolean, reason: unknown): void {
    const lost = this.#parcels.fail(this.#held, this.#clock.nowMs() * 1000)
    this.#held = 0
    this.#lost += lost
    if (wasOpen) {
      const what = `the log's writer ended: ${messageOf(reason)}; ${lost} records that it had count as lost`
      this.#tell(new SinkError('write', what))
    }
    this.#clock.after(this.#pauseMs, () => {
      if (!this.#isClosed) this.#start()
    })
    this.#pauseMs = Math.min(this.#pauseMs * 2, LAST_PAUSE_MS)
  }

  /** While something is with the writer: is it heard of? */
  #beat(): void {
    this.#isHeard = false
    this.#cancelBeat?.()
    this.#cancelBeat = this.#clock.after(BEAT_MS, () => {
      this.#cancelBeat = undefined
      this.#missed = this.#isHeard ? 0 : this.#missed + 1
      const isClosing = this.#endClosing !== undefined
      if (this.#missed > 0) this.#setHanging(true)
      if (this.#missed === BEATS && isClosing) this.#giveUp()
      else if (this.#missed === BEATS) {
        this.#tell(new SinkError('write', `${this.#path}: no answer from the file system for ${BEATS} s`))
      }
      if (this.#endClosing !== undefined) this.#writer?.post({ kind: 'ping' })
      if (this.#endClosing !== undefined || this.#parcels.sent > 0) this.#beat()
    })
  }

  #setHanging(hangs: boolean): void {
    if (this.#hangs === hangs) return
    this.#hangs = hangs
    this.#options.onHang?.(hangs)
  }

  #release(): void {
    const idlers = this.#idlers
    this.#idlers = []
    for (const resolve of idlers) resolve()
  }
}
