/** What befalls a log's directory: file systems that are full or read-only, directories that go. */
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** For tests that are skipped. */
export const WHY_NO_MOUNT = 'mounting is not permitted here'

const mount = (...args: readonly string[]): boolean => spawnSync('mount', args).status === 0

/** A file system of so many mebibytes on that directory until the test ends; false where none can be. */
export const mountSmall = (directory: string, mebibytes: number): boolean => {
  mkdirSync(directory, { recursive: true })
  const isMounted = mount('-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', directory)
  if (isMounted) onTestFinished(() => void spawnSync('umount', ['-l', directory]))
  return isMounted
}

/** Takes all room of the file system that the directory is on; gives what frees it again. */
export const fill = (directory: string): (() => void) => {
  const path = join(directory, 'ballast')
  const file = openSync(path, 'w')
  const page = Buffer.alloc(4096)
  try {
    for (;;) writeSync(file, page)
  } catch {
    // there is no more
  } finally {
    closeSync(file)
  }
  return () => rmSync(path, { force: true })
}

/** Makes the directory read-only for all who open something there; undefined where that is not permitted. */
export const forbidWriting = (directory: string): (() => void) | undefined => {
  if (!mount('--bind', directory, directory)) return undefined
  const undo = () => void spawnSync('umount', ['-l', directory])
  if (mount('-o', 'remount,bind,ro', directory)) return undo
  undo()
  return undefined
}
