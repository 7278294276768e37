import { fdatasyncSync, fstatSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Owner } from '../../../src/sinks/owner.ts'
import { StableFiles } from '../../../src/sinks/stable.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'querytap-stable-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const openNew = (name: string): number => {
  const fd = openSync(join(dir, name), 'wx')
  writeSync(fd, name)
  return fd
}

const isOpen = (fd: number): boolean => {
  try {
    return fstatSync(fd).size > 0
  } catch {
    return false
  }
}

it('what the system tells once, at a rotation, is not forgotten', async () => {
  let failures = 1
  const files = new StableFiles((fd) => {
    if (failures-- > 0) throw new Error('EIO')
    fdatasyncSync(fd)
  })
  files.want(new Owner(dir, 'dump.log'))
  const [old, now] = [openNew('old'), openNew('now')]
  files.leave(old)
  await expect(files.sync(() => now, dir)).rejects.toThrow('EIO')
  await files.sync(() => now, dir)
  expect([isOpen(old), await files.close(now, dir)]).toEqual([false, true])
})

it('a file that was left while others waited is not asked for any more', async () => {
  const files = new StableFiles()
  files.want(new Owner(dir, 'dump.log'))
  const old = openNew('old')
  let now = old
  const syncs = [1, 2, 3].map(() => files.sync(() => now, dir))
  now = openNew('now')
  files.leave(old)
  await Promise.all(syncs)
  expect([isOpen(old), isOpen(now)]).toEqual([false, true])
  await files.close(now, dir)
})
