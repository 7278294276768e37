/** What throw-away servers of MySQL's family have in common: a temporary directory, the start, the logs. */
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ErrorLogEntry, type GeneralLogEntry, parseErrorLog, parseGeneralLog } from './my-log.ts'
import {
  accepts,
  freePort,
  type Identity,
  identityOf,
  type Running,
  runOk,
  start,
  until,
  which,
} from './programs.ts'

export interface MyServerOptions {
  /** server options over the fast defaults, named as on the command line: `{'max-connections': 20}` */
  readonly settings?: Readonly<Record<string, string | number>>
}

export interface MyServer {
  readonly host: '127.0.0.1'
  readonly port: number
  /** path of the Unix socket, by which tests reach the server past any proxy */
  readonly socket: string
  /** has all rights and no password, over TCP too */
  readonly user: 'root'
  readonly dataDir: string
  readonly pid: number
  /** runs SQL by the mariadb CLI over the socket and gives its unaligned output; an SQL error rejects */
  sql(text: string): Promise<string>
  /**
   * the general log without what came over the socket, in order. Waits until every TCP session has ended,
   * so that it is complete for them.
   */
  readLog(): Promise<GeneralLogEntry[]>
  /** errors that the server told its clients; undefined where it keeps no such log */
  readErrors(): ErrorLogEntry[] | undefined
  stop(): Promise<void>
}

/** What starts one kind of server. */
export interface ServerKind {
  readonly name: string
  /** the server's program */
  readonly program: string
  readonly env?: NodeJS.ProcessEnv
  /** options in front of the common ones */
  readonly args: readonly string[]
  /** fills the data directory, which is there and empty */
  initialise(dataDir: string, own: { identity?: Identity }): Promise<void>
}

const GENERAL_LOG = 'general.log'
/** Where a server with that plugin writes its errors, in the data directory. */
export const ERROR_LOG = 'sql_errors.log'

const FAST: Readonly<Record<string, string | number>> = {
  'bind-address': '127.0.0.1',
  'character-set-server': 'utf8mb4',
  'collation-server': 'utf8mb4_general_ci',
  'default-time-zone': '+00:00',
  'general-log': 1,
  'innodb-buffer-pool-size': '32M',
  'innodb-flush-log-at-trx-commit': 0,
  'innodb-log-file-size': '16M',
  'local-infile': 1,
  'log-output': 'FILE',
  'max-allowed-packet': '256M',
  'max-connections': 120,
  'performance-schema': 0,
  'skip-name-resolve': 1,
}

const isLocal = (entry: GeneralLogEntry): boolean =>
  entry.command === 'Connect' && /@localhost\b/.test(entry.text)

/** Sessions over the socket are the tests' own. */
const overTcp = (entries: readonly GeneralLogEntry[]): GeneralLogEntry[] => {
  const own = new Set(entries.filter(isLocal).map((entry) => entry.thread))
  return entries.filter((entry) => !own.has(entry.thread))
}

const SESSIONS = "SELECT COUNT(*) FROM information_schema.processlist WHERE HOST LIKE '127.0.0.1:%'"

const logReader = (dataDir: string, sql: MyServer['sql']) => async () => {
  await until('the end of all sessions', async () => (await sql(SESSIONS)).trim() === '0')
  return overTcp(parseGeneralLog(readFileSync(join(dataDir, GENERAL_LOG))))
}

const ready = async (server: Running, name: string, socket: string): Promise<void> => {
  let code: number | undefined
  void server.exited.then((exit) => {
    code = exit
  })
  await until(`${name} ready`, () => {
    if (code !== undefined) throw new Error(`${name}: exit ${code}\n${server.output()}`)
    return existsSync(socket) && accepts({ path: socket })
  })
}

/** The mariadb CLI without any configuration file; `args` are what follows. */
export const MARIADB_CLI = which('mariadb') ?? 'mariadb'
const CLI_FLAGS = ['--no-defaults', '--default-character-set=utf8mb4']

/** Arguments of {@link MARIADB_CLI} for one server or proxy. */
export const cliArguments = (where: { port: number } | { socket: string }, user = 'root'): string[] => [
  ...CLI_FLAGS,
  `--user=${user}`,
  ...('port' in where
    ? ['--protocol=tcp', '--host=127.0.0.1', `--port=${where.port}`]
    : ['--protocol=socket', `--socket=${where.socket}`]),
]

const launch = async (kind: ServerKind, root: string, options: MyServerOptions): Promise<MyServer> => {
  const identity = identityOf('mysql')
  const own = identity ? { identity } : {}
  const dataDir = join(root, 'data')
  const socket = join(root, 'mysql.sock')
  await kind.initialise(dataDir, own)
  const port = await freePort()
  const settings = {
    ...FAST,
    datadir: dataDir,
    'general-log-file': join(dataDir, GENERAL_LOG),
    port,
    socket,
    'pid-file': join(root, 'pid'),
    ...options.settings,
  }
  const args = Object.entries(settings).map(([name, value]) => `--${name}=${value}`)
  const env = { ...process.env, TZ: 'UTC', ...kind.env }
  const server = start(kind.program, ['--no-defaults', ...kind.args, ...args], { ...own, cwd: root, env })
  await ready(server, kind.name, socket)
  const sql = (text: string) =>
    runOk(MARIADB_CLI, [...cliArguments({ socket }), '--batch', '--skip-column-names'], {
      input: text,
      timeout: 300_000,
    })
  return {
    host: '127.0.0.1',
    port,
    socket,
    user: 'root',
    dataDir,
    pid: server.pid,
    sql,
    readLog: logReader(dataDir, sql),
    readErrors: () => {
      const file = join(dataDir, ERROR_LOG)
      return existsSync(file) ? parseErrorLog(readFileSync(file, 'utf8')) : undefined
    },
    stop: async () => {
      await server.stop('SIGKILL')
      rmSync(root, { recursive: true, force: true })
    },
  }
}

/** Starts a server in a directory of its own and waits until it answers; as root it runs as user mysql. */
export const startMyServer = async (kind: ServerKind, options: MyServerOptions): Promise<MyServer> => {
  const identity = identityOf('mysql')
  // a Unix socket's path has room for 107 bytes
  const root = mkdtempSync(join(tmpdir(), 'querytap-my-'))
  chmodSync(root, 0o755)
  if (identity) chownSync(root, identity.uid, identity.gid)
  try {
    return await launch(kind, root, options)
  } catch (error) {
    rmSync(root, { recursive: true, force: true })
    throw error
  }
}
