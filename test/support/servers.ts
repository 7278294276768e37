/**
 * Which servers and tools of the live tests this machine has. A live test that lacks one is skipped, loudly;
 * with CI=true it fails instead.
 */
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import npmServers from './npm-servers.json' with { type: 'json' }
import packages from './packages.json' with { type: 'json' }
import { run, which } from './programs.ts'

/** What a live test can ask for: the Debian package, or npm's, that brings it. */
export type ServerName = keyof typeof packages | keyof typeof npmServers

const DEBIAN_POSTGRES = '/usr/lib/postgresql'

/** Directories of PostgreSQL's own programs, newest version first (Debian keeps them off PATH). */
export const postgresDirectories = (): string[] => {
  if (!existsSync(DEBIAN_POSTGRES)) return []
  const versions = readdirSync(DEBIAN_POSTGRES).filter((name) => /^\d+$/.test(name))
  return versions
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => `${DEBIAN_POSTGRES}/${version}/bin`)
}

/** Oracle's MySQL 5.6 as its npm package holds it: `mysqld`, `share` and an empty data directory. */
export const MYSQL56 = fileURLToPath(
  new URL(
    `../../node_modules/.cache/querytap-servers/node_modules/${npmServers.mysql56.name}/server`,
    import.meta.url,
  ),
)

/** Python for Debian's database modules: the system's own, for another one does not see them. */
export const PYTHON = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3'

const hasModule = async (module: string): Promise<boolean> => {
  const found = await run(PYTHON, ['-c', `import ${module}`]).catch(() => undefined)
  return found?.code === 0
}

const PROGRAMS: Partial<Record<ServerName, readonly string[]>> = {
  mariadb: ['mariadbd', 'mariadb-install-db', 'mariadb'],
  libmariadb: ['mariadb_config'],
}

const MODULES: Partial<Record<ServerName, string>> = {
  psycopg: 'psycopg',
  pymysql: 'pymysql',
  mysqlclient: 'MySQLdb',
}

/** Is this server or tool here? */
export const hasServer = async (name: ServerName): Promise<boolean> => {
  const module = MODULES[name]
  if (module) return hasModule(module)
  if (name === 'postgres') return which('initdb', postgresDirectories()) !== undefined
  if (name === 'mysql56') return which('mysqld', [MYSQL56]) === `${MYSQL56}/mysqld`
  return (PROGRAMS[name] ?? [name]).every((program) => which(program) !== undefined)
}

/** Can this machine have it at all? What npm has is made for one platform. */
export const isForThisPlatform = (name: ServerName): boolean =>
  name !== 'mysql56' || npmServers.mysql56.platform === `${process.platform}-${process.arch}`

/** Those of `names` that this machine lacks. */
export const missingServers = async (names: readonly ServerName[]): Promise<ServerName[]> => {
  const present = await Promise.all(names.map(hasServer))
  return names.filter((_, index) => !present[index])
}

/** What to type in order to get them. */
export const howToInstall = (names: readonly ServerName[]): string => {
  const debian = names.flatMap((name) => (name === 'mysql56' ? [] : [packages[name]]))
  return [
    ...(debian.length > 0 ? [`apt-get install --no-install-recommends ${debian.join(' ')}`] : []),
    ...(debian.length < names.length ? ['node test/setup/install-servers.mjs'] : []),
  ].join(' && ')
}
