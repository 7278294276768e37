/** Writes a block of text to a file descriptor, whole or as far as it goes. */

/** The write buffer grows up to this and is kept; larger blocks get one of their own. */
const MAX_KEPT = 1 << 20
const FIRST = 1 << 16
const MAX_UTF8 = 3

/** `writeSync` of node:fs, or a test's. */
export type WriteCall = (fd: number, buffer: Buffer, offset: number, length: number) => number

export interface Written {
  readonly bytes: number
  /** those bytes, until the next write */
  readonly block: Buffer
  /** what stopped it before the end */
  readonly error: unknown
}

export class BlockWriter {
  readonly #write: WriteCall
  #buffer = Buffer.allocUnsafeSlow(FIRST)

  constructor(write: WriteCall) {
    this.#write = write
  }

  text(fd: number, text: string): Written {
    const most = text.length * MAX_UTF8
    if (most > MAX_KEPT) return this.bytes(fd, Buffer.from(text))
    if (most > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(most)))
    return this.#from(fd, this.#buffer, 0, this.#buffer.write(text))
  }

  bytes(fd: number, buffer: Buffer, offset = 0): Written {
    return this.#from(fd, buffer, offset, buffer.length)
  }

  #from(fd: number, buffer: Buffer, start: number, end: number): Written {
    let offset = start
    let error: unknown
    try {
      while (offset < end) {
        const count = this.#write(fd, buffer, offset, end - offset)
        if (count <= 0) throw new Error('write wrote nothing')
        offset += count
      }
    } catch (thrown) {
      error = thrown
    }
    return { bytes: offset - start, block: buffer.subarray(start, offset), error }
  }
}
