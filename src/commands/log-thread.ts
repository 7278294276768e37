/** The thread that writes the audit log's file, as it is seen from the thread that forwards. */
import { Worker } from 'node:worker_threads'
import type { DumpLogConfig } from '../../config/load.ts'
import type { Writer, WriterEvents } from '../sinks/remote-file.ts'
import type { FromWriter } from '../sinks/remote-messages.ts'

/** Not when run from sources: not every Node that is supported loads those into a thread. */
export const canStartLogThread = (): boolean => import.meta.url.endsWith('.js')

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
      // A thread that is stuck in the kernel would be waited for, for ever.
      process.once('exit', () => {
        if (!isGone) process.kill(process.pid, 'SIGKILL')
      })
    },
  }
}
