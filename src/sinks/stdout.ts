/**
 * Records to a stream, usually standard output, in blocks that are used again; once all blocks are with the
 * stream further records wait as lines. A slow reader is waited for in bounded memory; past the bound
 * the oldest lines are dropped and counted, and `audit.loss` comes first when it reads on. A reader that
 * goes away ends the output, not the process.
 */
import { fstatSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { SinkError } from '../errors.ts'
import type { AuditEvent, DirectEncoder, FlowFacts, Line } from '../event.ts'
import { Backlog, type EncodeLife } from './backlog.ts'
import { BLOCK_BYTES, DirectBlock } from './direct.ts'

/** Blocks that are being filled or with the stream, at most. */
const MOST_BLOCKS = 8
const BLOCK_CHARS = 65_536
/** How long a stop waits for a reader. */
const GRACE_MS = 2000

export interface StreamSinkOptions {
  /** done with a chunk when it calls back, as files, pipes and terminals are: its bytes are used again */
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
  /** the block that is being filled: what is in it comes before all lines that wait */
  #block: DirectBlock | undefined
  readonly #free: DirectBlock[] = []
  readonly #mostBlocks: number
  #blocks = 0
  /** records in blocks that are with the stream */
  #sent = 0
  #isScheduled = false
  #isBlocked = false
  #isGone = false
  #lost = 0

  constructor(options: StreamSinkOptions) {
    this.#options = options
    this.#backlog = new Backlog(options.bufferBytes, options.encodeLife)
    this.#mostBlocks = Math.max(1, Math.min(MOST_BLOCKS, Math.floor(options.bufferBytes / BLOCK_BYTES)))
    options.stream.on('error', this.#gone)
    options.stream.on('close', this.#gone)
    options.stream.on('drain', this.#drained)
  }

  /** records that wait for the reader */
  get waiting(): number {
    return this.#backlog.waiting + this.#sent + (this.#block?.count ?? 0)
  }

  /** Has the reader everything? */
  get isIdle(): boolean {
    if (this.#isGone) return true
    return this.#backlog.isEmpty && this.#block === undefined && this.#options.stream.writableLength === 0
  }

  /** the reader went away */
  get isGone(): boolean {
    return this.#isGone
  }

  /** Does so much wait for the reader that nothing more ought to begin, or is there none? */
  get isBehind(): boolean {
    return this.#isGone || this.#backlog.isHalfFull
  }

  /** Takes a line; it is written at the end of this turn of the event loop. Never throws. */
  append(line: Line): void {
    if (this.#isGone) return
    if (!this.#addLine(line)) {
      this.#backlog.push(line)
      if (this.#backlog.isOverBound) this.#overflow()
    }
    this.#schedule()
  }

  /**
   * Takes a record by the fast path, if its encoder writes that kind, nothing waits as a line and a block is
   * free; else answers false, and it must come by `append`. Never throws.
   */
  appendDirect(encoder: DirectEncoder, flow: FlowFacts | undefined, event: AuditEvent): boolean {
    if (this.#isGone) return true
    const added = this.#inBlock((block, seq) => block.add(encoder, seq, flow, event))
    if (added) this.#schedule()
    return added
  }

  #addLine(line: Line): boolean {
    return this.#inBlock((block, seq) => block.addLine(seq, line))
  }

  /** Adds to the block at hand, or, where that lacked room, to the next. */
  #inBlock(add: (block: DirectBlock, seq: number) => boolean): boolean {
    const block = this.#open()
    if (block === undefined) return false
    if (add(block, this.#backlog.nextSeq)) return true
    if (!block.isHalfFull) return false
    this.#send()
    const next = this.#open()
    return next !== undefined && add(next, this.#backlog.nextSeq)
  }

  /** The block that is filled now; none while lines wait, or while the reader has them all. */
  #open(): DirectBlock | undefined {
    if (!this.#backlog.isEmpty) return undefined
    this.#block ??= this.#free.pop()
    if (this.#block === undefined && this.#blocks < this.#mostBlocks) {
      this.#blocks++
      this.#block = new DirectBlock()
    }
    return this.#block
  }

  #send(): void {
    const block = this.#block
    this.#block = undefined
    if (block === undefined) return
    const { count } = block
    let isFree = false
    const release = (): void => {
      if (isFree) return
      isFree = true
      this.#sent -= count
      block.clear()
      this.#free.push(block)
    }
    if (block.used === 0) return void this.#free.push(block)
    this.#backlog.skip(count)
    this.#sent += count
    const { stream } = this.#options
    this.#isBlocked = !stream.write(block.bytes, release)
    // written at once, as files are: the call comes only at the end of this turn
    if (stream.writableLength === 0) release()
  }

  #schedule(): void {
    if (this.#isBlocked || this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(this.#turn)
  }

  /** Writes what waits, as far as the reader takes it. */
  flush(): void {
    // A stream that was destroyed earlier tells nobody: it takes writes and says nothing.
    if (this.#options.stream.destroyed) this.#gone()
    if (!this.#isGone && !this.#isBlocked) this.#send()
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
        if (!this.isIdle) return
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
    this.#block = undefined
    this.#options.onTrouble(
      new SinkError('write', 'standard output was closed by its reader', { cause: error }),
    )
  }
}

/** Opens an output on a stream. */
export const openStreamSink = (options: StreamSinkOptions): StreamSink => new StreamSink(options)
