/**
 * The built program as a live test uses it: `querytap proxy` before a server, with its logs in a
 * temporary directory.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'smol-toml'
import { freePort, listening, start, until } from './programs.ts'
import { type AuditRecord, readRecords } from './records.ts'

export const CLI = fileURLToPath(new URL('../../dist/src/cli.js', import.meta.url))

export interface QuerytapOptions {
  /** port of the server on the loopback interface, or an address as `-r` takes it */
  readonly remote: number | string
  /** port of the loopback interface; a free one unless told */
  readonly port?: number
  /** `pg` unless told */
  readonly dumper?: string
  /** further arguments of `querytap proxy` */
  readonly args?: readonly string[]
  /** tables of the configuration file, over the log directories */
  readonly config?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly env?: NodeJS.ProcessEnv
  /** arguments of node itself */
  readonly nodeArgs?: readonly string[]
}

export interface Querytap {
  readonly port: number
  readonly pid: number
  /** where dump.log and querytap.log are */
  readonly directory: string
  /** what it wrote to its standard streams */
  output(): string
  /** the operational log */
  log(): string
  /** all records until now, in order */
  records(): AuditRecord[]
  /** waits until the records fulfil the predicate, and gives them */
  waitFor(predicate: (records: readonly AuditRecord[]) => boolean, limit?: number): Promise<AuditRecord[]>
  /** ends it (SIGTERM unless told), checks nothing, gives its exit code; `records()` is complete then */
  stop(signal?: NodeJS.Signals): Promise<number>
  /** removes the logs */
  remove(): void
}

/**
 * Starts `querytap proxy` and waits until it listens. `stop()` it, read its `records()`, then `remove()`
 * it.
 */
export const startQuerytap = async (options: QuerytapOptions): Promise<Querytap> => {
  const directory = mkdtempSync(join(tmpdir(), 'querytap-log-'))
  const port = options.port ?? (await freePort())
  const tables = {
    ...options.config,
    log: { dir: directory, stdout: false, ...options.config?.log },
    dumpLog: { dir: directory, ...options.config?.dumpLog },
  }
  const file = join(directory, 'querytap.toml')
  writeFileSync(file, stringify(tables))
  const remote = typeof options.remote === 'number' ? `127.0.0.1:${options.remote}` : options.remote
  const flags = ['-c', file, '-l', `127.0.0.1:${port}`, '-r', remote, '-d', options.dumper ?? 'pg']
  const args = [...(options.nodeArgs ?? []), CLI, 'proxy', ...flags, ...(options.args ?? [])]
  const program = start(process.execPath, args, { env: { ...process.env, ...options.env }, cwd: directory })
  const remove = () => rmSync(directory, { recursive: true, force: true })
  await listening(program, port).catch(async (error) => {
    await program.stop()
    remove()
    throw error
  })
  const records = () => readRecords(directory)
  const log = join(directory, 'querytap.log')
  return {
    port,
    pid: program.pid,
    directory,
    output: program.output,
    log: () => (existsSync(log) ? readFileSync(log, 'utf8') : ''),
    records,
    waitFor: (predicate, limit) =>
      until(
        'the awaited records',
        () => {
          const found = records()
          return predicate(found) ? found : undefined
        },
        limit,
      ),
    stop: (signal) => program.stop(signal),
    remove,
  }
}
