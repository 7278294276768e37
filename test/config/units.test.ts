import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseDuration, parseSize, renderDuration, renderSize } from '../../config/units.ts'

describe('durations', () => {
  test.each<[string | number, number | undefined]>([
    ['500ms', 500],
    ['10s', 10_000],
    ['1m', 60_000],
    ['1h30m', 5_400_000],
    ['7d', 604_800_000],
    ['1.5s', 1500],
    ['0', 0],
    ['30', 30_000],
    [0, 0],
    [2.5, 2500],
    [-1, undefined],
    [0.0001, undefined],
    [Number.POSITIVE_INFINITY, undefined],
    ['', undefined],
    ['10 s', undefined],
    ['10S', undefined],
    ['s', undefined],
    ['10s ', undefined],
    ['1w', undefined],
    ['-5s', undefined],
    ['99999999d', undefined],
  ])('%j → %j', (written, millis) => {
    expect(parseDuration(written)).toBe(millis)
  })

  test('what is written is read again as the same', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 13 }), (millis) => {
        expect(parseDuration(renderDuration(millis))).toBe(millis)
      }),
    )
    expect([0, 999, 60_000, 90_000, 86_400_000].map(renderDuration)).toEqual([
      '0s',
      '999ms',
      '1m',
      '90s',
      '1d',
    ])
  })
})

describe('sizes', () => {
  test.each<[string | number, number | undefined]>([
    ['64KiB', 65_536],
    ['64KB', 65_536],
    ['64kb', 65_536],
    ['2MB', 2_097_152],
    ['1 GiB', 1_073_741_824],
    ['1.5KiB', 1536],
    ['65535B', 65_535],
    ['10', 10],
    ['10k', 10_240],
    [10, 10],
    [-1, undefined],
    [1.5, undefined],
    ['', undefined],
    ['MB', undefined],
    ['1XB', undefined],
    ['1i', undefined],
    ['9999999999TB', undefined],
  ])('%j → %j', (written, bytes) => {
    expect(parseSize(written)).toBe(bytes)
  })

  test('what is written is read again as the same', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (bytes) => {
        expect(parseSize(renderSize(bytes))).toBe(bytes)
      }),
    )
    expect([0, 1023, 1024, 1536, 1 << 20].map(renderSize)).toEqual(['0B', '1023B', '1KiB', '1536B', '1MiB'])
  })
})
