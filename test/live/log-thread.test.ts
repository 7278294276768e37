/** The thread that writes the log, as it is built: it dies, and another one takes its place. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadConfig } from '../../config/load.ts'
import type { Line } from '../../src/event.ts'
import { RemoteFile } from '../../src/sinks/remote-file.ts'
import { runOk, until } from '../support/programs.ts'
import { CLI } from '../support/querytap.ts'
import { readLines } from '../support/records.ts'

const THREAD = new URL('commands/log-worker.js', pathToFileURL(CLI))

const lineOf = (text: string): Line => ({
  head: '{"ts":"2024-05-01T12:00:00.000000Z","event":"statement","log_seq":',
  tail: `,"text":"${text}"}`,
  at: 0,
})

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'querytap-log-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

test.for([true, false])('a thread that dies is replaced, rotation: %s', async (rotateEnable) => {
  const { dumpLog } = loadConfig({ env: {}, candidates: [], hasListeners: false })
  const workerData = { ...dumpLog, dir, rotateEnable, compress: 'gzip' }
  const threads: Worker[] = []
  const troubles: string[] = []
  const remote = new RemoteFile({
    start: ({ onMessage, onGone }) => {
      const thread = new Worker(THREAD, { workerData })
      threads.push(thread)
      thread.on('message', onMessage)
      thread.on('exit', (code) => onGone(new Error(`exit code ${code}`)))
      return { post: (message, transfer = []) => thread.postMessage(message, transfer), abandon: () => {} }
    },
    bufferBytes: 1 << 20,
    onTrouble: ({ message }) => troubles.push(message),
    onRecovered: () => {},
  })
  await remote.opened
  remote.append(lineOf('a'))
  await remote.idle()
  await threads[0]?.terminate()
  remote.append(lineOf('b'))
  await until('another thread', () => threads.length === 2)
  await until('nothing waits', () => remote.waiting === 0)
  await remote.close()

  expect(troubles).toEqual(["the log's writer ended: exit code 1; 0 records that it had count as lost"])
  const texts = readLines(dir).filter(({ event }) => event === 'statement')
  expect(texts.map(({ text }) => text).sort()).toEqual(['a', 'b'])
  const verified = await runOk(process.execPath, [CLI, 'verify', dir])
  expect(verified).toContain('no findings')
  // a file, or a link, the compressed file of the first thread, and that of the second; one owner
  const names = readdirSync(dir)
  expect(names.filter((name) => !name.startsWith('.'))).toHaveLength(rotateEnable ? 3 : 1)
  expect(names.filter((name) => name.endsWith('.owner'))).toHaveLength(1)
})
