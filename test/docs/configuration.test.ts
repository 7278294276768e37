/**
 * docs/configuration.md has the tables of options that config/schema.ts makes. After a change of an option,
 * `UPDATE_DOCS=1 npx vitest run test/docs/configuration.test.ts` writes them anew.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { Option } from '../../config/option.ts'
import { LISTENER_TABLE, type OptionTable, TABLES } from '../../config/schema.ts'

const PAGE = fileURLToPath(new URL('../../docs/configuration.md', import.meta.url))

/** `wanted` is for messages; the page explains the forms once. */
const SHORT: readonly (readonly [RegExp, string])[] = [
  [/^a duration.*/, 'duration'],
  [/^a size[^,]*?(?:, or a number of bytes)(?:, (.*))?$/, 'size, $1'],
  [/^a whole number, (\d+) or more$/, 'number, $1 or more'],
  [/^(?:an address to listen on|a server's address),.*/, 'address'],
  [/^a list of networks.*/, 'list of networks'],
  [/^permission bits.*/, 'octal text'],
  [/^a file name.*/, 'file name'],
  [/^a text$/, 'text'],
]

const takes = ({ wanted }: Option): string => {
  const [pattern, short] = SHORT.find(([known]) => known.test(wanted)) ?? [/$/, '']
  return wanted.replace(pattern, short).replace(/, $/, '')
}

const cell = (text: string): string => text.replaceAll('\n', ' ').replaceAll('|', '\\|')

/** The table of a section, as the page has it. */
const tableOf = (table: OptionTable): string =>
  [
    '| key | takes | default | |',
    '|---|---|---|---|',
    ...Object.entries(table).map(([key, option]) => {
      const initial = JSON.stringify(option.write(option.fallback))
      return `| \`${key}\` | ${cell(takes(option))} | \`${initial}\` | ${cell(option.doc)} |`
    }),
  ].join('\n')

const SECTIONS: readonly (readonly [string, OptionTable])[] = [
  ...Object.entries(TABLES),
  ['listener', LISTENER_TABLE],
]

/** What stands between a section's marks. */
const partOf = (page: string, name: string): readonly [before: string, part: string, after: string] => {
  const [open, close] = [`<!-- options of ${name} -->\n`, '\n<!-- end -->']
  const start = page.indexOf(open) + open.length
  const end = page.indexOf(close, start)
  if (start < open.length || end < 0) throw new Error(`docs/configuration.md has no part for ${name}`)
  return [page.slice(0, start), page.slice(start, end), page.slice(end)]
}

if (process.env.UPDATE_DOCS === '1') {
  for (const [name, table] of SECTIONS) {
    const [before, , after] = partOf(readFileSync(PAGE, 'utf8'), name)
    writeFileSync(PAGE, before + tableOf(table) + after)
  }
}

describe('docs/configuration.md', () => {
  test.each(SECTIONS)('has the options of %s', (name, table) => {
    const [, part] = partOf(readFileSync(PAGE, 'utf8'), name)
    expect(part).toBe(tableOf(table))
  })
})
