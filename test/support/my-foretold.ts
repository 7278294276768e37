/** The expected files of recorded conversations with MariaDB, and what they foretell of records. */
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { ofKind, type Plain, whoOf } from './canonical.ts'

const FOLDER = new URL('../captures/', import.meta.url).pathname

interface ExpectedError {
  readonly code: number
  readonly sqlstate?: string
  readonly message: string
}
type ExpectedValue = null | {
  readonly text?: string
  readonly hex?: string
  readonly alt?: string[]
  /** a date or time, whose zeros may be spelt or not */
  readonly temporal?: boolean
}
export interface ExpectedStatement {
  readonly kind: string
  readonly text?: string
  readonly text_prefix?: string
  readonly alt_text?: string[]
  readonly params?: ExpectedValue[]
  readonly param_rows?: ExpectedValue[][]
  readonly rows?: number
  readonly resultset?: boolean
  readonly results?: { readonly rows: number }[]
  readonly error?: ExpectedError
  readonly outcome_any?: boolean
  readonly username?: string
  readonly database?: string
  readonly local_infile?: string
  /** the statement is none of the session's any more */
  readonly stale?: boolean
  /** in captures with bytes missing: complete, but behind lost bytes */
  readonly after_gap?: boolean
  /** may be absent */
  readonly partial?: boolean
  readonly optional?: boolean
  /** the answer is not in the file */
  readonly outcome?: 'lost'
  /** types, or how many there are, are not in the file */
  readonly undecodable_params?: boolean
  readonly stmt_id?: number
}
export interface ExpectedConnection {
  readonly username: string | null
  readonly database: string | null
  readonly auth: 'ok' | 'failed' | 'unknown'
  readonly auth_error?: ExpectedError
  readonly client: string
  readonly statements: ExpectedStatement[]
}
export interface Expected {
  readonly file: string
  readonly server_port: number
  readonly connections: ExpectedConnection[]
}

export const readExpected = (name: string): Expected =>
  JSON.parse(readFileSync(`${FOLDER}${name}.expected.json`, 'utf8')) as Expected

export const RECORDED = new Set([
  'query',
  'prepare',
  'stmt_execute',
  'bulk_execute',
  'init_db',
  'change_user',
])
export const KINDS: Readonly<Record<string, Plain>> = {
  query: { event: 'statement', protocol: 'text' },
  prepare: { event: 'prepare' },
  stmt_execute: { event: 'statement', protocol: 'binary' },
  bulk_execute: { event: 'statement', protocol: 'bulk' },
  init_db: { event: 'statement', protocol: 'command', command: 'COM_INIT_DB' },
  change_user: { event: 'change_user' },
}

/** A date or time without the zeros that need not be there. */
const withoutZeros = (text: string): string =>
  text.replace(/\.(\d*?)0+$/, (_, digits) => (digits ? `.${digits}` : ''))

const expectValue = (shown: string | null, value: ExpectedValue): void => {
  if (value === null) expect(shown).toBeNull()
  else if (value.temporal) expect(withoutZeros(shown ?? '')).toBe(withoutZeros(value.text ?? ''))
  else if (value.text !== undefined) expect([value.text, ...(value.alt ?? [])]).toContain(shown)
  else expect([`\\x${value.hex}`, ...(value.alt ?? [])]).toContain(shown)
}

const expectValues = (shown: unknown, values: readonly ExpectedValue[]): void => {
  const texts = (shown ?? []) as (string | null)[]
  expect(texts).toHaveLength(values.length)
  for (const [index, value] of values.entries()) expectValue(texts[index]!, value)
}

const expectText = (record: Plain, wanted: ExpectedStatement): void => {
  const { text } = record
  const shown = typeof text === 'object' ? (text as Plain).text : text
  if (wanted.text_prefix !== undefined) expect(String(shown).startsWith(wanted.text_prefix)).toBe(true)
  else if (wanted.text !== undefined && !wanted.stale)
    expect([wanted.text, ...(wanted.alt_text ?? [])]).toContain(shown)
}

const expectError = (record: Plain, error: ExpectedError | undefined): void => {
  expect(record.outcome).toBe(error === undefined ? 'success' : 'error')
  expect(record.error_number).toBe(error?.code)
  expect(record.error_message).toBe(error?.message)
  if (error?.sqlstate !== undefined) expect(record.error_code).toBe(error.sqlstate)
}

export const expectRecord = (record: Plain, wanted: ExpectedStatement): void => {
  expect(record).toMatchObject(KINDS[wanted.kind]!)
  if (!wanted.outcome_any) expectError(record, wanted.error)
  if (wanted.kind === 'change_user') {
    expect(record).toMatchObject({ new_username: wanted.username, new_database: wanted.database })
    return
  }
  if (wanted.kind === 'init_db') {
    expect(record.text).toBe(wanted.database)
    return
  }
  expectText(record, wanted)
  if (wanted.kind === 'prepare') return
  if (!wanted.stale) expectValues(record.values, wanted.params ?? [])
  for (const [index, row] of (wanted.param_rows ?? []).entries())
    expectValues((record.rows as unknown[])[index], row)
  if (wanted.rows !== undefined) expect(record.rows_returned ?? record.rows_affected).toBe(wanted.rows)
  if (wanted.results !== undefined)
    expect((record.results as string[]).map((result) => Number(result.split(' ')[1]))).toEqual(
      wanted.results.map(({ rows }) => rows),
    )
  if (wanted.username !== undefined)
    expect(whoOf(record)).toMatchObject({ username: wanted.username, database: wanted.database })
}

export const expectLogin = (events: readonly Plain[], connection: ExpectedConnection): void => {
  const logins = ofKind(events, 'session.auth')
  if (connection.auth === 'unknown') {
    expect(logins).toEqual([])
    return
  }
  expect(logins).toHaveLength(1)
  expect(logins[0]!.outcome).toBe(connection.auth === 'ok' ? 'success' : 'error')
  expect(logins[0]!.error_number).toBe(connection.auth_error?.code)
  expect(logins[0]!.error_message).toBe(connection.auth_error?.message)
  expect(whoOf(logins[0]).username).toBe(connection.username)
  expect(whoOf(logins[0]).database ?? null).toBe(connection.database)
}

export const isRecord = ({ event }: Plain): boolean =>
  event === 'statement' || event === 'prepare' || event === 'change_user'

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other)

/** Is it that record, with less known of it behind lost bytes, or the same? */
export const isPartOf = (record: Plain, one: Plain): boolean => {
  if (record.event !== one.event || record.protocol !== one.protocol) return false
  if (record.command !== one.command) return false
  // a text of another character set than UTF-8 is shown as bytes too
  // a statement that was dropped by a command which is lost: the server says so
  if (one.reason === 'text_unknown') return record.stmt_id === undefined || record.stmt_id === one.stmt_id
  const isText =
    record.text === undefined || same(record.text, one.text) || hexOf(record.text) !== undefined
  const isValues = record.values === undefined || same(record.values, one.values)
  const isRows = record.rows === undefined || same(record.rows, one.rows)
  const isId = record.stmt_id === undefined || record.stmt_id === one.stmt_id
  return isText && isValues && isRows && isId && (record.outcome === 'unknown' || isOutcome(record, one))
}
const hexOf = (text: unknown): unknown => (typeof text === 'object' ? (text as Plain).hex : undefined)
const isOutcome = (record: Plain, one: Plain): boolean =>
  ['outcome', 'rows_returned', 'rows_affected', 'results', 'error_number', 'error_message'].every((key) =>
    same(record[key], one[key]),
  )
