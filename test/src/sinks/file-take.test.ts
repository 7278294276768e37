import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Loss } from '../../../src/sinks/backlog.ts'
import { DirectBlock } from '../../../src/sinks/direct.ts'
import { ANY_EVENT, directOf, LogDirectory, NOON, textsOf } from '../../support/log-files.ts'

let log: LogDirectory
beforeEach(() => {
  log = new LogDirectory()
})
afterEach(() => log.remove())

/** A block as somebody else fills it, who takes `seq` to be the next number. */
const blockOf = (seq: number, ...texts: readonly string[]): DirectBlock => {
  const block = new DirectBlock(Buffer.alloc(4096))
  for (const text of texts) block.add(directOf(text), seq, undefined, ANY_EVENT)
  return block
}

it('a block with the numbers that are due is written as it is', () => {
  const sink = log.open()
  expect(sink.take(blockOf(1, 'a', 'b'), 1)).toBe(true)
  expect(sink.nextSeq).toBe(3)
  expect(sink.take(blockOf(3, 'c'), 3)).toBe(true)
  expect(log.records().map(({ log_seq, text }) => [log_seq, text])).toEqual([
    [1, 'a'],
    [2, 'b'],
    [3, 'c'],
  ])
})

it('another one gets its numbers anew', () => {
  const sink = log.open()
  sink.appendDirect(directOf('a'), undefined, ANY_EVENT)
  expect(sink.take(blockOf(1, 'b', 'c'), 1)).toBe(false)
  expect(log.records().map(({ log_seq, text }) => [log_seq, text])).toEqual([
    [1, 'a'],
    [2, 'b'],
    [3, 'c'],
  ])
  expect(sink.take(blockOf(4, 'd'), 4)).toBe(true)
})

it('a block waits in bounded memory while nothing can be written', () => {
  let isFull = true
  const written: string[] = []
  const sink = log.open({
    write: (_fd, buffer, offset, length) => {
      if (isFull) throw new Error('ENOSPC')
      written.push(buffer.toString('utf8', offset, offset + length))
      return length
    },
  })
  expect(sink.take(blockOf(1, 'a'), 1)).toBe(true)
  expect(sink.take(blockOf(2, 'b'), 2)).toBe(false)
  expect(sink.waiting).toBe(2)
  isFull = false
  log.clock.advance(100)
  const records = written.flatMap((text) => text.split('\n').slice(0, -1)).map((line) => JSON.parse(line))
  expect(textsOf(records)).toEqual(['a', 'b'])
})

it('records that were lost on the way are told of', () => {
  const sink = log.open()
  const losses: Loss[] = [
    { records: 2, first: NOON * 1000, last: NOON * 1000 + 5 },
    { records: 1, first: NOON * 1000 - 1, last: NOON * 1000 },
  ]
  for (const loss of losses) sink.lose(loss)
  expect(sink.take(blockOf(1, 'a'), 1)).toBe(false)
  expect(log.records()).toMatchObject([
    { event: 'audit.loss', lost_records: 3, lost_last_ts: '2024-05-01T09:30:00.000005Z' },
    { text: 'a', log_seq: 2 },
  ])
})

it('numbers are put right in place where they have as many digits', () => {
  const block = blockOf(11, 'é', 'b', 'c')
  expect(block.renumber(11, 98)).toBe(false)
  expect(block.renumber(11, 9)).toBe(false)
  expect(block.bytes.toString()).toContain('"log_seq":11,')
  expect(block.renumber(11, 97)).toBe(true)
  const records = block.bytes.toString().split('\n').slice(0, -1)
  expect(records.map((line) => JSON.parse(line)).map(({ log_seq, text }) => [log_seq, text])).toEqual([
    [97, 'é'],
    [98, 'b'],
    [99, 'c'],
  ])
})
