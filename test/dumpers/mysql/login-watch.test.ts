import { describe, expect, test } from 'vitest'
import { LoginWatch } from '../../../dumpers/mysql/login-watch.ts'
import type { Bytes } from '../../../src/flow.ts'
import { splits } from '../../support/chunks.ts'
import { packet } from '../../support/my-wire.ts'

const HEADERS = [Buffer.from('PROXY TCP4 '), Buffer.from('\r\n\r\n\0\r\nQUIT\n')]
const EMPTY = packet(3, '')
const ANSWER = packet(3, 'PROXY stands in a payload \r\n\r\n')
const LONG = packet(1, Buffer.alloc(70_000, 'PROX'))

/** Does all of it pass, whatever pieces it comes in? */
const passing = (...parts: Bytes[]): boolean => {
  const answers = splits(Buffer.concat(parts), 5).map(({ chunks }) => {
    const watch = new LoginWatch()
    return chunks.every((chunk) => watch.passes('frontend', chunk))
  })
  expect(new Set(answers).size).toBe(1)
  return answers[0] as boolean
}

describe('a PROXY header', () => {
  test.each(HEADERS)('is found before any packet', (header) => {
    expect(passing(header)).toBe(false)
    expect(passing(ANSWER, header)).toBe(false)
    expect(passing(EMPTY, EMPTY, header)).toBe(false)
    expect(passing(LONG, ANSWER, header)).toBe(false)
  })

  test('is none within a payload', () => {
    expect(passing(ANSWER, EMPTY, LONG, ANSWER)).toBe(true)
  })
})

describe('a log-in is decided', () => {
  const decided = (...payloads: (string | Bytes)[]): boolean => {
    const bytes = Buffer.concat(payloads.map((payload, index) => packet(index, payload)))
    const answers = splits(bytes, 5).map(({ chunks }) => {
      const watch = new LoginWatch()
      for (const chunk of chunks) watch.passes('backend', chunk)
      return watch.decided
    })
    expect(new Set(answers).size).toBe(1)
    return answers[0] as boolean
  }

  test.each([
    ['by OK', [Buffer.from([0x0a, 0, 0]), Buffer.from([0, 0, 0])], true],
    ['by ERR', [Buffer.from([0xff, 1, 2])], true],
    ['not by more data, a switch, a further factor', ['\x01\0', Buffer.from([0xfe]), '\x02'], false],
    ['not by an empty payload', ['', ''], false],
    ['by OK behind an empty payload', ['', Buffer.from([0])], true],
    ['not by the bytes within a payload', [Buffer.from([1, 0, 0, 0, 0xff, 0])], false],
  ] as const)('%s', (_, payloads, expected) => {
    expect(decided(...payloads)).toBe(expected)
  })
})
