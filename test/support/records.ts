/**
 * The audit log as a test reads it: JSON lines of all files of a directory, in the order they were
 * written.
 */
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

/** One line of the log; the keys that tests look at most. */
export interface AuditRecord {
  readonly [key: string]: unknown
  readonly ts?: string
  readonly event: string
  readonly log_seq?: number
  readonly conn_id?: string
  readonly backend_pid?: number
  readonly stmt_seq?: number
  readonly protocol?: string
  readonly query?: string
  readonly query_truncated?: boolean
  readonly stmt_name?: string
  readonly portal_name?: string
  readonly bind_values?: readonly (string | null)[]
  readonly bind_types?: readonly (string | null)[]
  /** of values that were too long to be kept */
  readonly bind_value_lens?: readonly (number | null)[]
  readonly bind_value_sha256s?: readonly (string | null)[]
  readonly outcome?: string
  readonly error_code?: string
  readonly fetches?: number
  readonly function_oid?: number
}

const inOrder = new Intl.Collator('en', { numeric: true })

/** Names of the log's files, oldest first; the symlink to the newest one is left out. */
export const logFiles = (directory: string, name = 'dump.log'): string[] => {
  if (!existsSync(directory)) return []
  const files = readdirSync(directory).filter((file) => file === name || file.startsWith(`${name}.`))
  return files.filter((file) => !lstatSync(join(directory, file)).isSymbolicLink()).sort(inOrder.compare)
}

const textOf = (path: string): string => {
  const bytes = readFileSync(path)
  return String(path.endsWith('.gz') ? gunzipSync(bytes) : bytes)
}

/** Records of all files; those of the log's integrity are left out. */
export const readRecords = (directory: string, name?: string): AuditRecord[] =>
  readLines(directory, name).filter(({ event }) => event !== 'audit.checkpoint')

/** Whole lines of all files. A line that is not JSON throws: a torn line is never a test's noise. */
export const readLines = (directory: string, name?: string): AuditRecord[] =>
  logFiles(directory, name).flatMap((file) => {
    const lines = textOf(join(directory, file)).split('\n')
    // what follows the last newline is still being written
    return lines.slice(0, -1).map((line) => JSON.parse(line) as AuditRecord)
  })
