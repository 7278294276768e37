/**
 * Files of a directory that others may write to. A name there may be a symlink, which is not followed, or a
 * FIFO, whose opening would wait for somebody at its other end: what is no regular file is not read.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { SinkError } from '../errors.ts'

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants

/**
 * Opens a regular file, for reading unless told; `mode` is of one that is made. Throws what the file system
 * throws, or SinkError.
 */
export const openRegular = (path: string, flags: number = O_RDONLY, mode?: number): number => {
  const fd = opened(path, flags | O_NOFOLLOW | O_NONBLOCK, mode)
  if (fd !== undefined && fstatSync(fd).isFile()) return fd
  if (fd !== undefined) closeSync(fd)
  throw new SinkError('open', `${path} is no regular file`)
}

/** Undefined for a symlink, and for a FIFO or socket that cannot be opened. */
const opened = (path: string, flags: number, mode: number | undefined): number | undefined => {
  try {
    return openSync(path, flags, mode)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ELOOP' || code === 'ENXIO') return undefined
    throw error
  }
}

/** The bytes of a regular file. Throws what the file system throws, or SinkError. */
export const readRegular = (path: string): Buffer => {
  const fd = openRegular(path)
  try {
    return readFileSync(fd)
  } finally {
    closeSync(fd)
  }
}
