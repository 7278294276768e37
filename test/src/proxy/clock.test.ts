import { expect, test } from 'vitest'
import { systemClock, systemTimers } from '../../../src/proxy/clock.ts'
import { connIds } from '../../../src/proxy/conn-id.ts'

const ORIGIN = 1_700_000_000_000

test('counts microseconds by the steady clock, to its fractions', () => {
  let steady = 0
  const clock = systemClock(
    () => steady,
    () => ORIGIN + Math.floor(steady),
    ORIGIN,
  )
  expect(clock.now()).toBe(ORIGIN * 1000)
  steady = 0.25
  expect(clock.now()).toBe(ORIGIN * 1000 + 250)
  // Date.now() has no fractions: that alone moves nothing.
  steady = 900.75
  expect(clock.now()).toBe(ORIGIN * 1000 + 900_750)
})

test('follows a wall clock that is set, forwards and back', () => {
  let steady = 0
  let set = 0
  const clock = systemClock(
    () => steady,
    () => ORIGIN + steady + set,
    ORIGIN,
  )
  clock.now()
  for (const step of [3_600_000, -7_200_000]) {
    set = step
    steady += 1000
    expect(clock.now()).toBe((ORIGIN + steady + step) * 1000)
  }
})

test('agrees with the real wall clock', () => {
  const clock = systemClock()
  expect(Math.abs(clock.now() / 1000 - Date.now())).toBeLessThan(5_000)
  expect(Number.isInteger(clock.now())).toBe(true)
})

test('timers run until they are stopped', async () => {
  let count = 0
  await new Promise<void>((resolve) => {
    const stop = systemTimers.every(1, () => {
      count++
      if (count < 3) return
      stop()
      resolve()
    })
  })
  expect(count).toBe(3)
})

test('connection ids are unique and sort by time', () => {
  let now = ORIGIN
  const next = connIds(() => now)
  const ids = []
  for (let n = 0; n < 1000; n++) {
    ids.push(next())
    if (n % 100 === 0) now++
  }
  expect(new Set(ids).size).toBe(1000)
  expect([...ids].sort()).toEqual(ids)
  expect(ids[0]).toMatch(/^[0-9a-z]{26}$/)
})

test('two processes at the same moment have different ones', () => {
  const [first, second] = [connIds(() => ORIGIN), connIds(() => ORIGIN)]
  expect(first()).not.toBe(second())
})
