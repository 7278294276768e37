import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { captureSubject } from '../../../src/commands/capture-targets.ts'
import { ConfigError } from '../../../src/errors.ts'

const NAMES: Readonly<Record<string, string[]>> = { db: ['10.0.0.5', 'fd00::5'] }

const subject = (target: string, dumper = '') => {
  const config = loadConfig({ env: {}, candidates: [] })
  const probe = { ...config.probe, target }
  const querytap = { ...config.querytap, dumper }
  return captureSubject({ probe, querytap }, async (host) => NAMES[host] ?? [])
}

const refusal = async (target: string, dumper?: string): Promise<string> => {
  const error: unknown = await subject(target, dumper).catch((thrown: unknown) => thrown)
  if (!(error instanceof ConfigError)) throw error
  return error.option
}

describe('the dumper', () => {
  test.each([
    ['5432', 'pg'],
    ['db:5432||10.0.0.6:5432', 'pg'],
    ['3306', 'mysql'],
  ])('of %s is %s', async (target, name) => {
    expect((await subject(target)).dumper.name).toBe(name)
  })

  test.each([['6432'], ['db'], ['5432||3306'], ['']])('of %j must be named', async (target) => {
    expect(await refusal(target)).toBe('--dumper')
  })
})

describe('the target', () => {
  test("is the dialect's own port when none is told", async () => {
    const { targets, targetText } = await subject('', 'pg')
    expect([targets, targetText]).toEqual([[{ port: 5432 }], '5432'])
  })

  test('must be told where the dumper has no port', async () => {
    expect(await refusal('', 'hex')).toBe('--target')
  })

  test('has the addresses of its names', async () => {
    const { targets } = await subject('db:6432||[fd00::7]:1||9.8.7.6||4000', 'pg')
    expect(targets).toEqual([
      { port: 6432, addresses: ['10.0.0.5', 'fd00::5'] },
      { port: 1, addresses: ['fd00::7'] },
      { addresses: ['9.8.7.6'] },
      { port: 4000 },
    ])
  })

  test("that has no address is the machine's trouble, not wrong use", async () => {
    const config = loadConfig({ env: {}, candidates: [] })
    const probe = { ...config.probe, target: 'no-such-host.invalid:5432' }
    const error: unknown = await captureSubject({ ...config, probe }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'environment', option: '--target' })
  })
})
