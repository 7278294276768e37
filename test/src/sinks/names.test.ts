import { afterEach, describe, expect, it } from 'vitest'
import {
  compareNames,
  nextName,
  type Period,
  parseName,
  periodEnd,
  stampOf,
} from '../../../src/sinks/names.ts'

const AT = Date.UTC(2024, 1, 29, 23, 59, 58, 500)
const zone = process.env.TZ

afterEach(() => {
  if (zone === undefined) delete process.env.TZ
  else process.env.TZ = zone
})

describe('periods', () => {
  it.each<[Period, string, number]>([
    ['secondly', '20240229235958', Date.UTC(2024, 1, 29, 23, 59, 59)],
    ['minutely', '202402292359', Date.UTC(2024, 2, 1)],
    ['hourly', '2024022923', Date.UTC(2024, 2, 1)],
    ['daily', '20240229', Date.UTC(2024, 2, 1)],
  ])('%s in UTC', (period, stamp, end) => {
    expect(stampOf(AT, period, 'utc')).toBe(stamp)
    expect(periodEnd(AT, period, 'utc')).toBe(end)
    expect(periodEnd(end, period, 'utc')).toBeGreaterThan(end)
  })

  it.each<[Period, string, number]>([
    ['hourly', '2024030105', Date.UTC(2024, 2, 1, 0, 15)],
    ['daily', '20240301', Date.UTC(2024, 2, 1, 18, 15)],
  ])('%s in local time, in Kathmandu', (period, stamp, end) => {
    process.env.TZ = 'Asia/Kathmandu'
    expect(stampOf(AT, period, 'local')).toBe(stamp)
    expect(periodEnd(AT, period, 'local')).toBe(end)
  })

  it('always ends later, also over the change to and from summer time', () => {
    process.env.TZ = 'Europe/Berlin'
    for (const month of [2, 9]) {
      for (let at = Date.UTC(2024, month, 25); at < Date.UTC(2024, month + 1, 2); at += 600_000) {
        for (const period of ['hourly', 'daily'] as const) {
          const end = periodEnd(at, period, 'local')
          expect(end).toBeGreaterThan(at)
          expect(end - at).toBeLessThanOrEqual(25 * 3_600_000)
        }
      }
    }
  })
})

describe('names', () => {
  it.each([
    'dump.log',
    'dump.log.2',
    'dump.log.20240501x',
    'dump.log.2024050',
    'other.log.20240501',
    'dump.log.20240501.gz.tmp',
  ])('%s is no rotated file', (file) => {
    expect(parseName('dump.log', file)).toBeUndefined()
  })

  it('takes a name apart', () => {
    expect(parseName('dump.log', 'dump.log.2024050109.12.gz')).toEqual({
      file: 'dump.log.2024050109.12.gz',
      plain: 'dump.log.2024050109.12',
      stamp: '2024050109',
      n: 12,
      isCompressed: true,
    })
  })

  it('orders by period, then by number, not by letter', () => {
    const files = ['d.2024050109.10', 'd.2024050110', 'd.2024050109.9.gz', 'd.2024050109']
    const names = files.map((file) => parseName('d', file)).filter((name) => name !== undefined)
    expect(names.sort(compareNames).map(({ file }) => file)).toEqual([
      'd.2024050109',
      'd.2024050109.9.gz',
      'd.2024050109.10',
      'd.2024050110',
    ])
  })

  it('gives the number after the highest there is', () => {
    expect(nextName('d', '20240501', [])).toBe('d.20240501')
    expect(nextName('d', '20240501', ['d.20240501', 'd.20240502.7'])).toBe('d.20240501.1')
    expect(nextName('d', '20240501', ['d.20240501.4.gz', 'd.20240501'])).toBe('d.20240501.5')
  })
})
