/** A throw-away MariaDB in a temporary directory, fast and unsafe (no flushing), gone after `stop()`. */
import {
  ERROR_LOG,
  type MyServer,
  type MyServerOptions,
  type ServerKind,
  startMyServer,
} from './my-server.ts'
import { runOk, which } from './programs.ts'

// without these the directory of an idle server takes 100 MB and seconds
const SMALL = ['--innodb-log-file-size=4M', '--innodb-buffer-pool-size=16M', '--innodb-flush-method=nosync']

const program = (name: string): string => {
  const path = which(name)
  if (!path) throw new Error(`${name}: not found (Debian's package: mariadb-server)`)
  return path
}

const kind = (): ServerKind => ({
  name: 'MariaDB',
  program: program('mariadbd'),
  args: [
    '--innodb-flush-method=nosync',
    '--plugin-load-add=sql_errlog',
    '--sql-error-log-with-db-and-thread-info=1',
    '--sql-error-log-warnings=0',
    `--sql-error-log-filename=${ERROR_LOG}`,
    '--sql-error-log-size-limit=1G',
  ],
  initialise: async (dataDir, own) => {
    const access = ['--auth-root-authentication-method=normal', '--skip-test-db', '--skip-name-resolve']
    await runOk(
      program('mariadb-install-db'),
      ['--no-defaults', `--datadir=${dataDir}`, ...access, ...SMALL],
      own,
    )
  },
})

/**
 * Makes a data directory, starts MariaDB on it and waits until it answers. Its general log is on, and its
 * sql_error_log tells every error with the session's thread id.
 */
export const startMariaDb = (options: MyServerOptions = {}): Promise<MyServer> =>
  startMyServer(kind(), options)
