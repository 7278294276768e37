/**
 * Where a capture's bytes come from: a file, the standard input or another stream, gzip'd or not, one
 * chunk after the other. The reader's pace holds: the next chunk is read when the one before was worked
 * off, also through gzip. A plain file is read into buffers that are used again, so a chunk is borrowed
 * until the next one is asked for.
 *
 *   file ──▶ first bytes ──gzip──▶ gunzip ──▶ chunks()
 *                        ──plain─▶            chunks()
 */
import { type FileHandle, open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { CaptureError } from '../errors.ts'
import type { Bytes } from '../flow.ts'

/** An open capture. */
export interface CaptureInput {
  /** bytes of the file; undefined for a stream */
  readonly size: number | undefined
  /** bytes taken from the file or stream so far: before gunzip, so that it compares with `size` */
  readonly bytesRead: number
  /**
   * The capture's bytes, once. Throws CaptureError `truncated` or `invalid` for broken gzip, after what
   * could be unpacked was given, and the system's error for a file that cannot be read. Closes the file
   * at the end.
   */
  chunks(): AsyncIterable<Bytes>
}

const READ_BYTES = 1 << 20
const GZIP_MAGIC = [0x1f, 0x8b] as const

const isGzip = (bytes: Bytes): boolean => bytes[0] === GZIP_MAGIC[0] && bytes[1] === GZIP_MAGIC[1]

/** Reads a file into two buffers by turns: into one while the other is worked off. */
async function* readFile(file: FileHandle): AsyncGenerator<Bytes> {
  let buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  let other = Buffer.allocUnsafeSlow(READ_BYTES)
  let next = file.read(buffer, 0, READ_BYTES, null)
  try {
    for (;;) {
      const { bytesRead } = await next
      if (bytesRead === 0) return
      const chunk = buffer.subarray(0, bytesRead)
      ;[buffer, other] = [other, buffer]
      next = file.read(buffer, 0, READ_BYTES, null)
      // it may fail before it is asked for
      next.catch(() => {})
      yield chunk
    }
  } finally {
    await next.catch(() => {})
    await file.close()
  }
}

/** zlib keeps what it is given until it has unpacked it, and a file's buffer is used again. */
async function* copies(chunks: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  for await (const chunk of chunks) yield Buffer.from(chunk)
}

const gzipError = (error: unknown): unknown => {
  const { code = '', message } = error as NodeJS.ErrnoException
  if (code === 'Z_BUF_ERROR') return new CaptureError('truncated', 'capture: the gzip file is cut', 0)
  if (code.startsWith('Z_')) return new CaptureError('invalid', `capture: broken gzip: ${message}`, 0)
  return error
}

async function* gunzip(chunks: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  const source = Readable.from(copies(chunks), { objectMode: true, highWaterMark: 1 })
  const unpacked = source.pipe(createGunzip({ chunkSize: 1 << 18 }))
  source.once('error', (error) => unpacked.destroy(error))
  try {
    yield* unpacked as AsyncIterable<Bytes>
  } catch (error) {
    throw gzipError(error)
  } finally {
    source.destroy()
    unpacked.destroy()
  }
}

class Input implements CaptureInput {
  readonly size: number | undefined
  readonly #raw: AsyncIterable<Bytes>
  bytesRead = 0

  constructor(raw: AsyncIterable<Bytes>, size: number | undefined) {
    this.#raw = raw
    this.size = size
  }

  async *chunks(): AsyncGenerator<Bytes> {
    const counted = this.#counted()
    let first: Bytes | undefined
    while (first === undefined || first.length < GZIP_MAGIC.length) {
      const next = await counted.next()
      if (next.done) break
      first = first === undefined ? Buffer.from(next.value) : Buffer.concat([first, next.value])
    }
    if (first === undefined) return
    const all = resumed(first, counted)
    yield* isGzip(first) ? gunzip(all) : all
  }

  async *#counted(): AsyncGenerator<Bytes> {
    for await (const chunk of this.#raw) {
      this.bytesRead += chunk.length
      yield chunk
    }
  }
}

async function* resumed(first: Bytes, rest: AsyncGenerator<Bytes>): AsyncGenerator<Bytes> {
  try {
    yield first
    yield* rest
  } finally {
    await rest.return(undefined)
  }
}

/**
 * Opens a capture by its path, or takes a stream (the standard input, a capture child's output). Throws the
 * system's error when the file cannot be opened.
 */
export const openInput = async (source: string | Readable): Promise<CaptureInput> => {
  if (typeof source !== 'string') return new Input(source as AsyncIterable<Bytes>, undefined)
  const file = await open(source)
  const { size } = await file.stat()
  return new Input(readFile(file), size)
}
