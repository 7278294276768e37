/**
 * Resident memory of an idle, logged-in session: the proxy's RSS with many sessions over its RSS with none,
 * both after garbage collection.
 *
 *   npm run bench:idle -- [--sessions 2000] [--write]
 */
import { setTimeout as after } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startPostgres } from '../test/support/postgres.ts'
import { report, residentKiB, table } from './measure.ts'
import { startQuerytapPath } from './paths.ts'
import { connectRaw, type RawClient } from './raw-client.ts'

const { values: flags } = parseArgs({
  options: { sessions: { type: 'string', default: '2000' }, write: { type: 'boolean', default: false } },
})
const sessions = Number(flags.sessions)
const PRELOAD = fileURLToPath(new URL('./gc-on-signal.js', import.meta.url))
const AT_ONCE = 50
const CLIENT_BUFFER = 1024
const SETTLE = 1000

/** RSS once the garbage is gone, in KiB. */
const settled = async (pid: number): Promise<number> => {
  for (let pass = 0; pass < 3; pass++) {
    process.kill(pid, 'SIGUSR2')
    await after(SETTLE)
  }
  return residentKiB(pid)
}

const openSessions = async (port: number): Promise<RawClient[]> => {
  const clients: RawClient[] = []
  while (clients.length < sessions) {
    const batch = Array.from({ length: Math.min(AT_ONCE, sessions - clients.length) }, () =>
      connectRaw(port, 'postgres', 'postgres', CLIENT_BUFFER),
    )
    clients.push(...(await Promise.all(batch)))
  }
  return clients
}

const main = async (): Promise<void> => {
  const settings = { max_connections: sessions + 100, shared_buffers: '16MB', jit: false }
  const postgres = await startPostgres({ settings })
  const target = { port: postgres.port, dumper: 'pg' }
  const path = await startQuerytapPath(target, { nodeArgs: ['--expose-gc', '--import', PRELOAD] })
  const pid = path.pid as number
  try {
    // one session first, so that what is loaded and compiled on first use is not counted
    const first = await connectRaw(path.port, 'postgres', 'postgres')
    await first.ask('SELECT 1')
    first.close()
    const empty = await settled(pid)
    const clients = await openSessions(path.port)
    const idle = await settled(pid)
    for (const client of clients) await client.ask('SELECT 1')
    const used = await settled(pid)
    const per = (total: number) => ((total - empty) / sessions).toFixed(1)
    const rows = [
      ['no session', String(empty), ''],
      [`${sessions} logged in, idle`, String(idle), per(idle)],
      [`${sessions} after one query each`, String(used), per(used)],
    ]
    report('Idle sessions', table(['proxy with', 'RSS KiB', 'KiB per session'], rows), flags.write)
    for (const client of clients) client.close()
  } finally {
    await path.stop()
    await postgres.stop()
  }
}

await main()
