import { describe, expect, test } from 'vitest'
import { ProgressLine, progressWords, sizeWords } from '../../../src/commands/capture-progress.ts'

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [99_940, '99.9 kB'],
  [99_960, '100 kB'],
  [999_600, '1.0 MB'],
  [12_345_678_901, '12.3 GB'],
])('%d bytes are %s', (bytes, words) => {
  expect(sizeWords(bytes)).toBe(words)
})

describe('words', () => {
  test('of a file: share, rate, time left', () => {
    const progress = { bytesRead: 50e6, size: 200e6, packets: 1_203_404, statements: 80_113 }
    expect(progressWords(progress, 0.5)).toBe(
      '50.0 MB of 200 MB (25 %), 1,203,404 packets, 80,113 statements, 100 MB/s, 2 s left',
    )
  })

  test('of a stream, whose end nobody knows', () => {
    const progress = { bytesRead: 2e6, size: undefined, packets: 10, statements: 1 }
    expect(progressWords(progress, 1)).toBe('2.0 MB, 10 packets, 1 statements, 2.0 MB/s')
  })
})

test('the line comes late, is not written too often, fits the terminal, and goes', () => {
  let now = 1000
  const written: string[] = []
  const line = new ProgressLine({ write: (text) => written.push(text), now: () => now, columns: () => 20 })
  const progress = { bytesRead: 1e6, size: 2e6, packets: 10, statements: 1 }
  line.update(progress)
  line.clear()
  expect(written).toEqual([])
  now += 600
  line.update(progress)
  line.update(progress)
  expect(written).toEqual(['\r\u001b[K1.0 MB of 2.0 MB (5'])
  now += 300
  line.update(progress)
  expect(written).toHaveLength(2)
  line.clear()
  expect(written.at(-1)).toBe('\r\u001b[K')
  expect(line.seconds).toBeCloseTo(0.9)
})
