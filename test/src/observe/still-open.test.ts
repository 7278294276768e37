import { expect, test } from 'vitest'
import { type StillOpen, StillOpenTimer } from '../../../src/observe/still-open.ts'

const openTimer = (openAfter: number) => {
  const clock = { now: 50_000_000, ms: 0, tick: () => {}, cleared: 0, unref: 0 }
  const timer = new StillOpenTimer({
    openAfter,
    now: () => clock.now,
    setInterval: (callback, ms) => {
      clock.ms = ms
      clock.tick = callback
      return {
        unref: () => {
          clock.unref++
        },
      }
    },
    clearInterval: () => {
      clock.cleared++
    },
  })
  return { clock, timer }
}

const openFlow = (): StillOpen & { asked: number[] } => {
  const asked: number[] = []
  return { asked, stillOpen: (since) => asked.push(since) }
}

test('asks each watched flow for what runs since openAfter', () => {
  const { clock, timer } = openTimer(10_000)
  const [one, other] = [openFlow(), openFlow()]
  timer.watch(one)
  timer.watch(other)
  clock.tick()
  timer.forget(one)
  clock.now += 2_500_000
  clock.tick()
  expect([one.asked, other.asked]).toEqual([[40_000_000], [40_000_000, 42_500_000]])
})

test('a flow that is forgotten while it is asked harms no other', () => {
  const { clock, timer } = openTimer(10_000)
  const flows = [openFlow(), openFlow(), openFlow()]
  const leaving: StillOpen = { stillOpen: () => timer.forget(leaving) }
  for (const flow of [flows[0]!, leaving, flows[1]!, flows[2]!]) timer.watch(flow)
  clock.tick()
  expect(flows.map(({ asked }) => asked.length)).toEqual([1, 1, 1])
})

test.each([
  [10_000, 2500],
  [1000, 250],
  [100, 100],
])('with openAfter %i ms it looks every %i ms', (openAfter, ms) => {
  expect(openTimer(openAfter).clock.ms).toBe(ms)
})

test('keeps no process alive, and stops', () => {
  const { clock, timer } = openTimer(10_000)
  timer.stop()
  expect([clock.unref, clock.cleared]).toEqual([1, 1])
})
