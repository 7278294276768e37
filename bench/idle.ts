/**
 * Resident memory of an idle, logged-in session: the proxy's RSS with many sessions over its RSS with none,
 * both after garbage collection.
 *
 *   npm run bench:idle -- [--dialect pg|mysql] [--sessions 2000] [--write]
 */
import { setTimeout as after } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startMariaDb } from '../test/support/mariadb.ts'
import { startPostgres } from '../test/support/postgres.ts'
import { report, residentKiB, table } from './measure.ts'
import { startQuerytapPath, type Target } from './paths.ts'
import { connectRaw } from './raw-client.ts'
import { connectRawMysql } from './raw-mysql-client.ts'

const { values: flags } = parseArgs({
  options: {
    dialect: { type: 'string', default: 'pg' },
    sessions: { type: 'string', default: '2000' },
    write: { type: 'boolean', default: false },
  },
})
const sessions = Number(flags.sessions)
const PRELOAD = fileURLToPath(new URL('./gc-on-signal.js', import.meta.url))
const AT_ONCE = 50
const CLIENT_BUFFER = 1024
const SETTLE = 1000

/** A session as it is opened here. */
interface Client {
  ask(sql: string): Promise<number>
  close(): void
}

/** A server, and how to log in to it. */
interface Server {
  readonly target: Target
  connect(port: number, readBytes?: number): Promise<Client>
  stop(): Promise<void>
}

const startPg = async (): Promise<Server> => {
  const settings = { max_connections: sessions + 100, shared_buffers: '16MB', jit: false }
  const postgres = await startPostgres({ settings })
  return {
    target: { port: postgres.port, dumper: 'pg' },
    connect: (port, readBytes) => connectRaw(port, postgres.user, postgres.database, readBytes),
    stop: () => postgres.stop(),
  }
}

const startMysql = async (): Promise<Server> => {
  const settings = { 'max-connections': sessions + 100, 'general-log': 0, 'back-log': AT_ONCE * 2 }
  const mariadb = await startMariaDb({ settings })
  return {
    target: { port: mariadb.port, dumper: 'mysql' },
    connect: (port, readBytes) => connectRawMysql(port, mariadb.user, readBytes),
    stop: () => mariadb.stop(),
  }
}

/** RSS once the garbage is gone, in KiB. */
const settled = async (pid: number): Promise<number> => {
  for (let pass = 0; pass < 3; pass++) {
    process.kill(pid, 'SIGUSR2')
    await after(SETTLE)
  }
  return residentKiB(pid)
}

const openSessions = async (server: Server, port: number): Promise<Client[]> => {
  const clients: Client[] = []
  while (clients.length < sessions) {
    const batch = Array.from({ length: Math.min(AT_ONCE, sessions - clients.length) }, () =>
      server.connect(port, CLIENT_BUFFER),
    )
    clients.push(...(await Promise.all(batch)))
  }
  return clients
}

const main = async (): Promise<void> => {
  const server = await (flags.dialect === 'mysql' ? startMysql() : startPg())
  const path = await startQuerytapPath(server.target, { nodeArgs: ['--expose-gc', '--import', PRELOAD] })
  const pid = path.pid as number
  try {
    // one session first, so that what is loaded and compiled on first use is not counted
    const first = await server.connect(path.port)
    await first.ask('SELECT 1')
    first.close()
    const empty = await settled(pid)
    const clients = await openSessions(server, path.port)
    const idle = await settled(pid)
    for (const client of clients) await client.ask('SELECT 1')
    const used = await settled(pid)
    const per = (total: number) => ((total - empty) / sessions).toFixed(1)
    const rows = [
      ['no session', String(empty), ''],
      [`${sessions} logged in, idle`, String(idle), per(idle)],
      [`${sessions} after one query each`, String(used), per(used)],
    ]
    const title = flags.dialect === 'mysql' ? 'MySQL: idle sessions' : 'Idle sessions'
    report(title, table(['proxy with', 'RSS KiB', 'KiB per session'], rows), flags.write)
    for (const client of clients) client.close()
  } finally {
    await path.stop()
    await server.stop()
  }
}

await main()
