import { closeSync, constants, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a directory and those above it, for their owner alone. Node's own `recursive` never returns where
 * the kernel says ENOENT below what exists, as in /proc.
 */
export const makeDirectory = (dir: string): void => {
  if (existsSync(dir)) return
  makeDirectory(dirname(dir))
  try {
    mkdirSync(dir, { mode: 0o700 })
  } catch (error) {
    // another process may have been faster
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** The names in the directory are on stable storage then. Throws what the file system throws. */
export const syncDirectory = (path: string): void => {
  const fd = openSync(path, constants.O_RDONLY)
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
