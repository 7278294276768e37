/** Where the configuration file is looked for, and how it is read. */
import { readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { ConfigError } from '../src/errors.ts'

export interface SourceFile {
  /** as messages name it */
  readonly path: string
  readonly text: string
}

const NAMES = ['querytap', 'tcpdp']

/** Where tcpdp looks, under both names; the first that exists is taken. */
export const defaultFiles = (home: string = homedir()): readonly string[] =>
  NAMES.flatMap((name) => [
    `/etc/${name}/${name}.toml`,
    join(home, `.${name}`, `${name}.toml`),
    `${name}.toml`,
  ])

const codeOf = (error: unknown): string => String((error as NodeJS.ErrnoException).code ?? error)
const isAbsent = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(codeOf(error))

/** The file, or undefined where there is none. Throws ConfigError `environment` where it cannot be read. */
const readIfThere = (path: string): SourceFile | undefined => {
  try {
    return { path, text: readFileSync(path, 'utf8').replace(/^\uFEFF/, '') }
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw new ConfigError('environment', '--config', `${path}: cannot be read: ${codeOf(error)}`)
  }
}

const isDirectory = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false

/**
 * Reads the file named by `-c` (a directory stands for the `querytap.toml` or `tcpdp.toml` in it), or the
 * first one of `candidates`. Throws ConfigError: `usage` where the named file is missing.
 */
export const findFile = (
  named: string | undefined,
  candidates: readonly string[],
): SourceFile | undefined => {
  const isFolder = named !== undefined && isDirectory(named)
  const paths =
    named === undefined ? candidates : isFolder ? NAMES.map((name) => join(named, `${name}.toml`)) : [named]
  for (const path of paths) {
    const file = readIfThere(path)
    if (file !== undefined) return file
  }
  if (named === undefined) return undefined
  const reason = isFolder ? 'there is no querytap.toml in this directory' : 'there is no such file'
  throw new ConfigError('usage', '--config', `--config ${named}: ${reason}`)
}
