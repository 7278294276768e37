import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { usualDumper } from '../../config/listeners.ts'
import { type FlagValue, type ListenerConfig, loadConfig } from '../../config/load.ts'

let directory = ''
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'querytap-config-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

const listeners = (
  text: string,
  needsListener = true,
  flags: FlagValue[] = [],
): readonly ListenerConfig[] => {
  const file = join(directory, 'querytap.toml')
  writeFileSync(file, text)
  try {
    return loadConfig({ env: {}, file, needsListener, flags }).listeners
  } catch (error) {
    throw new Error((error as Error).message.replaceAll(file, 'FILE'))
  }
}

describe('[proxy]', () => {
  test('gives one listener, complete', () => {
    const text =
      '[querytap]\nproxyProtocol = true\n[proxy]\nlistenAddr = ":1"\nremoteAddr = ":5432"\nkeepAlive = "2m"'
    expect(listeners(text)).toEqual([
      {
        name: 'default',
        listenAddr: ':1',
        listen: { host: '', port: 1 },
        remoteAddr: ':5432',
        remote: { host: 'localhost', port: 5432 },
        dumper: 'pg',
        proxyProtocol: true,
        proxyProtocolForward: false,
        allow: [],
        maxConnections: 0,
        loginTimeout: 60_000,
        dialTimeout: 10_000,
        keepAlive: 120_000,
        listenBacklog: 511,
        tls: { client: 'refuse', server: 'disable' },
      },
    ])
  })

  test.each([
    ['no server', '', "the server's address is wanted: -r HOST:PORT, or remoteAddr in the configuration"],
    [
      'nowhere to listen',
      '[proxy]\nremoteAddr = "db:5432"',
      'an address to listen on is wanted: -l HOST:PORT, or listenAddr in the configuration (or -s)',
    ],
    [
      'no dialect',
      '[proxy]\nremoteAddr = "db:6432"\nlistenAddr = ":1"',
      'the dialect is wanted: -d pg, -d mysql, -d hex or -d conn, or dumper in the configuration; db:6432 is no usual address ' +
        'of PostgreSQL or MySQL',
    ],
  ])('%s', (_, text, message) => {
    expect(() => listeners(text)).toThrow(message)
  })

  test('gives none where none is told and none is needed', () => {
    expect(listeners('', false)).toEqual([])
  })

  test('inherited sockets need no address', () => {
    const [listener] = listeners('[proxy]\nuseServerStarter = true\nremoteAddr = "db:5432"')
    expect(listener?.listen).toBeUndefined()
  })
})

describe('[[listener]]', () => {
  test('falls back to the tables above, tls key by key', () => {
    const [first, second] = listeners(`
[querytap]
dumper = "hex"
[proxy]
remoteAddr = "db:5432"
allow = ["10.0.0.0/8"]
[proxy.tls]
client = "passthrough"
[[listener]]
listenAddr = ":1"
allow = []
[[listener]]
name = "b"
listenAddr = ":2"
dumper = "pg"
tls.client = "refuse"
`)
    expect(first).toMatchObject({ name: ':1', dumper: 'hex', allow: [], tls: { client: 'passthrough' } })
    expect(second).toMatchObject({
      name: 'b',
      dumper: 'pg',
      allow: ['10.0.0.0/8'],
      tls: { client: 'refuse' },
    })
  })

  test.each([
    [
      'names',
      'name = "a"\nlistenAddr = ":1"',
      'name = "a"\nlistenAddr = ":2"',
      'FILE:7: listener.name: "a" is that of listener 1 already',
    ],
    [
      'addresses',
      'name = "a"\nlistenAddr = ":1"',
      'name = "b"\nlistenAddr = "*:1"',
      'FILE:8: listener.listenAddr: ":1" is that of listener 1 already',
    ],
  ])('%s are taken once', (_, a, b, message) => {
    const block = (own: string) => `[[listener]]\n${own}\nremoteAddr = "db:5432"\n`
    expect(() => listeners(`${block(a)}\n${block(b)}`)).toThrow(message)
  })

  test('port 0 may be told twice', () => {
    const block = (name: string) =>
      `[[listener]]\nname = "${name}"\nlistenAddr = ":0"\nremoteAddr = "db:5432"\n`
    expect(listeners(block('a') + block('b'))).toHaveLength(2)
  })

  test('what is missing is told by line', () => {
    expect(() => listeners('[[listener]]\nlistenAddr = ":1"\n', false)).toThrow(
      "FILE:1: listener.remoteAddr: the server's address is wanted",
    )
  })

  test('flags for one listener are refused', () => {
    const flag: FlagValue = { section: 'proxy', key: 'listenAddr', value: ':9', label: '--listen' }
    expect(() => listeners('[[listener]]\nlistenAddr=":1"\nremoteAddr="a:5432"', true, [flag])).toThrow(
      '--listen: cannot be told together with [[listener]] blocks, each has its own listenAddr',
    )
  })
})

test.each([
  [{ host: 'a', port: 5432 }, 'pg'],
  [{ host: 'a', port: 3306 }, 'mysql'],
  [{ host: 'a', port: 6432 }, undefined],
  [{ path: '/run/postgresql/.s.PGSQL.6000' }, 'pg'],
  [{ path: '/run/mysqld/mysqld.sock' }, 'mysql'],
  [{ path: '/run/other.sock' }, undefined],
])('the usual dumper of %j is %s', (remote, dumper) => {
  expect(usualDumper(remote)).toBe(dumper)
})
