import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SinkError } from '../../../src/errors.ts'
import { acquireLock } from '../../../src/sinks/lock.ts'
import { Owner, ownIdentity } from '../../../src/sinks/owner.ts'
import { openRegular, readRegular } from '../../../src/sinks/regular.ts'
import { cutAt, cutTornLine, tornFiles } from '../../../src/sinks/torn.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'querytap-regular-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

/** Opening it the usual way would wait for a writer, for ever. */
const makeFifo = (name: string): string => {
  const path = join(dir, name)
  execFileSync('mkfifo', [path])
  return path
}

const makeLink = (name: string, target: string): string => {
  const path = join(dir, name)
  symlinkSync(target, path)
  return path
}

describe('what is no regular file', () => {
  it.each([
    ['a FIFO', () => makeFifo('x')],
    ['a directory', () => dir],
    ['a device', () => '/dev/null'],
    ['a symlink on a file', () => makeLink('x', '/etc/hostname')],
    ['a symlink on nothing', () => makeLink('x', join(dir, 'y'))],
    ['a symlink on itself', () => makeLink('x', 'x')],
  ])('is not read: %s', (_, make) => {
    const path = make()
    expect(() => readRegular(path)).toThrow(SinkError)
  })

  it('is nobody’s lock', () => {
    makeFifo('.dump.log.lock')
    const lock = acquireLock(join(dir, '.dump.log.lock'), ownIdentity())
    expect(JSON.parse(readFileSync(join(dir, '.dump.log.lock'), 'utf8'))).toMatchObject(ownIdentity())
    expect(acquireLock(join(dir, '.dump.log.lock'), ownIdentity())).toBeUndefined()
    lock?.release()
  })

  it('is no log whose end is torn', async () => {
    makeFifo('dump.log.7')
    expect(await cutTornLine(dir, 'dump.log', 'dump.log.7', ownIdentity())).toBe(0)
    expect(cutAt(dir, 'dump.log', 'dump.log.7')).toBe(0)
    expect(tornFiles(dir, 'dump.log')).toEqual([])
  })

  it('is no log to be written', () => {
    const path = makeFifo('dump.log')
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT
    expect(() => openRegular(path, flags, 0o600)).toThrow('is no regular file')
    closeSync(openRegular(join(dir, 'dump.log.1'), flags, 0o640))
    expect(statSync(join(dir, 'dump.log.1')).mode & 0o777).toBe(0o640 & ~process.umask())
  })

  it('is no owner', () => {
    makeFifo('.dump.log.7-0a0b0c0d.owner')
    const owner = new Owner(dir, 'dump.log')
    expect([owner.others(Date.now()), owner.spoilt()]).toEqual([[], []])
  })
})

it('reads a regular file', () => {
  writeFileSync(join(dir, 'x'), 'text')
  expect(readRegular(join(dir, 'x')).toString()).toBe('text')
})
