import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { createEncoder } from '../../../src/audit/encode.ts'
import { makeKeys } from '../../../src/audit/seal.ts'
import { type AuditSeal, openAuditSeal } from '../../../src/commands/audit-seal.ts'
import { startFacts } from '../../../src/commands/start-facts.ts'
import type { Log } from '../../../src/log.ts'

let dir: string
let key: string
const warn = vi.fn()
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'querytap-seal-'))
  key = join(dir, 'key.pem')
  writeFileSync(key, makeKeys().privatePem, { mode: 0o600 })
  warn.mockClear()
})
afterEach(() => rmSync(dir, { recursive: true }))

const encoder = createEncoder({ format: 'json', host: 'h', timezone: 'utc', bindValues: 'full' })
const { dumpLog } = loadConfig({ env: {}, candidates: [] })

const open = (more: Partial<typeof dumpLog>): AuditSeal | undefined =>
  openAuditSeal({ ...dumpLog, ...more }, encoder, () => undefined, { warn } as unknown as Log)

describe('the seals as configured', () => {
  it('are there by default, each second, without a key', () => {
    expect(open({})).toMatchObject({ options: { intervalMs: 1000 }, keyId: undefined })
    expect(open({ checkpointInterval: 0 })).toBeUndefined()
  })

  it('are signed where there is a key', () => {
    expect(open({ signingKey: key })?.keyId).toMatch(/^[0-9a-f]{16}$/)
    expect(warn).not.toHaveBeenCalled()
  })

  it('a key that others can read is told', () => {
    chmodSync(key, 0o640)
    open({ signingKey: key })
    expect(warn).toHaveBeenCalledWith({ file: key }, 'the signing key can be read by others than its owner')
  })

  it.each<[string, () => Partial<typeof dumpLog>, string, RegExp]>([
    ['a key that is not there', () => ({ signingKey: join(dir, 'none') }), 'environment', /ENOENT/],
    [
      'a key that is none',
      () => {
        writeFileSync(key, 'none')
        return { signingKey: key }
      },
      'invalid-value',
      /^dumpLog\.signingKey: .*: a private key of Ed25519 in PEM form wanted/,
    ],
    [
      'a key without seals',
      () => ({ signingKey: key, checkpointInterval: 0 }),
      'invalid-value',
      /leaves nothing to sign/,
    ],
  ])('%s is refused', (_, more, code, message) => {
    expect(() => open(more())).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    )
  })
})

describe('what audit.start says', () => {
  it('has version, user, key and the settings that are not at their defaults', () => {
    const config = loadConfig({
      env: {},
      candidates: [],
      flags: [
        { section: 'dumpLog', key: 'bindValues', value: 'length', label: '--x' },
        { section: 'dumpLog', key: 'checkpointInterval', value: '5s', label: '--y' },
      ],
    })
    const { settings, ...facts } = startFacts(config, '0123456789abcdef')
    expect(facts).toEqual({
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      user: expect.stringMatching(/./),
      key_id: '0123456789abcdef',
    })
    expect(JSON.parse(settings as string)).toEqual({
      'dumpLog.bindValues': 'length',
      'dumpLog.checkpointInterval': '5s',
    })
    expect(startFacts(config, undefined)).not.toHaveProperty('key_id')
  })
})
