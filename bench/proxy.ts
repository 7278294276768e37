/**
 * What the proxy costs: point queries by the server's own tool and bulk by a client that throws away what it
 * reads, direct, through haproxy, through the bare relay (our proxy core without an observer) and through
 * querytap with full audit to a file, by default and with `observe`. With `--guarantees` instead what each
 * guarantee, and the log's seals, cost against `observe`.
 *
 *   npm run bench -- [--dialect pg|mysql|pg,mysql] [--quick] [--rounds N] [--time S] [--clients 1,8,32]
 *                    [--modes simple,extended,prepared | auto,disable]
 *                    [--paths direct,haproxy,relay,querytap,observe] [--no-bulk] [--no-points] [--rows N]
 *                    [--write]
 *                    [--guarantees observe,written,synced]
 */
import { parseArgs } from 'node:util'
import { measureGuarantees } from './guarantees.ts'
import { report, table } from './measure.ts'
import { PATH_NAMES, type Path, startPaths } from './paths.ts'
import { inRounds, rowsOf } from './rounds.ts'
import { WIDE_BYTES, type Workload } from './workload.ts'
import { startMysqlWorkload } from './workload-mysql.ts'
import { startPgWorkload } from './workload-pg.ts'

const { values: flags } = parseArgs({
  options: {
    dialect: { type: 'string', default: 'pg' },
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    time: { type: 'string' },
    clients: { type: 'string', default: '1,8,32' },
    modes: { type: 'string' },
    paths: { type: 'string', default: PATH_NAMES.join(',') },
    rows: { type: 'string' },
    guarantees: { type: 'string' },
    'no-bulk': { type: 'boolean', default: false },
    'no-points': { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
})
const rounds = Number(flags.rounds ?? (flags.quick ? 1 : 5))
const seconds = Number(flags.time ?? (flags.quick ? 1 : 4))
const wideRows = Number(flags.rows ?? (flags.quick ? 50_000 : 500_000))
const narrowRows = wideRows * 10

const STARTERS: Readonly<Record<string, typeof startPgWorkload>> = {
  pg: startPgWorkload,
  mysql: startMysqlWorkload,
}

/** Those asked for; the modes of another dialect are not this one's. */
const modesOf = ({ modes }: Workload): readonly string[] => {
  const wanted = flags.modes?.split(',')
  return wanted === undefined ? modes : modes.filter((mode) => wanted.includes(mode))
}

const points = async (workload: Workload, paths: readonly Path[]): Promise<string> => {
  const rows: string[][] = []
  for (const mode of modesOf(workload)) {
    for (const clients of flags.clients.split(',').map(Number)) {
      const results = await inRounds(rounds, paths, ({ port }) => workload.points(port, mode, clients))
      rows.push(...rowsOf(`${mode}, ${clients}`, results, { rate: [1, 0], cpu: [1e6, 1] }))
      console.error(`${mode}, ${clients} clients: done`)
    }
  }
  const head = ['mode, clients', 'path', 'TPS', '÷ haproxy', '÷ relay', 'CPU µs/query', 'CPU ÷ relay']
  return table(head, rows)
}

const bulk = async (workload: Workload, paths: readonly Path[]): Promise<string> => {
  await workload.prepareBulk()
  const rows: string[][] = []
  for (const [label, work] of Object.entries(workload.bulk)) {
    // the first run is slower, for what it reads is not in memory yet
    await work(workload.target.port)
    const results = await inRounds(rounds, paths, ({ port }) => work(port))
    rows.push(...rowsOf(label, results, { rate: [1e-6, 0], cpu: [1e9, 2] }))
    console.error(`${label}: done`)
  }
  const head = ['bulk', 'path', 'MB/s', '÷ haproxy', '÷ relay', 'CPU s/GB', 'CPU ÷ relay']
  return table(head, rows)
}

const titled = (workload: Workload, title: string): string =>
  workload.title === '' ? title : workload.title + title.toLowerCase()

const how = `${rounds} interleaved rounds${flags.quick ? ', quick: not for comparison' : ''}.`

const guarantees = async (workload: Workload, names: readonly string[]): Promise<void> => {
  const clients = flags.clients.split(',').map(Number)
  const body = `${how} \`${workload.tool}\`, ${seconds} s a run.`
  const tables = await measureGuarantees(workload, names, { rounds, modes: modesOf(workload), clients })
  report(titled(workload, 'Guarantees'), `${body}\n\n${tables.guarantees}`, flags.write)
  report(titled(workload, 'Seals'), `${body}\n\n${tables.seals}`, flags.write)
}

const compare = async (workload: Workload): Promise<void> => {
  const names = PATH_NAMES.filter((name) => flags.paths.split(',').includes(name))
  const paths = await startPaths(names, workload.target)
  if (!flags['no-points']) {
    const body = `${how} \`${workload.tool}\`, ${seconds} s a run.`
    report(titled(workload, 'Point queries'), `${body}\n\n${await points(workload, paths)}`, flags.write)
  }
  if (!flags['no-bulk']) {
    const body = `${how} ${wideRows} rows of ${WIDE_BYTES} bytes; ${narrowRows} rows of one integer.`
    report(titled(workload, 'Bulk'), `${body}\n\n${await bulk(workload, paths)}`, flags.write)
  }
  for (const path of paths) await path.stop()
}

const main = async (): Promise<void> => {
  for (const dialect of flags.dialect.split(',')) {
    const start = STARTERS[dialect]
    if (start === undefined) throw new Error('--dialect pg or mysql')
    const workload = await start({ seconds, wideRows, narrowRows })
    try {
      if (flags.guarantees === undefined) await compare(workload)
      else await guarantees(workload, flags.guarantees.split(','))
    } finally {
      await workload.stop()
    }
  }
}

await main()
