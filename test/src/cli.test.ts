/** The program as it is installed: built, and run as a process of its own. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

let directory = ''
beforeAll(async () => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'querytap-cli-')))
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  const flags = ['-p', 'tsconfig.build.json', '--outDir', join(directory, 'dist'), '--declaration', 'false']
  // type errors are a check of their own: what matters here is what comes out
  await started([compiler, ...flags])
  writeFileSync(join(directory, 'package.json'), readFileSync(join(ROOT, 'package.json')))
  symlinkSync(join(directory, 'dist/src/cli.js'), join(directory, 'querytap'))
}, 120_000)
afterAll(() => rmSync(directory, { recursive: true }))

const started = (args: readonly string[]): Promise<{ code: number; out: string; err: string }> =>
  new Promise((resolve) => {
    const child = execFile(process.execPath, args, { cwd: ROOT, timeout: 100_000 }, (_, out, err) =>
      resolve({ code: child.exitCode ?? -1, out, err }),
    )
  })

const querytap = (...args: readonly string[]) => started([join(directory, 'querytap'), ...args])

describe('the built program', { timeout: 30_000 }, () => {
  test('tells its version, by way of a link too', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
    expect(await querytap('version')).toEqual({ code: 0, out: `${version}\n`, err: '' })
  })

  test('begins with the line that names its interpreter', () => {
    expect(readFileSync(join(directory, 'dist/src/cli.js'), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
  })

  test('wrong use: exit code 2 and one line', async () => {
    const { code, out, err } = await querytap('proxy', '-l', 'nowhere', '-r', 'db:5432')
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^querytap: --listen: the port is missing; [^\n]*\n$/)
  })

  test('prints its configuration whole into a pipe', async () => {
    const { code, out } = await querytap('config', '-c', 'config/example.toml')
    expect(code).toBe(0)
    expect(out).toBe(readFileSync(join(ROOT, 'config/example.toml'), 'utf8'))
  })
})
