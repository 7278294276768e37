/** The expected files of recorded conversations with PostgreSQL, as records. */
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { ofKind, type Plain, whoOf } from './canonical.ts'

const FOLDER = new URL('../captures/', import.meta.url).pathname

interface ExpectedError {
  readonly code: string
  readonly message: string
}
type ExpectedValue = null | { readonly text: string } | { readonly hex: string; readonly alt?: string[] }
interface ExpectedStatement {
  readonly after_gap?: boolean
  readonly kind: string
  readonly text?: string
  readonly name?: string
  readonly portal?: string
  readonly params?: ExpectedValue[]
  readonly tag?: string
  readonly tags?: string[]
  readonly tags_before_error?: string[]
  readonly rows?: number
  readonly error?: ExpectedError
  readonly skipped?: boolean
  readonly copy?: 'in' | 'out'
  readonly pid?: number
}
export interface ExpectedConnection {
  readonly username: string | null
  readonly database: string | null
  readonly auth: 'ok' | 'failed' | 'unknown'
  readonly auth_error?: ExpectedError
  readonly application_name?: string
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

/** A record as its client's doings foretell it. */
export interface Foretold {
  readonly event: 'prepare' | 'statement'
  readonly protocol?: 'simple' | 'extended'
  readonly text: string | undefined
  readonly name: string | undefined
  readonly portal: string | undefined
  readonly params: ExpectedValue[]
  readonly tags: string[]
  /** undefined where a message held several statements */
  rows: number | undefined
  error: ExpectedError | undefined
  skipped: boolean
  readonly copy: 'in' | 'out' | undefined
  readonly afterGap: boolean
}

const foretellOne = (event: Foretold['event'], statement: ExpectedStatement): Foretold => ({
  event,
  text: statement.text,
  name: statement.name || undefined,
  portal: statement.portal,
  params: statement.params ?? [],
  tags: statement.tags ?? statement.tags_before_error ?? (statement.tag ? [statement.tag] : []),
  rows: statement.tags ? undefined : statement.rows,
  error: statement.error,
  skipped: statement.skipped === true,
  copy: statement.copy,
  afterGap: statement.after_gap === true,
})

/** Executes belong to the record of their Bind. */
export const foretell = (statements: readonly ExpectedStatement[]): Foretold[] => {
  const records: Foretold[] = []
  for (const statement of statements) {
    const last = records.at(-1)
    if (statement.kind === 'query')
      records.push({ ...foretellOne('statement', statement), protocol: 'simple' })
    else if (statement.kind === 'parse') records.push(foretellOne('prepare', statement))
    else if (statement.kind === 'bind')
      records.push({ ...foretellOne('statement', statement), protocol: 'extended' })
    else if (statement.kind === 'execute' && last !== undefined) {
      if (statement.rows !== undefined) last.rows = (last.rows ?? 0) + statement.rows
      if (statement.tag !== undefined) last.tags.push(statement.tag)
      last.error ??= statement.error
      last.skipped = statement.skipped === true && last.error === undefined
    }
  }
  return records
}

const expectValue = (shown: string | null, value: ExpectedValue): void => {
  if (value === null) expect(shown).toBeNull()
  else if ('text' in value) expect(shown).toBe(value.text)
  else expect([`\\x${value.hex}`, ...(value.alt ?? [])]).toContain(shown)
}

const outcomeOf = ({ error, skipped }: Foretold): string => {
  if (skipped) return 'skipped'
  if (error === undefined) return 'success'
  return error.code === '57014' ? 'cancelled' : 'error'
}

export const expectRecord = (record: Plain, foretold: Foretold): void => {
  expect(record).toMatchObject({ event: foretold.event, outcome: outcomeOf(foretold) })
  if (foretold.text !== undefined) expect(record.text).toBe(foretold.text)
  expect(record.stmt_name).toBe(foretold.name)
  expect(record.after_gap === true).toBe(foretold.afterGap)
  expect(record.error_code).toBe(foretold.error?.code)
  if (foretold.error?.message !== undefined) expect(record.error_message).toBe(foretold.error.message)
  if (foretold.event === 'prepare') return
  expect(record.protocol).toBe(foretold.protocol)
  if (foretold.portal !== undefined) expect(record.portal_name ?? '').toBe(foretold.portal)
  const values = (record.values ?? []) as (string | null)[]
  expect(values).toHaveLength(foretold.params.length)
  for (const [index, value] of foretold.params.entries()) expectValue(values[index]!, value)
  expect(record.command_tags ?? (record.command_tag ? [record.command_tag] : [])).toEqual(foretold.tags)
  if (foretold.rows !== undefined)
    expect(record.rows_returned ?? record.copy_rows ?? record.rows_affected).toBe(foretold.rows)
  expect(record.copy_direction).toBe(foretold.copy)
}

export const expectLogin = (events: readonly Plain[], connection: ExpectedConnection): void => {
  const logins = ofKind(events, 'session.auth')
  if (connection.auth === 'unknown') {
    expect(logins).toEqual([])
    return
  }
  expect(logins).toHaveLength(1)
  expect(logins[0]!.outcome).toBe(connection.auth === 'ok' ? 'success' : 'error')
  expect(logins[0]!.error_code).toBe(connection.auth_error?.code)
  expect(logins[0]!.error_message).toBe(connection.auth_error?.message)
  expect(whoOf(logins[0])).toMatchObject({ username: connection.username, database: connection.database })
}

/** The statements and prepared statements among them, in the order in which they were sent. */
export const recordsIn = (events: readonly Plain[]): Plain[] =>
  [...ofKind(events, 'statement'), ...ofKind(events, 'prepare')].sort(
    (one, other) => (one.stmt_seq as number) - (other.stmt_seq as number),
  )
