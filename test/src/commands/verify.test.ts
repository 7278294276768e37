import { mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeKeys } from '../../../src/audit/seal.ts'
import { main } from '../../../src/commands/main.ts'
import { LogDirectory } from '../../support/log-files.ts'
import { KEYS, type SealedOptions, sealed, statement } from '../../support/sealed-log.ts'

let log: LogDirectory
let key: string
beforeEach(() => {
  log = new LogDirectory()
  mkdirSync(join(log.dir, 'keys'))
  key = join(log.dir, 'keys', 'public.pem')
  writeFileSync(key, KEYS.publicPem)
})
afterEach(() => log.remove())

const run = async (...argv: readonly string[]) => {
  let [out, err] = ['', '']
  const io = { out: (text: string) => (out += text), err: (text: string) => (err += text), env: {} }
  return { code: await main(argv, io), out, err }
}

/** Three files of three records each. */
const writeLog = async (options?: SealedOptions): Promise<string[]> => {
  const sink = log.open(sealed(options))
  for (const hour of ['nine', 'ten', 'eleven']) {
    sink.append(statement(`SELECT '${hour}'`))
    sink.flush()
    log.clock.advance(3_600_000)
  }
  await sink.close()
  return ['09', '10', '11'].map((hour) => join(log.dir, `dump.log.20240501${hour}`))
}

const alter = (path: string): void =>
  writeFileSync(path, readFileSync(path, 'utf8').replace('SELECT', 'DELETE'))

describe('querytap verify', () => {
  it('says of each file what it holds, and of a log as it was written nothing else', async () => {
    const [nine] = await writeLog()
    const { code, out, err } = await run('verify', '--key', key, log.dir)
    expect([code, err]).toEqual([0, ''])
    expect(out).toContain(
      [
        `ok  ${nine}`,
        '    4 records, 2024-05-01T09:30:00.000000Z to 2024-05-01T10:30:00.000000Z',
        '    4 records sealed by 3 checkpoints',
        '',
      ].join('\n'),
    )
    expect(out).toContain('3 files, 14 records vouched for, 0 records not vouched for: no findings\n')
  })

  it('finds what was altered, by its interval', async () => {
    const [nine] = await writeLog()
    alter(nine as string)
    const { code, out } = await run('verify', '--key', key, log.dir)
    expect(code).toBe(1)
    expect(out).toContain(`BAD  ${nine}\n`)
    expect(out).toContain('    ! lines 2 to 3 do not match their seal\n')
    expect(out).toContain(': 1 finding\n')
  })

  it('finds a record that is gone, by its number', async () => {
    const [nine] = await writeLog()
    const lines = readFileSync(nine as string, 'utf8').split('\n')
    writeFileSync(nine as string, lines.toSpliced(1, 1).join('\n'))
    const { out } = await run('verify', nine as string)
    expect(out).toContain('! record 2 is missing before line 2\n')
    expect(out).toContain('do not match their seal; the file had 2 lines before it, and has 1\n')
  })

  it('finds a file that is gone, a cut tail, and a file that should follow', async () => {
    const [nine, ten, eleven] = (await writeLog()) as [string, string, string]
    const whole = readFileSync(nine, 'utf8')
    const bytes = readFileSync(ten)
    rmSync(ten)
    const gone = await run('verify', nine, eleven)
    expect(gone.code).toBe(1)
    expect(gone.out).toMatch(/! the file before it, dump\.log\.2024050110 with .* is missing\n/)
    writeFileSync(ten, bytes)
    writeFileSync(nine, `${whole.split('\n').slice(0, 3).join('\n')}\n`)
    const cut = await run('verify', nine, ten, eleven)
    expect(cut.out).toMatch(/! its tail is cut: .*, says dump\.log\.2024050110\n/)
    writeFileSync(nine, whole)
    rmSync(eleven)
    expect((await run('verify', log.dir)).out).toContain('! the file that followed it is missing\n')
  })

  it('of some files says what is not among them, without complaint', async () => {
    const [, ten] = (await writeLog()) as [string, string, string]
    const { code, out } = await run('verify', ten)
    expect(code).toBe(0)
    expect(out).toMatch(/ - the file before it, dump\.log\.2024050109 with .* is not among these\n/)
    expect(out).toContain(' - the file that followed it is not among these\n')
  })

  it('counts what has no seal as not vouched for', async () => {
    const [, , eleven] = (await writeLog()) as [string, string, string]
    const lines = readFileSync(eleven, 'utf8').split('\n')
    writeFileSync(eleven, `${lines.slice(0, 2).join('\n')}\n`)
    const { code, out } = await run('verify', '--key', key, eleven)
    expect(code).toBe(0)
    expect(out).toContain('1 record sealed by 1 checkpoint, 1 record not vouched for\n')
    expect(out).toContain('it has no end')
  })

  it('finds a torn last line', async () => {
    const [, , eleven] = (await writeLog()) as [string, string, string]
    writeFileSync(eleven, readFileSync(eleven).subarray(0, -10))
    expect((await run('verify', eleven)).out).toMatch(/! the last line is torn after \d+ bytes\n/)
  })

  it('reads compressed files, and links once', async () => {
    const [nine] = (await writeLog()) as [string, string, string]
    writeFileSync(`${nine}.gz`, gzipSync(readFileSync(nine)))
    rmSync(nine)
    symlinkSync(`${nine}.gz`, join(log.dir, 'dump.log.link'))
    const { code, out } = await run('verify', log.dir, join(log.dir, 'dump.log.link'))
    expect([code, out.match(/^ok/gm)?.length]).toEqual([0, 3])
    writeFileSync(`${nine}.gz`, readFileSync(`${nine}.gz`).subarray(0, -20))
    expect((await run('verify', log.dir)).out).toContain(
      '! cannot be read to its end: unexpected end of file',
    )
  })

  it('takes a file that stands beside its compressed form, after a kill, for one', async () => {
    const [, ten] = (await writeLog()) as [string, string, string]
    writeFileSync(`${ten}.gz`, gzipSync(readFileSync(ten)))
    const both = await run('verify', '--key', key, log.dir)
    expect([both.code, both.out.match(/^ok/gm)?.length]).toEqual([0, 3])
    expect(both.out).toContain('3 files, 14 records vouched for, 0 records not vouched for: no findings\n')
    alter(ten)
    const altered = await run('verify', '--key', key, log.dir)
    expect(altered.out).toContain(`BAD  ${ten}\n`)
    expect(altered.out).toContain('do not match their seal')
  })

  it('finds what is signed with another key, or not at all', async () => {
    await writeLog()
    writeFileSync(key, makeKeys().publicPem)
    const other = await run('verify', '--key', key, log.dir)
    expect(other.code).toBe(1)
    expect(other.out).toContain(`is signed with another key, ${KEYS.keyId}\n`)
    expect(other.out).toContain('0 records vouched for')
  })

  it('does not take a log without signatures for a signed one', async () => {
    await writeLog({ isSigned: false })
    const { code, out } = await run('verify', '--key', key, log.dir)
    expect(code).toBe(1)
    expect(out).toContain('! the checkpoint in line 1 is not signed\n')
  })

  it('nor one without seals', async () => {
    const sink = log.open({ encodeLife: sealed().encodeLife })
    sink.append(statement('SELECT 1'))
    await sink.close()
    expect((await run('verify', log.dir)).code).toBe(0)
    const { code, out } = await run('verify', '--key', key, log.dir)
    expect([code, out.includes('! it has no seal at all')]).toEqual([1, true])
  })

  it('without a key says that it shows accidents only', async () => {
    await writeLog()
    expect((await run('verify', log.dir)).out).toContain('Without --key this shows accidents only')
    await log.remove()
    log = new LogDirectory()
    await writeLog({ isSigned: false })
    expect((await run('verify', log.dir)).out).toContain(
      'The log is not signed, so this shows accidents only',
    )
  })

  it('looks for seals that were kept elsewhere', async () => {
    const seals: string[] = []
    await writeLog({ onSeal: ({ seal }) => seals.push(seal) })
    const found = seals.flatMap((seal) => ['--expect-seal', seal])
    expect((await run('verify', '--key', key, log.dir, ...found)).code).toBe(0)
    const missing = await run('verify', '--key', key, log.dir, '--expect-seal', 'ab'.repeat(32))
    expect(missing.code).toBe(1)
    expect(missing.out).toContain(`BAD  seal ${'ab'.repeat(32)} is not in the log\n`)
  })

  it('prints JSON for machines', async () => {
    const [nine] = await writeLog()
    alter(nine as string)
    const { code, out } = await run('verify', '--json', '--key', key, log.dir)
    expect(code).toBe(1)
    expect(JSON.parse(out)).toMatchObject({
      fine: false,
      findings: 1,
      signatures_checked: true,
      files: [
        { path: nine, records: 4, sealed: 2, unsealed: 2, findings: [{ kind: 'altered' }], followed: true },
        { records: 5, findings: [] },
        { last_seal_reason: 'stop', findings: [] },
      ],
    })
  })

  it.each<[string[], RegExp]>([
    [['verify'], /missing required argument 'path'/],
    [['verify', '/nowhere/dump.log'], /^querytap: verify: ENOENT/],
    [
      ['verify', '.', '--expect-seal', 'abc'],
      /^querytap: --expect-seal: 64 digits of 0-9a-f wanted, got abc/,
    ],
    [['verify', '.', '--key', '/nowhere.pem'], /^querytap: --key \/nowhere\.pem: ENOENT/],
  ])('%j is wrong use', async (argv, message) => {
    const { code, out, err } = await run(...argv)
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(message)
  })

  it('so is a directory without a log, and a private key', async () => {
    expect(await run('verify', log.dir)).toMatchObject({
      code: 2,
      err: expect.stringContaining('no dump.log'),
    })
    writeFileSync(key, KEYS.privatePem)
    expect(await run('verify', log.dir, '--key', key)).toMatchObject({
      code: 2,
      err: expect.stringContaining('the public key wanted, a private one got'),
    })
  })
})

describe('querytap keygen', () => {
  it('makes a pair that signs and verifies, the private half for its owner alone', async () => {
    const file = join(log.dir, 'keys', 'audit.pem')
    const { code, out } = await run('keygen', '-o', file)
    expect(code).toBe(0)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readFileSync(file, 'utf8')).toMatch(/^-----BEGIN PRIVATE KEY-----\n/)
    const publicFile = join(log.dir, 'keys', 'audit.pub.pem')
    expect(readFileSync(publicFile, 'utf8')).toMatch(/^-----BEGIN PUBLIC KEY-----\n/)
    expect(out).toMatch(/^key [0-9a-f]{16}\n/)
    expect(out).toContain(file)
    expect(out).not.toContain('BEGIN')
  })

  it('never overwrites a key', async () => {
    const file = join(log.dir, 'keys', 'audit.pem')
    writeFileSync(file, 'mine')
    expect(await run('keygen', '-o', file)).toMatchObject({ code: 1, out: '' })
    expect(readFileSync(file, 'utf8')).toBe('mine')
  })
})
