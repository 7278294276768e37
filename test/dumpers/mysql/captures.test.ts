/**
 * Recorded conversations of real clients with MariaDB 10.11. Each is compared with what its client was
 * seen to send (`.expected.json`), and with the events that were given before (`.jsonl`; `vitest -u`
 * rewrites them).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { MysqlSession } from '../../../dumpers/mysql/session.ts'
import type { AuditEvent } from '../../../src/event.ts'
import type { Bytes } from '../../../src/flow.ts'
import { openLink } from '../../../src/observe/link.ts'
import { canonical, ofKind, openContext, type Plain, toLine, whoOf } from '../../support/canonical.ts'
import { seededRandom, splitEvery, splitRandomly } from '../../support/chunks.ts'
import { readConversations } from '../../support/pcap.ts'

const FOLDER = new URL('../../captures/', import.meta.url).pathname

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
interface ExpectedStatement {
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
}
interface ExpectedConnection {
  readonly username: string | null
  readonly database: string | null
  readonly auth: 'ok' | 'failed' | 'unknown'
  readonly auth_error?: ExpectedError
  readonly client: string
  readonly statements: ExpectedStatement[]
}
interface Expected {
  readonly file: string
  readonly server_port: number
  readonly connections: ExpectedConnection[]
}

const readExpected = (name: string): Expected =>
  JSON.parse(readFileSync(`${FOLDER}${name}.expected.json`, 'utf8')) as Expected

interface Flow {
  readonly client: string
  readonly events: Plain[]
}

/** Events of each of a capture's conversations, fed as they overlapped in time. */
const eventsOf = (
  name: string,
  split: (bytes: Bytes) => readonly Bytes[] = (bytes) => [bytes],
  detail: 'statement' | 'message' = 'statement',
): Flow[] => {
  const expected = readExpected(name)
  const link = openLink()
  const steps: { readonly at: number; run(): void }[] = []
  const flows = readConversations(`${FOLDER}${expected.file}`, expected.server_port).map((flow): Flow => {
    const session = new MysqlSession(openContext({ link, connId: `c${flow.clientPort}`, detail }))
    const events: Plain[] = []
    const began = flow.pieces[0]!.at
    const keep = (given: readonly AuditEvent[]) => {
      events.push(...given.map((event) => canonical(event, began)))
    }
    for (const { from, bytes, at } of flow.pieces) {
      const run = () => {
        for (const chunk of split(bytes)) keep(session.feed(from, chunk, at))
      }
      steps.push({ at, run })
    }
    const ended = flow.pieces.at(-1)!.at + 1
    steps.push({ at: ended, run: () => keep(session.close(ended)) })
    return { client: `127.0.0.1:${flow.clientPort}`, events }
  })
  for (const step of steps.sort((one, other) => one.at - other.at)) step.run()
  return flows
}

/** Those with segments lost, doubled or cut are for a reader that puts them together. */
const NAMES = readdirSync(FOLDER)
  .filter((file) => /^my_(?!ed_).*\.pcap$/.test(file))
  .map((file) => file.slice(0, -'.pcap'.length))

test('the captures are there', () => {
  expect(NAMES.length).toBeGreaterThanOrEqual(9)
})

const RECORDED = new Set(['query', 'prepare', 'stmt_execute', 'bulk_execute', 'init_db', 'change_user'])
const KINDS: Readonly<Record<string, Plain>> = {
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

const expectRecord = (record: Plain, wanted: ExpectedStatement): void => {
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

const expectLogin = (events: readonly Plain[], connection: ExpectedConnection): void => {
  const logins = ofKind(events, 'session.auth')
  expect(logins).toHaveLength(1)
  expect(logins[0]!.outcome).toBe(connection.auth === 'ok' ? 'success' : 'error')
  expect(logins[0]!.error_number).toBe(connection.auth_error?.code)
  expect(logins[0]!.error_message).toBe(connection.auth_error?.message)
  expect(whoOf(logins[0]).username).toBe(connection.username)
  expect(whoOf(logins[0]).database ?? null).toBe(connection.database)
}

const SPLITS: [string, (bytes: Bytes) => readonly Bytes[]][] = [
  ['byte by byte', (bytes) => splitEvery(bytes, 1)],
  ...[1, 2, 3, 4, 5, 6, 7, 8].map((seed): [string, (bytes: Bytes) => readonly Bytes[]] => {
    const random = seededRandom(seed)
    return [`split by seed ${seed}`, (bytes) => splitRandomly(bytes, random)]
  }),
]

const isRecord = ({ event }: Plain): boolean =>
  event === 'statement' || event === 'prepare' || event === 'change_user'

describe.each(NAMES)('%s', (name) => {
  const flows = eventsOf(name)
  const { connections } = readExpected(name)

  test('holds the conversations that its clients had', () => {
    expect(flows.map(({ client }) => client).sort()).toEqual(connections.map(({ client }) => client).sort())
  })

  test.each(connections)('$client: log-in, statements, values, outcomes', (connection) => {
    const { events } = flows.find(({ client }) => client === connection.client)!
    expectLogin(events, connection)
    const records = events.filter(isRecord)
    const wanted = connection.statements.filter(({ kind }) => RECORDED.has(kind))
    expect(records.map(({ event }) => event)).toEqual(wanted.map(({ kind }) => KINDS[kind]!.event))
    for (const [index, one] of wanted.entries()) expectRecord(records[index]!, one)
    expect(ofKind(events, 'local_infile').map((event) => event.infile_name)).toEqual(
      expect.arrayContaining(wanted.flatMap((one) => one.local_infile ?? [])),
    )
    expect(ofKind(events, 'gap')).toEqual([])
  })

  test.each(SPLITS)('gives the same events %s', (_, split) => {
    expect(eventsOf(name, split)).toEqual(flows)
  })

  test('gives the events that it gave before', async () => {
    const file = `${FOLDER}${name}.jsonl`
    if (process.env.CI) expect(existsSync(file)).toBe(true)
    const lines = flows.flatMap(({ client, events }) => events.map((event) => toLine({ client, ...event })))
    await expect(lines.join('')).toMatchFileSnapshot(file)
  })

  test('gives the same lines per message however it is split', () => {
    const whole = eventsOf(name, undefined, 'message')
    for (const [, split] of SPLITS) expect(eventsOf(name, split, 'message')).toEqual(whole)
  })
})
