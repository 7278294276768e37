import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError, type SinkError } from '../../../src/errors.ts'
import type { FileSinkOptions } from '../../../src/sinks/file-options.ts'
import { RemoteFile, type Writer, type WriterEvents } from '../../../src/sinks/remote-file.ts'
import type { FromWriter, ToWriter } from '../../../src/sinks/remote-messages.ts'
import { serveRemote, type WriterPort } from '../../../src/sinks/remote-writer.ts'
import { ANY_EVENT, directOf, FakeClock, LogDirectory, lineOf, textsOf } from '../../support/log-files.ts'

let log: LogDirectory
beforeEach(() => {
  log = new LogDirectory()
})
afterEach(() => log.remove())

const troubles: string[] = []
const recoveries: number[] = []
const hangs: boolean[] = []
const left: string[] = []
beforeEach(() => {
  troubles.length = 0
  recoveries.length = 0
  hangs.length = 0
  left.length = 0
})

const openRemote = (
  start: (events: WriterEvents) => Writer,
  clock = new FakeClock(),
  bufferBytes = 1 << 20,
): RemoteFile =>
  new RemoteFile({
    start,
    bufferBytes,
    clock,
    onTrouble: (error: SinkError, output) => troubles.push(`${output} ${error.code} ${error.message}`),
    onRecovered: (lost) => recoveries.push(lost),
    onIntents: (recovered, known) => left.push(`${recovered} recovered, ${known} known`),
    onCut: (file, bytes) => left.push(`${bytes} bytes of ${file}`),
    onHang: (isHanging) => hangs.push(isHanging),
  })

const numbersOf = (): number[] => log.all().map(({ log_seq }) => log_seq)
const inOrder = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1)

describe('both halves, joined by a channel', () => {
  const ports: MessagePort[] = []
  afterEach(() => {
    for (const port of ports.splice(0)) port.close()
  })

  const open = async (more: Partial<FileSinkOptions> = {}): Promise<RemoteFile> => {
    const remote = openRemote(({ onMessage }) => {
      const { port1, port2 } = new MessageChannel()
      ports.push(port1, port2)
      port1.on('message', onMessage)
      serveRemote(port2 as WriterPort, log.open(more), async () => undefined)
      return { post: (message, transfer = []) => port1.postMessage(message, transfer), abandon: () => {} }
    })
    await remote.opened
    return remote
  }

  it('records are written in order, however they come', async () => {
    const remote = await open()
    expect(remote.path).toContain('dump.log.')
    const wide = 'x'.repeat(300_000)
    expect(remote.appendDirect(directOf('a'), undefined, ANY_EVENT)).toBe(true)
    remote.append(lineOf('b'))
    remote.append(lineOf(wide))
    remote.append({ head: '{"event":"statement","log_seq":4,"text":"no number"}', tail: '', at: 0 })
    expect(remote.appendDirect(directOf('c'), undefined, ANY_EVENT)).toBe(true)
    expect(remote.waiting).toBe(5)
    await remote.close()
    expect(textsOf(log.all())).toEqual(['a', 'b', wide, 'no number', 'c'])
    expect(remote.waiting).toBe(0)
  })

  it('a block goes as it is, its buffer comes back', async () => {
    const remote = await open()
    for (let i = 0; i < 100; i++) {
      remote.appendDirect(directOf(String(i)), undefined, ANY_EVENT)
      await remote.idle()
    }
    expect(numbersOf()).toEqual(inOrder(100))
    expect(remote.blocks).toEqual({ whole: 100, renumbered: 0 })
    await remote.close()
  })

  it('what the writer puts among the records moves their numbers', async () => {
    const remote = await open({ rotationSize: 400 })
    for (let i = 0; i < 60; i++) {
      remote.appendDirect(directOf(`text ${i}`), undefined, ANY_EVENT)
      if (i % 3 === 0) remote.flush()
      if (i % 7 === 0) await remote.idle()
    }
    await remote.close()
    const records = log.all()
    expect(textsOf(records)).toEqual(inOrder(60).map((n) => `text ${n - 1}`))
    expect(records.filter(({ event }) => event === 'audit.rotate').length).toBeGreaterThan(3)
    expect(numbersOf()).toEqual(inOrder(records.length))
    expect(remote.blocks.renumbered).toBeGreaterThan(0)
  })

  it('thousands of records in one turn', async () => {
    const remote = await open()
    const texts = inOrder(5000).map((n) => `${n} ${'é'.repeat(n % 50)}`)
    for (const [i, text] of texts.entries())
      if (i % 100 === 0 || !remote.appendDirect(directOf(text), undefined, ANY_EVENT))
        remote.append(lineOf(text))
    await remote.close()
    expect(textsOf(log.all())).toEqual(texts)
    expect(numbersOf()).toEqual(inOrder(5000))
  })

  it('SIGHUP begins a new file', async () => {
    const remote = await open()
    remote.append(lineOf('a'))
    remote.reopen()
    await remote.idle()
    const before = remote.path
    remote.append(lineOf('b'))
    await remote.close()
    expect(textsOf(log.all())).toEqual(['a', 'b'])
    expect(log.all()).toMatchObject([{ text: 'a' }, { rotate_reason: 'reopen' }, { text: 'b' }])
    expect(remote.path).not.toBe(before)
  })
})

/** A writer that answers when the test says so. */
class Scripted {
  readonly clock = new FakeClock()
  readonly started: WriterEvents[] = []
  posts: ToWriter[] = []
  abandoned = 0

  open(bufferBytes?: number): RemoteFile {
    return openRemote(
      (events) => {
        this.started.push(events)
        return { post: (message) => this.posts.push(message), abandon: () => this.abandoned++ }
      },
      this.clock,
      bufferBytes,
    )
  }

  say(message: FromWriter): void {
    this.started.at(-1)?.onMessage(message)
  }

  opened(): void {
    this.say({ kind: 'opened', path: 'p', next: 1 })
  }

  done(): void {
    this.say({ kind: 'done', next: 1, waiting: 0, isWhole: true, path: 'p' })
  }

  /** kinds of what was posted since the last call */
  kinds(): string[] {
    const kinds = this.posts.map(({ kind }) => kind)
    this.posts = []
    return kinds
  }
}

describe('a writer', () => {
  it('gets records after a few milliseconds, or when there are many', () => {
    const writer = new Scripted()
    const remote = writer.open()
    writer.opened()
    remote.append(lineOf('a'))
    expect(writer.kinds()).toEqual([])
    writer.clock.advance(16)
    expect(writer.kinds()).toEqual(['block'])
    for (let i = 0; i < 9; i++) remote.append(lineOf('x'.repeat(20_000)))
    expect(writer.kinds()).toEqual(['block'])
  })

  it('has a few parcels at a time; those behind them grow', () => {
    const writer = new Scripted()
    const remote = writer.open()
    writer.opened()
    for (let i = 0; i < 20; i++) {
      remote.append(lineOf(`${i}`))
      writer.clock.advance(16)
    }
    expect(writer.kinds()).toEqual(['block', 'block', 'block', 'block'])
    writer.done()
    expect(writer.posts).toMatchObject([{ kind: 'block', count: 16 }])
  })

  it('that takes nothing lets the oldest be dropped, and is told of them in their place', () => {
    const writer = new Scripted()
    const remote = writer.open(1 << 18)
    writer.opened()
    const records = 400
    for (let i = 0; i < records; i++) {
      remote.append(lineOf('x'.repeat(2000), i))
      if (i < 10) writer.clock.advance(16)
    }
    expect(troubles).toEqual(['file full the buffer is full: the oldest waiting records are dropped'])
    expect(writer.kinds()).toEqual(['block', 'block', 'block', 'block'])
    const kept = remote.waiting
    expect(kept * 2000).toBeLessThan(1 << 19)
    for (let i = 0; i < 20; i++) writer.done()
    expect(remote.waiting).toBe(0)
    const lost = records - kept
    expect(writer.posts[0]).toEqual({ kind: 'loss', loss: { records: lost, first: 4, last: lost + 3 } })
    expect(writer.posts.filter(({ kind }) => kind === 'loss')).toHaveLength(1)
    expect(recoveries).toEqual([lost])
  })

  it('that does not answer is told of once', () => {
    const writer = new Scripted()
    const remote = writer.open()
    writer.opened()
    remote.append(lineOf('a'))
    writer.clock.advance(16)
    writer.clock.advance(2000)
    expect([hangs, troubles]).toEqual([[true], []])
    writer.clock.advance(20_000)
    expect(troubles).toEqual(['file write p: no answer from the file system for 5 s'])
    writer.done()
    expect([hangs, recoveries]).toEqual([[true, false], [0]])
    writer.clock.advance(20_000)
    expect(troubles).toHaveLength(1)
  })

  it('that dies is replaced; what it had counts as lost', () => {
    const writer = new Scripted()
    const remote = writer.open()
    writer.opened()
    remote.append(lineOf('a', 7))
    remote.append(lineOf('b', 9))
    writer.clock.advance(16)
    remote.append(lineOf('c', 11))
    writer.started[0]?.onGone(new Error('out of memory'))
    expect(troubles[0]).toContain('out of memory; 2 records that it had count as lost')
    remote.append(lineOf('d', 13))
    writer.kinds()
    writer.clock.advance(100)
    expect(writer.started).toHaveLength(2)
    writer.opened()
    expect(writer.posts).toMatchObject([
      { kind: 'loss', loss: { records: 2, first: 7, last: 9 } },
      { kind: 'block', count: 2 },
    ])
    writer.done()
    expect(recoveries).toEqual([2])
    writer.started[0]?.onGone(new Error('once more'))
    expect(writer.started).toHaveLength(2)
  })

  it('that died with the last record tells of it all the same', () => {
    const writer = new Scripted()
    const remote = writer.open()
    writer.opened()
    remote.append(lineOf('a', 7))
    remote.flush()
    writer.started[0]?.onGone(new Error('gone'))
    writer.kinds()
    writer.clock.advance(100)
    writer.opened()
    expect(writer.kinds()).toEqual(['loss', 'lines'])
  })

  it('whose successor cannot open the file is replaced again, ever later', () => {
    const writer = new Scripted()
    writer.open()
    writer.opened()
    for (let i = 0; i < 10; i++) {
      writer.say({ kind: 'failed', error: { code: 'environment', option: 'dumpLog.dir', message: 'no' } })
      writer.started.at(-1)?.onGone(new Error('exit code 0'))
      writer.clock.advance(5000)
    }
    expect(writer.started).toHaveLength(11)
    expect(troubles.at(-1)).toBe('file open no')
  })

  it('that cannot open the file stops the start', async () => {
    const writer = new Scripted()
    const remote = writer.open()
    writer.say({ kind: 'failed', error: { code: 'environment', option: 'dumpLog.dir', message: 'no' } })
    writer.started[0]?.onGone(new Error('exit code 0'))
    await expect(remote.opened).rejects.toThrow(new ConfigError('environment', 'dumpLog.dir', 'no'))
    await remote.close()
    expect([troubles, writer.abandoned]).toEqual([[], 0])
  })

  it('that ends before it has opened the file stops the start', async () => {
    const writer = new Scripted()
    const remote = writer.open()
    writer.started[0]?.onGone(new Error('no such module'))
    await expect(remote.opened).rejects.toThrow('could not be started: no such module')
  })

  it('is waited for at the end, as long as it lives', async () => {
    const writer = new Scripted()
    const remote = writer.open()
    writer.opened()
    remote.append(lineOf('a'))
    const closed = remote.close()
    expect(writer.kinds()).toEqual(['block'])
    writer.done()
    expect(writer.kinds()).toEqual(['close'])
    for (let i = 0; i < 60; i++) {
      writer.clock.advance(1000)
      writer.say({ kind: 'pong' })
    }
    expect(troubles).toEqual([])
    writer.say({ kind: 'closed' })
    await closed
    expect(writer.abandoned).toBe(0)
    remote.append(lineOf('late'))
    expect(remote.waiting).toBe(0)
  })

  it('that hangs at the end is left behind, and what it did not write is told', async () => {
    const writer = new Scripted()
    const remote = writer.open()
    writer.opened()
    remote.append(lineOf('a'))
    const closed = remote.close()
    writer.clock.advance(10_000)
    await closed
    expect(troubles).toEqual(['file full p: 1 records lost at the end'])
    expect(writer.abandoned).toBe(1)
  })

  it('tells of what a killed process has left, before it is open as well', () => {
    const writer = new Scripted()
    writer.open()
    writer.say({ kind: 'cut', file: 'dump.log', bytes: 7 })
    writer.opened()
    writer.say({ kind: 'intents', recovered: 2, known: 1 })
    expect(left).toEqual(['7 bytes of dump.log', '2 recovered, 1 known'])
  })

  it("tells of the file's own troubles", () => {
    const writer = new Scripted()
    const remote = writer.open()
    writer.opened()
    writer.say({ kind: 'trouble', output: 'file', error: { code: 'write', message: 'ENOSPC' } })
    writer.say({ kind: 'done', next: 1, waiting: 3, isWhole: false, path: 'p' })
    expect(remote.waiting).toBe(3)
    writer.say({ kind: 'recovered', lost: 2 })
    expect([troubles, recoveries, remote.waiting]).toEqual([['file write ENOSPC'], [2], 0])
  })
})
