/** What holds of intents whatever is said: recorded conversations, changed ones, and made up ones. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { applyChange, type Step } from '../../support/changes.ts'
import { seededRandom, splitEvery, splitRandomly } from '../../support/chunks.ts'
import { patience, runs } from '../../support/fuzz.ts'
import { change, framed, LOGIN, RECORDED, recorded, step } from '../../support/pg-fuzz.ts'
import {
  eventsOf,
  expectInTime,
  expectSettled,
  feedsOf,
  isOfIntents,
  recordsOf,
  type Way,
} from '../../support/pg-intents.ts'

const TIMEOUT = patience(60_000)

/** Small, so that queues overflow and names are forgotten. */
const LIMITS = { maxQueryBytes: 2000, maxValueBytes: 50, maxStatements: 5, maxQueue: 8 }
const seed = fc.nat({ max: 1_000_000 })

/** Holds a session to what it promises of intents. */
const hold = (steps: readonly Step[], splitSeed: number, limits?: Way['limits']): void => {
  const way = { intents: true, ...(limits && { limits }) }
  const events = eventsOf(feedsOf(steps, way))
  expectSettled(events)
  expect(recordsOf(events)).toEqual(recordsOf(eventsOf(feedsOf(steps, { ...way, intents: false }))))
  const random = seededRandom(splitSeed)
  const split = eventsOf(feedsOf(steps, { ...way, split: (bytes) => splitRandomly(bytes, random) }))
  expectSettled(split)
  // where bytes are lost, chunks tell where messages may begin
  if (steps.every((one) => 'bytes' in one)) expect(split).toEqual(events)
  expectSettled(eventsOf(feedsOf(steps, { ...way, sends: false })))
}

/** Where the typed messages of a recorded client begin: behind its startup packets. */
const startupLength = (steps: readonly Step[]): number => {
  const bytes = Buffer.concat(
    steps.flatMap((one) => ('bytes' in one && one.from === 'frontend' ? [one.bytes] : [])),
  )
  let at = 0
  while (bytes.readInt32BE(at + 4) > 0x10000 * 3 + 2) at += bytes.readInt32BE(at)
  return at + bytes.readInt32BE(at)
}

const isCancel = (steps: readonly Step[]): boolean => {
  const [first] = steps
  return first !== undefined && 'bytes' in first && first.bytes.readInt32BE(4) === 80877102
}

describe('recorded conversations', () => {
  test.each(RECORDED.map((steps, index) => ({ steps, index })))('$index', ({ steps }) => {
    const feeds = feedsOf(steps, { intents: true })
    const events = eventsOf(feeds)
    const plainEvents = eventsOf(feedsOf(steps, { intents: false }))
    expect(plainEvents.filter(isOfIntents)).toEqual([])
    // their very numbers
    const records = events
      .filter((event) => !isOfIntents(event))
      .map(({ gate_wait_us: _, ...event }) => event)
    expect(records).toEqual(plainEvents)
    expectSettled(events, 'real')
    hold(steps, 1)
    if (isCancel(steps)) return
    const startup = startupLength(steps)
    expectInTime(feeds, startup)
    expectInTime(feedsOf(steps, { intents: true, split: (bytes) => splitEvery(bytes, 7) }), startup)
  })
})

describe('recorded conversations, changed', { timeout: TIMEOUT }, () => {
  test('whatever the change', () => {
    fc.assert(
      fc.property(
        recorded,
        fc.array(change, { minLength: 1, maxLength: 6 }),
        seed,
        (number, changes, splitSeed) => {
          hold(changes.reduce(applyChange, RECORDED[number]!), splitSeed, LIMITS)
        },
      ),
      runs(300),
    )
  })
})

describe('messages in any order', { timeout: TIMEOUT }, () => {
  const startup = (LOGIN[0] as { readonly bytes: Buffer }).bytes.length

  test('well-formed, behind a log-in', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), seed, (steps, splitSeed) => {
        hold([...LOGIN, ...steps], splitSeed, LIMITS)
        const isLasting = steps.every((one) => 'bytes' in one && !one.bytes.includes('FATAL'))
        if (isLasting)
          expectInTime(feedsOf([...LOGIN, ...steps], { intents: true, limits: LIMITS }), startup)
      }),
      runs(400),
    )
  })

  test('sent along with the log-in', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 30 }),
        fc.nat({ max: 30 }),
        seed,
        (steps, place, splitSeed) => {
          const [first, reply] = LOGIN as [Step, Step]
          hold([first, ...steps.slice(0, place), reply, ...steps.slice(place)], splitSeed, LIMITS)
        },
      ),
      runs(200),
    )
  })

  test('well-formed or only well framed', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(step, framed), { maxLength: 40 }), seed, (steps, splitSeed) => {
        hold([...LOGIN, ...steps], splitSeed, LIMITS)
      }),
      runs(200),
    )
  })
})
