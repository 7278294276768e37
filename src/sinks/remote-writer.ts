/**
 * The writer's half of a log file in a thread of its own: it owns the file, and does what it is told in
 * order. Records come in blocks that were numbered by somebody who could not know of the checkpoints and
 * notes that the file gets beside them: where the numbers are wrong the block is taken apart.
 */

import { never } from '../errors.ts'
import { DirectBlock } from './direct.ts'
import type { FileSink } from './file.ts'
import type { BlockMessage, FromWriter, ToWriter } from './remote-messages.ts'

/** A port of a worker thread or of a channel. */
export interface WriterPort {
  postMessage(message: FromWriter, transfer?: readonly ArrayBuffer[]): void
  on(event: 'message', listener: (message: ToWriter) => void): unknown
  close(): void
}

class RemoteWriter {
  readonly #port: WriterPort
  readonly #sink: FileSink
  readonly #onClose: () => Promise<void>

  constructor(port: WriterPort, sink: FileSink, onClose: () => Promise<void>) {
    this.#port = port
    this.#sink = sink
    this.#onClose = onClose
    port.on('message', (message) => this.#take(message))
    port.postMessage({ kind: 'opened', path: sink.path, next: sink.nextSeq })
  }

  #take(message: ToWriter): void {
    const [port, sink] = [this.#port, this.#sink]
    switch (message.kind) {
      case 'block':
        this.#block(message)
        break
      case 'lines':
        for (const line of message.lines) sink.append(line)
        sink.flush()
        this.#done(false)
        break
      case 'loss':
        sink.lose(message.loss)
        break
      case 'reopen':
        sink.reopen()
        break
      case 'idle':
        void sink.idle().then(() => port.postMessage({ kind: 'idle' }))
        break
      case 'ping':
        port.postMessage({ kind: 'pong' })
        break
      case 'close':
        void this.#close()
        break
      default:
        never(message)
    }
  }

  #block({ buffer, used, count, seq }: BlockMessage): void {
    const sink = this.#sink
    const block = new DirectBlock(Buffer.from(buffer), used, count)
    const { nextSeq } = sink
    const isRight = seq === nextSeq
    const isNumbered = isRight || block.renumber(seq, nextSeq)
    const isTaken = sink.take(block, isNumbered ? nextSeq : seq)
    this.#done(isTaken && isRight, buffer)
  }

  #done(isWhole: boolean, buffer?: ArrayBuffer): void {
    const { nextSeq: next, waiting, path } = this.#sink
    const done = { kind: 'done', next, waiting, isWhole, path } as const
    if (buffer === undefined) this.#port.postMessage(done)
    else this.#port.postMessage({ ...done, buffer }, [buffer])
  }

  async #close(): Promise<void> {
    await this.#sink.close()
    await this.#onClose()
    this.#port.postMessage({ kind: 'closed' })
    this.#port.close()
  }
}

/** Says that the sink is open, and writes what comes through the port until it is told to close. */
export const serveRemote = (port: WriterPort, sink: FileSink, onClose: () => Promise<void>): void => {
  new RemoteWriter(port, sink, onClose)
}
