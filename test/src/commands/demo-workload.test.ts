import { describe, expect, test } from 'vitest'
import { faultsOf, SECRET, STEPS, sampleOf } from '../../../src/commands/demo-workload.ts'

const records = STEPS.flatMap(({ leaves }) => leaves)
const logOf = (lines: readonly object[]): string =>
  lines.map((line) => `${JSON.stringify(line)}\n`).join('')

describe('the demo', () => {
  test('is content with a log that has what the steps leave, among other things', () => {
    expect(faultsOf(logOf([{ event: 'audit.start' }, ...records, { event: 'audit.stop' }]))).toEqual([])
  })

  test.each(records.map((record, index) => [String(record.query ?? record.event), index] as const))(
    'misses the record of %s',
    (_, index) => {
      expect(faultsOf(logOf(records.filter((_, other) => other !== index)))).toHaveLength(1)
    },
  )

  test('does not take a NULL for a value, nor one outcome for another', () => {
    const changed = records.map((record) => ({ ...record, outcome: 'unknown', bind_values: [] }))
    expect(faultsOf(logOf(changed))).toHaveLength(records.length - 1)
  })

  test('finds the password', () => {
    const told = { event: 'statement', query: `CREATE ROLE x PASSWORD '${SECRET}'` }
    expect(faultsOf(logOf([...records, told]))).toEqual(['the password is in the log'])
  })

  test('shows the line of the statement with a NULL', () => {
    expect(sampleOf(logOf(records))).toContain('"shelf"')
    expect(sampleOf('')).toBeUndefined()
  })
})
