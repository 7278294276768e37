/**
 * Recorded conversations of real clients with MariaDB 10.11. Each is compared with what its client was
 * seen to send (`.expected.json`), and with the events that were given before (`.jsonl`; `vitest -u`
 * rewrites them).
 */
import { existsSync, readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { MysqlSession } from '../../../dumpers/mysql/session.ts'
import type { AuditEvent } from '../../../src/event.ts'
import type { Bytes } from '../../../src/flow.ts'
import { openLink } from '../../../src/observe/link.ts'
import { canonical, ofKind, openContext, type Plain, toLine } from '../../support/canonical.ts'
import { seededRandom, splitEvery, splitRandomly } from '../../support/chunks.ts'
import {
  expectLogin,
  expectRecord,
  isRecord,
  KINDS,
  RECORDED,
  readExpected,
} from '../../support/my-foretold.ts'
import { readConversations } from '../../support/pcap.ts'

const FOLDER = new URL('../../captures/', import.meta.url).pathname

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
