import { expect, test } from 'vitest'
import { nearest } from '../../config/nearest.ts'

const KNOWN = [
  'listenAddr',
  'remoteAddr',
  'useServerStarter',
  'allow',
  'dir',
  'rotationCount',
  'rotationTime',
]

test.each([
  ['listenaddr', 'listenAddr'],
  ['listen_addr', 'listenAddr'],
  ['lsitenAddr', 'listenAddr'],
  ['remote', 'remoteAddr'],
  ['remoteAddress', 'remoteAddr'],
  ['alow', 'allow'],
  ['dri', 'dir'],
  ['rotationCounts', 'rotationCount'],
  ['rotateTime', 'rotationTime'],
  ['xyzzy', undefined],
  ['di', 'dir'],
  ['r', undefined],
  ['', undefined],
])('%s → %s', (name, expected) => {
  expect(nearest(name, KNOWN)).toBe(expected)
})
