/** `querytap verify`: whether audit logs are as they were written. */
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { readPieces } from '../audit/read-log.ts'
import { isSeal, readVerifier, type Verifier } from '../audit/seal.ts'
import { FileCheck, type FileCheckOptions, type FileReport } from '../audit/verify-file.ts'
import { checkLinks } from '../audit/verify-links.ts'
import { ConfigError } from '../errors.ts'
import { parseName } from '../sinks/names.ts'
import { machineReport, peopleReport, type Verdict } from './verify-report.ts'

export interface VerifyOptions {
  /** files, and directories, whose log is then meant to be whole */
  readonly paths: readonly string[]
  /** files of public keys; any of them may have signed */
  readonly keys: readonly string[]
  readonly expected: readonly string[]
  readonly json: boolean
  /** name of the log in directories: `dump.log` */
  readonly fileName: string
  readonly isColored: boolean
  readonly out: (text: string) => void
}

const FINE = 0
const FINDINGS = 1

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const verifierOf = (path: string): Verifier => {
  try {
    return readVerifier(readFileSync(path))
  } catch (error) {
    throw new ConfigError('usage', '--key', `--key ${path}: ${messageOf(error)}`)
  }
}

/** The log's files in a directory: rotated ones, and one of the plain name; no link to the newest. */
const filesIn = (directory: string, fileName: string): string[] =>
  readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile() && isLogFile(fileName, entry.name))
    .map((entry) => join(directory, entry.name))

const isLogFile = (fileName: string, file: string): boolean =>
  file === fileName || parseName(fileName, file) !== undefined || isNumbered(fileName, file)

/** `dump.log.1`: of a second process without rotation, or put there by logrotate. */
const isNumbered = (fileName: string, file: string): boolean =>
  file.startsWith(`${fileName}.`) && /^\d{1,7}(\.gz)?$/.test(file.slice(fileName.length + 1))

/** What is to be verified: files, each once, and directories, whose files may change meanwhile. */
interface Places {
  readonly files: readonly string[]
  readonly directories: readonly string[]
}

const placesOf = (paths: readonly string[]): Places => {
  try {
    const real = [...new Set(paths.map((path) => realpathSync(path)))]
    const directories = real.filter((path) => statSync(path).isDirectory())
    return { files: real.filter((path) => !directories.includes(path)), directories }
  } catch (error) {
    throw new ConfigError('usage', 'verify', `verify: ${messageOf(error)}`)
  }
}

const listFiles = ({ files, directories }: Places, fileName: string): string[] => [
  ...new Set([...files, ...directories.flatMap((directory) => filesIn(directory, fileName))]),
]

/** A line that is just being written may be seen in part; the next look tells. */
const LOOKS = 5
const BETWEEN_LOOKS_MS = 20

/** Undefined for a file that is gone: retention took it, or it was compressed. */
const readOnce = async (path: string, options: FileCheckOptions): Promise<FileReport | undefined> => {
  const check = new FileCheck(path, options)
  let problem = ''
  try {
    for await (const piece of readPieces(path)) check.feed(piece)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    problem = messageOf(error)
  }
  const report = check.end()
  if (problem === '') return report
  const text = `cannot be read to its end: ${problem}`
  return { ...report, findings: [...report.findings, { kind: 'unreadable', text }] }
}

const readFile = async (path: string, options: FileCheckOptions): Promise<FileReport | undefined> => {
  let report = await readOnce(path, options)
  for (let look = 1; look < LOOKS && report !== undefined && report.torn > 0; look++) {
    await pause(BETWEEN_LOOKS_MS)
    const size = path.endsWith('.gz') ? undefined : statSync(path, { throwIfNoEntry: false })?.size
    if (size === undefined || size === report.bytes) break
    report = await readOnce(path, options)
  }
  return report
}

/** Files that rotation makes while the others are read belong to the log as well. */
const readAll = async (
  places: Places,
  fileName: string,
  check: FileCheckOptions,
): Promise<FileReport[]> => {
  const reports = new Map<string, FileReport | undefined>()
  for (;;) {
    const fresh = listFiles(places, fileName).filter(
      (path) => !reports.has(path) && !hasTwin(reports, path),
    )
    if (fresh.length === 0) return [...reports.values()].filter((report) => report !== undefined)
    for (const path of fresh) reports.set(path, await readFile(path, check))
  }
}

/** A file that was read and is compressed by now. */
const hasTwin = (reports: ReadonlyMap<string, FileReport | undefined>, path: string): boolean =>
  path.endsWith('.gz') && reports.get(path.slice(0, -3)) !== undefined

/** Tells what it found, and answers the exit code. Throws ConfigError for wrong use. */
export const runVerify = async (options: VerifyOptions): Promise<number> => {
  const verifiers = options.keys.map(verifierOf)
  for (const seal of options.expected) {
    if (!isSeal(seal))
      throw new ConfigError(
        'usage',
        '--expect-seal',
        `--expect-seal: 64 digits of 0-9a-f wanted, got ${seal}`,
      )
  }
  const places = placesOf(options.paths)
  const expected = new Set(options.expected)
  const reports = await readAll(places, options.fileName, { verifiers, expected })
  if (reports.length === 0)
    throw new ConfigError(
      'usage',
      'verify',
      `verify: no ${options.fileName} in ${options.paths.join(', ')}`,
    )
  const isWhole = places.directories.length > 0
  const found = new Set(reports.flatMap(({ expected }) => expected))
  const verdict: Verdict = {
    files: checkLinks(reports, isWhole).sort((a, b) => (a.first < b.first ? -1 : 1)),
    keyIds: verifiers.map(({ keyId }) => keyId),
    missingSeals: options.expected.filter((seal) => !found.has(seal)),
    foundSeals: [...found],
  }
  options.out(options.json ? machineReport(verdict) : peopleReport(verdict, options.isColored))
  const isFine =
    verdict.missingSeals.length === 0 && verdict.files.every((file) => file.findings.length === 0)
  return isFine ? FINE : FINDINGS
}
