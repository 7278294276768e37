/** What the pages print can be used as it stands: configuration, commands, links, records. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../config/load.ts'
import manifest from '../../package.json' with { type: 'json' }
import { main } from '../../src/commands/main.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const docs = (name: string): string => `docs/${name}.md`
const PAGES = [
  'README.md',
  ...['configuration', 'records', 'operations', 'security', 'guarantees', 'integrity'].map(docs),
  ...['mysql', 'capture', 'dumpers'].map(docs),
]
const texts = PAGES.map((page) => [page, readFileSync(ROOT + page, 'utf8')] as const)

const blocksOf = (language: string): [name: string, block: string][] =>
  texts.flatMap(([page, text]) =>
    [...text.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, 'g'))].map(
      ([, block], index): [string, string] => [`${page}, ${language} ${index + 1}`, block as string],
    ),
  )

/** As GitHub makes them. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-')

const anchorsOf = (path: string): string[] =>
  [...readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading as string))

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'querytap-docs-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('the pages', () => {
  test.each(blocksOf('toml'))('have configuration that is taken: %s', (_, block) => {
    const file = join(directory, 'querytap.toml')
    writeFileSync(file, block)
    expect(loadConfig({ file, env: {} }).file).toBe(file)
  })

  const commands = texts.flatMap(([page, text]) =>
    [...text.matchAll(/^(?:\$ .*?)?querytap (proxy|config|demo|version|probe|read)\b(.*)$/gm)].map(
      ([, name, rest]) => [page, name as string, rest as string] as const,
    ),
  )

  test('have commands', () => {
    expect(new Set(commands.map(([, name]) => name))).toEqual(
      new Set(['proxy', 'config', 'demo', 'version', 'probe', 'read']),
    )
  })

  test.each(commands)('%s: querytap %s%s has flags that there are', async (_, name, rest) => {
    let help = ''
    await main([name, '--help'], {
      out: (text) => {
        help += text
      },
      err: () => {},
      env: {},
    })
    const flags = [...rest.replace(/#.*| {2}.*/, '').matchAll(/(?<=[\s[])--?[a-z-]+/g)].map(
      ([flag]) => flag,
    )
    for (const flag of flags) expect(help).toMatch(new RegExp(`(?:^|[ ,])${flag}(?:[ ,]|$)`, 'm'))
  })

  const links = texts.flatMap(([page, text]) =>
    [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)].map(
      ([, path = '', anchor]) => [page, path, anchor] as const,
    ),
  )

  test.each(links)('%s links to %s, %s', (page, path, anchor) => {
    const target = path === '' ? ROOT + page : join(ROOT, dirname(page), path)
    expect(existsSync(target)).toBe(true)
    if (anchor !== undefined) expect(anchorsOf(target)).toContain(anchor)
  })

  test.each(blocksOf('json').filter(([page]) => !page.includes('dumpers')))(
    'have records whose keys are explained: %s',
    (_, block) => {
      const record = JSON.parse(block.replaceAll('\n', '')) as object
      const records = readFileSync(`${ROOT}docs/records.md`, 'utf8')
      for (const key of Object.keys(record)) expect(records).toMatch(new RegExp(`^\\|.*\`${key}\``, 'm'))
    },
  )

  test('name scripts of npm that there are', () => {
    const names = texts.flatMap(([, text]) => [...text.matchAll(/npm run ([\w:]+)|`(bench:\w+)`/g)])
    expect(names.length).toBeGreaterThan(5)
    for (const [, run, bare] of names) expect(manifest.scripts).toHaveProperty([run ?? bare ?? ''])
  })

  test('begin the list of changes with what is not released', () => {
    expect(readFileSync(`${ROOT}CHANGELOG.md`, 'utf8')).toMatch(/^# Changes\n[^#]*\n## Unreleased\n/)
  })
})
