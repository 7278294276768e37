/** The demo's own PostgreSQL: PGlite, which runs in this process and is gone with it. */
import { ConfigError } from '../errors.ts'

export interface DemoServer {
  readonly host: string
  readonly port: number
  /** `18.1` */
  readonly version: string
  close(): Promise<void>
}

/** One session at a time is served in earnest; further ones share it. */
const MOST_SESSIONS = 10

const isMissing = (error: unknown): boolean =>
  (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND' &&
  String(error).includes('@electric-sql')

const loadPackages = async () => {
  try {
    const [{ PGlite }, { PGLiteSocketServer }] = await Promise.all([
      import('@electric-sql/pglite'),
      import('@electric-sql/pglite-socket'),
    ])
    return { PGlite, PGLiteSocketServer }
  } catch (error) {
    if (!isMissing(error)) throw error
    const packages = '@electric-sql/pglite and @electric-sql/pglite-socket'
    throw new ConfigError(
      'environment',
      'demo',
      `the demo's embedded PostgreSQL is not installed (${packages} of npm); ` +
        'install it, or use a server of your own: querytap demo -r HOST:PORT',
    )
  }
}

/** Starts it on a free port of the loopback interface. Throws ConfigError when it is not installed. */
export const startDemoServer = async (): Promise<DemoServer> => {
  const { PGlite, PGLiteSocketServer } = await loadPackages()
  const db = await PGlite.create()
  const { rows } = await db.query<{ server_version: string }>('SHOW server_version')
  const server = new PGLiteSocketServer({ db, host: '127.0.0.1', port: 0, maxConnections: MOST_SESSIONS })
  await server.start()
  const [host = '', port] = server.getServerConn().split(':')
  return {
    host,
    port: Number(port),
    version: rows[0]?.server_version.split(' ')[0] ?? '',
    async close() {
      await server.stop()
      await db.close()
    },
  }
}
