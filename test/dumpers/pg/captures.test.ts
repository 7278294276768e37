/**
 * Recorded conversations of real clients with PostgreSQL 15. Each is compared with what its client was
 * seen to
 * send (`.expected.json`), and with the events that were given before (`.jsonl`; `vitest -u` rewrites them).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { PgSession } from '../../../dumpers/pg/session.ts'
import type { AuditEvent } from '../../../src/event.ts'
import type { Bytes } from '../../../src/flow.ts'
import { openLink } from '../../../src/observe/link.ts'
import { canonical, ofKind, openContext, type Plain, toLine, whoOf } from '../../support/canonical.ts'
import { seededRandom, splitEvery, splitRandomly } from '../../support/chunks.ts'
import { readConversations } from '../../support/pcap.ts'

const FOLDER = new URL('../../captures/', import.meta.url).pathname

interface ExpectedError {
  readonly code: string
  readonly message: string
}
type ExpectedValue = null | { readonly text: string } | { readonly hex: string; readonly alt?: string[] }
interface ExpectedStatement {
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
interface ExpectedConnection {
  readonly username: string | null
  readonly database: string | null
  readonly auth: 'ok' | 'failed' | 'unknown'
  readonly auth_error?: ExpectedError
  readonly application_name?: string
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

/**
 * Events of each of a capture's conversations. They are fed as they overlapped in time, and know one
 * another's
 * cancel keys as those of one listener do.
 */
const eventsOf = (
  name: string,
  split: (bytes: Bytes) => readonly Bytes[] = (bytes) => [bytes],
  detail: 'statement' | 'message' = 'statement',
): Flow[] => {
  const expected = readExpected(name)
  const link = openLink()
  const steps: { readonly at: number; run(): void }[] = []
  const flows = readConversations(`${FOLDER}${expected.file}`, expected.server_port).map((flow): Flow => {
    const session = new PgSession(openContext({ link, connId: `c${flow.clientPort}`, detail }))
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

const NAMES = readdirSync(FOLDER)
  .filter((file) => /^pg_(?!ed_|std_sll2).*\.pcap$/.test(file))
  .map((file) => file.slice(0, -'.pcap'.length))

test('the captures are there', () => {
  expect(NAMES.length).toBeGreaterThanOrEqual(10)
})

/** A record as its client's doings foretell it. */
interface Foretold {
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
})

/** Executes belong to the record of their Bind. */
const foretell = (statements: readonly ExpectedStatement[]): Foretold[] => {
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

const expectRecord = (record: Plain, foretold: Foretold): void => {
  expect(record).toMatchObject({ event: foretold.event, outcome: outcomeOf(foretold) })
  if (foretold.text !== undefined) expect(record.text).toBe(foretold.text)
  expect(record.stmt_name).toBe(foretold.name)
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

const expectLogin = (events: readonly Plain[], connection: ExpectedConnection): void => {
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

const SPLITS: [string, (bytes: Bytes) => readonly Bytes[]][] = [
  ['byte by byte', (bytes) => splitEvery(bytes, 1)],
  ...[1, 2, 3, 4, 5, 6, 7, 8].map((seed): [string, (bytes: Bytes) => readonly Bytes[]] => {
    const random = seededRandom(seed)
    return [`split by seed ${seed}`, (bytes) => splitRandomly(bytes, random)]
  }),
]

describe.each(NAMES)('%s', (name) => {
  const flows = eventsOf(name)
  const { connections } = readExpected(name)

  test('holds the conversations that its clients had', () => {
    expect(flows.map(({ client }) => client).sort()).toEqual(connections.map(({ client }) => client).sort())
  })

  test.each(connections)('$client: log-in, statements, values, outcomes', (connection) => {
    const { events } = flows.find(({ client }) => client === connection.client)!
    expectLogin(events, connection)
    const records = [...ofKind(events, 'statement'), ...ofKind(events, 'prepare')].sort(
      (one, other) => (one.stmt_seq as number) - (other.stmt_seq as number),
    )
    const foretold = foretell(connection.statements)
    expect(records.map(({ event, text }) => [event, text])).toEqual(
      foretold.map(({ event, text }, index) => [event, text ?? records[index]?.text]),
    )
    for (const [index, one] of foretold.entries()) expectRecord(records[index]!, one)
    const cancels = connection.statements.filter(({ kind }) => kind === 'cancel')
    expect(ofKind(events, 'cancel').map((event) => event.backend_pid)).toEqual(
      cancels.map(({ pid }) => pid),
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

test('pg_cancel: the cancel names the session that it cancels', () => {
  const [cancelled, canceller] = eventsOf('pg_cancel')
  expect(ofKind(canceller!.events, 'cancel')).toMatchObject([
    { backend_pid: whoOf(cancelled!.events[0]).backend_pid, target_conn_id: 'c50886' },
  ])
})
