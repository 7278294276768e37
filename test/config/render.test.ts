import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'smol-toml'
import { afterEach, describe, expect, test } from 'vitest'
import { type Config, loadConfig } from '../../config/load.ts'
import { renderToml } from '../../config/render.ts'
import { LISTENER, SECTIONS } from '../../config/schema.ts'

const EXAMPLE = fileURLToPath(new URL('../../config/example.toml', import.meta.url))
const defaults = (): Config => loadConfig({ env: {}, candidates: [] })

const directories: string[] = []
const fileWith = (text: string): string => {
  const directory = mkdtempSync(join(tmpdir(), 'querytap-config-'))
  directories.push(directory)
  const file = join(directory, 'querytap.toml')
  writeFileSync(file, text)
  return file
}
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
})

const read = (text: string): Omit<Config, 'file'> => {
  const { file: _, ...rest } = loadConfig({ env: {}, file: fileWith(text) })
  return rest
}

describe('config/example.toml', () => {
  test('is what the schema gives (to renew it: querytap config -c /dev/null > config/example.toml)', () => {
    expect(readFileSync(EXAMPLE, 'utf8')).toBe(renderToml(defaults()))
  })

  test('has every option', () => {
    const document = parse(readFileSync(EXAMPLE, 'utf8')) as Record<string, Record<string, unknown>>
    for (const [section, table] of Object.entries(SECTIONS)) {
      const values = section === 'proxy.tls' ? document.proxy?.tls : document[section]
      const keys = Object.keys(values as object).filter((key) => key !== 'tls')
      expect(keys, section).toEqual(Object.keys(table))
    }
  })

  test('its commented block is right when the marks are taken away, and has every key', () => {
    const text = readFileSync(EXAMPLE, 'utf8')
    const block = text.slice(text.indexOf('# [[listener]]')).replace(/^# /gm, '')
    const [listener] = read(block).listeners
    expect(listener?.name).toBe('orders')
    expect(listener?.remote).toEqual({ host: 'db1.example.com', port: 5432 })
    const [written] = parse(block).listener as Record<string, unknown>[]
    expect(Object.keys(written as object).sort()).toEqual([...Object.keys(LISTENER), 'tls'].sort())
  })
})

describe('what is printed is read again as the same', () => {
  test.each<[string, string]>([
    ['defaults', ''],
    ['one listener', '[proxy]\nlistenAddr = ":15432"\nremoteAddr = "db:5432"'],
    [
      'values of every kind',
      String.raw`
[tcpdp]
pidfile = "/tmp/a \"b\"\\c\u0007.pid"
dumper = "hex"
[proxy]
listenAddr = "[::1]:15432"
remoteAddr = "/run/postgresql/.s.PGSQL.5432"
allow = ["10.0.0.0/8", "::1"]
loginTimeout = "1500ms"
keepAlive = 90
tls = { client = "passthrough" }
[dumpLog]
maxQueryBytes = 1500
rotationSize = "100MB"
rotationMaxAge = "30d"
fileMode = "640"
stdoutFormat = ""`,
    ],
    [
      'blocks',
      `
[querytap]
dumper = "pg"
[[listener]]
name = "a"
listenAddr = "127.0.0.1:1"
remoteAddr = "db:1"
[listener.tls]
client = "passthrough"
[[listener]]
listenAddr = "127.0.0.1:2"
remoteAddr = "db:3306"
dumper = "hex"
maxConnections = 5`,
    ],
  ])('%s', (_, text) => {
    const first = read(text)
    const { file: __, ...second } = loadConfig({ env: {}, file: fileWith(renderToml(first as Config)) })
    expect(second).toEqual(first)
  })
})
