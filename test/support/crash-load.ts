/** Loads of the crash tests: programs that write rows of unique numbers until their proxy is gone. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FIRST_NUMBER, NUMBERS_PER_RUN } from './crash.ts'
import type { MyServer } from './my-server.ts'
import type { Postgres } from './postgres.ts'
import { run, until } from './programs.ts'

/** A server and what writes rows into it. */
export interface CrashLoad {
  readonly name: string
  readonly dumper: 'pg' | 'mysql'
  readonly remote: number
  /** programs that write through the proxy on that port, at the latest until `seconds` are over */
  run(port: number, seconds: number): Promise<void>
  /** how many rows there are by now */
  count(): Promise<number>
  /** numbers of all rows, once nobody writes any more */
  rows(): Promise<ReadonlySet<string>>
}

const CLIENTS = 4
const SECONDS_BEYOND = 30

let runs = 0
/** Each program has numbers of its own. */
const nextBase = (): string => String(FIRST_NUMBER + runs++ * NUMBERS_PER_RUN)

const setNumber = '\\set i :i + 1\n\\set n :base + :client_id * 100000 + :i\n'
const INSERT = `${setNumber}INSERT INTO crash VALUES (:n);\n`
/** pgbench's scripts, by its mode. */
const SCRIPTS = {
  simple: INSERT,
  extended: `\\startpipeline\n${INSERT.repeat(5)}\\endpipeline\nBEGIN;\n${INSERT.repeat(2)}COMMIT;\n`,
  prepared: INSERT,
} as const

const linesOf = (text: string): ReadonlySet<string> =>
  new Set(text.split('\n').filter((line) => line !== ''))

/** pgbench in all its modes, pipelines among them, before PostgreSQL. */
export const pgLoad = async (server: Postgres, directory: string): Promise<CrashLoad> => {
  await server.psql('CREATE TABLE crash (n bigint)')
  const pgbench = server.program('pgbench')
  const modes = Object.entries(SCRIPTS).map(([mode, script]) => {
    const file = join(directory, `${mode}.sql`)
    writeFileSync(file, script)
    return { mode, file }
  })
  return {
    name: 'PostgreSQL',
    dumper: 'pg',
    remote: server.port,
    run: async (port, seconds) => {
      const target = ['-h', '127.0.0.1', '-p', `${port}`, '-U', server.user, server.database]
      await Promise.all(
        modes.map(({ mode, file }) => {
          const variables = ['-D', 'i=0', '-D', `base=${nextBase()}`]
          const size = ['-c', `${CLIENTS}`, '-T', `${seconds}`]
          return run(pgbench, ['-n', '-M', mode, '-f', file, ...variables, ...size, ...target], {
            timeout: (seconds + SECONDS_BEYOND) * 1000,
          })
        }),
      )
    },
    count: async () => Number(await server.psql('SELECT count(*) FROM crash')),
    rows: async () => {
      const busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'"
      await until('the end of all sessions', async () => (await server.psql(busy)).trim() === '0')
      return linesOf(await server.psql('SELECT n FROM crash'))
    },
  }
}

const LUA = fileURLToPath(new URL('./crash.lua', import.meta.url))
const SESSIONS = "SELECT COUNT(*) FROM information_schema.processlist WHERE HOST LIKE '127.0.0.1:%'"

/** sysbench with numbers in the text and with bound ones, before a server of MySQL's family. */
export const myLoad = async (server: MyServer): Promise<CrashLoad> => {
  await server.sql('CREATE DATABASE crash; CREATE TABLE crash.crash (n BIGINT) ENGINE=InnoDB')
  return {
    name: 'MariaDB',
    dumper: 'mysql',
    remote: server.port,
    run: async (port, seconds) => {
      const target = ['--mysql-host=127.0.0.1', `--mysql-port=${port}`, '--mysql-user=root']
      const size = ['--mysql-db=crash', `--threads=${CLIENTS}`, `--time=${seconds}`, '--events=0']
      await Promise.all(
        ['on', 'off'].map((bound) =>
          run('sysbench', [LUA, ...target, ...size, `--base=${nextBase()}`, `--bound=${bound}`, 'run'], {
            timeout: (seconds + SECONDS_BEYOND) * 1000,
          }),
        ),
      )
    },
    count: async () => Number(await server.sql('SELECT COUNT(*) FROM crash.crash')),
    rows: async () => {
      await until('the end of all sessions', async () => (await server.sql(SESSIONS)).trim() === '0')
      return linesOf(await server.sql('SELECT n FROM crash.crash'))
    },
  }
}

/** Waits until the load has written so many more rows than there were. */
export const moreRows = async (load: CrashLoad, before: number, more: number): Promise<void> => {
  await until(`${more} more rows`, async () => (await load.count()) >= before + more)
}
