/** A rotation hook that fails: tried again at the next rotation and the next start, its files kept. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { FileSink } from '../../../src/sinks/file.ts'
import { LogDirectory, lineOf, textsOf } from '../../support/log-files.ts'

let log: LogDirectory
beforeEach(() => {
  log = new LogDirectory()
})
afterEach(() => log.remove())

/** A program that fails the first two times it is given a file, and takes it the third time. */
const writeFailingTwice = (): string => {
  const path = join(log.dir, 'hook.sh')
  const script = `n=$(grep -c -F "$1 " '${log.dir}/calls'); echo "$1 $n" >> '${log.dir}/calls'; [ $n -ge 2 ]`
  writeFileSync(join(log.dir, 'calls'), '')
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return path
}

/** Which files the program was given, in order, and how often before. */
const calls = (): string[] =>
  readFileSync(join(log.dir, 'calls'), 'utf8')
    .replaceAll(`${log.dir}/dump.log.`, '')
    .split('\n')
    .slice(0, -1)

const retention = { count: 1, maxAgeMs: 0, maxTotal: 0 }

const rotate = async (sink: FileSink, text: string): Promise<void> => {
  sink.append(lineOf(text))
  sink.reopen()
  await sink.idle()
}

it('is run again at each rotation until it succeeds', async () => {
  const sink = log.open({ rotationHook: writeFailingTwice(), retention })
  await rotate(sink, 'a')
  await rotate(sink, 'b')
  expect(calls()).toEqual(['2024050109 0', '2024050109 1', '2024050109.1 0'])
  expect(textsOf(log.all())).toEqual(['a', 'b'])
  await rotate(sink, 'c')
  expect(calls().slice(3)).toEqual(['2024050109 2', '2024050109.1 1', '2024050109.2 0'])
  expect(log.troubles).toHaveLength(5)
  await sink.close()
})

it('is run again at the next start, also after a second failure there; only then retention may delete', async () => {
  const rotationHook = writeFailingTwice()
  const first = log.open({ rotationHook, retention })
  await rotate(first, 'a')
  await first.close()
  expect(calls()).toEqual(['2024050109 0'])

  const second = log.open({ rotationHook, retention })
  await second.idle()
  // the second file of the first run had nothing in it, and was finished when that ended
  expect(calls().slice(1)).toEqual(['2024050109 1', '2024050109.1 0'])
  await rotate(second, 'b')
  expect(calls().slice(3)).toEqual(['2024050109 2', '2024050109.1 1', '2024050109.2 0'])
  expect(textsOf(log.all())).toEqual(['a', 'b'])
  await second.close()

  const third = log.open({ rotationHook, retention })
  await third.idle()
  expect(calls().slice(6)).toEqual(['2024050109.1 2', '2024050109.2 1', '2024050109.3 0'])
  // of the two that were taken one may stay
  expect(textsOf(log.all())).toEqual(['b'])
  await third.close()
})
