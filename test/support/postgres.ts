/** A throw-away PostgreSQL in a temporary directory, fast and unsafe (no fsync), gone after `stop()`. */
import { randomUUID, X509Certificate } from 'node:crypto'
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  freePort,
  type Identity,
  identityOf,
  type Running,
  runOk,
  start,
  until,
  which,
} from './programs.ts'
import { postgresDirectories } from './servers.ts'

export interface PostgresOptions {
  /** lines of postgresql.conf, over the fast defaults; a string is quoted as needed */
  readonly settings?: Readonly<Record<string, string | number | boolean>>
  /** lines of pg_hba.conf in front of `trust` for everybody */
  readonly hba?: readonly string[]
  /** offers TLS with a self-signed certificate */
  readonly tls?: boolean
  /** the server's version, e.g. `15`; the newest one here unless told */
  readonly version?: string
}

/** One entry of the server's own log (its jsonlog format: manual, section 20.8.5). */
export interface ServerLogEntry {
  readonly timestamp: string
  readonly pid?: number
  readonly user?: string
  readonly dbname?: string
  readonly session_id?: string
  readonly line_num?: number
  readonly error_severity: string
  readonly state_code?: string
  readonly message?: string
  readonly detail?: string
  readonly statement?: string
  readonly application_name?: string
  readonly backend_type?: string
}

export interface Postgres {
  readonly host: '127.0.0.1'
  readonly port: number
  /** directory of the Unix socket; the socket itself is `.s.PGSQL.PORT` in it */
  readonly socketDir: string
  readonly user: 'postgres'
  readonly database: 'postgres'
  readonly dataDir: string
  /** pid of the postmaster, whose CPU time takes in that of backends that have ended */
  readonly pid: number
  /** PEM of the self-signed certificate when `tls` was asked for */
  readonly certificate: string | undefined
  /** path of one of the server's own programs: psql, pgbench, … */
  program(name: string): string
  /** the server's log, in order; complete for what was answered before the call */
  readLog(): Promise<ServerLogEntry[]>
  /** runs SQL by psql on a direct connection and gives its unaligned output; an SQL error rejects */
  psql(sql: string): Promise<string>
  stop(): Promise<void>
}

/** application_name of sessions that {@link Postgres.psql} opens past any proxy */
export const DIRECT_APPLICATION = 'direct'

const FAST: Readonly<Record<string, string | number | boolean>> = {
  fsync: false,
  synchronous_commit: false,
  full_page_writes: false,
  shared_buffers: '32MB',
  max_connections: 120,
  autovacuum: false,
  logging_collector: true,
  log_destination: 'jsonlog',
  log_directory: 'log',
  log_filename: 'server.log',
  log_rotation_age: 0,
  log_rotation_size: 0,
  log_min_messages: 'info',
  timezone: 'UTC',
  listen_addresses: '127.0.0.1',
}

const setting = ([key, value]: [string, string | number | boolean]): string =>
  `${key} = ${typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : value}`

const programsOf = (version: string | undefined) => {
  const directories = postgresDirectories().filter((path) => !version || path.includes(`/${version}/`))
  return (name: string): string => {
    const path = which(name, directories)
    if (!path) throw new Error(`${name}: not found (Debian's package: postgresql)`)
    return path
  }
}

const makeCertificate = async (directory: string, identity: Identity | undefined): Promise<string> => {
  const certificate = join(directory, 'server.crt')
  const key = join(directory, 'server.key')
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await runOk('openssl', [
    'req',
    '-x509',
    ...newKey,
    '-days',
    '2',
    ...subject,
    '-out',
    certificate,
    '-keyout',
    key,
  ])
  chmodSync(key, 0o600)
  if (identity) for (const file of [certificate, key]) chownSync(file, identity.uid, identity.gid)
  const pem = readFileSync(certificate, 'utf8')
  return new X509Certificate(pem).toString()
}

const logEntries = (dataDir: string): ServerLogEntry[] => {
  const file = join(dataDir, 'log', 'server.json')
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter((line) => line.endsWith('}')).map((line) => JSON.parse(line) as ServerLogEntry)
}

// The collector writes behind the server's back, but in order: a message of ours shows that it has caught
// up.
const logReader = (dataDir: string, psql: (sql: string) => Promise<string>) => async () => {
  const marker = `log marker ${randomUUID()}`
  await psql(`DO $$ BEGIN RAISE LOG '${marker}'; END $$`)
  return until('the log collector', () => {
    const entries = logEntries(dataDir)
    const end = entries.findIndex((entry) => entry.message === marker)
    if (end < 0) return undefined
    const own = entries[end]?.pid
    return entries.slice(0, end).filter((entry) => entry.pid !== own)
  })
}

const startServer = async (
  postgres: string,
  dataDir: string,
  identity: Identity | undefined,
  environment: NodeJS.ProcessEnv,
): Promise<Running> => {
  const server = start(postgres, ['-D', dataDir], {
    ...(identity && { identity }),
    cwd: dataDir,
    env: environment,
  })
  let code: number | undefined
  void server.exited.then((exit) => {
    code = exit
  })
  const pidFile = join(dataDir, 'postmaster.pid')
  await until('PostgreSQL ready', () => {
    if (code !== undefined) throw new Error(`PostgreSQL: exit ${code}\n${server.output()}`)
    return existsSync(pidFile) && readFileSync(pidFile, 'utf8').includes('ready')
  })
  return server
}

const initialise = async (
  options: PostgresOptions,
  initdb: string,
  root: string,
  identity: Identity | undefined,
): Promise<{ port: number; dataDir: string; certificate: string | undefined }> => {
  const dataDir = join(root, 'data')
  const own = identity ? { identity } : {}
  const locale = ['-E', 'UTF8', '--locale=C', '-U', 'postgres', '-A', 'trust']
  await runOk(initdb, ['--no-sync', '-D', dataDir, ...locale], { ...own, cwd: root })
  const certificate = options.tls ? await makeCertificate(dataDir, identity) : undefined
  const port = await freePort()
  const settings = {
    ...FAST,
    unix_socket_directories: root,
    port,
    ...(options.tls && { ssl: true }),
    ...options.settings,
  }
  writeFileSync(
    join(dataDir, 'postgresql.auto.conf'),
    `${Object.entries(settings).map(setting).join('\n')}\n`,
  )
  const everybody = [
    'local all all trust',
    'host all all 127.0.0.1/32 trust',
    'local replication all trust',
  ]
  const hba = [...(options.hba ?? []), ...everybody, 'host replication all 127.0.0.1/32 trust']
  writeFileSync(join(dataDir, 'pg_hba.conf'), `${hba.join('\n')}\n`)
  return { port, dataDir, certificate }
}

/**
 * Makes a cluster, starts its server and waits until it is ready. As root the server runs as user
 * postgres.
 */
export const startPostgres = async (options: PostgresOptions = {}): Promise<Postgres> => {
  const program = programsOf(options.version)
  const identity = identityOf('postgres')
  const root = mkdtempSync(join(tmpdir(), 'querytap-pg-'))
  chmodSync(root, 0o755)
  if (identity) chownSync(root, identity.uid, identity.gid)
  try {
    const { port, dataDir, certificate } = await initialise(options, program('initdb'), root, identity)
    const env = { ...process.env, LC_ALL: 'C' }
    const server = await startServer(program('postgres'), dataDir, identity, env)
    const direct = `host=127.0.0.1 port=${port} user=postgres dbname=postgres`
    const args = ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1']
    const psql = (sql: string) =>
      runOk(program('psql'), [...args, `${direct} application_name=${DIRECT_APPLICATION}`], {
        input: sql,
        timeout: 300_000,
      })
    return {
      host: '127.0.0.1',
      port,
      socketDir: root,
      user: 'postgres',
      database: 'postgres',
      dataDir,
      pid: server.pid,
      certificate,
      program,
      readLog: logReader(dataDir, psql),
      psql,
      stop: async () => {
        await server.stop('SIGINT')
        rmSync(root, { recursive: true, force: true })
      },
    }
  } catch (error) {
    rmSync(root, { recursive: true, force: true })
    throw error
  }
}
