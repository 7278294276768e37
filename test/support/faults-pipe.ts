/** A log on a standard output that nobody reads. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'smol-toml'
import { onTestFinished } from 'vitest'
import type { CrashStage } from './crash.ts'
import type { FaultsServer } from './faults-clients.ts'
import { isListening, until } from './programs.ts'
import { CLI } from './querytap.ts'

export interface Unread {
  /** begins to read */
  read(): void
  /** ends it and gives all lines that it wrote */
  end(): Promise<readonly string[]>
}

/** Starts a proxy that writes its log to a pipe alone. */
export const startUnread = async (
  stage: CrashStage,
  server: FaultsServer,
  dumpLog: Readonly<Record<string, unknown>>,
): Promise<Unread> => {
  const file = join(stage.directory, 'unread.toml')
  const log = { dir: stage.directory, stdout: false }
  writeFileSync(file, stringify({ log, dumpLog: { dir: stage.logs, enable: false, ...dumpLog } }))
  const where = ['-l', `127.0.0.1:${stage.port}`, '-r', `127.0.0.1:${server.remote}`, '-d', server.dumper]
  const proxy = spawn(process.execPath, [CLI, 'proxy', '-c', file, '--stdout', ...where], {
    cwd: stage.directory,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  onTestFinished(() => void proxy.kill('SIGKILL'))
  const closed = new Promise<number | null>((resolve) => proxy.once('close', resolve))
  const chunks: Buffer[] = []
  await until('listening', () => isListening(stage.port))
  return {
    read: () => proxy.stdout.on('data', (chunk: Buffer) => chunks.push(chunk)),
    end: async () => {
      proxy.kill('SIGTERM')
      const code = await closed
      if (code !== 0) throw new Error(`exit ${code}\n${stage.operationalLog()}`)
      return String(Buffer.concat(chunks)).split('\n').slice(0, -1)
    },
  }
}
