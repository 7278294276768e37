/**
 * What the proxy costs: point queries by pgbench and bulk by a client that throws away what it reads,
 * direct, through haproxy, through the bare relay (our proxy core without an observer) and through querytap
 * with full audit to a file. Every round visits every path once, odd rounds forwards, even ones backwards;
 * ratios are medians of the rounds' own ratios.
 *
 *   npm run bench -- [--quick] [--rounds N] [--time S] [--clients 1,8,32] [--modes simple,extended,prepared]
 *                    [--paths direct,haproxy,relay,querytap] [--no-bulk] [--no-points] [--rows N] [--write]
 */
import { parseArgs } from 'node:util'
import { type Postgres, startPostgres } from '../test/support/postgres.ts'
import { runOk } from '../test/support/programs.ts'
import { cpuSeconds, median, medianRatio, report, table } from './measure.ts'
import { PATH_NAMES, type Path, type PathName, startPaths } from './paths.ts'
import { connectRaw, copyData, type RawClient } from './raw-client.ts'

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    time: { type: 'string' },
    clients: { type: 'string', default: '1,8,32' },
    modes: { type: 'string', default: 'simple,extended,prepared' },
    paths: { type: 'string', default: PATH_NAMES.join(',') },
    rows: { type: 'string' },
    'no-bulk': { type: 'boolean', default: false },
    'no-points': { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
})
const rounds = Number(flags.rounds ?? (flags.quick ? 1 : 5))
const seconds = Number(flags.time ?? (flags.quick ? 1 : 4))
const wideRows = Number(flags.rows ?? (flags.quick ? 50_000 : 500_000))
const ROW_BYTES = 1000

/** One run on one path. */
interface Run {
  /** queries or bytes per second */
  readonly rate: number
  /** CPU of the path's process per query or byte, in seconds; undefined without a process */
  readonly cpu: number | undefined
}

/** All rounds of one measurement, by path. */
type Rounds = ReadonlyMap<PathName, readonly Run[]>

/** Runs `work` on each path in each round; it tells how many queries or bytes went through. */
const inRounds = async (paths: readonly Path[], work: (path: Path) => Promise<Work>): Promise<Rounds> => {
  const results = new Map<PathName, Run[]>(paths.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? paths : [...paths].reverse()
    for (const path of order) {
      const before = path.pid === undefined ? 0 : cpuSeconds(path.pid)
      const { amount, took } = await work(path)
      const cpu = path.pid === undefined ? undefined : (cpuSeconds(path.pid) - before) / amount
      results.get(path.name)?.push({ rate: amount / took, cpu })
      path.clear()
    }
  }
  return results
}

interface Work {
  readonly amount: number
  readonly took: number
}

const number = (value: number, digits: number): string =>
  Number.isFinite(value) ? value.toFixed(digits) : '–'

const rates = (results: Rounds, name: PathName): number[] =>
  (results.get(name) ?? []).map(({ rate }) => rate)
const cpus = (results: Rounds, name: PathName): number[] =>
  (results.get(name) ?? []).map(({ cpu }) => cpu ?? Number.NaN)

interface Units {
  /** what a rate and a CPU time are multiplied with before they are shown, and their digits */
  readonly rate: readonly [number, number]
  readonly cpu: readonly [number, number]
}

const rowsOf = (label: string, results: Rounds, units: Units): string[][] =>
  [...results.keys()].map((name) => {
    const own = rates(results, name)
    const ratio = (reference: PathName) => number(medianRatio(own, rates(results, reference)), 2)
    return [
      label,
      name,
      number(median(own) * units.rate[0], units.rate[1]),
      ratio('haproxy'),
      ratio('relay'),
      number(median(cpus(results, name)) * units.cpu[0], units.cpu[1]),
      number(medianRatio(cpus(results, name), cpus(results, 'relay')), 2),
    ]
  })

const target = ({ user, database }: Postgres, port: number): string[] => [
  ...['-h', '127.0.0.1', '-p', String(port), '-U', user, database],
]

const pgbench = async (postgres: Postgres, path: Path, mode: string, clients: number): Promise<Work> => {
  const load = ['-n', '-S', '-M', mode, '-c', String(clients), '-j', '1', '-T', String(seconds)]
  const output = await runOk(postgres.program('pgbench'), [...load, ...target(postgres, path.port)])
  const amount = Number(/transactions actually processed: (\d+)/.exec(output)?.[1])
  const tps = Number(/^tps = ([\d.]+)/m.exec(output)?.[1])
  return { amount, took: amount / tps }
}

const points = async (postgres: Postgres, paths: readonly Path[]): Promise<string> => {
  const rows: string[][] = []
  for (const mode of flags.modes.split(',')) {
    for (const clients of flags.clients.split(',').map(Number)) {
      const results = await inRounds(paths, (path) => pgbench(postgres, path, mode, clients))
      rows.push(...rowsOf(`${mode}, ${clients}`, results, { rate: [1, 0], cpu: [1e6, 1] }))
      console.error(`pgbench ${mode}, ${clients} clients: done`)
    }
  }
  const head = ['mode, clients', 'path', 'TPS', '÷ haproxy', '÷ relay', 'CPU µs/query', 'CPU ÷ relay']
  return table(head, rows)
}

const ROWS_PER_CHUNK = 64
const row = `${'x'.repeat(ROW_BYTES - 1)}\n`
const chunk = copyData(row, ROWS_PER_CHUNK)
const INTEGERS = flags.quick ? 500_000 : 5_000_000

/** What is done in bulk, and what makes ready for it. */
const BULK: Readonly<Record<string, (client: RawClient) => Promise<number>>> = {
  'COPY out': (client) => client.ask('COPY wide TO STDOUT'),
  SELECT: (client) => client.ask('SELECT * FROM wide'),
  'SELECT of integers': (client) => client.ask(`SELECT generate_series(1, ${INTEGERS})`),
  'COPY in': (client) => client.copyIn('COPY sink FROM STDIN', chunk, Math.ceil(wideRows / ROWS_PER_CHUNK)),
}

const transfer = async (
  postgres: Postgres,
  path: Path,
  work: (client: RawClient) => Promise<number>,
): Promise<Work> => {
  const client = await connectRaw(path.port, postgres.user, postgres.database)
  const started = performance.now()
  const amount = await work(client)
  const took = (performance.now() - started) / 1000
  client.close()
  await postgres.psql('TRUNCATE sink')
  return { amount, took }
}

const bulk = async (postgres: Postgres, paths: readonly Path[]): Promise<string> => {
  await postgres.psql(`CREATE UNLOGGED TABLE wide (t text); ALTER TABLE wide ALTER t SET STORAGE PLAIN;
    INSERT INTO wide SELECT repeat('x', ${ROW_BYTES}) FROM generate_series(1, ${wideRows});
    CREATE UNLOGGED TABLE sink (LIKE wide); VACUUM ANALYZE wide`)
  const rows: string[][] = []
  for (const [label, work] of Object.entries(BULK)) {
    // the first run is slower, for the table is not in memory yet
    await transfer(postgres, paths[0] as Path, work)
    const results = await inRounds(paths, (path) => transfer(postgres, path, work))
    rows.push(...rowsOf(label, results, { rate: [1e-6, 0], cpu: [1e9, 2] }))
    console.error(`${label}: done`)
  }
  const head = ['bulk', 'path', 'MB/s', '÷ haproxy', '÷ relay', 'CPU s/GB', 'CPU ÷ relay']
  return table(head, rows)
}

const main = async (): Promise<void> => {
  const names = PATH_NAMES.filter((name) => flags.paths.split(',').includes(name))
  const postgres = await startPostgres({ settings: { shared_buffers: '1GB', max_wal_size: '4GB' } })
  try {
    await runOk(postgres.program('pgbench'), ['-i', '-q', ...target(postgres, postgres.port)])
    const paths = await startPaths(names, postgres)
    const how = `${rounds} interleaved rounds${flags.quick ? ', quick: not for comparison' : ''}.`
    if (!flags['no-points']) {
      const body = `${how} \`pgbench -n -S\`, ${seconds} s a run.`
      report('Point queries', `${body}\n\n${await points(postgres, paths)}`, flags.write)
    }
    if (!flags['no-bulk']) {
      const body = `${how} ${wideRows} rows of ${ROW_BYTES} bytes; ${INTEGERS} rows of one integer.`
      report('Bulk', `${body}\n\n${await bulk(postgres, paths)}`, flags.write)
    }
    for (const path of paths) await path.stop()
  } finally {
    await postgres.stop()
  }
}

await main()
