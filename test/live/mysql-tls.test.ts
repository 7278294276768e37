import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeLive } from '../support/live.ts'
import { startMariaDb } from '../support/mariadb.ts'
import { cliArguments, MARIADB_CLI, type MyServer } from '../support/my-server.ts'
import { run, runOk } from '../support/programs.ts'
import { type Querytap, startQuerytap } from '../support/querytap.ts'

const CIPHER = "SHOW SESSION STATUS LIKE 'Ssl_cipher'"

let directory: string
let server: MyServer
let refusing: Querytap
let passing: Querytap

const cli = (port: number, args: readonly string[]) => {
  const flags = ['--batch', '--skip-column-names', '-e', CIPHER]
  return run(MARIADB_CLI, [...cliArguments({ port }), ...args, ...flags])
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'querytap-tls-'))
  chmodSync(directory, 0o755)
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
  const files = ['-keyout', key, '-out', cert]
  await runOk('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/CN=localhost',
    ...files,
  ])
  chmodSync(key, 0o644)
  server = await startMariaDb({ settings: { 'ssl-key': key, 'ssl-cert': cert } })
  refusing = await startQuerytap({ remote: server.port, dumper: 'mysql' })
  passing = await startQuerytap({
    remote: server.port,
    dumper: 'mysql',
    config: { proxy: { tls: { client: 'passthrough' } } },
  })
})

afterAll(async () => {
  await refusing?.stop()
  await passing?.stop()
  await server?.stop()
  refusing?.remove()
  passing?.remove()
  if (directory) rmSync(directory, { recursive: true, force: true })
})

await describeLive('TLS before MariaDB', ['mariadb', 'openssl'], () => {
  test('the server alone gives TLS to a client that prefers it', async () => {
    expect((await cli(server.port, ['--ssl'])).stdout).toMatch(/^Ssl_cipher\t\w+/)
  })

  test('refuse: a client that prefers TLS goes on in plain text and is audited', async () => {
    const { code, stdout } = await cli(refusing.port, ['--ssl'])
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'Ssl_cipher\t\n' })
    const records = await refusing.waitFor((all) => all.some(({ query }) => query === CIPHER))
    expect(records.filter(({ event }) => event === 'gap')).toEqual([])
  })

  test('refuse: a client that demands TLS does not log in', async () => {
    const { code, stderr } = await cli(refusing.port, ['--ssl', '--ssl-verify-server-cert'])
    expect(code).not.toBe(0)
    expect(stderr).toContain('SSL is required')
  })

  test('passthrough: TLS with the server, one gap on record, a warning in the log', async () => {
    expect((await cli(passing.port, ['--ssl'])).stdout).toMatch(/^Ssl_cipher\t\w+/)
    const records = await passing.waitFor((all) => all.some(({ event }) => event === 'session.end'))
    const gaps = records.filter(({ event }) => event === 'gap')
    expect(gaps).toMatchObject([{ gap_reason: 'tls' }])
    expect(records.filter(({ event }) => event === 'statement')).toEqual([])
    expect(passing.log()).toContain('NOT audited')
  })

  test('passthrough: a client that wants none is audited', async () => {
    expect((await cli(passing.port, ['--skip-ssl'])).stdout).toBe('Ssl_cipher\t\n')
    await passing.waitFor((all) => all.some(({ query }) => query === CIPHER))
  })
})
