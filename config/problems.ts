/** Everything that is wrong with a configuration, told together: one line each. */
import type { z } from 'zod'
import { ConfigError } from '../src/errors.ts'
import { nearest } from './nearest.ts'
import type { Option } from './option.ts'
import { LISTENER_TABLE, type OptionTable, TABLES, TLS_TABLE } from './schema.ts'
import type { KeyPath } from './toml-lines.ts'

export interface Problem {
  readonly code: ConfigError['code']
  /** as its user wrote it */
  readonly option: string
  /** one line: file and line where there are, the option, what was wanted, what was got */
  readonly text: string
}

/** Throws one ConfigError for all of them; nothing when there are none. */
export const throwProblems = (problems: readonly Problem[]): void => {
  const first = problems[0]
  if (first === undefined) return
  const lines = [...new Set(problems.map(({ text }) => text))]
  throw new ConfigError(first.code, first.option, lines.join('\n'))
}

const MAX_SHOWN = 60

/** A value as a message shows it. */
export const shown = (value: unknown): string => {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null && !(value instanceof Date)) return 'a table'
  const json = value instanceof Date ? 'a date' : JSON.stringify(value)
  return json.length > MAX_SHOWN ? `${json.slice(0, MAX_SHOWN)}…` : json
}

/** What an option wanted and got; what its check says in its own words comes first. */
export const complaint = (option: Option, issue: z.core.$ZodIssue | undefined, got: unknown): string => {
  const words = `wanted ${option.wanted}, got ${shown(got)}`
  return issue?.code === 'custom' ? `${issue.message}; ${words}` : words
}

/** Tables and keys of a file by the name of the table that holds them; '' is the document itself. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  '': ['querytap', 'tcpdp', 'probe', 'proxy', 'log', 'dumpLog', 'listener'],
  querytap: Object.keys(TABLES.querytap),
  tcpdp: Object.keys(TABLES.querytap),
  probe: Object.keys(TABLES.probe),
  proxy: [...Object.keys(TABLES.proxy), 'tls'],
  'proxy.tls': Object.keys(TLS_TABLE),
  log: Object.keys(TABLES.log),
  dumpLog: Object.keys(TABLES.dumpLog),
  listener: [...Object.keys(LISTENER_TABLE), 'tls'],
  'listener.tls': Object.keys(TLS_TABLE),
}

const OPTION_TABLES: Readonly<Record<string, OptionTable>> = {
  ...TABLES,
  tcpdp: TABLES.querytap,
  listener: LISTENER_TABLE,
  'listener.tls': TLS_TABLE,
}

const nameOf = (path: KeyPath): string => path.filter((part) => typeof part === 'string').join('.')

const suggestion = (table: string, key: string): string => {
  const here = nearest(key, KEYS[table] ?? [])
  if (here !== undefined) return table === '' ? `, did you mean [${here}]?` : `, did you mean ${here}?`
  const elsewhere = Object.keys(OPTION_TABLES).filter(
    (name) => name !== 'tcpdp' && name !== 'listener' && KEYS[name]?.includes(key),
  )
  return elsewhere.length === 0
    ? ''
    : `, it belongs in ${elsewhere.map((name) => `[${name}]`).join(' or ')}`
}

const valueAt = (document: unknown, path: KeyPath): unknown =>
  path.reduce<unknown>(
    (value, part) => (value as Record<string | number, unknown> | undefined)?.[part],
    document,
  )

/** Something wrong in a file; the line is still to be put before its `words`. */
export interface Finding {
  readonly code: ConfigError['code']
  readonly path: KeyPath
  readonly option: string
  readonly words: string
}

const unknownKey = (table: KeyPath, key: string): Finding => {
  const option = nameOf([...table, key])
  const words = `${option}: unknown key${suggestion(nameOf(table), key)}`
  return { code: 'unknown-key', path: [...table, key], option, words }
}

const wrongTable = (path: KeyPath): string =>
  path.length === 1 && path[0] === 'listener'
    ? 'wanted tables, [[listener]]'
    : `wanted a table, [${nameOf(path)}]`

const wrongValue = (issue: z.core.$ZodIssue, document: unknown): Finding => {
  const path = issue.path as KeyPath
  const names = path.filter((part) => typeof part === 'string')
  const name = names.join('.')
  const option = OPTION_TABLES[names.slice(0, -1).join('.')]?.[names.at(-1) ?? '']
  const got = valueAt(document, path)
  const words = option ? complaint(option, issue, got) : `${wrongTable(path)}, got ${shown(got)}`
  return { code: 'invalid-value', path, option: name, words: `${name}: ${words}` }
}

/** What a schema found wrong in a file's document. */
export const findingsOf = (issues: readonly z.core.$ZodIssue[], document: unknown): Finding[] =>
  issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => unknownKey(issue.path as KeyPath, key))
      : wrongValue(issue, document),
  )
