/**
 * The house's plan, held: who may import whom (one way only, no cycles), what framing and dumpers may touch,
 * and how long a file may get.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Parts of the program, and what each may import besides its own part. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  flow: [],
  log: ['errors'],
  event: ['flow'],
  session: ['flow', 'event'],
  framing: ['errors', 'flow'],
  'framing/proxy-header': ['errors', 'flow', 'framing'],
  sql: ['errors', 'flow'],
  'dumpers/common': ['errors', 'flow', 'event', 'framing'],
  dumper: ['errors', 'flow', 'event', 'session', 'framing', 'sql', 'dumpers/common'],
  'dumpers/index': ['errors', 'session', 'dumper'],
  proxy: ['errors', 'log', 'flow', 'session', 'framing/proxy-header'],
  capture: ['errors', 'log', 'flow', 'session', 'framing/proxy-header'],
  observe: ['errors', 'log', 'flow', 'session', 'event'],
  audit: ['errors', 'log', 'event', 'sql'],
  sinks: ['errors', 'log', 'flow', 'event'],
  report: ['errors', 'log', 'event'],
  config: ['errors'],
  commands: [
    ...['errors', 'log', 'flow', 'event', 'session', 'framing', 'framing/proxy-header', 'sql', 'dumper'],
    ...['dumpers/index', 'proxy', 'capture', 'observe', 'audit', 'sinks', 'report', 'config'],
  ],
  cli: ['errors', 'log', 'commands'],
}

/** Files that are longer than the wall because they are tables of constants. */
const TABLES: readonly string[] = []
const WALL = 450
const WIDTH = 110

const PURE_MODULES = ['node:buffer', 'node:zlib', 'node:crypto']
/** What a pure part must not reach for: the clock, timers, chance, the process, the network. */
const IMPURE =
  /\b(?:Date\.now|new Date\(\)|performance|setTimeout|setInterval|setImmediate|Math\.random|process|fetch|console)\b(?!['":])/

const partOf = (file: string): string => {
  if (file.startsWith('config/')) return 'config'
  if (file === 'dumpers/index.ts') return 'dumpers/index'
  if (file.startsWith('dumpers/common/')) return 'dumpers/common'
  if (file.startsWith('dumpers/')) return 'dumper'
  if (file === 'src/framing/proxy-header.ts') return 'framing/proxy-header'
  return file.replace(/^src\//, '').replace(/[/.].*$/, '')
}

/** Two dumpers are two parts, though they have the same rights. */
const isOwnPart = (from: string, to: string): boolean =>
  partOf(from) === partOf(to) && (partOf(from) !== 'dumper' || from.split('/')[1] === to.split('/')[1])

const mayImport = (from: string, to: string): boolean =>
  isOwnPart(from, to) ||
  (partOf(from) !== partOf(to) && (MAY_IMPORT[partOf(from)]?.includes(partOf(to)) ?? false))

const TOKEN = /('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g
const withoutComments = (source: string): string =>
  source.replace(TOKEN, (_, literal?: string) => literal ?? '')

const SPECIFIERS = [
  /\b(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/g,
  /\bimport\s*['"]([^'"]+)['"]/g,
  /\bimport\(\s*['"]([^'"]+)['"]/g,
]

/** What a source imports, statically, dynamically or as a type. */
const importsOf = (source: string): string[] => {
  const code = withoutComments(source)
  return SPECIFIERS.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] as string))
}

const filesUnder = (directory: string): string[] =>
  readdirSync(ROOT + directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => posix.join(directory, name.replaceAll('\\', '/')))
    .sort()

const program = ['src', 'dumpers', 'config'].flatMap(filesUnder)
const sources = new Map(program.map((file) => [file, readFileSync(ROOT + file, 'utf8')]))

const isOurs = (specifier: string): boolean => specifier.startsWith('.')
const resolved = (from: string, specifier: string): string => posix.join(posix.dirname(from), specifier)
const edgesOf = (file: string): string[] =>
  importsOf(sources.get(file) ?? '')
    .filter((specifier) => isOurs(specifier) && specifier.endsWith('.ts'))
    .map((specifier) => resolved(file, specifier))

/** The first cycle met from here, as the files on it. */
const cycleFrom = (file: string, path: readonly string[], done: Set<string>): string[] | undefined => {
  if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
  if (done.has(file)) return undefined
  for (const next of edgesOf(file)) {
    const cycle = cycleFrom(next, [...path, file], done)
    if (cycle) return cycle
  }
  done.add(file)
  return undefined
}

const isPure = (file: string): boolean =>
  file.startsWith('src/framing/') || (file.startsWith('dumpers/') && file !== 'dumpers/index.ts')

describe('imports', () => {
  test('the scanner finds every form, and none in comments', () => {
    const source = `import type { A } from './a.ts' // import './no.ts'
      import {
        b, // from here
      } from "./b.ts"
      import './c.ts'
      /** {@link import('./no.ts')} */
      export { d } from './d.ts'
      const e = await import('./e.ts')
      type F = typeof import('./f.ts')
      const text = "// not a comment"; export * from './g.ts'`
    expect(importsOf(source).sort()).toEqual(
      ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => `./${name}.ts`),
    )
  })

  test.each([
    ['src/flow.ts', 'src/errors.ts', false],
    ['src/event.ts', 'src/flow.ts', true],
    ['src/event.ts', 'src/session.ts', false],
    ['src/framing/pg.ts', 'src/log.ts', false],
    ['dumpers/pg/session.ts', 'dumpers/pg/decode.ts', true],
    ['dumpers/pg/session.ts', 'dumpers/mysql/decode.ts', false],
    ['dumpers/pg/session.ts', 'dumpers/common/queue.ts', true],
    ['dumpers/common/queue.ts', 'dumpers/pg/commands.ts', false],
    ['dumpers/pg/session.ts', 'src/log.ts', false],
    ['src/proxy/listener.ts', 'src/framing/proxy-header.ts', true],
    ['src/proxy/listener.ts', 'src/framing/pg.ts', false],
    ['src/audit/pipeline.ts', 'src/sinks/file.ts', false],
    ['src/observe/decode.ts', 'config/load.ts', false],
    ['src/commands/proxy.ts', 'config/load.ts', true],
    ['src/unknown.ts', 'src/flow.ts', false],
  ])('%s → %s: %s', (from, to, allowed) => {
    expect(mayImport(from, to)).toBe(allowed)
  })

  test.each(program)('%s keeps to the table', (file) => {
    const ours = importsOf(sources.get(file) ?? '').filter(isOurs)
    const refused = ours.map((specifier) => resolved(file, specifier)).filter((to) => !mayImport(file, to))
    expect(refused).toEqual([])
    expect(ours.filter((specifier) => !/\.(ts|json)$/.test(specifier))).toEqual([])
  })

  test('there is no cycle', () => {
    const done = new Set<string>()
    expect(program.map((file) => cycleFrom(file, [], done)).find(Boolean)).toBeUndefined()
  })
})

describe('framing and dumpers are pure', () => {
  test.each(program.filter(isPure))('%s', (file) => {
    const source = sources.get(file) ?? ''
    const foreign = importsOf(source).filter((specifier) => !isOurs(specifier))
    expect(foreign.filter((specifier) => !PURE_MODULES.includes(specifier))).toEqual([])
    const lines = withoutComments(source).split('\n')
    expect(lines.filter((line) => IMPURE.test(line))).toEqual([])
  })
})

describe('size and shape', () => {
  const everything = [...program, ...filesUnder('test'), ...filesUnder('bench')]

  test.each(everything.filter((file) => !TABLES.includes(file)))(
    `%s is at most ${WALL} lines long`,
    (file) => {
      expect(readFileSync(ROOT + file, 'utf8').split('\n').length - 1).toBeLessThanOrEqual(WALL)
    },
  )

  test(`lines are under ${WIDTH} columns, links aside`, () => {
    const isLong = (line: string): boolean => line.length >= WIDTH && !line.includes('https://')
    const numbered = (file: string): string[] =>
      (sources.get(file) ?? '')
        .split('\n')
        .map((line, index) => (isLong(line) ? `${file}:${index + 1}` : ''))
    expect(program.flatMap(numbered).filter(Boolean)).toEqual([])
  })

  test.each(program)('%s: named exports, no exit outside cli.ts', (file) => {
    const code = withoutComments(sources.get(file) ?? '')
    expect(code).not.toMatch(/^export default\b/m)
    if (file !== 'src/cli.ts') expect(code).not.toMatch(/\bprocess\.exit(?:Code)?\b/)
  })
})
