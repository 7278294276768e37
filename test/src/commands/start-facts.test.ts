import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { startFacts } from '../../../src/commands/start-facts.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'querytap-facts-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const settingsOf = (text: string): unknown => {
  const file = join(dir, 'querytap.toml')
  writeFileSync(file, text)
  return JSON.parse(startFacts(loadConfig({ file, env: {} }), undefined).settings as string)
}

it('names the options that are not at their defaults', () => {
  expect(
    settingsOf('[proxy]\nallow = ["::1"]\n[proxy.tls]\nclient = "passthrough"\n[log]\ndir = "."'),
  ).toEqual({
    'proxy.allow': ['::1'],
    'proxy.tls.client': 'passthrough',
  })
})

it('names those of each listener, with what it takes over', () => {
  const text = `[querytap]
    dumper = "pg"
    [[listener]]
    name = "shop"
    listenAddr = ":15432"
    remoteAddr = "db:5432"
    [listener.tls]
    client = "passthrough"
    [[listener]]
    name = "other"
    listenAddr = ":15433"
    remoteAddr = "db:3306"
    dumper = "mysql"`
  const shop = { name: 'shop', listenAddr: ':15432', remoteAddr: 'db:5432', dumper: 'pg' }
  expect(settingsOf(text)).toEqual({
    'querytap.dumper': 'pg',
    listener: [
      { ...shop, 'tls.client': 'passthrough' },
      { name: 'other', listenAddr: ':15433', remoteAddr: 'db:3306', dumper: 'mysql' },
    ],
  })
})
