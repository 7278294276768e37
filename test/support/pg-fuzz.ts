/** Conversations with PostgreSQL that no client and no server would have: recorded ones, changed, and made up. */
import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import type { Bytes } from '../../src/flow.ts'
import { changeOf, direction, type Step } from './changes.ts'
import { readConversations } from './pcap.ts'
import { backend, frontend, loggedIn, message } from './pg-wire.ts'

const FOLDER = new URL('../captures/', import.meta.url).pathname
const PG_PORT = 6555

export const RECORDED: Step[][] = readdirSync(FOLDER)
  .filter((file) => /^pg_(?!ed_|std_sll2).*\.pcap$/.test(file))
  .flatMap((file) => readConversations(`${FOLDER}${file}`, PG_PORT))
  .map(({ pieces }) => pieces.map(({ from, bytes }) => ({ from, bytes })))

/** One change to a conversation. */
export const change = changeOf('flip', 'zero', 'length', 'insert', 'cut', 'swap', 'repeat', 'gap', 'drop')

/** A recorded conversation, by its number. */
export const recorded = fc.nat({ max: RECORDED.length - 1 })

const someBytes = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes))
const name = fc.constantFrom('', 's1', 's2', 's3', 'p1', 'name'.repeat(100))
const sql = fc.constantFrom(
  ...['select 1', '', ';', 'begin', 'commit', 'rollback', 'select $1; select 2', 'prepare s1 as select 5'],
  ...['execute s1', 'deallocate s1', 'deallocate all', 'declare p1 cursor for select 1', 'close p1'],
  ...['set role x', 'reset role', 'rollback to a', 'copy t from stdin', `select '${'x'.repeat(3000)}'`],
  ...["create function f() returns int begin atomic select 1; end; select 'a", 'explain execute s1'],
)
const boundValue = fc.oneof(fc.constant(null), someBytes, fc.constant(Buffer.alloc(3000, 0x61)))
const oid = fc.constantFrom(0, 16, 17, 20, 23, 25, 701, 1007, 1114, 1184, 1186, 1700, 2950, 3802, 99_999)

/** Well-formed frontend messages. */
export const frontendMessage: fc.Arbitrary<Bytes> = fc.oneof(
  sql.map((text) => frontend.query(text)),
  fc.tuple(sql, name, fc.array(oid, { maxLength: 3 })).map((parts) => frontend.parse(...parts)),
  fc
    .record({
      portal: name,
      statement: name,
      formats: fc.array(fc.nat({ max: 1 }), { maxLength: 3 }),
      values: fc.array(boundValue, { maxLength: 4 }),
    })
    .map((options) => frontend.bind(options)),
  fc.tuple(name, fc.nat({ max: 3 })).map((parts) => frontend.execute(...parts)),
  name.map(frontend.describeStatement),
  name.map(frontend.describePortal),
  name.map(frontend.closeStatement),
  name.map(frontend.closePortal),
  fc.constant(frontend.sync()),
  fc.constant(frontend.flush()),
  someBytes.map(frontend.copyData),
  fc.constant(frontend.copyDone()),
  fc.constant(frontend.copyFail('enough')),
  fc.array(boundValue, { maxLength: 3 }).map((values) => frontend.functionCall(1234, values, [1])),
)

const tag = fc.constantFrom(
  ...['SELECT 1', 'INSERT 0 5', 'BEGIN', 'COMMIT', 'ROLLBACK', 'PREPARE', 'DEALLOCATE', 'DEALLOCATE ALL'],
  ...['DISCARD ALL', 'DECLARE CURSOR', 'CLOSE CURSOR', 'CLOSE CURSOR ALL', 'SET', 'RESET', 'COPY 7'],
  ...['FETCH 3', 'PREPARE TRANSACTION', '', 'UPDATE 99999999999999999999'],
)
const severity = fc.constantFrom('ERROR', 'ERROR', 'ERROR', 'FATAL')

/** Well-formed backend messages. */
export const backendMessage: fc.Arbitrary<Bytes> = fc.oneof(
  fc.constantFrom<'I' | 'T' | 'E'>('I', 'T', 'E').map(backend.readyForQuery),
  tag.map(backend.commandComplete),
  severity.map((V) => backend.error({ S: V, V, C: '42601', M: 'no' })),
  fc.constant(backend.error({ C: '57014' })),
  fc.constantFrom(
    backend.parseComplete(),
    backend.bindComplete(),
    backend.closeComplete(),
    backend.noData(),
    backend.portalSuspended(),
    backend.emptyQueryResponse(),
    backend.copyInResponse(),
    backend.copyOutResponse(),
    backend.copyBothResponse(),
    backend.copyDone(),
    backend.functionCallResponse('x'),
  ),
  fc.array(fc.string(), { maxLength: 3 }).map((columns) => backend.rowDescription(columns)),
  fc.array(boundValue, { maxLength: 3 }).map(backend.dataRow),
  someBytes.map(backend.copyData),
  fc.array(oid, { maxLength: 5 }).map(backend.parameterDescription),
  fc.constant(backend.parameterStatus('session_authorization', 'someone')),
  fc.constant(backend.notice({ S: 'NOTICE', C: '00000', M: 'hear' })),
  fc.constant(backend.notification(1, 'channel', 'text')),
)

export const step = fc.oneof(
  { weight: 5, arbitrary: frontendMessage.map((bytes): Step => ({ from: 'frontend', bytes })) },
  { weight: 5, arbitrary: backendMessage.map((bytes): Step => ({ from: 'backend', bytes })) },
)
const TYPES = Array.from({ length: 95 }, (_, index) => String.fromCharCode(index + 32))
export const framed = fc
  .tuple(direction, fc.constantFrom(...TYPES), someBytes)
  .map(([from, type, body]): Step => ({ from, bytes: message(type, body) }))

export const LOGIN: Step[] = [
  { from: 'frontend', bytes: frontend.startup({ user: 'u', database: 'd' }) },
  { from: 'backend', bytes: loggedIn() },
]
