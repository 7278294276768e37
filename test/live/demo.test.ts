/** `querytap demo` as its user meets it: embedded PostgreSQL, a server of one's own, and without PGlite. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import { faultsOf, SECRET } from '../../src/commands/demo-workload.ts'
import { describeLive } from '../support/live.ts'
import { startPostgres } from '../support/postgres.ts'
import { run, runOk, start, until } from '../support/programs.ts'
import { CLI } from '../support/querytap.ts'
import { readRecords } from '../support/records.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'querytap-test-demo-'))
})
afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})

/** The demo makes its log's directory where temporary ones are made. */
const env = () => ({ ...process.env, TMPDIR: directory })
const logDirectory = () =>
  join(directory, readdirSync(directory).find((name) => name.startsWith('querytap-demo-')) ?? '')

describe('querytap demo --once', () => {
  test('shows the records of its workload, writes them to a file, and ends well', async () => {
    const { code, stdout, stderr } = await run(process.execPath, [CLI, 'demo', '--once'], {
      env: env(),
      timeout: 110_000,
    })
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining(logDirectory()) })

    expect(stdout).toMatch(/✓ .* 3 rows {2}INSERT INTO orders/)
    expect(stdout).toContain('$1 = shelf  $2 = 75.25  $3 = NULL')
    expect(stdout).toMatch(
      /✗ .* 42P01 {2}SELECT \* FROM order_items.*\n +relation "order_items" does not exist/,
    )
    expect(stdout).toContain('CREATE ROLE clerk LOGIN PASSWORD <redacted>')
    expect(stdout).toContain('transaction rolled back')
    expect(stdout + stderr).not.toContain(SECRET)

    const records = readRecords(logDirectory())
    expect(faultsOf(records.map((record) => `${JSON.stringify(record)}\n`).join(''))).toEqual([])
    expect(records.map(({ event }) => event)).toEqual([
      ...['audit.start', 'session.start', 'session.auth', 'statement', 'statement', 'statement', 'prepare'],
      ...Array<string>(8).fill('statement'),
      ...['txn.end', 'session.end', 'audit.stop'],
    ])
  })

  test('without PGlite says what to do', async () => {
    cpSync(dirname(dirname(CLI)), join(directory, 'dist'), { recursive: true })
    cpSync(join(ROOT, 'package.json'), join(directory, 'package.json'))
    mkdirSync(join(directory, 'node_modules'))
    for (const name of Object.keys(manifest.dependencies)) {
      symlinkSync(join(ROOT, 'node_modules', name), join(directory, 'node_modules', name))
    }
    const copy = join(directory, 'dist', 'src', 'cli.js')
    const { code, stdout, stderr } = await run(process.execPath, [copy, 'demo', '--once'], { env: env() })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(
      /^querytap: the demo's embedded PostgreSQL is not installed.*demo -r HOST:PORT$/m,
    )
  })

  test('has nothing to do once before a server of the user', async () => {
    const args = [CLI, 'demo', '--once', '-r', '127.0.0.1:5432']
    const { code, stderr } = await run(process.execPath, args, { env: env() })
    expect(code).toBe(2)
    expect(stderr).toMatch(/^querytap: demo: --once /)
    expect(readdirSync(directory)).toEqual([])
  })
})

await describeLive('querytap demo -r', ['postgres'], () => {
  test('shows what passes, runs nothing of its own, and ends by Ctrl-C', async () => {
    const postgres = await startPostgres({ settings: { log_statement: 'all' } })
    const demo = start(process.execPath, [CLI, 'demo', '-r', `127.0.0.1:${postgres.port}`], { env: env() })
    try {
      const shown = (text: string) => until(text, () => (demo.output().includes(text) ? true : undefined))
      await shown('Ctrl-C ends it')
      const port = /listens on 127\.0\.0\.1:(\d+)/.exec(demo.output())?.[1]
      const where = `host=127.0.0.1 port=${port} user=postgres dbname=postgres`
      await runOk(postgres.program('psql'), ['-X', where, '-c', 'SELECT 40 + 2'])
      await shown('ended by client')
      expect(await demo.stop('SIGINT')).toBe(0)
      expect(demo.output()).toMatch(/✓ .* 1 row {2}SELECT 40 \+ 2\n/)

      const statements = readRecords(logDirectory()).filter(({ event }) => event === 'statement')
      expect(statements.map(({ query }) => query)).toEqual(['SELECT 40 + 2'])
      const ran = (await postgres.readLog()).filter(({ message }) => message?.startsWith('statement: '))
      expect(ran.map(({ message }) => message)).toEqual(['statement: SELECT 40 + 2'])
    } finally {
      await demo.stop('SIGKILL')
      await postgres.stop()
    }
  })
})
