/** The thread that writes the audit log's file, as it is seen from the thread that forwards. */
import { statSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import type { DumpLogConfig } from '../../config/load.ts'
import type { Writer, WriterEvents } from '../sinks/remote-file.ts'
import type { FromWriter } from '../sinks/remote-messages.ts'

/** Not when run from sources: not every Node that is supported loads those into a thread. */
export const canStartLogThread = (): boolean => import.meta.url.endsWith('.js')

/** Would the one directory hang with the other? Not known of one that is not there yet: taken to be so. */
export const isOnSameDisk = (one: string, other: string): boolean => {
  const [first, second] = [one, other].map((dir) => statSync(dir, { throwIfNoEntry: false })?.dev)
  return first === second || first === undefined || second === undefined
}

/** Begins the thread. Never throws: what is wrong is told by its end. */
export const startLogThread = (options: DumpLogConfig, { onMessage, onGone }: WriterEvents): Writer => {
  const worker = new Worker(new URL('./log-worker.js', import.meta.url), {
    workerData: options,
    name: 'log',
  })
  let reason: unknown
  let isGone = false
  worker.on('message', (message: FromWriter) => onMessage(message))
  worker.on('error', (error) => {
    reason = error
  })
  worker.on('exit', (code) => {
    isGone = true
    onGone(reason ?? new Error(`exit code ${code}`))
  })
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    abandon: () => {
      worker.unref()
      // A thread that is stuck in the kernel would be waited for, for ever; first of all, for others flush
      // then what may be stuck as well.
      process.prependOnceListener('exit', () => {
        if (!isGone) process.kill(process.pid, 'SIGKILL')
      })
    },
  }
}
