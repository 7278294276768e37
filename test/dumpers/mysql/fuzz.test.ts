/**
 * Bytes that no client and no server would send, to a session: it never throws, it ends, what it holds is
 * bounded and given back, and a statement's text is one that a frontend packet held.
 */
import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CLIENT_COMPRESS, COM } from '../../../dumpers/mysql/capabilities.ts'
import { MysqlSession } from '../../../dumpers/mysql/session.ts'
import type { AuditEvent, BoundValues, QueryText } from '../../../src/event.ts'
import type { Bytes } from '../../../src/flow.ts'
import { SKIP } from '../../../src/framing/framer.ts'
import { MysqlFramer } from '../../../src/framing/mysql.ts'
import { openLink } from '../../../src/observe/link.ts'
import { canonical, openContext } from '../../support/canonical.ts'
import { applyChange, changeOf, direction, type Step } from '../../support/changes.ts'
import { seededRandom, splitRandomly } from '../../support/chunks.ts'
import { patience, runs } from '../../support/fuzz.ts'
import { LOGIN, loginOf, MODERN } from '../../support/my-conversation.ts'
import {
  backend,
  command,
  compressed,
  frontend,
  packet,
  prepared,
  resultSet,
  stringParam,
} from '../../support/my-wire.ts'
import { readConversations } from '../../support/pcap.ts'

/** Two cores may be shared with much else. */
const TIMEOUT = patience(60_000)

const FOLDER = new URL('../../captures/', import.meta.url).pathname
const PORT = 4555

/** Small, so that every limit is met. */
const LIMITS = { maxQueryBytes: 2000, maxValueBytes: 50, maxStatements: 5, maxQueue: 8 }
/** What a session may hold by these limits: stores of texts, a queue, two payloads in the making. */
const MOST_HELD = 3 * 4 * 2000 + 4 * 131_072 + 2 * 262_144 + 65_536 + 100_000

const RECORDED: Step[][] = readdirSync(FOLDER)
  .filter((file) => /^my_(?!ed_|compress).*\.pcap$/.test(file))
  .flatMap((file) => readConversations(`${FOLDER}${file}`, PORT))
  .map(({ pieces }) => pieces.map(({ from, bytes }) => ({ from, bytes })))
const COMPRESSED: Step[][] = readConversations(`${FOLDER}my_compress.pcap`, PORT).map(({ pieces }) =>
  pieces.map(({ from, bytes }) => ({ from, bytes })),
)

const bytesOfText = (query: QueryText): Bytes =>
  query.hex === undefined ? Buffer.from(query.text) : Buffer.from(query.hex.slice(2), 'hex')

/** Everything that the frontend sent, as far as it came. */
const sentBy = (steps: readonly Step[]): Bytes =>
  Buffer.concat(steps.flatMap((step) => (step.from === 'frontend' && 'bytes' in step ? [step.bytes] : [])))

const expectSent = (event: AuditEvent, sent: Bytes): void => {
  const { text, command } = event as { readonly text?: QueryText; readonly command?: string }
  // what a command says in numbers is told in words
  if (command !== undefined && !/^COM_(INIT_DB|FIELD_LIST|CREATE_DB|DROP_DB)$/.test(command)) return
  // a character that was cut at the limit, and one of another character set
  if (text === undefined || text.truncated !== undefined) return
  if (!/^[\0-\x7f]*$/.test(text.text) && text.hex === undefined) return
  if (!sent.includes(bytesOfText(text))) expect.fail(`${event.event}: not sent: ${JSON.stringify(text)}`)
}

/** How many payloads these bytes hold: no more commands can be in them. */
const payloadsIn = (bytes: Bytes): number => {
  let count = 0
  const framer = new MysqlFramer({
    header: () => {
      count++
      return SKIP
    },
    beyond: () => {},
    frame: () => {},
  })
  framer.feed(bytes)
  return count
}

const COMMANDS: ReadonlySet<string> = new Set(['statement', 'prepare', 'change_user'])

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
  texts = true,
  midway = false,
): void => {
  const budget = { limit: seed % 2 === 0 ? 1_000_000 : 10_000, used: 0 }
  const intents = seed % 3 > 0
  const session = new MysqlSession(
    openContext({ limits: LIMITS, budget, detail, link: openLink(), intents }),
  )
  const random = seededRandom(seed)
  const events: AuditEvent[] = []
  let now = 1
  if (midway) events.push(...session.midStream(now))
  for (const step of steps) {
    if ('lost' in step) events.push(...session.gap(step.from, step.lost, now++))
    else {
      for (const chunk of splitRandomly(step.bytes, random)) {
        events.push(...session.feed(step.from, chunk, now++))
        if (seed % 3 > 1) session.sent(now)
        if (budget.used > MOST_HELD) expect.fail(`${budget.used} bytes held`)
      }
    }
    events.push(...session.stillOpen(now))
  }
  events.push(...session.close(now))
  expect(budget.used).toBe(0)
  const sent = texts ? sentBy(steps) : undefined
  for (const event of events) {
    expectReadable(event)
    if (sent !== undefined) expectSent(event, sent)
  }
  // behind a gap the session looks for a place to go on
  if (sent !== undefined && events.every(({ event }) => event !== 'gap')) {
    const commands = events.filter(({ event }) => COMMANDS.has(event)).length
    expect(commands).toBeLessThanOrEqual(payloadsIn(sent))
  }
  const numbers = events.flatMap((event) => (event.event === 'statement' ? [event.stmt_seq] : []))
  expect(new Set(numbers).size).toBe(numbers.length)
  expectSettled(events, sent)
}

/** What was told of commands before they were sent on: each was sent, and is over. */
const expectSettled = (events: readonly AuditEvent[], sent: Bytes | undefined): void => {
  const open = new Set<number>()
  for (const event of events) {
    if (event.event === 'intent' && event.statement !== undefined) {
      open.add(event.token)
      expectReadable(event.statement)
      if (sent !== undefined) expectSent(event.statement, sent)
    } else if (event.event === 'statement') open.delete(event.stmt_seq)
    else if (event.event === 'intent.over') expect(open.delete(event.token)).toBe(true)
  }
  expect([...open]).toEqual([])
}

const seed = fc.nat({ max: 1_000_000 })
const change = changeOf('flip', 'zero', 'insert', 'cut', 'swap', 'repeat', 'gap', 'drop')

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

  test('compressed', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: COMPRESSED.length - 1 }),
        fc.array(change, { minLength: 1, maxLength: 4 }),
        seed,
        (number, changes, splitSeed) => {
          hold(changes.reduce(applyChange, COMPRESSED[number]!), splitSeed, 'statement', false)
        },
      ),
      runs(150),
    )
  })

  test.each([false, true])('compressed, behind lost bytes; begun midway: %s', (midway) => {
    fc.assert(
      fc.property(
        fc.nat({ max: COMPRESSED.length - 1 }),
        fc.array(fc.tuple(direction, fc.nat(), fc.nat({ max: 300 })), { minLength: 1, maxLength: 4 }),
        fc.array(change, { maxLength: 4 }),
        seed,
        (number, gaps, changes, splitSeed) => {
          const steps = [...changes.reduce(applyChange, COMPRESSED[number]!)]
          for (const [from, place, bytes] of gaps)
            steps.splice(place % (steps.length + 1), 0, { from, lost: bytes })
          const first = midway ? splitSeed % (steps.length + 1) : 0
          hold(steps.slice(first), splitSeed, 'statement', false, midway)
        },
      ),
      runs(100),
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
const id = fc.constantFrom(0, 1, 2, 3, 0xffffffff)
const sql = fc.constantFrom(
  ...[
    'select 1',
    '',
    ';',
    'begin',
    'commit',
    'rollback',
    'select ?; select 2',
    "prepare s from 'select 5'",
  ],
  ...[
    'execute s',
    'deallocate prepare s',
    'use d',
    'set names latin1',
    'kill 5',
    'call p()',
    'set names gbk',
  ],
  ...["execute immediate 'do 1'", 'insert t values (?, ?)', `select '${'x'.repeat(3000)}'`, "select 'a"],
)
const seqs = fc.constantFrom(0, 0, 0, 1, 2, 255)

/** Well-formed packets of the frontend. */
const frontendPacket: fc.Arbitrary<Bytes> = fc.oneof(
  sql.map((text) => frontend.query(text)),
  sql.map((text) => frontend.prepare(text)),
  fc
    .tuple(id, fc.array(fc.constantFrom('a', 'b'.repeat(100), null), { maxLength: 3 }), fc.boolean())
    .map(([statement, values, types]) =>
      frontend.execute(
        statement,
        values.map((value) => stringParam(value)),
        { types, flags: types ? 0 : 1 },
      ),
    ),
  fc.tuple(id, fc.nat({ max: 2 }), someBytes).map((parts) => frontend.sendLongData(...parts)),
  id.map(frontend.close),
  id.map(frontend.reset),
  id.map((statement) => frontend.fetch(statement, 2)),
  fc.constantFrom(
    frontend.ping(),
    frontend.statistics(),
    frontend.resetConnection(),
    frontend.processInfo(),
  ),
  fc.constantFrom(frontend.initDb('d'), frontend.changeUser({ user: 'bob' }), frontend.processKill(4)),
  fc.constantFrom(frontend.binlogDump(4, 'x'), frontend.fieldList('t'), frontend.setOption(0)),
  fc.tuple(seqs, someBytes).map(([seq, bytes]) => packet(seq, bytes)),
  fc.tuple(fc.nat({ max: 255 }), someBytes, seqs).map((parts) => command(...parts)),
  fc.constant(command(COM.STMT_BULK_EXECUTE, Buffer.from('0100000080000300000161', 'hex'))),
)

const status = fc.constantFrom(0, 2, 3, 2 | 8, 2 | 64, 2 | 128, 2 | 256, 2 | 512, 2 | 4096 | 8)
const rowBytes = Buffer.from('\x01a')

/** Well-formed payloads of the backend, as their packets. */
const backendPacket: fc.Arbitrary<Bytes> = fc
  .tuple(
    seqs,
    fc.oneof(
      status.map((flags) => [backend.ok({ status: flags })]),
      status.map((flags) => [backend.eof(flags)]),
      fc.constantFrom(1064, 1213, 1317, 1927).map((number) => [backend.err(number, 'no')]),
      status.map((flags) => resultSet(['a', 'b'], [rowBytes, rowBytes], { status: flags })),
      fc.tuple(id, fc.nat({ max: 3 })).map(([statement, params]) => prepared(statement, params, ['a'])),
      fc.constantFrom([backend.localInfile('f')], [backend.progress()], [backend.authSwitch()], [rowBytes]),
      status.map((flags) => [backend.ok({ status: flags, changes: [['schema', 'x']] })]),
      someBytes.map((bytes) => [bytes]),
    ),
  )
  .map(([seq, payloads]) =>
    Buffer.concat(payloads.map((payload, index) => packet(seq + index + 1, payload))),
  )

const wellFormed: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: frontendPacket.map((bytes): Step => ({ from: 'frontend', bytes })) },
  { weight: 5, arbitrary: backendPacket.map((bytes): Step => ({ from: 'backend', bytes })) },
  {
    weight: 1,
    arbitrary: fc.tuple(direction, fc.nat({ max: 40 })).map(([from, lost]): Step => ({ from, lost })),
  },
)

describe('packets that make no sense together', { timeout: TIMEOUT }, () => {
  test.each(['statement', 'message'] as const)('detail %s', (detail) => {
    fc.assert(
      fc.property(fc.array(wellFormed, { maxLength: 40 }), seed, (steps, splitSeed) => {
        // what PREPARE names and EXECUTE IMMEDIATE runs is a part of what was sent
        hold([...(LOGIN as readonly Step[]), ...steps], splitSeed, detail)
      }),
      runs(detail === 'statement' ? 500 : 150),
    )
  })

  test('compressed, several to a frame', () => {
    const login = loginOf({ flags: MODERN | CLIENT_COMPRESS }) as readonly Step[]
    const sizes = fc.array(fc.constantFrom(1, 3, 20, 100, 16_000_000), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(fc.array(fc.tuple(wellFormed, sizes), { maxLength: 30 }), seed, (pairs, splitSeed) => {
        const framed = pairs.map(([step, [size = 1]], index): Step => {
          if ('lost' in step) return step
          return { from: step.from, bytes: compressed(index & 3, step.bytes, size) }
        })
        hold([...login, ...framed], splitSeed, 'statement', false)
      }),
      runs(200),
    )
  })

  test('bytes of no protocol', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(direction, someBytes), { maxLength: 10 }),
        seed,
        (pieces, splitSeed) => {
          hold(
            pieces.map(([from, bytes]) => ({ from, bytes })),
            splitSeed,
          )
        },
      ),
      runs(200),
    )
  })
})
