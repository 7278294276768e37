/** Dumpers by name, and a user's own by the path of its module. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ConfigError } from '../src/errors.ts'
import type { Dumper } from '../src/session.ts'

const BUILT_IN: Readonly<Record<string, () => Promise<Dumper>>> = {
  pg: async () => (await import('./pg/index.ts')).pg,
  mysql: async () => (await import('./mysql/index.ts')).mysql,
  hex: async () => (await import('./hex/index.ts')).hex,
  conn: async () => (await import('./conn/index.ts')).conn,
}

/** Names of the dumpers that come with the program. */
export const DUMPER_NAMES: readonly string[] = Object.keys(BUILT_IN)

const USUAL_PORTS: ReadonlyMap<number, string> = new Map([
  [5432, 'pg'],
  [3306, 'mysql'],
])

/**
 * Name of the dumper for a server's usual port; none for any other port, where it must be named (hex as a
 * default would write passwords).
 */
export const dumperForPort = (port: number): string | undefined => USUAL_PORTS.get(port)

const OPTION = 'dumper'
const wrong = (message: string): ConfigError =>
  new ConfigError('invalid-value', OPTION, `${OPTION}: ${message}`)
const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined

/**
 * Loads a dumper by its name, or from the path of an ES module (relative to the working directory) that
 * exports it as `dumper` or as its default export.
 *
 * @throws ConfigError naming the option `dumper`: unknown name, module that cannot be loaded, wrong export
 */
export const loadDumper = async (nameOrPath: string): Promise<Dumper> => {
  const builtIn = Object.hasOwn(BUILT_IN, nameOrPath) ? BUILT_IN[nameOrPath] : undefined
  if (builtIn) return builtIn()
  if (!isPath(nameOrPath)) {
    const names = DUMPER_NAMES.join(', ')
    throw wrong(`${names}, or the path of a module (./mine.mjs) wanted, got ${JSON.stringify(nameOrPath)}`)
  }
  const loaded = await importModule(nameOrPath)
  return checkShape(loaded.dumper ?? loaded.default, nameOrPath)
}

const isPath = (text: string): boolean => /[/\\]|\.[cm]?[jt]s$/.test(text)

const importModule = async (path: string): Promise<Record<string, unknown>> => {
  try {
    return await import(/* @vite-ignore */ pathToFileURL(resolve(path)).href)
  } catch (error) {
    if (codeOf(error) === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.[cm]?ts$/.test(path)) {
      throw wrong(`${path}: Node ${process.versions.node} does not run TypeScript; compile it to .mjs`)
    }
    throw wrong(`${path} cannot be loaded: ${wordsOf(error)}`)
  }
}

const METHODS = ['handshake', 'refusal'] as const

/** The parts of a Dumper that can be told before it is used. */
const checkShape = (exported: unknown, path: string): Dumper => {
  if (typeof exported !== 'object' || exported === null) {
    throw wrong(`${path} exports no object as "dumper" or as its default export`)
  }
  const dumper = exported as Partial<Record<keyof Dumper, unknown>>
  if (typeof dumper.name !== 'string' || dumper.name === '')
    throw wrong(`${path}: its "name" is not a text`)
  if (typeof dumper.open !== 'function') throw wrong(`${path}: its "open" is not a function`)
  if (dumper.defaultPort !== undefined && !Number.isInteger(dumper.defaultPort)) {
    throw wrong(`${path}: its "defaultPort" is not an integer`)
  }
  if (dumper.serverSpeaksFirst !== undefined && typeof dumper.serverSpeaksFirst !== 'boolean') {
    throw wrong(`${path}: its "serverSpeaksFirst" is not a boolean`)
  }
  for (const method of METHODS) {
    if (dumper[method] !== undefined && typeof dumper[method] !== 'function') {
      throw wrong(`${path}: its "${method}" is not a function`)
    }
  }
  return exported as Dumper
}
