/** haproxy in TCP mode with one thread: the yardstick of the benches, and a sender of PROXY headers. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, listening, start, which } from './programs.ts'

export interface HaproxyOptions {
  /** port of the loopback interface; a free one unless told */
  readonly port?: number
  /** port of the loopback interface to which it connects */
  readonly backend: number
  readonly sendProxy?: 'v1' | 'v2'
  readonly maxConnections?: number
}

export interface Haproxy {
  readonly port: number
  readonly pid: number
  stop(): Promise<void>
}

const SEND_PROXY = { v1: ' send-proxy', v2: ' send-proxy-v2' } as const

const configuration = (options: HaproxyOptions, port: number): string => `global
  nbthread 1
  maxconn ${options.maxConnections ?? 2000}
defaults
  mode tcp
  timeout connect 10s
  timeout client 1h
  timeout server 1h
listen tap
  bind 127.0.0.1:${port}
  server database 127.0.0.1:${options.backend}${options.sendProxy ? SEND_PROXY[options.sendProxy] : ''}
`

/** Starts haproxy in the foreground and waits until it listens. */
export const startHaproxy = async (options: HaproxyOptions): Promise<Haproxy> => {
  const program = which('haproxy')
  if (!program) throw new Error("haproxy: not found (Debian's package: haproxy)")
  const directory = mkdtempSync(join(tmpdir(), 'querytap-haproxy-'))
  const file = join(directory, 'haproxy.cfg')
  const port = options.port ?? (await freePort())
  writeFileSync(file, configuration(options, port))
  const running = start(program, ['-q', '-db', '-f', file])
  const stop = async () => {
    await running.stop()
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    await listening(running, port)
  } catch (error) {
    await stop()
    throw error
  }
  return { port, pid: running.pid, stop }
}
