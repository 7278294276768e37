import { describe, expect, test } from 'vitest'
import { PgSession } from '../../../dumpers/pg/session.ts'
import { createEncoder } from '../../../src/audit/encode.ts'
import type { AuditEvent, MessageEvent } from '../../../src/event.ts'
import type { Bytes, FlowFacts } from '../../../src/flow.ts'
import { openContext } from '../../support/canonical.ts'
import { splits } from '../../support/chunks.ts'
import { backend, fromHex, frontend, int32, loggedIn, message } from '../../support/pg-wire.ts'

const FLOW: FlowFacts = {
  conn_id: 'c1',
  client_addr: '127.0.0.1:50000',
  proxy_listen_addr: '127.0.0.1:5432',
  proxy_client_addr: '127.0.0.1:50001',
  remote_addr: '127.0.0.1:5433',
}
/** Keys that tcpdp gives to each of its lines, whatever the message (its README, "Dump log"). */
const COMMON = {
  ts: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T/),
  conn_id: 'c1',
  client_addr: '127.0.0.1:50000',
  proxy_listen_addr: '127.0.0.1:5432',
  proxy_client_addr: '127.0.0.1:50001',
  remote_addr: '127.0.0.1:5433',
  direction: '->',
  username: 'alice',
  database: 'shop',
}

const openSession = () => new PgSession(openContext({ detail: 'message' }))

/** The lines of what the frontend sends once it is logged in. */
const linesOf = (chunks: readonly Bytes[]): Record<string, unknown>[] => {
  const session = openSession()
  const encoder = createEncoder({ format: 'json', host: 'h', timezone: 'utc', bindValues: 'full' })
  // encoded as they come: what the server answers later is not known yet
  const encode = (event: AuditEvent) => {
    const { head, tail } = encoder.encode(FLOW, event)
    return JSON.parse(tail === '' ? head : `${head}1${tail}`) as Record<string, unknown>
  }
  session.feed('frontend', frontend.startup({ user: 'alice', database: 'shop' }), 1)
  session.feed('backend', loggedIn(), 2)
  return [
    ...chunks.flatMap((chunk) => session.feed('frontend', chunk, 3).map(encode)),
    ...session.feed('backend', backend.parseComplete(), 4).map(encode),
    ...session.close(5).map(encode),
  ]
}

// [name, messages, lines beside what all have]
const TABLE: [string, Bytes[], Record<string, unknown>[]][] = [
  ['Query', [frontend.query('select 1')], [{ query: 'select 1', message_type: 'Q' }]],
  [
    'Parse',
    [frontend.parse('select $1', 's', [23])],
    [{ stmt_name: 's', parse_query: 'select $1', message_type: 'P' }],
  ],
  [
    'Parse of no name',
    [frontend.parse('select 1')],
    [{ stmt_name: '', parse_query: 'select 1', message_type: 'P' }],
  ],
  [
    'Bind, NULL in its place',
    [frontend.bind({ portal: 'p', statement: 's', values: ['x', null, 'z'] })],
    [{ portal_name: 'p', stmt_name: 's', bind_values: ['x', null, 'z'], message_type: 'B' }],
  ],
  [
    'Bind of no values',
    [frontend.bind()],
    [{ portal_name: '', stmt_name: '', bind_values: [], message_type: 'B' }],
  ],
  [
    'Execute, with the text that it runs',
    [
      frontend.parse('select $1', 's'),
      frontend.bind({ portal: 'p', statement: 's', values: ['v'] }),
      frontend.execute('p'),
    ],
    [
      { stmt_name: 's', parse_query: 'select $1', message_type: 'P' },
      { portal_name: 'p', stmt_name: 's', bind_values: ['v'], message_type: 'B' },
      { portal_name: 'p', execute_query: 'select $1', message_type: 'E' },
    ],
  ],
  [
    'Execute of a portal that is not known',
    [frontend.execute('p')],
    [{ portal_name: 'p', execute_query: '', message_type: 'E' }],
  ],
  [
    'messages that tcpdp has no line for',
    [
      frontend.describeStatement('s'),
      frontend.sync(),
      frontend.flush(),
      frontend.copyData('select 1'),
      frontend.closePortal('p'),
      frontend.terminate(),
    ],
    [],
  ],
  [
    'several in one segment (cases 59 and 62)',
    [frontend.sync(), frontend.query('select 1'), frontend.query('select 2')],
    [
      { query: 'select 1', message_type: 'Q' },
      { query: 'select 2', message_type: 'Q' },
    ],
  ],
]

describe.each(TABLE)("%s has exactly tcpdp's keys", (_, messages, expected) => {
  test.each(splits(Buffer.concat(messages), 5))('$name', ({ chunks }) => {
    expect(linesOf(chunks)).toEqual(expected.map((line) => ({ ...COMMON, ...line })))
  })
})

test('binary values of a known type are shown as text, others as hex', () => {
  const values = [int32(7), fromHex('00ff')]
  const lines = linesOf([
    frontend.parse('select $1, $2', '', [23, 0]),
    frontend.bind({ formats: [1], values }),
  ])
  expect(lines[1]!.bind_values).toEqual(['7', '\\x00ff'])
})

test('what is remembered for them is bounded', () => {
  const session = new PgSession(openContext({ detail: 'message', limits: { maxStatements: 3 } }))
  session.feed('frontend', frontend.startup({ user: 'alice' }), 1)
  session.feed('backend', loggedIn(), 2)
  for (const name of ['a', 'b', 'c', 'd']) {
    session.feed('frontend', frontend.parse(`select '${name}'`, name), 3)
    session.feed('frontend', frontend.bind({ portal: name, statement: name }), 3)
  }
  const texts = ['a', 'b', 'c', 'd'].map((name) => {
    const [event] = session.feed('frontend', frontend.execute(name), 4)
    return (event as MessageEvent).text?.text
  })
  expect(texts).toEqual([undefined, "select 'b'", "select 'c'", "select 'd'"])
})

test('a message that cannot be decoded still has its line', () => {
  expect(linesOf([message('Q', 'no NUL'), message('B', 'no')])).toMatchObject([
    { message_type: 'Q' },
    { message_type: 'B' },
  ])
})

test('passwords have no line', () => {
  const session = openSession()
  const events = [
    ...session.feed('frontend', frontend.startup({ user: 'alice' }), 1),
    ...session.feed('backend', backend.authentication(3), 2),
    ...session.feed('frontend', frontend.password('secret'), 3),
    ...session.feed('backend', loggedIn(), 4),
    ...session.close(5),
  ]
  expect(events).toEqual([])
})

test('tells what values are bound to, and what EXECUTE runs, before any answer came', () => {
  const session = openSession()
  session.feed('frontend', frontend.startup({ user: 'alice', database: 'shop' }), 1)
  session.feed('backend', loggedIn(), 2)
  const [, bind, query] = session.feed(
    'frontend',
    Buffer.concat([
      frontend.parse('select $1', 's'),
      frontend.bind({ statement: 's', values: ['x'] }),
      frontend.query("prepare p (text) as select $1; execute p ('x'); prepare q as select 2; execute q"),
    ]),
    3,
  ) as MessageEvent[]
  expect(bind?.bound_text?.text).toBe('select $1')
  expect(bind?.text).toBeUndefined()
  expect(query?.executed?.text).toBe('select $1;\nselect 2')
})
