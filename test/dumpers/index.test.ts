import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DUMPER_NAMES, dumperForPort, loadDumper } from '../../dumpers/index.ts'
import { ConfigError } from '../../src/errors.ts'

test.each(DUMPER_NAMES)('%s comes with the program', async (name) => {
  const dumper = await loadDumper(name)
  expect(dumper.name).toBe(name)
  expect(typeof dumper.open).toBe('function')
})

test('the usual ports name a dumper, no other port does', () => {
  expect([5432, 3306, 6379, 0].map(dumperForPort)).toEqual(['pg', 'mysql', undefined, undefined])
})

/** The error's message; a test fails when there is none, or another one. */
const refusalOf = async (nameOrPath: string): Promise<string> => {
  const error = await loadDumper(nameOrPath).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(ConfigError)
  expect(error).toMatchObject({ code: 'invalid-value', option: 'dumper' })
  return (error as ConfigError).message
}

describe('an unknown name', () => {
  test('is refused with the known ones', async () => {
    for (const name of ['pq', '', 'PG', 'toString', '__proto__']) {
      expect(await refusalOf(name)).toContain(`pg, mysql, hex, conn, or the path of a module`)
    }
  })
})

describe("a user's own module", () => {
  let directory: string
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'querytap-dumper-'))
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  const write = (name: string, text: string): string => {
    const path = join(directory, name)
    writeFileSync(path, text)
    return path
  }

  const OPEN = 'open: () => ({ feed: () => [], gap: () => [], close: () => [] })'

  test.each([
    ['exports `dumper`', 'named.mjs', `export const dumper = { name: 'mine', ${OPEN} }`],
    ['exports a default', 'default.mjs', `export default { name: 'mine', defaultPort: 70, ${OPEN} }`],
    ['has an odd name', 'a bé.mjs', `export default { name: 'mine', ${OPEN} }`],
  ])('%s', async (_, file, text) => {
    expect((await loadDumper(write(file, text))).name).toBe('mine')
  })

  test('is found from the working directory', async () => {
    const path = write('relative.mjs', `export default { name: 'mine', ${OPEN} }`)
    expect((await loadDumper(relative(process.cwd(), path))).name).toBe('mine')
  })

  test.each([
    ['nothing.mjs', '', 'exports no object as "dumper" or as its default export'],
    ['null.mjs', 'export default null', 'exports no object as "dumper" or as its default export'],
    ['nameless.mjs', `export const dumper = { ${OPEN} }`, 'its "name" is not a text'],
    ['closed.mjs', `export const dumper = { name: 'mine' }`, 'its "open" is not a function'],
    [
      'port.mjs',
      `export default { name: 'm', defaultPort: '70', ${OPEN} }`,
      'its "defaultPort" is not an integer',
    ],
    [
      'wish.mjs',
      `export default { name: 'm', serverSpeaksFirst: 1, ${OPEN} }`,
      'its "serverSpeaksFirst" is not a boolean',
    ],
    [
      'shake.mjs',
      `export default { name: 'm', handshake: 1, ${OPEN} }`,
      'its "handshake" is not a function',
    ],
    ['throws.mjs', `throw new Error('not today')`, 'cannot be loaded: not today'],
  ])('%s is refused', async (file, text, message) => {
    const path = write(file, text)
    const said = await refusalOf(path)
    expect(said).toContain(path)
    expect(said).toContain(message)
  })

  test('that is missing is refused', async () => {
    expect(await refusalOf(join(directory, 'missing.mjs'))).toContain('cannot be loaded')
  })
})
