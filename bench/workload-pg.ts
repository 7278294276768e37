/** PostgreSQL: pgbench, and COPY and SELECT of many rows. */
import { startPostgres } from '../test/support/postgres.ts'
import { runOk } from '../test/support/programs.ts'
import { connectRaw, copyData, type RawClient } from './raw-client.ts'
import { type Sizes, timed, WIDE_BYTES, type Workload } from './workload.ts'

const ROWS_PER_CHUNK = 64
const row = `${'x'.repeat(WIDE_BYTES - 1)}\n`
const chunk = copyData(row, ROWS_PER_CHUNK)

export const startPgWorkload = async ({ seconds, wideRows, narrowRows }: Sizes): Promise<Workload> => {
  const postgres = await startPostgres({ settings: { shared_buffers: '1GB', max_wal_size: '4GB' } })
  const pgbench = (port: number, args: readonly string[]): Promise<string> => {
    const target = ['-h', '127.0.0.1', '-p', String(port), '-U', postgres.user, postgres.database]
    return runOk(postgres.program('pgbench'), [...args, ...target])
  }
  await pgbench(postgres.port, ['-i', '-q'])
  const transfer = (work: (client: RawClient) => Promise<number>) => async (port: number) => {
    const done = await timed(await connectRaw(port, postgres.user, postgres.database), work)
    await postgres.psql('TRUNCATE sink')
    return done
  }
  return {
    target: { port: postgres.port, dumper: 'pg' },
    title: '',
    tool: `pgbench -n -S`,
    modes: ['simple', 'extended', 'prepared'],
    points: async (port, mode, clients) => {
      const load = ['-n', '-S', '-M', mode, '-c', String(clients), '-j', '1', '-T', String(seconds)]
      const output = await pgbench(port, load)
      const amount = Number(/transactions actually processed: (\d+)/.exec(output)?.[1])
      return { amount, took: amount / Number(/^tps = ([\d.]+)/m.exec(output)?.[1]) }
    },
    prepareBulk: async () => {
      await postgres.psql(`CREATE UNLOGGED TABLE wide (t text); ALTER TABLE wide ALTER t SET STORAGE PLAIN;
        INSERT INTO wide SELECT repeat('x', ${WIDE_BYTES}) FROM generate_series(1, ${wideRows});
        CREATE UNLOGGED TABLE sink (LIKE wide); VACUUM ANALYZE wide`)
    },
    bulk: {
      'COPY out': transfer((client) => client.ask('COPY wide TO STDOUT')),
      SELECT: transfer((client) => client.ask('SELECT * FROM wide')),
      'SELECT of integers': transfer((client) => client.ask(`SELECT generate_series(1, ${narrowRows})`)),
      'COPY in': transfer((client) =>
        client.copyIn('COPY sink FROM STDIN', chunk, Math.ceil(wideRows / ROWS_PER_CHUNK)),
      ),
    },
    stop: () => postgres.stop(),
  }
}
