/**
 * Recorded conversations of real clients with PostgreSQL 15. Each is compared with what its client was
 * seen to
 * send (`.expected.json`), and with the events that were given before (`.jsonl`; `vitest -u` rewrites them).
 */
import { existsSync, readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { PgSession } from '../../../dumpers/pg/session.ts'
import type { AuditEvent } from '../../../src/event.ts'
import type { Bytes } from '../../../src/flow.ts'
import { openLink } from '../../../src/observe/link.ts'
import { canonical, ofKind, openContext, type Plain, toLine, whoOf } from '../../support/canonical.ts'
import { seededRandom, splitEvery, splitRandomly } from '../../support/chunks.ts'
import { readConversations } from '../../support/pcap.ts'
import { expectLogin, expectRecord, foretell, readExpected, recordsIn } from '../../support/pg-foretold.ts'

const FOLDER = new URL('../../captures/', import.meta.url).pathname

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
    const records = recordsIn(events)
    const foretold = foretell(connection.statements)
    expect(records.map(({ event, text }) => [event, text])).toEqual(
      foretold.map(({ event, text }, index) => [event, text ?? records[index]?.text]),
    )
    for (const [index, one] of foretold.entries()) expectRecord(records[index]!, one)
    const cancels = connection.statements.filter(({ kind }) => kind === 'cancel')
    expect(ofKind(events, 'cancel').map((event) => event.target_backend_pid)).toEqual(
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
    { target_backend_pid: whoOf(cancelled!.events[0]).backend_pid, target_conn_id: 'c50886' },
  ])
})
