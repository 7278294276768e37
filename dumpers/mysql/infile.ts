/**
 * LOAD DATA LOCAL INFILE: the server asks by 0xFB and a name, the client sends the file in packets of its
 * own,
 * an empty one at its end. {@link https://mariadb.com/kb/en/local-infile-packet/}
 */
import { createHash, type Hash } from 'node:crypto'
import type { Bytes, Micros } from '../../src/flow.ts'

/** One file: counted and hashed, never kept. */
export class LocalFile {
  name: string | undefined = undefined
  nameHex: string | undefined = undefined
  /** when the server asked for it */
  asked: Micros = 0
  bytes = 0
  /** its empty packet came */
  ended = false
  /** its event was given */
  told = false
  #hash: Hash | undefined
  #cut = false

  add(bytes: Bytes, start: number, end: number): void {
    if (end === start) return
    this.bytes += end - start
    if (this.told) return
    this.#hash ??= createHash('sha256')
    this.#hash.update(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end))
  }

  /** A whole packet of which the first bytes were kept. */
  addPacket(kept: Bytes, length: number): void {
    this.add(kept, 0, kept.length)
    this.bytes += length - kept.length
    this.#cut ||= length > kept.length
  }

  /** A packet of which nothing is known: `bytes` lacks it. */
  addUnseen(): void {
    this.#cut = true
  }

  /** So many bytes of it were not seen. */
  lose(bytes: number): void {
    this.bytes += bytes
    this.#cut = true
  }

  /** SHA-256 of what came; undefined when nothing did, or not all of it was seen. */
  sha256(): string | undefined {
    return this.#cut ? undefined : this.#hash?.digest('hex')
  }
}
