import { expect, test } from 'vitest'
import { openLink } from '../../../src/observe/link.ts'

test('a key names the flow that claimed it', () => {
  const link = openLink()
  link.claim('1:aa', 'c1')
  link.claim('2:bb', 'c2')
  expect([link.find('1:aa'), link.find('2:bb'), link.find('3:cc')]).toEqual(['c1', 'c2', undefined])
})

test('a released key names nobody', () => {
  const link = openLink()
  link.claim('1:aa', 'c1')
  link.release('1:aa', 'c1')
  expect(link.find('1:aa')).toBeUndefined()
})

test('a key that another flow has claimed since is not released', () => {
  const link = openLink()
  link.claim('1:aa', 'c1')
  link.claim('1:aa', 'c2')
  link.release('1:aa', 'c1')
  expect(link.find('1:aa')).toBe('c2')
})

test('links of two listeners know nothing of each other', () => {
  const [one, other] = [openLink(), openLink()]
  one.claim('1:aa', 'c1')
  expect(other.find('1:aa')).toBeUndefined()
})
