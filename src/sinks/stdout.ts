/**
 * Lines to a stream, usually standard output. A slow reader is waited for in bounded memory; past the bound
 * the oldest lines are dropped and counted, and `audit.loss` comes first when it reads on. A reader that
 * goes away ends the output, not the process.
 */
import { fstatSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { SinkError } from '../errors.ts'
import type { Line } from '../event.ts'
import { Backlog, type EncodeLife } from './backlog.ts'

const BLOCK_CHARS = 65_536
/** How long a stop waits for a reader. */
const GRACE_MS = 2000

export interface StreamSinkOptions {
  readonly stream: Writable
  /** bytes of records that may wait for the reader */
  readonly bufferBytes: number
  readonly encodeLife: EncodeLife
  /** told once when lines begin to be dropped, and once when the reader is gone */
  readonly onTrouble: (error: SinkError) => void
  /** told when the reader has caught up; so many records had been dropped */
  readonly onRecovered: (lost: number) => void
}

/**
 * Standard output as a stream that does not block the process on a slow pipe, as `process.stdout` does. Do
 * not write to `process.stdout` beside it.
 */
export const openStdout = (): Writable => {
  const kind = fstatSync(1)
  if (!kind.isFIFO() && !kind.isSocket()) return process.stdout
  return new Socket({ fd: 1, readable: false, writable: true })
}

export class StreamSink {
  readonly #options: StreamSinkOptions
  readonly #backlog: Backlog
  #isScheduled = false
  #isBlocked = false
  #isGone = false
  #lost = 0

  constructor(options: StreamSinkOptions) {
    this.#options = options
    this.#backlog = new Backlog(options.bufferBytes, options.encodeLife)
    options.stream.on('error', this.#gone)
    options.stream.on('close', this.#gone)
    options.stream.on('drain', this.#drained)
  }

  /** records that wait for the reader */
  get waiting(): number {
    return this.#backlog.waiting
  }

  /** Has the reader everything? */
  get isIdle(): boolean {
    return this.#isGone || (this.#backlog.isEmpty && this.#options.stream.writableLength === 0)
  }

  /** the reader went away */
  get isGone(): boolean {
    return this.#isGone
  }

  /** Takes a line; it is written at the end of this turn of the event loop. Never throws. */
  append(line: Line): void {
    if (this.#isGone) return
    this.#backlog.push(line)
    if (this.#backlog.isOverBound) this.#overflow()
    if (this.#isBlocked || this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(this.#turn)
  }

  /** Writes what waits, as far as the reader takes it. */
  flush(): void {
    // A stream that was destroyed earlier tells nobody: it takes writes and says nothing.
    if (this.#options.stream.destroyed) this.#gone()
    while (!this.#isGone && !this.#isBlocked && !this.#backlog.isEmpty) {
      const batch = this.#backlog.batch(BLOCK_CHARS, Number.POSITIVE_INFINITY, 1, Date.now() * 1000)
      if (batch === undefined) return
      this.#backlog.commit(batch)
      this.#isBlocked = !this.#options.stream.write(batch.text)
    }
    if (this.#backlog.isEmpty && this.#lost > 0) {
      this.#options.onRecovered(this.#lost)
      this.#lost = 0
    }
  }

  /** Waits a little for the reader to take what is left. Leaves the stream open. Never rejects. */
  async close(): Promise<void> {
    this.flush()
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, GRACE_MS)
      const look = (): void => {
        if (!this.#isGone && (!this.#backlog.isEmpty || this.#options.stream.writableLength > 0)) return
        clearTimeout(timer)
        resolve()
      }
      for (const event of ['drain', 'close', 'error'] as const) this.#options.stream.on(event, look)
      if (!this.#isGone && this.#options.stream.writableLength > 0) this.#options.stream.write('', look)
      look()
    })
  }

  readonly #turn = (): void => {
    this.#isScheduled = false
    this.flush()
  }

  readonly #drained = (): void => {
    this.#isBlocked = false
    this.flush()
  }

  #overflow(): void {
    // A full buffer within one turn is no trouble while the reader keeps up.
    if (!this.#isBlocked) this.flush()
    const before = this.#backlog.loss?.records ?? 0
    this.#backlog.drop()
    const dropped = (this.#backlog.loss?.records ?? 0) - before
    if (dropped > 0 && this.#lost === 0) {
      const message = 'standard output is read too slowly: the oldest waiting records are dropped'
      this.#options.onTrouble(new SinkError('full', message))
    }
    this.#lost += dropped
  }

  readonly #gone = (error?: unknown): void => {
    if (this.#isGone) return
    this.#isGone = true
    this.#backlog.drop(true)
    this.#options.onTrouble(
      new SinkError('write', 'standard output was closed by its reader', { cause: error }),
    )
  }
}

/** Opens an output on a stream. */
export const openStreamSink = (options: StreamSinkOptions): StreamSink => new StreamSink(options)
