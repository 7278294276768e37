import { expect, test } from 'vitest'
import { throttle } from '../../../src/log/throttle.ts'

test('counts what it holds back, by key', () => {
  let now = 0
  const held = throttle({ intervalMs: 10, now: () => now })
  expect([held('a'), held('a'), held('b'), held('a')]).toEqual([0, undefined, 0, undefined])
  now = 10
  expect([held('a'), held('a'), held('b')]).toEqual([2, undefined, 0])
})

test('remembers a bounded number of keys, the newest', () => {
  const held = throttle({ intervalMs: 10, now: () => 0 })
  for (let key = 0; key < 300; key += 1) held(String(key))
  expect(held('299')).toBeUndefined()
  expect(held('0')).toBe(0)
})
