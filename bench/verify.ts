/**
 * How fast `querytap verify` is: a sealed and signed log, made by the sink that the proxy has, verified by the
 * program as it is shipped, beside plain reading of the same files in the same rounds.
 *
 *   npm run bench:verify -- [--megabytes 1000] [--rounds N] [--quick] [--write]
 */
import {
  closeSync,
  createReadStream,
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createGzip } from 'node:zlib'
import { runVerify } from '../src/commands/verify.ts'
import { run } from '../test/support/programs.ts'
import { median, medianRatio, report, table } from './measure.ts'
import { flow, keys, openLog, recordOf, turn } from './sealed-log.ts'

const { values: flags } = parseArgs({
  options: {
    megabytes: { type: 'string' },
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
})
const wanted = Number(flags.megabytes ?? (flags.quick ? 100 : 1000)) * 1e6
const rounds = Number(flags.rounds ?? (flags.quick ? 1 : 5))
const FILES = 8
const TURN_RECORDS = 200
/** Records come here some thirty times as fast as a busy proxy's: a seal for about as many of them. */
const SEAL_EVERY_MS = 30
const PIECE = 1 << 20
const LONG = { timeout: 300_000 }
// from dist-bench/bench/verify.js: the program as it is shipped
const CLI = fileURLToPath(new URL('../../dist/src/cli.js', import.meta.url))

const logFiles = (dir: string): string[] =>
  readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.startsWith('dump.log.'))
    .map(({ name }) => join(dir, name))

const sizeOf = (files: readonly string[]): number =>
  files.reduce((sum, file) => sum + statSync(file).size, 0)

/** Writes the log, and answers how many records that took. */
const makeLog = async (dir: string, format: 'json' | 'ltsv'): Promise<number> => {
  const rotationSize = Math.ceil(wanted / FILES)
  const { file, sink } = openLog({ dir, format, chain: 'signed', intervalMs: SEAL_EVERY_MS, rotationSize })
  let records = 0
  while (records % 10_000 !== 0 || records === 0 || sizeOf(logFiles(dir)) < wanted) {
    for (let n = 0; n < TURN_RECORDS; n++) sink.emit(flow, recordOf(records++))
    await turn()
  }
  await file.close()
  return records
}

const buffer = Buffer.allocUnsafe(PIECE)

const readAll = (files: readonly string[]): void => {
  for (const file of files) {
    const fd = openSync(file, 'r')
    while (readSync(fd, buffer) > 0);
    closeSync(fd)
  }
}

/** Seconds, and seconds of this process's CPU. */
const timed = async (work: () => unknown): Promise<readonly [number, number]> => {
  const [started, before] = [performance.now(), process.cpuUsage()]
  await work()
  const { user, system } = process.cpuUsage(before)
  return [(performance.now() - started) / 1000, (user + system) / 1e6]
}

/** The program; fails when it finds anything. */
const verifyByProgram = async (paths: readonly string[], key: string): Promise<void> => {
  const { code, stdout, stderr } = await run(
    process.execPath,
    [CLI, 'verify', '--key', key, ...paths],
    LONG,
  )
  if (code !== 0) throw new Error(`verify ended with ${code}: ${stdout}${stderr}`)
}

/** The same within this process, whose CPU time can be told. */
const verifyHere = async (paths: readonly string[], key: string): Promise<void> => {
  const options = { expected: [], json: false, fileName: 'dump.log', isColored: false, out: () => {} }
  const code = await runVerify({ paths, keys: [key], ...options })
  if (code !== 0) throw new Error(`verify found something: ${code}`)
}

/** A row: MB/s of reading and of the program, their ratio, and MB per second of CPU. */
const measure = async (label: string, paths: readonly string[], bytes: number, key: string) => {
  const files = paths.flatMap((path) => (statSync(path).isDirectory() ? logFiles(path) : [path]))
  const speeds: Record<'read' | 'program' | 'cpu', number[]> = { read: [], program: [], cpu: [] }
  for (let round = 0; round <= rounds; round++) {
    const [read] = await timed(() => readAll(files))
    const [program] = await timed(() => verifyByProgram(paths, key))
    const [, cpu] = await timed(() => verifyHere(paths, key))
    // the first round fills the page cache
    if (round === 0) continue
    speeds.read.push(sizeOf(files) / read / 1e6)
    speeds.program.push(bytes / program / 1e6)
    speeds.cpu.push(bytes / cpu / 1e6)
  }
  const { read, program, cpu } = speeds
  const whole = [program, cpu].map((values) => median(values).toFixed(0))
  return [label, median(read).toFixed(0), ...whole, medianRatio(program, read).toFixed(3)]
}

const compressed = async (file: string, dir: string): Promise<string> => {
  mkdirSync(dir)
  const path = join(dir, 'dump.log.gz')
  await pipeline(createReadStream(file), createGzip(), createWriteStream(path))
  return path
}

const directory = mkdtempSync(join(tmpdir(), 'querytap-bench-'))
try {
  const key = join(directory, 'key.pub.pem')
  writeFileSync(key, keys.publicPem)
  const rows: string[][] = []
  const told: string[] = []
  for (const format of ['json', 'ltsv'] as const) {
    const dir = join(directory, format)
    const records = await makeLog(dir, format)
    const files = logFiles(dir)
    const bytes = sizeOf(files)
    told.push(`${format}: ${(bytes / 1e6).toFixed(0)} MB, ${records} records, ${files.length} files`)
    rows.push(await measure(format, [dir], bytes, key))
    const first = files[0] as string
    const gzipped = await compressed(first, `${dir}-gzip`)
    rows.push(await measure(`${format}, one file, gzip`, [gzipped], statSync(first).size, key))
    rmSync(dir, { recursive: true })
  }
  const head = ['log', 'read MB/s', 'verify MB/s', 'per second of CPU', 'verify ÷ read']
  const note = `${rounds} rounds${flags.quick ? ', quick: not for comparison' : ''}. ${told.join('; ')}. Sealed and
signed; MB are those of the log before compression, in the column of reading those of the file as it is.`
  report('Verify', `${note}\n\n${table(head, rows)}`, flags.write)
} finally {
  rmSync(directory, { recursive: true, force: true })
}
