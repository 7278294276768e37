import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openInput } from '../../../src/capture/input.ts'
import type { Bytes } from '../../../src/flow.ts'
import { randomBytes, seededRandom, splitEvery } from '../../support/chunks.ts'

const DATA = randomBytes(seededRandom(1), 300_000)
const ZIPPED = gzipSync(DATA)

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'querytap-input-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** The bytes of an input; those that came before its error, if it has one. */
const readAll = async (
  source: string | Readable,
): Promise<{ bytes: Bytes; read: number; error: unknown }> => {
  const input = await openInput(source)
  const parts: Bytes[] = []
  let error: unknown
  try {
    for await (const chunk of input.chunks()) parts.push(Buffer.from(chunk))
  } catch (thrown) {
    error = thrown
  }
  return { bytes: Buffer.concat(parts), read: input.bytesRead, error }
}

const file = (bytes: Bytes): string => {
  const path = join(folder, 'capture')
  writeFileSync(path, bytes)
  return path
}

describe('case 56: input', () => {
  test.each([
    ['plain', DATA],
    ['gzip', ZIPPED],
    [
      'several gzip members',
      Buffer.concat([gzipSync(DATA.subarray(0, 1000)), gzipSync(DATA.subarray(1000))]),
    ],
  ])('a file: %s', async (_name, bytes) => {
    const found = await readAll(file(bytes))
    expect(found.error).toBeUndefined()
    expect(found.bytes.equals(DATA)).toBe(true)
    expect(found.read).toBe(bytes.length)
  })

  test.each([1, 3, 4096])('a gzip stream in pieces of %i bytes', async (size) => {
    const short = DATA.subarray(0, 5000)
    const found = await readAll(Readable.from(splitEvery(gzipSync(short), size)))
    expect(found.bytes.equals(short)).toBe(true)
  })

  test('a cut gzip file gives what it had, then says so', async () => {
    const found = await readAll(file(ZIPPED.subarray(0, ZIPPED.length - 2000)))
    expect(found.error).toMatchObject({ name: 'CaptureError', code: 'truncated' })
    expect(found.bytes.length).toBeGreaterThan(200_000)
    expect(found.bytes.equals(DATA.subarray(0, found.bytes.length))).toBe(true)
  })

  test('a broken gzip file is told as one', async () => {
    const broken = Buffer.from(ZIPPED)
    broken.fill(0xff, 5000, 6000)
    expect((await readAll(file(broken))).error).toMatchObject({ name: 'CaptureError', code: 'invalid' })
  })

  test('an empty file has no chunks, one byte is one', async () => {
    expect((await readAll(file(Buffer.alloc(0)))).bytes.length).toBe(0)
    expect((await readAll(file(Buffer.from([0x1f])))).bytes).toEqual(Buffer.from([0x1f]))
  })

  test('a slow reader holds the source back, through gzip too', async () => {
    let given = 0
    async function* source(): AsyncGenerator<Bytes> {
      for (const piece of splitEvery(ZIPPED, 1000)) {
        given++
        yield piece
      }
    }
    const input = await openInput(Readable.from(source(), { highWaterMark: 1 }))
    const chunks = input.chunks()[Symbol.asyncIterator]()
    await chunks.next()
    await new Promise((resolve) => setImmediate(resolve))
    expect(given).toBeLessThan(300)
    await chunks.return?.()
  })

  test('a missing file is the system’s error', async () => {
    await expect(openInput(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
