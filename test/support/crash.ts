/**
 * A proxy that is killed: the same port and the same logs at each start, and what its log must hold at the end.
 * Rows are told by their numbers, which stand in the statements that write them.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { stringify } from 'smol-toml'
import { freePort, listening, type Running, run, runOk, start, until } from './programs.ts'
import { CLI } from './querytap.ts'
import { type AuditRecord, logFiles } from './records.ts'

/** What begins each number: twelve digits, so that nothing else in a statement looks like one. */
export const FIRST_NUMBER = 700_000_000_000
/** Numbers of one run of a load. */
export const NUMBERS_PER_RUN = 10_000_000
const NUMBER = /\b7\d{11}\b/g

/** The numbers in a text. */
export const numbersIn = (text: string): readonly string[] => text.match(NUMBER) ?? []

export interface StageOptions {
  /** port of the server */
  readonly remote: number
  readonly dumper: 'pg' | 'mysql'
  /** keys of `[dumpLog]` over the stage's own */
  readonly dumpLog?: Readonly<Record<string, unknown>>
}

/** A directory with keys, logs and one proxy's configuration; gone after `remove()`. */
export class CrashStage {
  readonly directory = mkdtempSync(join(tmpdir(), 'querytap-crash-'))
  readonly logs = join(this.directory, 'logs')
  readonly port: number
  readonly #remote: number
  readonly #dumper: string
  readonly #dumpLog: Readonly<Record<string, unknown>>
  #running: Running | undefined

  private constructor(port: number, { remote, dumper, dumpLog }: StageOptions) {
    this.port = port
    this.#remote = remote
    this.#dumper = dumper
    this.#dumpLog = { signingKey: join(this.directory, 'key.pem'), checkpointInterval: '200ms', ...dumpLog }
    mkdirSync(this.logs)
  }

  static async open(options: StageOptions): Promise<CrashStage> {
    const stage = new CrashStage(await freePort(), options)
    await runOk(process.execPath, [CLI, 'keygen', '-o', join(stage.directory, 'key.pem')])
    return stage
  }

  /** Starts the proxy, its log in `logs`, and does not wait for it. */
  launch(env: NodeJS.ProcessEnv = {}, logs = this.logs): Running {
    const file = join(this.directory, 'querytap.toml')
    const log = { dir: this.directory, stdout: false }
    writeFileSync(file, stringify({ log, dumpLog: { dir: logs, ...this.#dumpLog } }))
    const flags = ['-c', file, '-l', `127.0.0.1:${this.port}`, '-r', `127.0.0.1:${this.#remote}`]
    this.#running = start(process.execPath, [CLI, 'proxy', ...flags, '-d', this.#dumper], {
      env: { ...process.env, ...env },
      cwd: this.directory,
    })
    return this.#running
  }

  /** Starts it and waits until it listens. */
  async start(env?: NodeJS.ProcessEnv, logs?: string): Promise<Running> {
    const proxy = this.launch(env, logs)
    await listening(proxy, this.port)
    return proxy
  }

  /** Starts it, which recovers what there is to recover, and ends it in peace. */
  async recover(logs?: string): Promise<void> {
    const { pid } = await this.start({}, logs)
    // what a stop interrupts is left to the next start
    const others = () => journalsIn(logs ?? this.logs).filter((name) => !name.includes(`.${pid}-`))
    await until('the end of recovering', () => others().length === 0).catch((error) => {
      throw new Error(`${error}: ${others()}\n${this.operationalLog()}`)
    })
    await this.end()
  }

  /** Ends it in peace; rejects when it ends otherwise. */
  async end(): Promise<void> {
    const code = await this.#running?.stop()
    if (code !== 0) throw new Error(`exit ${code}:\n${this.#running?.output()}\n${this.operationalLog()}`)
  }

  operationalLog(): string {
    return readFileSync(join(this.directory, 'querytap.log'), 'utf8')
  }

  /** What `querytap verify` finds, in words. */
  async findings(logs = this.logs): Promise<readonly string[]> {
    const args = ['verify', '--json', '--key', join(this.directory, 'key.pub.pem'), logs]
    const { stdout, stderr } = await run(process.execPath, [CLI, ...args])
    if (stdout === '') throw new Error(stderr)
    const { files } = JSON.parse(stdout) as { files: { findings: { text: string }[] }[] }
    return files.flatMap((file) => file.findings.map(({ text }) => text))
  }

  async remove(): Promise<void> {
    await this.#running?.stop('SIGKILL')
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** What the log has of the rows. */
export interface Account {
  /** rows of no statement in the log */
  readonly missing: readonly string[]
  /** numbers that several statements have */
  readonly doubled: readonly string[]
  /** lines, and what is behind the last of a file, that are no records */
  readonly torn: readonly string[]
  /** statements with a number, and those of them that were recovered */
  readonly statements: number
  readonly recovered: number
  /** recovered ones that claim to know what came of them */
  readonly pretending: number
  /** journals that are left */
  readonly journals: readonly string[]
}

const linesOf = (path: string): readonly string[] => {
  const bytes = readFileSync(path)
  const lines = String(path.endsWith('.gz') ? gunzipSync(bytes) : bytes).split('\n')
  // behind the last line feed there is nothing
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines
}

const recordIn = (line: string): AuditRecord | undefined => {
  try {
    return JSON.parse(line) as AuditRecord
  } catch {
    return undefined
  }
}

const SHOWN = 10
/** The first few, and how many more there are: a test that fails has to stay readable. */
const some = (list: readonly string[]): readonly string[] =>
  list.length <= SHOWN ? list : [...list.slice(0, SHOWN), `and ${list.length - SHOWN} more`]

/** Journals of the directory, living or left. */
export const journalsIn = (logs: string): string[] =>
  readdirSync(logs).filter((name) => name.includes('.journal-'))

/** Compares the rows with all files of a log that nobody writes; it may have had several directories. */
export const accountOf = (logs: string | readonly string[], rows: Iterable<string>): Account => {
  const directories = typeof logs === 'string' ? [logs] : logs
  const paths = directories.flatMap((directory) => logFiles(directory).map((file) => join(directory, file)))
  return accountOfLines(paths.flatMap(linesOf), rows, directories.flatMap(journalsIn))
}

/** Compares the rows with the lines of a log. */
export const accountOfLines = (
  lines: readonly string[],
  rows: Iterable<string>,
  journals: readonly string[] = [],
): Account => {
  const counts = new Map<string, number>()
  const torn: string[] = []
  let [statements, recovered, pretending] = [0, 0, 0]
  for (const line of lines) {
    const record = recordIn(line)
    if (record === undefined) torn.push(line.slice(0, 200))
    if (record?.event !== 'statement') continue
    const numbers = numbersIn(`${record.query} ${JSON.stringify(record.bind_values)}`)
    for (const number of numbers) counts.set(number, (counts.get(number) ?? 0) + 1)
    if (numbers.length > 0) statements++
    if (record.recovered !== true) continue
    recovered++
    if (record.outcome !== 'unknown') pretending++
  }
  const missing = [...rows].filter((row) => !counts.has(row))
  const doubled = [...counts].filter(([, count]) => count > 1).map(([number]) => number)
  const lists = { missing: some(missing), doubled: some(doubled), torn: some(torn) }
  return { ...lists, statements, recovered, pretending, journals }
}

/** What {@link accountOf} has of a log that keeps its promise. */
export const KEPT = { missing: [], doubled: [], torn: [], pretending: 0, journals: [] }
