import { describe, expect, test } from 'vitest'
import { COM, TYPE } from '../../../dumpers/mysql/capabilities.ts'
import { MysqlSession } from '../../../dumpers/mysql/session.ts'
import { createEncoder } from '../../../src/audit/encode.ts'
import type { AuditEvent, FlowFacts, MessageEvent } from '../../../src/event.ts'
import type { Bytes } from '../../../src/flow.ts'
import { openContext } from '../../support/canonical.ts'
import { splits } from '../../support/chunks.ts'
import { LOGIN } from '../../support/my-conversation.ts'
import {
  backend,
  command,
  frontend,
  lenencString,
  longParam,
  packets,
  prepared,
  stringParam,
} from '../../support/my-wire.ts'

const FLOW: FlowFacts = {
  conn_id: 'c1',
  client_addr: '127.0.0.1:50000',
  proxy_listen_addr: '127.0.0.1:3306',
  proxy_client_addr: '127.0.0.1:50001',
  remote_addr: '127.0.0.1:3307',
}
/** Keys that tcpdp gives to each of its lines, whatever the command (its README, "mysql"). */
const COMMON = {
  ts: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T/),
  conn_id: 'c1',
  client_addr: '127.0.0.1:50000',
  proxy_listen_addr: '127.0.0.1:3306',
  proxy_client_addr: '127.0.0.1:50001',
  remote_addr: '127.0.0.1:3307',
  direction: '->',
  username: 'alice',
  database: 'shop',
  character_set: 'utf8mb4',
  seq_num: 0,
}

const openSession = (): MysqlSession => {
  const session = new MysqlSession(openContext({ detail: 'message' }))
  for (const turn of LOGIN) if ('bytes' in turn) session.feed(turn.from, turn.bytes, 1)
  session.feed('frontend', frontend.prepare('select ?, ?'), 1)
  session.feed('backend', packets(1, ...prepared(1, 2, ['a', 'b'])), 1)
  session.feed('frontend', frontend.prepare('select now()'), 1)
  session.feed('backend', packets(1, ...prepared(2, 0, ['a'])), 1)
  return session
}

/** The lines of what the frontend sends. More OKs come than it asked for: the gap that tells so is left out. */
const linesOf = (chunks: readonly Bytes[]): Record<string, unknown>[] => {
  const session = openSession()
  const encoder = createEncoder({ format: 'json', host: 'h', timezone: 'utc', bindValues: 'full' })
  const encode = (event: AuditEvent) => {
    const { head, tail } = encoder.encode(FLOW, event)
    return JSON.parse(tail === '' ? head : `${head}1${tail}`) as Record<string, unknown>
  }
  return [
    ...chunks.flatMap((chunk) => session.feed('frontend', chunk, 3).map(encode)),
    ...[1, 2, 3, 4].flatMap(() => session.feed('backend', packets(1, backend.ok()), 4).map(encode)),
    ...session.close(5).map(encode),
  ].filter(({ event }) => event !== 'gap')
}

// [name, packets, lines beside what all have]
const TABLE: [string, Bytes[], Record<string, unknown>[]][] = [
  ['COM_QUERY', [frontend.query('select 1')], [{ query: 'select 1', command_id: 3 }]],
  [
    'COM_STMT_PREPARE',
    [frontend.prepare('select ?')],
    [{ stmt_prepare_query: 'select ?', command_id: 22 }],
  ],
  [
    'COM_STMT_EXECUTE, NULL in its place',
    [frontend.execute(1, [longParam(7), stringParam(null)])],
    [{ stmt_id: 1, stmt_execute_values: ['7', null], command_id: 23 }],
  ],
  [
    'an execution without parameters',
    [frontend.execute(2)],
    [{ stmt_id: 2, stmt_execute_values: [], command_id: 23 }],
  ],
  [
    'an execution of a statement that is not known',
    [frontend.execute(9, [longParam(7)])],
    [{ stmt_id: 9, command_id: 23 }],
  ],
  [
    'a bulk execution, which tcpdp does not know',
    [frontend.bulkExecute(1, [TYPE.VAR_STRING, TYPE.VAR_STRING], [[lenencString('a'), 'null']])],
    [{ stmt_id: 1, command_id: 250 }],
  ],
  [
    'commands that tcpdp has no line for',
    [frontend.ping(), frontend.initDb('shop'), frontend.sendLongData(1, 1, 'x'), frontend.close(9)],
    [],
  ],
  [
    'several in one segment (case 59)',
    [frontend.ping(), frontend.query('select 1'), frontend.query('select 2')],
    [
      { query: 'select 1', command_id: 3 },
      { query: 'select 2', command_id: 3 },
    ],
  ],
  ['one that cannot be decoded', [command(COM.STMT_EXECUTE, 'ab')], [{ command_id: 23 }]],
]

describe.each(TABLE)("%s has exactly tcpdp's keys", (_, sent, expected) => {
  test.each(splits(Buffer.concat(sent), 5))('$name', ({ chunks }) => {
    expect(linesOf(chunks)).toEqual(expected.map((line) => ({ ...COMMON, ...line })))
  })
})

test('tells what values are bound to, and what EXECUTE runs', () => {
  const session = openSession()
  const [line] = session.feed(
    'frontend',
    frontend.execute(1, [longParam(1), longParam(2)]),
    3,
  ) as MessageEvent[]
  expect([line?.bound_text?.text, line?.text]).toEqual(['select ?, ?', undefined])
  session.feed('backend', packets(1, backend.ok()), 3)
  session.feed('frontend', frontend.query("prepare p from 'select 2'"), 3)
  session.feed('backend', packets(1, backend.ok()), 3)
  const [query] = session.feed('frontend', frontend.query('execute p'), 3) as MessageEvent[]
  expect(query?.executed?.text).toBe('select 2')
})

test('a log-in has no line', () => {
  const session = new MysqlSession(openContext({ detail: 'message' }))
  const events = LOGIN.flatMap((turn) => ('bytes' in turn ? session.feed(turn.from, turn.bytes, 1) : []))
  expect([...events, ...session.close(2)]).toEqual([])
})
