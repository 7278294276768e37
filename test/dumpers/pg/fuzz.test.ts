/**
 * Bytes that no client and no server would send, to a session: it never throws, it ends, what it holds is
 * bounded and given back, and a statement's text is one that a frontend message held.
 */
import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PgSession } from '../../../dumpers/pg/session.ts'
import type { AuditEvent, BoundValues, QueryText } from '../../../src/event.ts'
import type { Bytes, Direction } from '../../../src/flow.ts'
import { openLink } from '../../../src/observe/link.ts'
import { canonical, openContext } from '../../support/canonical.ts'
import { seededRandom, splitRandomly } from '../../support/chunks.ts'
import { readConversations } from '../../support/pcap.ts'
import { backend, frontend, loggedIn, message } from '../../support/pg-wire.ts'

/** FUZZ_FACTOR=20 tries twenty times as much. */
const runs = (count: number) => ({ numRuns: count * Number(process.env.FUZZ_FACTOR ?? 1) })

/** Two cores may be shared with much else. */
const TIMEOUT = 60_000 * Math.max(1, Number(process.env.FUZZ_FACTOR ?? 1))

const FOLDER = new URL('../../captures/', import.meta.url).pathname
const PG_PORT = 6555

/** Small, so that every limit is met. */
const LIMITS = { maxQueryBytes: 2000, maxValueBytes: 50, maxStatements: 5, maxQueue: 8 }
/**
 * What a session may hold by these limits: stores of texts and portals, a queue, two bodies in the
 * making.
 */
const MOST_HELD = 2 * 4 * 2000 + 4 * 65_536 + 2 * 262_144 + 65_536 + 100_000

type Step =
  | { readonly from: Direction; readonly bytes: Bytes }
  | { readonly from: Direction; readonly lost: number }

const RECORDED: Step[][] = readdirSync(FOLDER)
  .filter((file) => /^pg_(?!ed_|std_sll2).*\.pcap$/.test(file))
  .flatMap((file) => readConversations(`${FOLDER}${file}`, PG_PORT))
  .map(({ pieces }) => pieces.map(({ from, bytes }) => ({ from, bytes })))

/** What the frontend sent without a hole, as far as that goes. */
const stretches = (steps: readonly Step[]): Bytes[] => {
  const parts: Bytes[][] = [[]]
  for (const step of steps) {
    if (step.from !== 'frontend') continue
    if ('lost' in step) {
      if (step.lost > 0) parts.push([])
    } else parts.at(-1)!.push(step.bytes)
  }
  return parts.map((part) => Buffer.concat(part))
}

/** Is there a Query or Parse message in the stretch that holds this text at its place? */
const isSent = (text: Bytes, stretch: Bytes, truncated: boolean): boolean => {
  for (let at = stretch.indexOf(text); at >= 0; at = stretch.indexOf(text, at + 1)) {
    if (at + text.length > stretch.length) return false
    if (!truncated && stretch[at + text.length] !== 0) continue
    if (stretch[at - 5] === 0x51) return true
    // Parse: a name stands between the header and the text
    if (stretch[at - 1] !== 0) continue
    for (let from = at - 2; from >= 4; from--) {
      if (stretch[from - 4] === 0x50 && stretch.readInt32BE(from - 3) >= at - from + 4) return true
      if (stretch[from] === 0) break
    }
    if (at >= 6 && stretch[at - 6] === 0x50) return true
  }
  return false
}

const bytesOfText = (query: QueryText): Bytes =>
  query.hex === undefined ? Buffer.from(query.text) : Buffer.from(query.hex.slice(2), 'hex')

const expectSent = (event: AuditEvent, sent: readonly Bytes[]): void => {
  const { text } = event as { readonly text?: QueryText }
  if (text === undefined) return
  const bytes = bytesOfText(text)
  // a character that was cut at the limit
  const cut = text.truncated !== undefined && text.hex === undefined
  const found = sent.some((stretch) => isSent(bytes, stretch, text.truncated !== undefined))
  if (!found && !cut) expect.fail(`${event.event}: text was not sent: ${JSON.stringify(text)}`)
}

const expectReadable = (event: AuditEvent): void => {
  const { values } = event as { readonly values?: BoundValues }
  if (values !== undefined) expect(values.count).toBeLessThanOrEqual(65_535)
  JSON.stringify(canonical(event))
}

/** Feeds the steps in pieces, and holds the session to all it promises. */
const hold = (
  steps: readonly Step[],
  seed: number,
  detail: 'statement' | 'message' = 'statement',
): void => {
  const budget = { limit: seed % 2 === 0 ? 1_000_000 : 10_000, used: 0 }
  const link = openLink()
  const session = new PgSession(openContext({ limits: LIMITS, budget, detail, link }))
  const random = seededRandom(seed)
  const events: AuditEvent[] = []
  let now = 1
  for (const step of steps) {
    if ('lost' in step) events.push(...session.gap(step.from, step.lost, now++))
    else {
      for (const chunk of splitRandomly(step.bytes, random)) {
        events.push(...session.feed(step.from, chunk, now++))
        if (budget.used > MOST_HELD) expect.fail(`${budget.used} bytes held`)
      }
    }
    events.push(...(session.stillOpen(now) ?? []))
  }
  events.push(...session.close(now))
  expect(budget.used).toBe(0)
  const sent = stretches(steps)
  for (const event of events) {
    expectReadable(event)
    expectSent(event, sent)
  }
  const numbers = events.flatMap((event) => (event.event === 'statement' ? [event.stmt_seq] : []))
  expect(new Set(numbers).size).toBe(numbers.length)
}

const direction = fc.constantFrom<Direction>('frontend', 'backend')
const seed = fc.nat({ max: 1_000_000 })

interface Change {
  readonly kind: string
  readonly piece: number
  readonly place: number
  readonly bytes: Uint8Array
}

/** One change to a conversation: at a piece, at a place within it. */
const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom('flip', 'zero', 'length', 'insert', 'cut', 'swap', 'repeat', 'gap', 'drop'),
  piece: fc.nat({ max: 1000 }),
  place: fc.nat({ max: 10_000 }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
})

/** The piece as the change leaves it: other bytes, several pieces, or none. */
const changeBytes = ({ kind, place, bytes }: Change, from: Direction, piece: Bytes): Step[] => {
  const changed = Buffer.from(piece)
  const at = place % Math.max(1, changed.length)
  switch (kind) {
    case 'flip':
      changed[at] = (changed[at] ?? 0) ^ (bytes[0] || 1)
      return [{ from, bytes: changed }]
    case 'zero':
      changed.fill(0, at, Math.min(changed.length, at + bytes.length))
      return [{ from, bytes: changed }]
    case 'length':
      if (changed.length >= 5) changed.writeInt32BE(bytes[0]!, 1)
      return [{ from, bytes: changed }]
    case 'insert':
      return [{ from, bytes: Buffer.concat([changed.subarray(0, at), bytes, changed.subarray(at)]) }]
    case 'cut':
      return [{ from, bytes: changed.subarray(0, at) }]
    case 'repeat':
      return [
        { from, bytes: changed },
        { from, bytes: changed },
      ]
    case 'gap': {
      const lost = Math.min(bytes[0]!, changed.length - at)
      return [
        { from, bytes: changed.subarray(0, at) },
        { from, lost },
        { from, bytes: changed.subarray(at + lost) },
      ]
    }
    default:
      return []
  }
}

const applyChange = (steps: Step[], made: Change): Step[] => {
  const index = made.piece % Math.max(1, steps.length)
  const step = steps[index]
  if (step === undefined || 'lost' in step) return steps
  const instead =
    made.kind === 'swap'
      ? [...steps.slice(index + 1, index + 2), step]
      : changeBytes(made, step.from, step.bytes)
  const behind = steps.slice(index + (made.kind === 'swap' ? 2 : 1))
  return [...steps.slice(0, index), ...instead, ...behind]
}

/** A recorded conversation, by its number. */
const recorded = fc.nat({ max: RECORDED.length - 1 })

describe('recorded conversations, changed', { timeout: TIMEOUT }, () => {
  test.each(['statement', 'message'] as const)('detail %s', (detail) => {
    fc.assert(
      fc.property(
        recorded,
        fc.array(change, { minLength: 1, maxLength: 6 }),
        seed,
        (number, changes, splitSeed) => {
          hold(changes.reduce(applyChange, RECORDED[number]!), splitSeed, detail)
        },
      ),
      runs(detail === 'statement' ? 600 : 200),
    )
  })

  test('cut off anywhere', () => {
    fc.assert(
      fc.property(recorded, fc.nat(), seed, (number, at, splitSeed) => {
        const steps = RECORDED[number]!
        hold(steps.slice(0, at % steps.length), splitSeed)
      }),
      runs(100),
    )
  })

  test('two joined, or one begun in its middle', () => {
    fc.assert(
      fc.property(recorded, recorded, fc.nat(), seed, (first, second, at, splitSeed) => {
        const [one, other] = [RECORDED[first]!, RECORDED[second]!]
        hold([...one.slice(0, at % one.length), ...other], splitSeed)
        hold(one.slice(at % one.length), splitSeed)
      }),
      runs(100),
    )
  })
})

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
const frontendMessage: fc.Arbitrary<Bytes> = fc.oneof(
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
const backendMessage: fc.Arbitrary<Bytes> = fc.oneof(
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

const step = fc.oneof(
  { weight: 5, arbitrary: frontendMessage.map((bytes): Step => ({ from: 'frontend', bytes })) },
  { weight: 5, arbitrary: backendMessage.map((bytes): Step => ({ from: 'backend', bytes })) },
)
const TYPES = Array.from({ length: 95 }, (_, index) => String.fromCharCode(index + 32))
const framed = fc
  .tuple(direction, fc.constantFrom(...TYPES), someBytes)
  .map(([from, type, body]): Step => ({ from, bytes: message(type, body) }))

const LOGIN: Step[] = [
  { from: 'frontend', bytes: frontend.startup({ user: 'u', database: 'd' }) },
  { from: 'backend', bytes: loggedIn() },
]

describe('messages in any order', { timeout: TIMEOUT }, () => {
  test('well-formed, behind a log-in', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), seed, (steps, splitSeed) => {
        hold([...LOGIN, ...steps], splitSeed)
      }),
      runs(800),
    )
  })

  test('well-formed or only well framed, behind a log-in or not', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(step, framed), { maxLength: 40 }),
        fc.boolean(),
        seed,
        (steps, login, splitSeed) => {
          hold(login ? [...LOGIN, ...steps] : steps, splitSeed)
          hold(login ? [...LOGIN, ...steps] : steps, splitSeed, 'message')
        },
      ),
      runs(400),
    )
  })

  test('startup packets and answers', () => {
    const packet = fc.constantFrom(
      frontend.sslRequest(),
      frontend.gssencRequest(),
      frontend.cancelRequest(1, Buffer.alloc(4)),
      frontend.startup({ user: 'u' }),
      frontend.query('select 1'),
    )
    const answer = fc.constantFrom(Buffer.from('N'), Buffer.from('S'), Buffer.from('E'), loggedIn())
    const steps = fc.array(
      fc.oneof(
        packet.map((bytes): Step => ({ from: 'frontend', bytes })),
        answer.map((bytes): Step => ({ from: 'backend', bytes })),
      ),
      { maxLength: 12 },
    )
    fc.assert(
      fc.property(steps, seed, (given, splitSeed) => hold(given, splitSeed)),
      runs(300),
    )
  })
})

test('random bytes', { timeout: TIMEOUT }, () => {
  const noise = fc
    .tuple(direction, fc.uint8Array({ maxLength: 3000 }))
    .map(([from, bytes]): Step => ({ from, bytes: Buffer.from(bytes) }))
  fc.assert(
    fc.property(fc.array(noise, { maxLength: 8 }), fc.boolean(), seed, (steps, login, splitSeed) => {
      hold(login ? [...LOGIN, ...steps] : steps, splitSeed)
    }),
    runs(300),
  )
})
