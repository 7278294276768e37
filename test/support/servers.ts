/**
 * Which servers and tools of the live tests this machine has. A live test that lacks one is skipped, loudly;
 * with CI=true it fails instead.
 */
import { existsSync, readdirSync } from 'node:fs'
import packages from './packages.json' with { type: 'json' }
import { run, which } from './programs.ts'

/** What a live test can ask for, and the Debian package that brings it. */
export const PACKAGES = packages

export type ServerName = keyof typeof packages

const DEBIAN_POSTGRES = '/usr/lib/postgresql'

/** Directories of PostgreSQL's own programs, newest version first (Debian keeps them off PATH). */
export const postgresDirectories = (): string[] => {
  if (!existsSync(DEBIAN_POSTGRES)) return []
  const versions = readdirSync(DEBIAN_POSTGRES).filter((name) => /^\d+$/.test(name))
  return versions
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => `${DEBIAN_POSTGRES}/${version}/bin`)
}

/** Python for psycopg 3: the system's own, for Debian's package is not seen by another one. */
export const PYTHON = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3'

/** Is this server or tool here? */
export const hasServer = async (name: ServerName): Promise<boolean> => {
  if (name === 'postgres') return which('initdb', postgresDirectories()) !== undefined
  if (name !== 'psycopg') return which(name) !== undefined
  const found = await run(PYTHON, ['-c', 'import psycopg']).catch(() => undefined)
  return found?.code === 0
}

/** Those of `names` that this machine lacks. */
export const missingServers = async (names: readonly ServerName[]): Promise<ServerName[]> => {
  const present = await Promise.all(names.map(hasServer))
  return names.filter((_, index) => !present[index])
}

/** What to type in order to get them. */
export const howToInstall = (names: readonly ServerName[]): string =>
  `apt-get install --no-install-recommends ${names.map((name) => PACKAGES[name]).join(' ')}`
