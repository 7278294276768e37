/** The effective configuration: flags over environment over file over defaults, as plain frozen objects. */
import { resolve } from 'node:path'
import { parse, TomlError } from 'smol-toml'
import { ConfigError } from '../src/errors.ts'
import { checkTold, readEnvironment, type Told } from './environment.ts'
import { defaultFiles, findFile, type SourceFile } from './find.ts'
import { type ListenerBlock, type ListenerConfig, resolveListeners } from './listeners.ts'
import { findingsOf, type Problem, throwProblems } from './problems.ts'
import {
  FILE_SCHEMA,
  type FileDocument,
  type SectionName,
  type Sections,
  TABLES,
  type TlsConfig,
} from './schema.ts'
import { type KeyPath, locateKeys } from './toml-lines.ts'

export type { ListenerConfig } from './listeners.ts'
export type { DumpLogConfig, LogConfig, TlsConfig } from './schema.ts'

/** Durations are milliseconds, sizes bytes, addresses in `listeners` parsed. Deeply frozen. */
export interface Config extends Omit<Sections, 'proxy' | 'proxy.tls'> {
  readonly proxy: Sections['proxy'] & { readonly tls: TlsConfig }
  /** from `[proxy]` or the `[[listener]]` blocks; empty where no server is told and none is needed */
  readonly listeners: readonly ListenerConfig[]
  /** do the listeners stand in `[[listener]]` blocks? */
  readonly hasBlocks: boolean
  /** the file that was read, where there was one */
  readonly file?: string
}

/** An option as a flag of the command line tells it. */
export interface FlagValue {
  readonly section: SectionName
  readonly key: string
  /** the flag's text, or what TOML would have */
  readonly value: unknown
  /** `--listen` */
  readonly label: string
}

export interface LoadOptions {
  /** the file named by `-c` */
  readonly file?: string | undefined
  readonly flags?: readonly FlagValue[]
  /** the process's own unless told */
  readonly env?: NodeJS.ProcessEnv
  /** where to look when no file is named */
  readonly candidates?: readonly string[]
  /** a complete listener is needed: what is missing is an error */
  readonly needsListener?: boolean
  /** for commands that are no proxy: what is told of listeners is neither used nor in their way */
  readonly hasListeners?: boolean
}

/** A file that was read, with the way to name its lines. */
interface Loaded {
  readonly document: FileDocument
  readonly place: (path: KeyPath) => string
}

const parseFile = (file: SourceFile): unknown => {
  try {
    return parse(file.text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const reason = error.message.split('\n')[0]?.replace(/^Invalid TOML document: /, '') ?? ''
    throw new ConfigError(
      'syntax',
      '--config',
      `${file.path}:${error.line}:${error.column}: this is not TOML: ${reason}`,
    )
  }
}

const loadFile = (file: SourceFile | undefined, problems: Problem[]): Loaded => {
  if (file === undefined) return { document: {}, place: () => '' }
  const parsed = parseFile(file)
  const locate = locateKeys(file.text)
  const place = (path: KeyPath): string => {
    const line = locate(path)
    return line === undefined ? `${file.path}: ` : `${file.path}:${line}: `
  }
  const result = FILE_SCHEMA.safeParse(parsed)
  if (result.success) return { document: result.data, place }
  const findings = findingsOf(result.error.issues, parsed)
    .map((finding) => ({ ...finding, line: locate(finding.path) ?? 0 }))
    .sort((a, b) => a.line - b.line)
  for (const { code, path, option, words } of findings)
    problems.push({ code, option, text: place(path) + words })
  return { document: {}, place }
}

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

type Values = Record<string, unknown>

/** `[querytap]` and `[tcpdp]` are one table; they may not disagree. */
const querytapOf = ({ document, place }: Loaded, problems: Problem[]): Values => {
  const { querytap = {}, tcpdp = {} } = document
  for (const [key, value] of Object.entries(tcpdp)) {
    if (!(key in querytap) || isSame((querytap as Values)[key], value)) continue
    const option = `tcpdp.${key}`
    const text = `${place(['tcpdp', key])}${option}: differs from querytap.${key}; keep [querytap] alone`
    problems.push({ code: 'invalid-value', option, text })
  }
  return { ...tcpdp, ...querytap }
}

const sectionsOf = (loaded: Loaded, told: readonly Told[], problems: Problem[]): Sections => {
  const { tls, ...proxy } = (loaded.document.proxy ?? {}) as Values & { tls?: Values }
  const { probe, log, dumpLog } = loaded.document
  const fromFile: Readonly<Record<SectionName, Values | undefined>> = {
    querytap: querytapOf(loaded, problems),
    probe,
    proxy,
    'proxy.tls': tls,
    log,
    dumpLog,
  }
  const sections: Record<string, Values> = {}
  for (const name of Object.keys(TABLES) as SectionName[]) {
    const values: Values = {}
    for (const [key, option] of Object.entries(TABLES[name]))
      values[key] = fromFile[name]?.[key] ?? option.fallback
    sections[name] = values
  }
  for (const { section, key, value } of told) (sections[section] as Values)[key] = value
  return sections as unknown as Sections
}

const deepFreeze = <T>(value: T): T => {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const inner of Object.values(value)) deepFreeze(inner)
  return Object.freeze(value)
}

/** Two logs in one file would spoil each other. */
const checkFiles = ({ log, dumpLog }: Sections, problems: Problem[]): void => {
  const isShared = resolve(log.dir, log.fileName) === resolve(dumpLog.dir, dumpLog.fileName)
  if (!isShared || !log.enable || !dumpLog.enable) return
  const text = `log.fileName: "${log.fileName}" is that of the audit log in the same directory already`
  problems.push({ code: 'usage', option: 'log.fileName', text })
}

/** With "observe" bytes have been sent on before anybody looks at them: nothing is there to be held back. */
const checkGuarantee = ({ dumpLog }: Sections, { place }: Loaded, problems: Problem[]): void => {
  if (dumpLog.guarantee !== 'observe') return
  for (const [key, wish] of [
    ['onFailure', 'block'],
    ['onUndecodable', 'refuse'],
  ] as const) {
    if (dumpLog[key] !== wish) continue
    const option = `dumpLog.${key}`
    const text = `${place(['dumpLog', key])}${option}: "${wish}" wants the guarantee "written" or "synced"`
    problems.push({ code: 'usage', option, text })
  }
}

/** Without seals nothing is there to be signed, or to be handed to a hook. */
const checkSeals = ({ dumpLog }: Sections, { place }: Loaded, problems: Problem[]): void => {
  if (dumpLog.checkpointInterval !== 0) return
  for (const key of ['signingKey', 'checkpointHook'] as const) {
    if (dumpLog[key] === '') continue
    const option = `dumpLog.${key}`
    const text = `${place(['dumpLog', key])}${option}: wants seals, checkpointInterval = "0s" leaves none`
    problems.push({ code: 'usage', option, text })
  }
}

/** With blocks it would be anyone's guess which of them a flag means. */
const checkFlags = (flags: readonly FlagValue[], hasBlocks: boolean, problems: Problem[]): void => {
  if (!hasBlocks) return
  for (const { key, label } of flags) {
    if (!['listenAddr', 'remoteAddr', 'dumper'].includes(key)) continue
    const text = `${label}: cannot be told together with [[listener]] blocks, each has its own ${key}`
    problems.push({ code: 'usage', option: label, text })
  }
}

/**
 * Reads and checks everything. Throws ConfigError, one line for each problem: `environment` for a file that
 * cannot be read, other codes for what its user can mend.
 */
export const loadConfig = (options: LoadOptions = {}): Config => {
  const problems: Problem[] = []
  const file = findFile(options.file, options.candidates ?? defaultFiles())
  const loaded = loadFile(file, problems)
  const flags = options.flags ?? []
  const told = [
    ...readEnvironment(options.env ?? process.env, problems),
    ...flags.flatMap((flag) => checkTold(flag, problems) ?? []),
  ]
  const sections = sectionsOf(loaded, told, problems)
  const { hasListeners = true } = options
  const blocks = (hasListeners ? (loaded.document.listener ?? []) : []) as readonly ListenerBlock[]
  checkFlags(flags, blocks.length > 0, problems)
  checkFiles(sections, problems)
  checkGuarantee(sections, loaded, problems)
  checkSeals(sections, loaded, problems)
  throwProblems(problems)

  const place = (block: number | undefined, key: string): string =>
    block === undefined ? '' : `${loaded.place(['listener', block, key])}listener.${key}: `
  const isNeeded = options.needsListener ?? false
  const listeners = hasListeners ? resolveListeners({ sections, blocks, place, isNeeded }, problems) : []
  throwProblems(problems)

  const { 'proxy.tls': tls, proxy, ...rest } = sections
  const config = { ...rest, proxy: { ...proxy, tls }, listeners, hasBlocks: blocks.length > 0 }
  return deepFreeze(file === undefined ? config : { ...config, file: file.path })
}
