/** What operations.md says of the operational log is what the sources write there. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { LOG_BLOCKED } from '../../src/proxy/verdict.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(`${ROOT}docs/operations.md`, 'utf8')
const rows = page.split('<!-- lines -->')[1]?.split('<!-- end -->')[0]?.trim().split('\n').slice(2) ?? []
const messages = rows.flatMap((row) =>
  [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, text]) => text as string),
)
const sources = readdirSync(`${ROOT}src`, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => readFileSync(`${ROOT}src/${path}`, 'utf8'))
  .join('\n')
  .replaceAll(`\${LOG_BLOCKED.message}`, LOG_BLOCKED.message)

test('there are lines', () => expect(messages.length).toBeGreaterThan(10))

test.each(messages)('%s', (text) => {
  expect(["'", '`'].some((quote) => sources.includes(`${quote}${text}${quote}`))).toBe(true)
})
