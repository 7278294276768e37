import { describe, expect, test } from 'vitest'
import type { Bytes } from '../../../src/flow.ts'
import { type FrameHandler, Framer, SKIP } from '../../../src/framing/framer.ts'
import { splits } from '../../support/chunks.ts'

/** A dialect of one byte for the type and two for the body's length; type 0xff makes no sense. */
class TestFramer extends Framer {
  protected override headerSize = 3

  protected override readHeader(bytes: Bytes, at: number): number {
    this.type = bytes[at]!
    return this.type === 0xff ? -1 : bytes.readUInt16BE(at + 1)
  }
}

const frameOf = (type: number, body: Bytes | string): Bytes => {
  const bytes = Buffer.from(body)
  return Buffer.concat([Buffer.from([type, bytes.length >> 8, bytes.length & 0xff]), bytes])
}

/** Writes down what it is told; of type n it keeps what `keep` says. */
class Recorder implements FrameHandler {
  readonly told: (readonly unknown[])[] = []
  readonly keep: (type: number, length: number) => number
  beyondBytes = 0

  constructor(keep: (type: number, length: number) => number = (_, length) => length) {
    this.keep = keep
  }

  header(type: number, length: number): number {
    this.told.push(['header', type, length])
    return this.keep(type, length)
  }

  frame(type: number, bytes: Bytes, start: number, end: number, length: number): void {
    this.told.push(['frame', type, bytes.toString('latin1', start, end), length])
  }

  beyond(_type: number, _head: Bytes, _bytes: Bytes, start: number, end: number): void {
    this.beyondBytes += end - start
  }

  lost(left: number): void {
    this.told.push(['lost', left])
  }
}

const feedAll = (framer: Framer, chunks: readonly Bytes[]): number => {
  let used = 0
  for (const chunk of chunks) used += framer.feed(chunk)
  return used
}

const LONG = 'x'.repeat(9000)
const STREAM = Buffer.concat([
  frameOf(1, 'abc'),
  frameOf(2, ''),
  frameOf(3, LONG),
  frameOf(4, 'skipped'),
  frameOf(5, 'cut to three'),
  frameOf(6, 'nothing kept'),
  frameOf(7, 'end'),
])
const keepByType = (type: number, length: number): number =>
  type === 4 ? SKIP : type === 5 ? 3 : type === 6 ? 0 : length

describe('whatever pieces the bytes come in, the frames are the same', () => {
  test.each(splits(STREAM, 20))('$name', ({ chunks }) => {
    const recorder = new Recorder(keepByType)
    const framer = new TestFramer(recorder)
    expect(feedAll(framer, chunks)).toBe(STREAM.length)
    expect(recorder.told.filter(([what]: readonly unknown[]) => what === 'frame')).toEqual([
      ['frame', 1, 'abc', 3],
      ['frame', 2, '', 0],
      ['frame', 3, LONG, 9000],
      ['frame', 5, 'cut', 12],
      ['frame', 6, '', 12],
      ['frame', 7, 'end', 3],
    ])
    expect(recorder.told.filter(([what]: readonly unknown[]) => what === 'header')).toHaveLength(7)
    expect(recorder.beyondBytes).toBe('cut to three'.length - 3)
    expect([framer.held, framer.midFrame, framer.stopped]).toEqual([0, false, false])
  })
})

test('a frame within one chunk is handed on in place, without a copy', () => {
  const recorder = new Recorder()
  let given: Bytes | undefined
  recorder.frame = (_type, bytes) => {
    given = bytes
  }
  const chunk = Buffer.concat([frameOf(1, 'one'), frameOf(2, 'two')])
  new TestFramer(recorder).feed(chunk)
  expect(given).toBe(chunk)
})

test('what spans chunks is copied: the chunk may be written over', () => {
  const recorder = new Recorder()
  const framer = new TestFramer(recorder)
  const chunk = frameOf(1, 'borrowed')
  const first = Buffer.from(chunk.subarray(0, 7))
  framer.feed(first)
  first.fill(0)
  framer.feed(chunk.subarray(7))
  expect(recorder.told.at(-1)).toEqual(['frame', 1, 'borrowed', 8])
})

test('memory grows with what has arrived, not with what a header promises', () => {
  const recorder = new Recorder()
  const framer = new TestFramer(recorder)
  framer.feed(Buffer.from([1, 0xff, 0xff, 0x61]))
  expect(framer.held).toBeLessThanOrEqual(4096)
  framer.feed(Buffer.alloc(10_000))
  expect(framer.held).toBeLessThanOrEqual(20_002)
  framer.feed(Buffer.alloc(60_000))
  expect(framer.held).toBe(0)
})

test('nothing is held of a body that nobody wants', () => {
  const framer = new TestFramer(new Recorder(() => SKIP))
  framer.feed(Buffer.from([1, 0xff, 0xff]))
  framer.feed(Buffer.alloc(50_000))
  expect([framer.held, framer.midFrame]).toEqual([0, true])
})

test('at most what is wanted of a body is held', () => {
  const recorder = new Recorder(() => 100)
  const framer = new TestFramer(recorder)
  framer.feed(Buffer.from([1, 0xff, 0xff]))
  for (let i = 0; i < 65_535; i += 5) {
    framer.feed(Buffer.alloc(5))
    expect(framer.held).toBeLessThanOrEqual(100)
  }
  expect(recorder.told.at(-1)).toEqual(['frame', 1, '\0'.repeat(100), 65_535])
})

describe('a header that makes no sense', () => {
  const stream = Buffer.concat([frameOf(1, 'ok'), frameOf(0xff, 'lost'), frameOf(2, 'never seen')])
  test.each(splits(stream))('ends framing: $name', ({ chunks }) => {
    const recorder = new Recorder()
    const framer = new TestFramer(recorder)
    feedAll(framer, chunks)
    expect(framer.stopped).toBe(true)
    expect(recorder.told.filter(([what]: readonly unknown[]) => what === 'frame')).toEqual([
      ['frame', 1, 'ok', 2],
    ])
    expect(recorder.told.filter(([what]: readonly unknown[]) => what === 'lost')).toHaveLength(1)
  })

  test('tells how many bytes of the chunk were not used', () => {
    const recorder = new Recorder()
    expect(new TestFramer(recorder).feed(stream)).toBe(5 + 3)
    expect(recorder.told.at(-1)).toEqual(['lost', stream.length - 5 - 3])
  })
})

test('a handler that stops its framer keeps what follows unread', () => {
  const recorder = new Recorder()
  const framer = new TestFramer(recorder)
  recorder.frame = () => {
    framer.stopped = true
  }
  expect(framer.feed(Buffer.concat([frameOf(1, 'a'), frameOf(2, 'b')]))).toBe(4)
})

describe('lost bytes', () => {
  test('within a body that nobody wants do no harm', () => {
    const recorder = new Recorder(keepByType)
    const framer = new TestFramer(recorder)
    framer.feed(frameOf(4, 'skipped').subarray(0, 5))
    expect(framer.gap(5)).toBe(true)
    framer.feed(frameOf(7, 'end'))
    expect(recorder.told.at(-1)).toEqual(['frame', 7, 'end', 3])
  })

  test('within a body of which nothing is kept end it as its bytes would have', () => {
    const recorder = new Recorder(keepByType)
    const framer = new TestFramer(recorder)
    framer.feed(frameOf(6, 'nothing').subarray(0, 5))
    expect(framer.gap(5)).toBe(true)
    expect(recorder.told.at(-1)).toEqual(['frame', 6, '', 7])
  })

  test.each([
    ['between frames', 0],
    ['in a header', 2],
    ['in a body that is kept', 5],
    ['behind the kept bytes of a body, whose rest is hashed', 8],
  ])('%s lose the framing', (_, at) => {
    const framer = new TestFramer(new Recorder(keepByType))
    framer.feed(frameOf(5, 'cut to three').subarray(0, at))
    expect(framer.gap(2)).toBe(false)
  })

  test('that reach beyond the body lose the framing', () => {
    const framer = new TestFramer(new Recorder(keepByType))
    framer.feed(frameOf(4, 'skipped').subarray(0, 5))
    expect(framer.gap(6)).toBe(false)
  })
})
