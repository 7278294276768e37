/**
 * gzip of a finished file, on zlib's own threads. A crash at any point leaves the plain file, the whole
 * .gz, or both.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { link, open, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'

/** Where the compressed form is written before it is whole. */
export const temporaryOf = (path: string): string => join(dirname(path), `.${basename(path)}.gz.tmp`)

const exists = async (path: string): Promise<boolean> => {
  try {
    await stat(path)
    return true
  } catch {
    return false
  }
}

/** The .gz of an interrupted run is known by its time, which it has from the plain file. */
const isFinished = async (plain: string, compressed: string): Promise<boolean> => {
  const [from, to] = await Promise.all([stat(plain), stat(compressed)])
  return Math.abs(from.mtimeMs - to.mtimeMs) < 2
}

const syncDirectory = async (path: string): Promise<void> => {
  const directory = await open(path)
  await directory.sync().finally(() => directory.close())
}

const writeCompressed = async (path: string, temporary: string, signal: AbortSignal): Promise<void> => {
  await rm(temporary, { force: true })
  const source = await stat(path)
  const reader = createReadStream(path)
  await pipeline(reader, createGzip(), createWriteStream(temporary, { flags: 'wx', mode: 0o600 }), {
    signal,
  })
  if (reader.bytesRead !== source.size) throw new Error(`${basename(path)} grew while it was compressed`)
  await finishFile(temporary, (file) => applyStat(file, source))
}

interface FileStat {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly atime: Date
  readonly mtime: Date
}

const applyStat = async (file: FileHandle, source: FileStat): Promise<void> => {
  // Ownership first: changing it may clear mode bits. Unprivileged, only an own group is possible, and is
  // there already.
  await file.chown(source.uid, source.gid).catch(() => undefined)
  await file.chmod(source.mode & 0o7777)
  await file.utimes(source.atime, source.mtime)
}

const finishFile = async (path: string, change: (file: FileHandle) => Promise<void>): Promise<void> => {
  const file = await open(path, 'r+')
  try {
    await change(file)
    await file.sync()
  } finally {
    await file.close()
  }
}

/**
 * Replaces `path` by `path.gz` with the same mode, group and time, and answers the latter's path. What is
 * there already of an interrupted run is completed; a foreign `path.gz` is never overwritten. Rejects with
 * what the file system says.
 */
export const compressFile = async (path: string, signal: AbortSignal): Promise<string> => {
  const compressed = `${path}.gz`
  if (!(await exists(path)) && (await exists(compressed))) return compressed
  if (await exists(compressed)) {
    if (!(await isFinished(path, compressed)))
      throw new Error(`${basename(compressed)} exists and is another file`)
  } else {
    const temporary = temporaryOf(path)
    try {
      await writeCompressed(path, temporary, signal)
      await link(temporary, compressed)
    } finally {
      await rm(temporary, { force: true })
    }
    await syncDirectory(dirname(path))
  }
  await rm(path)
  return compressed
}
