/**
 * Bytes that no client and no server would send, to a session: it never throws, it ends, what it holds is
 * bounded and given back, and a statement's text is one that a frontend message held.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PgSession } from '../../../dumpers/pg/session.ts'
import type { AuditEvent, BoundValues, QueryText } from '../../../src/event.ts'
import type { Bytes } from '../../../src/flow.ts'
import { openLink } from '../../../src/observe/link.ts'
import { canonical, openContext } from '../../support/canonical.ts'
import { applyChange, direction, type Step } from '../../support/changes.ts'
import { seededRandom, splitRandomly } from '../../support/chunks.ts'
import { patience, runs } from '../../support/fuzz.ts'
import { change, framed, LOGIN, RECORDED, recorded, step } from '../../support/pg-fuzz.ts'
import { frontend, loggedIn } from '../../support/pg-wire.ts'

/** Two cores may be shared with much else. */
const TIMEOUT = patience(60_000)

/** Small, so that every limit is met. */
const LIMITS = { maxQueryBytes: 2000, maxValueBytes: 50, maxStatements: 5, maxQueue: 8 }
/**
 * What a session may hold by these limits: stores of texts and portals, a queue, two bodies in the
 * making.
 */
const MOST_HELD = 2 * 4 * 2000 + 4 * 65_536 + 2 * 262_144 + 65_536 + 100_000

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

const seed = fc.nat({ max: 1_000_000 })

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
