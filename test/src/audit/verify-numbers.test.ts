import { describe, expect, it } from 'vitest'
import { Numbers } from '../../../src/audit/verify-numbers.ts'

const findings = (...seqs: readonly number[]): readonly string[] => {
  const numbers = new Numbers()
  for (const [i, seq] of seqs.entries()) numbers.take(seq, i + 1)
  return numbers.findings()
}

describe('the numbers of records', () => {
  it.each<[string, number[], string[]]>([
    ['are right', [1, 2, 3], []],
    ['go on from the file before', [41, 42], []],
    ['have a hole', [1, 2, 4], ['record 3 is missing before line 3']],
    ['have a wide hole', [1, 9], ['records 2 to 8 are missing before line 2']],
    ['stand twice', [1, 2, 2, 3], ['record 2 stands twice or was inserted, in line 3']],
    ['are swapped', [1, 3, 2, 4], ['record 2 stands out of order, in line 3']],
    [
      'have a hole of which a part turns up',
      [1, 6, 3, 7],
      [
        'record 2 is missing before line 2',
        'records 4 to 5 are missing before line 2',
        'record 3 stands out of order, in line 3',
      ],
    ],
  ])('%s', (_, seqs, expected) => {
    expect(findings(...seqs)).toEqual(expected)
  })

  it('begin anew with another writer', () => {
    const numbers = new Numbers()
    numbers.take(7, 1)
    numbers.restart(1)
    numbers.take(1, 2)
    expect(numbers.findings()).toEqual([])
    numbers.restart(1)
    numbers.take(2, 3)
    expect(numbers.findings()).toEqual(['record 1 is missing before line 3'])
  })

  it('are told up to a bound', () => {
    const told = findings(...Array.from({ length: 1000 }, (_, i) => 2 * i + 1))
    expect(told).toHaveLength(101)
    expect(told.at(-1)).toBe('899 more places where records are missing or amiss')
  })
})
