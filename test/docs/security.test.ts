/** docs/security.md shows statements and what their records have: redaction is asked whether that is so. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { redact } from '../../src/audit/redact.ts'
import type { QueryText, Statement } from '../../src/event.ts'

const page = readFileSync(fileURLToPath(new URL('../../docs/security.md', import.meta.url)), 'utf8')

type Dialect = QueryText['dialect']

const masked = (text: string, dialect: Dialect): string | undefined => {
  const query: QueryText = { text, standardConformingStrings: dialect === 'postgresql', dialect }
  const who = { dialect }
  const event = {
    event: 'statement',
    at: 0,
    who,
    stmt_seq: 1,
    protocol: 'simple',
    text: query,
  } as Statement
  return (redact(event) as Statement).text?.text
}

/** Rows of two cells of which the first is a statement. */
const examplesIn = (text: string, dialect: Dialect) =>
  [...text.matchAll(/^\| `([A-Z][^`]+)` \| (?:`([^`]+)`|the same.*) \|$/gm)].map(
    ([, statement = '', record]) => [statement, record ?? statement, dialect] as const,
  )

const examples = page
  .split(/^(?=## )/m)
  .flatMap((section) => examplesIn(section, /^## .*MySQL/.test(section) ? 'mysql' : 'postgresql'))

/** A record that is shown from its middle on begins with an ellipsis. */
const isShown = (whole: string | undefined, record: string): boolean =>
  record.startsWith('… ') ? (whole ?? '').endsWith(record.slice(1)) : whole === record

describe('docs/security.md', () => {
  test('has examples of what is masked, and of what is not', () => {
    expect(examples.filter(([statement, record]) => statement !== record).length).toBeGreaterThan(5)
    expect(examples.filter(([statement, record]) => statement === record).length).toBeGreaterThan(1)
  })

  test('has examples of both dialects', () => {
    expect(new Set(examples.map(([, , dialect]) => dialect))).toEqual(new Set(['postgresql', 'mysql']))
  })

  test.each(examples)('%s', (statement, record, dialect) => {
    const whole = masked(statement, dialect)
    expect(isShown(whole, record) ? record : whole).toBe(record)
  })
})
