/** A throw-away MySQL 5.6 of Oracle from its npm package, in a temporary directory, gone after `stop()`. */
import { chownSync, cpSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type MyServer, type MyServerOptions, type ServerKind, startMyServer } from './my-server.ts'
import type { Identity } from './programs.ts'
import { MYSQL56 } from './servers.ts'

const giveTo = (identity: Identity, path: string): void => {
  chownSync(path, identity.uid, identity.gid)
  for (const entry of readdirSync(path, { recursive: true, encoding: 'utf8' })) {
    chownSync(join(path, entry), identity.uid, identity.gid)
  }
}

const KIND: ServerKind = {
  name: 'MySQL 5.6',
  program: join(MYSQL56, 'mysqld'),
  // libaio comes with the package
  env: { LD_LIBRARY_PATH: MYSQL56 },
  args: [
    `--basedir=${MYSQL56}`,
    `--lc-messages-dir=${join(MYSQL56, 'share')}`,
    // as it was sent, and before it is parsed
    '--log-raw=1',
    `--character-sets-dir=${join(MYSQL56, 'share', 'charsets')}`,
  ],
  initialise: async (dataDir, { identity }) => {
    cpSync(join(MYSQL56, 'data', 'mysql'), dataDir, { recursive: true })
    if (identity) giveTo(identity, dataDir)
  },
}

/**
 * Copies the package's data directory, starts MySQL on it and waits until it answers. Its general log is
 * on; it has no log of errors.
 */
export const startMysql56 = (options: MyServerOptions = {}): Promise<MyServer> =>
  startMyServer(KIND, options)
