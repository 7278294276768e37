/** docs/security.md shows statements and what their records have: redaction is asked whether that is so. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { redact } from '../../src/audit/redact.ts'
import type { QueryText, Statement } from '../../src/event.ts'

const page = readFileSync(fileURLToPath(new URL('../../docs/security.md', import.meta.url)), 'utf8')

const masked = (text: string): string | undefined => {
  const query: QueryText = { text, standardConformingStrings: true, dialect: 'postgresql' }
  const who = { dialect: 'postgresql' }
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
const examples = [...page.matchAll(/^\| `([A-Z][^`]+)` \| (?:`([^`]+)`|the same.*) \|$/gm)].map(
  ([, statement = '', record]) => [statement, record ?? statement] as const,
)

describe('docs/security.md', () => {
  test('has examples of what is masked, and of what is not', () => {
    expect(examples.filter(([statement, record]) => statement !== record).length).toBeGreaterThan(5)
    expect(examples.filter(([statement, record]) => statement === record).length).toBeGreaterThan(1)
  })

  test.each(examples)('%s', (statement, record) => {
    expect(masked(statement)).toBe(record)
  })
})
