/** MariaDB: sysbench, SELECT of many rows, and statements of many bytes. */
import { startMariaDb } from '../test/support/mariadb.ts'
import { runOk } from '../test/support/programs.ts'
import { connectRawMysql, type RawMysqlClient } from './raw-mysql-client.ts'
import { type Sizes, timed, WIDE_BYTES, type Workload } from './workload.ts'

const DATABASE = 'sbtest'
const TABLE_ROWS = 100_000
const STATEMENT_BYTES = 8 << 20

const sysbench = (port: number, user: string, command: string, args: readonly string[] = []) => {
  const server = ['--mysql-host=127.0.0.1', `--mysql-port=${port}`, `--mysql-user=${user}`]
  const tables = [`--mysql-db=${DATABASE}`, '--tables=1', `--table-size=${TABLE_ROWS}`]
  return runOk('sysbench', ['oltp_point_select', ...server, ...tables, ...args, command])
}

export const startMysqlWorkload = async ({ seconds, wideRows, narrowRows }: Sizes): Promise<Workload> => {
  const settings = { 'general-log': 0, 'innodb-buffer-pool-size': '1G', 'max-connections': 200 }
  const server = await startMariaDb({ settings })
  await server.sql(`CREATE DATABASE ${DATABASE}`)
  await sysbench(server.port, server.user, 'prepare')
  const transfer = (work: (client: RawMysqlClient) => Promise<number>) => async (port: number) =>
    timed(await connectRawMysql(port, server.user), work)
  const statements = Math.max(1, Math.round((wideRows * WIDE_BYTES) / STATEMENT_BYTES / 2))
  const statement = `DO LENGTH('${'x'.repeat(STATEMENT_BYTES)}')`
  return {
    target: { port: server.port, dumper: 'mysql' },
    title: 'MySQL: ',
    tool: 'sysbench oltp_point_select --db-ps-mode=MODE',
    modes: ['auto', 'disable'],
    points: async (port, mode, clients) => {
      const load = [`--threads=${clients}`, `--time=${seconds}`, `--db-ps-mode=${mode}`]
      const output = await sysbench(port, server.user, 'run', load)
      const [, amount, rate] = /transactions:\s+(\d+)\s+\(([\d.]+) per sec/.exec(output) ?? []
      return { amount: Number(amount), took: Number(amount) / Number(rate) }
    },
    // MyISAM gives its rows faster than any path takes them
    prepareBulk: async () => {
      const table = (name: string, value: string, rows: number) =>
        `CREATE TABLE ${DATABASE}.${name} ENGINE=MyISAM SELECT ${value} AS v FROM seq_1_to_${rows};`
      const wide = table('wide', `REPEAT('x', ${WIDE_BYTES})`, wideRows)
      await server.sql(`USE ${DATABASE}; ${wide} ${table('narrow', 'seq', narrowRows)}`)
    },
    bulk: {
      SELECT: transfer((client) => client.ask(`SELECT v FROM ${DATABASE}.wide`)),
      'SELECT of integers': transfer((client) => client.ask(`SELECT v FROM ${DATABASE}.narrow`)),
      'statements of 8 MiB': transfer(async (client) => {
        for (let sent = 0; sent < statements; sent++) await client.ask(statement)
        return statements * statement.length
      }),
    },
    stop: () => server.stop(),
  }
}
