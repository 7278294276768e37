import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { LongText, TAIL_BYTES } from '../../../dumpers/common/long-text.ts'
import type { TextForm } from '../../../dumpers/common/query-text.ts'
import { UTF8 } from '../../../dumpers/common/text-decoding.ts'
import type { Bytes } from '../../../src/flow.ts'
import { splits } from '../../support/chunks.ts'

const CONFORMING: TextForm = { dialect: 'postgresql', standardConformingStrings: true }
const ESCAPING: TextForm = { dialect: 'postgresql', standardConformingStrings: false }

const sha256 = (bytes: Bytes | string) => createHash('sha256').update(bytes).digest('hex')

describe('a text longer than what is kept', () => {
  const rest = Buffer.from(Array.from({ length: 200_000 }, (_, i) => 97 + (i % 26)))

  test.each(splits(rest, 5))('head, length, hash and last bytes: $name', ({ chunks }) => {
    const long = new LongText(Buffer.from('the head '), true)
    for (const chunk of chunks) long.add(chunk, 0, chunk.length)
    const whole = Buffer.concat([Buffer.from('the head '), rest])
    expect(long.finish(UTF8, ESCAPING)).toEqual({
      text: 'the head ',
      standardConformingStrings: false,
      dialect: 'postgresql',
      truncated: {
        bytes: whole.length,
        sha256: sha256(whole),
        tail: rest.toString('latin1', rest.length - TAIL_BYTES),
      },
    })
  })

  test('ends at its NUL, whatever follows', () => {
    const long = new LongText(Buffer.from('head'), true)
    long.add(Buffer.from('more\0other'), 0, 10)
    long.add(Buffer.from('still other'), 0, 11)
    expect(long.finish(UTF8, CONFORMING).truncated).toEqual({
      bytes: 8,
      sha256: sha256('headmore'),
      tail: 'more',
    })
  })

  test('reads nothing of its chunk beside its part', () => {
    const long = new LongText(Buffer.from('head'), true)
    long.add(Buffer.from('\0more\0'), 1, 5)
    expect(long.finish(UTF8, CONFORMING).truncated).toMatchObject({ bytes: 8, tail: 'more' })
  })

  test('its head is a copy', () => {
    const head = Buffer.from('head')
    const long = new LongText(head, true)
    head.fill(0x78)
    expect(long.finish(UTF8, CONFORMING).text).toBe('head')
  })

  test.each(splits(Buffer.from('a\0b\0c\0')))(
    'a NUL ends none that has no such end: $name',
    ({ chunks }) => {
      const long = new LongText(Buffer.from('he\0d'), false)
      for (const chunk of chunks) long.add(chunk, 0, chunk.length)
      expect(long.finish(UTF8, { dialect: 'mysql', standardConformingStrings: false })).toEqual({
        text: 'he\0d',
        standardConformingStrings: false,
        dialect: 'mysql',
        truncated: { bytes: 10, sha256: sha256('he\0da\0b\0c\0'), tail: 'a\0b\0c\0' },
      })
    },
  )
})
