/**
 * Nothing that is secret reaches a log, in any of its forms: real clients, a real server, and a search
 * through all files.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeLive } from '../support/live.ts'
import { frontend } from '../support/pg-wire.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'
import { type Querytap, startQuerytap } from '../support/querytap.ts'
import {
  byHand,
  byNodePostgres,
  byPassword,
  byPasswordCommand,
  byPsql,
  odd,
  type Place,
  Secrets,
  secretScript,
} from '../support/secret-workload.ts'

const METHODS = ['scram-sha-256', 'md5', 'password'] as const
const userOf = (method: string): string => `by_${method.replaceAll('-', '_')}`
const passwordOf = (method: string): string => `Zq${method.replaceAll('-', '')}Xw`

/** Everything that the program has written: logs, also compressed ones, and its standard streams. */
const writtenBy = (tap: Querytap): string => {
  const contents = readdirSync(tap.directory)
    .filter((name) => name !== 'querytap.toml')
    .map((name) => {
      const bytes = readFileSync(join(tap.directory, name))
      return String(name.endsWith('.gz') ? gunzipSync(bytes) : bytes)
    })
  return [...contents, tap.output()].join('\n')
}

await describeLive('secrets', ['postgres'], () => {
  let server: Postgres

  beforeAll(async () => {
    server = await startPostgres({
      hba: METHODS.map((method) => `host all ${userOf(method)} 127.0.0.1/32 ${method}`),
    })
    const roles = METHODS.map(
      (method) => `
        SET password_encryption = '${method === 'md5' ? 'md5' : 'scram-sha-256'}';
        CREATE ROLE ${userOf(method)} LOGIN PASSWORD '${passwordOf(method)}';`,
    )
    await server.psql(`CREATE EXTENSION dblink; ${roles.join('')}`)
  })
  afterAll(() => server?.stop())

  /** The cancel key of a session, which it then uses, and how its digits may be written. */
  const cancel = async (port: number): Promise<readonly string[]> => {
    const startup = frontend.startup({ user: 'postgres', database: 'postgres' })
    const session = await byHand(port, startup, 'Z', 1)
    const key = session.key.subarray(4)
    await byHand(port, frontend.cancelRequest(session.key.readInt32BE(0), key), '$', 1)
    await session.leave()
    const digits = [key.readInt32BE(0), key.readUInt32BE(0)].map(String)
    return [key.toString('hex'), key.toString('base64'), ...digits]
  }

  const workload = async (place: Place, secrets: Secrets): Promise<void> => {
    const r = 'r_'
    const { make } = secrets
    await byPsql(place, `CREATE ROLE typed LOGIN;\n${secretScript(r, server.port, make)}`)
    await byPsql(place, '', `SELECT 1; ALTER ROLE typed PASSWORD '${make()}'; SELECT 'x'`)
    await byPasswordCommand(place, 'typed', make())
    await byNodePostgres(place, r, make)
    for (const [bytes, type, count] of odd(r, make))
      await byHand(place.port, bytes, type, count).then((answers) => answers.leave())
    for (const method of METHODS) {
      expect(await byPassword(place, userOf(method), passwordOf(method))).toBe(0)
      expect(await byPassword(place, userOf(method), make())).not.toBe(0)
    }
    secrets.add(...METHODS.map(passwordOf), ...(await cancel(place.port)))
    const verifiers = await server.psql("SELECT rolpassword FROM pg_authid WHERE rolpassword <> ''")
    secrets.add(
      ...verifiers.split('\n').flatMap((line) => line.split(/[$:]/).filter(({ length }) => length > 15)),
    )
    await server.psql('DROP ROLE typed')
  }

  const CONFIGURATIONS: readonly (readonly [string, Record<string, unknown>])[] = [
    ['JSON', {}],
    ["tcpdp's lines", { detail: 'message' }],
    ['LTSV, compressed files', { format: 'ltsv', rotationSize: '16KiB', compress: 'gzip' }],
    ['for people', { stdout: true, stdoutFormat: 'console' }],
  ]

  test.each(CONFIGURATIONS)('are in no log: %s', async (_, dumpLog) => {
    const tap = await startQuerytap({ remote: server.port, config: { dumpLog, log: { stdout: true } } })
    try {
      const secrets = new Secrets('live')
      await workload({ server, port: tap.port }, secrets)
      await tap.stop()
      if (dumpLog.compress) expect(readdirSync(tap.directory).join()).toContain('.gz')
      const written = writtenBy(tap)
      expect(secrets.in(written).map((word) => [word, ...around(written, word)])).toEqual([])
      // not a test of nothing: the statements are there, without their secrets
      expect(written.split('<redacted>').length).toBeGreaterThan(secrets.words.length / 2)
      for (const word of [
        'CREATE ROLE r_a LOGIN PASSWORD <redacted>',
        'set_config',
        'by_md5',
        'dblink_exec',
      ])
        expect(written).toContain(word)
    } finally {
      await tap.stop()
      tap.remove()
    }
  })

  test('are found in each of their forms', () => {
    const secrets = new Secrets('found')
    const word = secrets.make()
    const bytes = (before: string) => Buffer.from(`${before}${word} and more`)
    for (const text of [`a${word}b`, bytes('ab').toString('hex').toUpperCase()])
      expect(secrets.in(text)).toEqual([word])
    for (const before of ['', 'a', 'ab', 'abc'])
      expect(secrets.in(bytes(before).toString('base64'))).toEqual([word])
    expect(secrets.in(word.slice(1))).toEqual([])
  })

  test('are masked by what they are, whatever standard_conforming_strings was', async () => {
    const tap = await startQuerytap({ remote: server.port })
    try {
      const secrets = new Secrets('scs')
      for (const [bytes, type, count] of odd('scs_', secrets.make).slice(0, 3)) {
        const answers = await byHand(tap.port, bytes, type, count)
        expect(answers.types).not.toContain('E')
        await answers.leave()
      }
      await tap.stop()
      const texts = tap.records().map(({ query }) => query)
      for (const name of ['x', 'y', 'z'])
        expect(texts).toContain(`CREATE ROLE scs_${name} PASSWORD <redacted> LOGIN`)
    } finally {
      await tap.stop()
      tap.remove()
    }
  })
})

/** The lines that have the word, for whoever must find out why. */
const around = (text: string, word: string): readonly string[] =>
  text.split('\n').filter((line) => line.includes(word))
