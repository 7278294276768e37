/**
 * `querytap read` on captures of pgbench and sysbench, beside `tcpdump -r FILE -w /dev/null` and tshark's
 * dissector on the same file in the same run: MB, packets and statements per second, CPU time, peak memory.
 *
 *   npm run bench:read -- [--sizes 100,1000] [--rounds 1] [--only pgbench] [--keep DIRECTORY] [--write]
 *
 * Sizes are MB of capture file; records go as JSON to /dev/null. Recording needs the right to capture on the
 * loopback interface. With --keep recordings are left in that directory and taken from there the next time.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { which } from '../test/support/programs.ts'
import { postgresDirectories } from '../test/support/servers.ts'
import { cpuSeconds, median, report, table } from './measure.ts'
import { RECORDINGS, type Recorded, type Recording, type Repeated, repeat } from './recorded.ts'

const { values: flags } = parseArgs({
  options: {
    sizes: { type: 'string', default: '100,1000' },
    rounds: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    keep: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
})
const CLI = fileURLToPath(new URL('../../dist/src/cli.js', import.meta.url))
const LOOK_MS = 10
const NEEDED = ['tcpdump', 'pgbench', 'mariadbd', 'sysbench', 'tshark']
/** root's tcpdump becomes another user, who cannot read the file */
const STAY = process.getuid?.() === 0 ? ['-Z', 'root'] : []
const DISSECTORS = { pg: 'pgsql', mysql: 'mysql' } as const

/** One run of a program. */
interface Run {
  readonly seconds: number
  readonly cpu: number
  readonly peakKiB: number
}

const peakOf = (pid: number): number =>
  Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0)

/** Runs a program whose output nobody reads; its CPU time and peak are looked at while it lives. */
const measured = (program: string, args: readonly string[]): Promise<Run> =>
  new Promise((resolve, reject) => {
    const began = performance.now()
    const child: ChildProcess = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    let [cpu, peakKiB, words] = [0, 0, '']
    const look = (): void => {
      try {
        cpu = cpuSeconds(child.pid as number)
        peakKiB = peakOf(child.pid as number) || peakKiB
      } catch {
        // it is gone
      }
    }
    const timer = setInterval(look, LOOK_MS)
    child.stderr?.on('data', (text) => {
      words += text
    })
    child.once('error', reject)
    child.once('close', (code) => {
      clearInterval(timer)
      if (code === 0) resolve({ seconds: (performance.now() - began) / 1000, cpu, peakKiB })
      else reject(new Error(`${program}: exit ${code}: ${words}`))
    })
  })

const readArgs = (file: string, port: number, dumper: string): string[] => [
  ...[CLI, 'read', file, '-t', String(port), '-d', dumper, '-f', 'json'],
]

/** Statements that one recording gives. */
const statementsIn = ({ file, port }: Recorded, dumper: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const args = readArgs(file, port, dumper)
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let [count, rest] = [0, '']
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line.includes('"event":"statement"')) count++
    })
    child.once('error', reject)
    child.once('close', (code) => (code === 0 ? resolve(count) : reject(new Error(`read: exit ${code}`))))
  })

/** A program on a file; its name is the row's. */
type Contender = readonly [name: string, program: string, args: readonly string[]]

const contendersFor = (file: string, port: number, dumper: Recording['dumper']): Contender[] => {
  const dissector = DISSECTORS[dumper]
  const decodeAs = ['-n', '-r', file, '-d', `tcp.port==${port},${dissector}`, '-Y', dissector]
  return [
    ['querytap read', process.execPath, readArgs(file, port, dumper)],
    ['tcpdump -w /dev/null', which('tcpdump') ?? '', [...STAY, '-r', file, '-w', '/dev/null']],
    [`tshark -Y ${dissector}`, which('tshark') ?? '', decodeAs],
  ]
}

const rate = (amount: number, seconds: number, digits: number): string => (amount / seconds).toFixed(digits)

/** A row per program. */
const rowsOf = (
  label: string,
  made: Repeated,
  statements: number,
  runs: ReadonlyMap<string, readonly Run[]>,
): string[][] => {
  const middle = (name: string, key: keyof Run): number =>
    median((runs.get(name) ?? []).map((run) => run[key]))
  const [own = ''] = runs.keys()
  return [...runs.keys()].map((name) => {
    const [seconds, cpu] = [middle(name, 'seconds'), middle(name, 'cpu')]
    return [
      label,
      name,
      rate(made.bytes / 1e6, seconds, 0),
      rate(made.packets / 1e6, seconds, 2),
      name === own ? rate(statements / 1e3, seconds, 0) : '',
      rate(made.bytes / 1e6, cpu, 0),
      (seconds / middle(own, 'seconds')).toFixed(2),
      (cpu / middle(own, 'cpu')).toFixed(2),
      (middle(name, 'peakKiB') / 1024).toFixed(0),
    ]
  })
}

const measureAll = async (contenders: readonly Contender[]): Promise<Map<string, Run[]>> => {
  const runs = new Map<string, Run[]>(contenders.map(([name]) => [name, []]))
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const [name, program, args] of contenders) runs.get(name)?.push(await measured(program, args))
  }
  return runs
}

const recordedOf = async (recording: Recording, directory: string): Promise<Recorded> => {
  const file = join(directory, `${recording.label.replace(/\W+/g, '-')}.pcap`)
  if (existsSync(`${file}.port`)) return { file, port: Number(readFileSync(`${file}.port`, 'utf8')) }
  const recorded = await recording.record(file)
  writeFileSync(`${file}.port`, String(recorded.port))
  return recorded
}

const missing = NEEDED.filter((program) => which(program, postgresDirectories()) === undefined)
if (missing.length > 0) console.warn(`not here, so left out: ${missing.join(', ')}`)
const isHere = (program: string): boolean => !missing.includes(program)
const canRecord = ({ dumper }: Recording): boolean =>
  isHere('tcpdump') && (dumper === 'pg' ? isHere('pgbench') : isHere('mariadbd') && isHere('sysbench'))

const scratch = mkdtempSync(join(tmpdir(), 'querytap-bench-'))
const directory = flags.keep ?? scratch
mkdirSync(directory, { recursive: true })
const [rows, notes]: [string[][], string[]] = [[], []]
try {
  for (const recording of RECORDINGS) {
    if (!recording.label.includes(flags.only) || !canRecord(recording)) continue
    const recorded = await recordedOf(recording, directory)
    const once = await statementsIn(recorded, recording.dumper)
    for (const megabytes of flags.sizes.split(',').map(Number)) {
      const file = join(scratch, 'repeated.pcap')
      const made = repeat(recorded, file, megabytes * 1e6)
      const contenders = contendersFor(file, recorded.port, recording.dumper).filter(
        ([, program]) => program,
      )
      const statements = once * made.times
      const label = `${recording.label}, ${(made.bytes / 1e6).toFixed(0)} MB`
      rows.push(...rowsOf(label, made, statements, await measureAll(contenders)))
      const [perPacket, perStatement] = [made.bytes / made.packets, made.bytes / statements]
      notes.push(
        `- ${label}: ${made.packets} packets of ${perPacket.toFixed(0)} bytes with their headers, ${statements} ` +
          `statements, one in ${perStatement.toFixed(0)} bytes`,
      )
      rmSync(file)
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

const HEAD = [
  ...['traffic', 'program', 'MB/s', 'million packets/s', 'thousand statements/s', 'MB per CPU second'],
  ...['time ÷ querytap', 'CPU ÷ querytap', 'peak MiB'],
]
report(
  'Reading captures',
  `${table(HEAD, rows)}

${notes.join('\n')}

Medians of ${flags.rounds} rounds; JSON records to /dev/null; files in the page cache. MB are those of the capture.`,
  flags.write,
)
