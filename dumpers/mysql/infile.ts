/**
 * LOAD DATA LOCAL INFILE: the server asks by 0xFB and a name, the client sends the file in packets of its own,
 * an empty one at its end. {@link https://mariadb.com/kb/en/local-infile-packet/}
 */
import { createHash, type Hash } from 'node:crypto'
import type { Bytes, Micros } from '../../src/flow.ts'
import type { Command } from './commands.ts'
import type { MysqlState } from './state.ts'

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

  add(bytes: Bytes, start: number, end: number): void {
    if (end === start) return
    this.bytes += end - start
    this.#hash ??= createHash('sha256')
    this.#hash.update(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end))
  }

  /** SHA-256 of what came; undefined when nothing did. */
  sha256(): string | undefined {
    return this.#hash?.digest('hex')
  }
}

/** 0xFB: the server asks for a file. The client may have sent it already. */
export const askForFile = (
  state: MysqlState,
  command: Command,
  bytes: Bytes,
  start: number,
  end: number,
): void => {
  command.files ??= []
  const sent = command.files[command.filesAsked]
  const file = sent ?? new LocalFile()
  if (sent === undefined) command.files.push(file)
  command.filesAsked++
  const { decoding, now } = state
  file.asked = now
  file.name = decoding.text(bytes, start, end)
  if (!decoding.valid(bytes, start, end, file.name))
    file.nameHex = `\\x${bytes.toString('hex', start, end)}`
  if (!file.ended) state.file = file
}

/** Gives the events of the files that were asked for. */
export const tellFiles = (state: MysqlState, { execution, files }: Command): void => {
  if (execution === undefined || files === undefined) return
  for (const file of files) {
    if (file.told || file.name === undefined) continue
    file.told = true
    state.emit({
      event: 'local_infile',
      at: file.asked,
      who: execution.who,
      stmt_seq: execution.seq,
      infile_name: file.name,
      ...(file.nameHex === undefined ? {} : { infile_name_hex: file.nameHex }),
      infile_bytes: file.bytes,
      ...(file.bytes === 0 ? {} : { infile_sha256: file.sha256() as string }),
      duration_us: Math.max(0, state.now - file.asked),
    })
  }
}
