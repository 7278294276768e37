import { afterEach, describe, expect, it } from 'vitest'
import { createTimestamp } from '../../../src/audit/timestamp.ts'

const AT = Date.UTC(2024, 4, 1, 23, 59, 59) * 1000 + 999_999
const zone = process.env.TZ

afterEach(() => {
  if (zone === undefined) delete process.env.TZ
  else process.env.TZ = zone
})

describe('createTimestamp', () => {
  it('writes UTC with microseconds, across the turn of a second and back', () => {
    const format = createTimestamp('utc')
    expect([AT, AT + 1, AT, AT - 999_999].map(format)).toEqual([
      '2024-05-01T23:59:59.999999Z',
      '2024-05-02T00:00:00.000000Z',
      '2024-05-01T23:59:59.999999Z',
      '2024-05-01T23:59:59.000000Z',
    ])
  })

  it.each([
    ['Asia/Kathmandu', '2024-05-02T05:44:59.999999+05:45'],
    ['America/St_Johns', '2024-05-01T21:29:59.999999-02:30'],
    ['UTC', '2024-05-01T23:59:59.999999+00:00'],
  ])('writes local time in %s', (name, expected) => {
    process.env.TZ = name
    expect(createTimestamp('local')(AT)).toBe(expected)
  })
})
