/** Log files as bytes: whole, in pieces, or only their two ends; gzipped ones decompressed. */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'

const PIECE = 1 << 20

/** Bytes kept of a file's beginning and of its end. */
const HEAD = 1 << 12
const TAIL = 1 << 16

/** The file's bytes; `.gz` by the name. Rejects with what the file system or zlib says. */
export async function* readPieces(path: string): AsyncGenerator<Buffer> {
  const source = createReadStream(path, { highWaterMark: PIECE })
  const pieces = path.endsWith('.gz') ? source.pipe(createGunzip({ chunkSize: PIECE })) : source
  if (pieces !== source) source.on('error', (error) => pieces.destroy(error))
  try {
    yield* pieces as AsyncIterable<Buffer>
  } finally {
    source.destroy()
  }
}

/** A file's first bytes and its last. */
export interface Ends {
  readonly head: Buffer
  readonly tail: Buffer
}

const endsOfPlain = async (path: string): Promise<Ends> => {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const part = async (length: number, position: number): Promise<Buffer> => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position)
      return buffer.subarray(0, bytesRead)
    }
    return { head: await part(HEAD, 0), tail: await part(TAIL, Math.max(0, size - TAIL)) }
  } finally {
    await file.close()
  }
}

/** Both ends of a log file, without looking at what lies between. */
export const readEnds = async (path: string): Promise<Ends> => {
  if (!path.endsWith('.gz')) return endsOfPlain(path)
  let [head, tail] = [Buffer.alloc(0), Buffer.alloc(0)]
  for await (const piece of readPieces(path)) {
    if (head.length < HEAD) head = Buffer.concat([head, piece.subarray(0, HEAD - head.length)])
    const last = piece.subarray(-TAIL)
    tail = last.length === TAIL ? Buffer.from(last) : Buffer.concat([tail, last]).subarray(-TAIL)
  }
  return { head, tail }
}
