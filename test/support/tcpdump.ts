/** tcpdump beside a test: what passes on a port of the loopback interface goes to a file. */
import { setTimeout as after } from 'node:timers/promises'
import { start, until, which } from './programs.ts'

export interface Tcpdump {
  /** lets the last packets arrive and ends it; rejects when the kernel dropped some */
  stop(): Promise<void>
}

/** Packets reach it in batches, up to a second late. */
const BATCH_MS = 1200

/** Captures until it is stopped. Needs the right to capture. */
export const startTcpdump = async (
  file: string,
  port: number,
  args: readonly string[] = [],
): Promise<Tcpdump> => {
  const program = which('tcpdump') ?? 'tcpdump'
  const flags = ['-i', 'lo', '-n', '-Z', 'root', '-B', '16384', ...args, '-w', file]
  const running = start(program, [...flags, `tcp port ${port}`])
  await until('tcpdump', () => running.output().includes('listening on'))
  return {
    stop: async () => {
      await after(BATCH_MS)
      await running.stop()
      if (!/\b0 packets dropped by kernel/.test(running.output())) throw new Error(running.output())
    },
  }
}

/** Can packets be captured here? */
export const canCapture = async (): Promise<boolean> => {
  const program = which('tcpdump')
  if (program === undefined) return false
  const running = start(program, ['-i', 'lo', '-c', '1', '-w', '/dev/null', 'tcp port 1'])
  let isOver = false
  void running.exited.then(() => {
    isOver = true
  })
  await until('tcpdump', () => isOver || running.output().includes('listening on'))
  await running.stop()
  return running.output().includes('listening on')
}
