/** Logs of a real proxy verify, however it came to its end; and what is changed in them is found. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { describeLive } from '../support/live.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'
import { run, runOk, until } from '../support/programs.ts'
import { CLI, type Querytap, startQuerytap } from '../support/querytap.ts'
import { logFiles, readRecords } from '../support/records.ts'

/** the first byte of a gzip file */
const GZIP = 0x1f
/** QUERYTAP_CRASH_ROUNDS, or a few */
const KILLS = Number(process.env.QUERYTAP_CRASH_ROUNDS ?? 4)
const SCALE_OF_MOMENTS_MS = 700

let server: Postgres
let directory: string
let logs: string
const key = () => join(directory, 'key.pem')
const publicKey = () => join(directory, 'key.pub.pem')

const target = (port: number) => ['-h', '127.0.0.1', '-p', String(port), '-U', server.user, server.database]

beforeAll(async () => {
  server = await startPostgres()
  await runOk(server.program('pgbench'), ['-i', '-q', ...target(server.port)])
})
afterAll(() => server?.stop())

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'querytap-integrity-'))
  logs = join(directory, 'logs')
  await runOk(process.execPath, [CLI, 'keygen', '-o', key()])
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const startSealed = (more: Readonly<Record<string, unknown>> = {}): Promise<Querytap> =>
  startQuerytap({
    remote: server.port,
    config: { dumpLog: { dir: logs, signingKey: key(), checkpointInterval: '100ms', ...more } },
  })

/** Text of a file; empty when it was compressed since it was listed. kill -9 may have torn a line. */
const textIn = (file: string): string => {
  const path = join(logs, file)
  if (!existsSync(path)) return ''
  const bytes = readFileSync(path)
  return String(bytes[0] === GZIP ? gunzipSync(bytes) : bytes)
}

/** Records of that kind. */
const count = (event: string): number =>
  logFiles(logs).reduce((sum, file) => sum + textIn(file).split(`"event":"${event}"`).length - 1, 0)

interface Verdict {
  readonly findings: number
  readonly files: readonly {
    readonly sealed: number
    readonly unsealed: number
    readonly findings: readonly { readonly text: string }[]
  }[]
}

const verify = async (...args: readonly string[]): Promise<Verdict> => {
  const { stdout, stderr } = await run(process.execPath, [CLI, 'verify', '--json', ...args])
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as Verdict
}

const textsOf = ({ files }: Verdict): string[] =>
  files.flatMap(({ findings }) => findings.map(({ text }) => text))

await describeLive('the integrity of the log', ['postgres'], () => {
  test.for([
    ['a file for each run', {}],
    ['a file for each second, compressed', { rotationTime: 'secondly', compress: 'gzip' }],
    ['one file', { rotateEnable: false }],
  ] as const)('%s: after kill -9 at any moment', { timeout: 60_000 + KILLS * 20_000 }, async ([, more]) => {
    for (let kill = 0; kill < KILLS; kill++) {
      const tap = await startSealed(more)
      const before = count('statement')
      const load = run(server.program('pgbench'), ['-n', '-S', '-c', '4', '-T', '30', ...target(tap.port)])
      await until('its first statement', () => count('statement') > before)
      await pause((SCALE_OF_MOMENTS_MS * kill) / KILLS)
      await tap.stop('SIGKILL')
      await load
      tap.remove()
    }
    const last = await startSealed(more)
    await runOk(server.program('pgbench'), ['-n', '-S', '-t', '100', ...target(last.port)])
    expect(await last.stop()).toBe(0)
    last.remove()
    expect(count('audit.start')).toBe(KILLS + 1)
    const verdict = await verify('--key', publicKey(), logs)
    expect(textsOf(verdict)).toEqual([])
    expect(verdict.files.some(({ unsealed }) => unsealed > 0)).toBe(true)
    expect(verdict.files.reduce((sum, { sealed }) => sum + sealed, 0)).toBeGreaterThan(100)
  })

  test('of a running proxy verifies at any moment, and what is changed is found', async () => {
    const tap = await startSealed({ rotationTime: 'secondly' })
    try {
      const load = runOk(server.program('pgbench'), ['-n', '-S', '-c', '4', '-T', '5', ...target(tap.port)])
      for (let look = 0; look < 5; look++) {
        await pause(500)
        expect(textsOf(await verify('--key', publicKey(), logs))).toEqual([])
      }
      await load
    } finally {
      await tap.stop()
      tap.remove()
    }
    expect(textsOf(await verify('--key', publicKey(), logs))).toEqual([])
    // the file of the first second may be there before the load is
    const files = logFiles(logs).map((file) => join(logs, file))
    const first = files.find((file) => readFileSync(file, 'utf8').includes('SELECT abalance')) as string
    const text = readFileSync(first, 'utf8')
    writeFileSync(first, text.replace('SELECT abalance', 'DELETE abalance'))
    expect(textsOf(await verify('--key', publicKey(), logs)).join()).toMatch(/do not match their seal/)
    rmSync(first)
    expect(textsOf(await verify('--key', publicKey(), logs)).join()).toMatch(/is missing/)
  })

  test('seals go to the hook, and are found again', async () => {
    const kept = join(directory, 'kept')
    const hook = join(directory, 'hook.sh')
    writeFileSync(hook, `#!/bin/sh\necho "$1" >> ${kept}\n`, { mode: 0o755 })
    const tap = await startSealed({ checkpointHook: hook })
    try {
      await runOk(server.program('pgbench'), ['-n', '-S', '-t', '10', ...target(tap.port)])
    } finally {
      expect(await tap.stop()).toBe(0)
    }
    const seals = readFileSync(kept, 'utf8').trim().split('\n')
    const expected = seals.flatMap((seal) => ['--expect-seal', seal])
    expect(textsOf(await verify('--key', publicKey(), ...expected, logs))).toEqual([])
    expect((await verify('--key', publicKey(), ...expected, logs)).findings).toBe(0)
    const records = readFileSync(join(logs, logFiles(logs)[0] as string), 'utf8')
    expect(records).toContain(`"seal":"${seals.at(-1)}"`)
    expect(records.indexOf(`"seal":"${seals.at(-1)}"`)).toBeGreaterThan(records.indexOf('"audit.stop"'))
    const [start] = readRecords(logs)
    expect(start).toMatchObject({
      event: 'audit.start',
      key_id: expect.any(String),
      user: expect.any(String),
    })
    expect(JSON.parse(start?.settings as string)).toMatchObject({ 'dumpLog.checkpointHook': hook })
    tap.remove()
  })
})
