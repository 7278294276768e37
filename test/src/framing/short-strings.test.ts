import fc from 'fast-check'
import { expect, test } from 'vitest'
import { shortAscii, shortString } from '../../../src/framing/short-strings.ts'

test('gives the bytes as characters, whatever came before', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 60 }), (all) => {
      for (const array of [...all, ...all]) {
        const bytes = Buffer.from(array)
        expect(shortString(bytes, 0, bytes.length)).toBe(bytes.toString('latin1'))
      }
    }),
    { seed: 3 },
  )
})

test('tells what is not ASCII, or long', () => {
  expect(shortAscii(Buffer.from('SELECT 1'), 0, 8)).toBe('SELECT 1')
  expect(shortAscii(Buffer.from('SELECT 1'), 7, 8)).toBe('1')
  expect(shortAscii(Buffer.from('é'), 0, 2)).toBeUndefined()
  expect(shortAscii(Buffer.from('x'.repeat(25)), 0, 25)).toBeUndefined()
})
