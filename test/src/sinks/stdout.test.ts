import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough, Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { SinkError } from '../../../src/errors.ts'
import { openStreamSink } from '../../../src/sinks/stdout.ts'
import {
  ANY_EVENT,
  directOf,
  encodeLife,
  type LogRecord,
  lineOf,
  textsOf,
} from '../../support/log-files.ts'

/** A reader that takes one block at a time, when told to. */
class SlowReader extends Writable {
  text = ''
  #next: (() => void) | undefined

  constructor() {
    super({ highWaterMark: 1 })
  }

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.text += chunk
    this.#next = callback
  }

  /** Takes the next block; false when none is waiting. */
  take(): boolean {
    const next = this.#next
    this.#next = undefined
    next?.()
    return next !== undefined
  }

  records(): LogRecord[] {
    return this.text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
  }
}

const open = (stream: Writable, bufferBytes = 1 << 20) => {
  const troubles: SinkError[] = []
  const recoveries: number[] = []
  const sink = openStreamSink({
    stream,
    bufferBytes,
    encodeLife,
    onTrouble: (error) => troubles.push(error),
    onRecovered: (lost) => recoveries.push(lost),
  })
  return { sink, troubles, recoveries }
}

describe('a stream as output', () => {
  it('is behind when half of what may wait does, until the reader has caught up, and when there is none', () => {
    const reader = new SlowReader()
    const { sink, recoveries } = open(reader, 1 << 16)
    const line = lineOf('x'.repeat(1000))
    for (let i = 0; i < 300 && !sink.isBehind; i++) sink.append(line)
    sink.flush()
    for (let i = 0; i < 300 && !sink.isBehind; i++) sink.append(line)
    expect(sink.isBehind).toBe(true)
    while (reader.take()) sink.flush()
    expect(sink.isBehind).toBe(false)
    expect(recoveries).toEqual([])
    reader.destroy()
    sink.flush()
    expect(sink.isBehind).toBe(true)
  })

  it('gets the lines of one turn in one write', async () => {
    const stream = new PassThrough()
    const chunks: string[] = []
    stream.on('data', (chunk) => chunks.push(String(chunk)))
    const { sink } = open(stream)
    for (const text of ['a', 'b']) sink.append(lineOf(text))
    sink.append({ head: 'two\nlines', tail: '', at: 0 })
    await turn()
    expect(chunks).toHaveLength(1)
    expect(chunks[0]?.split('\n').slice(2)).toEqual(['two', 'lines', ''])
  })

  it('waits for a slow reader in bounded memory and tells first what it had to drop', async () => {
    const reader = new SlowReader()
    const { sink, troubles, recoveries } = open(reader, 3000)
    for (let i = 0; i < 200; i++) {
      sink.append(lineOf(`${i}`))
      if (i % 10 === 0) await turn()
    }
    expect(sink.waiting).toBeLessThan(30)
    expect(troubles.map(({ code }) => code)).toEqual(['full'])
    while (reader.take()) await turn()
    const records = reader.records()
    const at = records.findIndex(({ event }) => event === 'audit.loss')
    const lost = records[at]?.lost_records as number
    expect(textsOf(records)).toHaveLength(200 - lost)
    expect(textsOf(records)).toEqual(
      Array.from({ length: 200 }, (_, i) => `${i}`).filter((_, i) => i < at || i >= at + lost),
    )
    expect(recoveries).toEqual([lost])
    expect(records.map(({ log_seq }) => log_seq)).toEqual(records.map((_, i) => i + 1))
  })

  it('is idle once its reader has everything, and when the reader is gone', async () => {
    const reader = new SlowReader()
    const { sink } = open(reader)
    expect(sink.isIdle).toBe(true)
    sink.append(lineOf('a'))
    expect(sink.isIdle).toBe(false)
    await turn()
    expect(sink.isIdle).toBe(false)
    reader.take()
    await turn()
    expect(sink.isIdle).toBe(true)
    sink.append(lineOf('b'))
    reader.destroy()
    await once(reader, 'close')
    expect([sink.isIdle, sink.isGone]).toEqual([true, true])
  })

  it('loses nothing of one big turn while the reader keeps up', async () => {
    const stream = new PassThrough({ highWaterMark: 1 << 24 })
    const { sink, troubles } = open(stream, 1000)
    for (let i = 0; i < 100; i++) sink.append(lineOf(`${i}`))
    await sink.close()
    expect(String(stream.read()).split('\n')).toHaveLength(101)
    expect(troubles).toEqual([])
  })

  it('writes records of both ways in order, with numbers that have no hole', async () => {
    const reader = new SlowReader()
    const { sink, troubles } = open(reader, 600_000)
    const wide = 'w'.repeat(100)
    for (let i = 0; i < 8000; i++) {
      // only every third record is one of the fast path
      if (i % 3 !== 0 || !sink.appendDirect(directOf(`${i} ${wide}`), undefined, ANY_EVENT))
        sink.append(lineOf(`${i} ${wide}`))
      if (i % 1000 === 0) await turn()
      if (i % 500 === 0) reader.take()
    }
    expect(sink.waiting).toBeGreaterThan(0)
    while (!sink.isIdle) {
      reader.take()
      await turn()
    }
    const records = reader.records()
    expect(troubles).toEqual([])
    expect(sink.waiting).toBe(0)
    expect(textsOf(records)).toEqual(Array.from({ length: 8000 }, (_, i) => `${i} ${wide}`))
    expect(records.map(({ log_seq }) => log_seq)).toEqual(records.map((_, i) => i + 1))
  })

  it('takes records of the fast path in bounded memory, then none', async () => {
    const reader = new SlowReader()
    const { sink } = open(reader, 600_000)
    const wide = 'w'.repeat(1000)
    let taken = 0
    while (taken < 10_000 && sink.appendDirect(directOf(wide), undefined, ANY_EVENT)) taken++
    expect(taken).toBeGreaterThan(400)
    expect(taken).toBeLessThan(600)
    expect(sink.appendDirect(directOf(''), undefined, ANY_EVENT)).toBe(false)
    reader.destroy()
    await once(reader, 'close')
    expect(sink.appendDirect(directOf(wide), undefined, ANY_EVENT)).toBe(true)
    expect(sink.isIdle).toBe(true)
  })

  it('notices a stream that was destroyed before it was opened', async () => {
    const stream = new PassThrough().destroy()
    await turn()
    const { sink, troubles } = open(stream)
    sink.append(lineOf('x'))
    await turn()
    expect(troubles.map(({ code }) => code)).toEqual(['write'])
  })

  it('survives a reader that goes away', async () => {
    const child = spawn(process.execPath, ['-e', 'process.stdin.destroy()'], {
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    await once(child, 'exit')
    const { sink, troubles } = open(child.stdin)
    for (let i = 0; i < 3; i++) {
      sink.append(lineOf('x'))
      await turn()
    }
    await expect.poll(() => troubles.length).toBe(1)
    expect(troubles[0]?.code).toBe('write')
    sink.append(lineOf('y'))
    await sink.close()
    expect(sink.waiting).toBe(0)
  })
})
