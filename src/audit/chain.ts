/**
 * The hash chain of an audit log: what makes a change of it visible. A file's bytes, line feeds included,
 * are cut into intervals; each ends with `seal` and what stands around it in an `audit.checkpoint` line:
 *
 *     ──────────── interval 1 ────────────┐  ┌──────────── interval 2 ────────────┐
 *     {…}\n{…}\n{…"audit.checkpoint"…"seal":"⟨SHA-256 of interval 1⟩","signature":"…"}\n{…}\n{…"seal":"⟨…⟩
 *
 * An interval begins where the one before it ended, with that one's seal, so every byte is in one interval,
 * each seal vouches for all before it, and an altered byte breaks the seal of its own interval and no other.
 * The last seal of a file is named by the first checkpoint of the file that follows (`prev_seal`).
 */
import { createHash, type Hash } from 'node:crypto'
import type { AuditLife, Chain, Chains, Checkpoint, FileEnd, Line, Micros, SealReason } from '../event.ts'
import { describeFile } from './chain-describe.ts'
import { type ChainState, emptyState, readState } from './chain-state.ts'
import type { Signer } from './seal.ts'

export interface ChainOptions {
  /** makes a line of an event of the audit's own life, in the file's format */
  readonly encodeLife: (event: AuditLife) => Line
  /** undefined for a chain that is not signed */
  readonly signer?: Signer | undefined
}

/** Stands for seal and signature, the last two values, until they are known; no format escapes it. */
const BLANK = '~'

const beforeFields = (before: FileEnd | undefined): Record<string, string | number> => {
  if (before === undefined) return {}
  const { file, seal, records, bytes, sha256 } = before
  return {
    prev_file: file,
    ...(seal !== '' && { prev_seal: seal }),
    ...(bytes > 0 && {
      prev_unsealed_records: records,
      prev_unsealed_bytes: bytes,
      prev_unsealed_sha256: sha256,
    }),
  }
}

class FileChain implements Chain {
  readonly #file: string
  readonly #options: ChainOptions
  #hash: Hash
  #seal: string
  /** lines and bytes of the file, and those of them behind the last checkpoint */
  #lines: number
  #bytes: number
  #openLines: number
  #openBytes: number
  /** a process before this one left lines without a seal */
  #hasFound: boolean

  constructor(file: string, state: ChainState, options: ChainOptions) {
    this.#file = file
    this.#options = options
    this.#hash = state.hash
    this.#seal = state.seal
    this.#lines = state.lines
    this.#bytes = state.bytes
    this.#openLines = state.openLines
    this.#openBytes = state.openBytes
    this.#hasFound = state.openBytes > 0
  }

  get seal(): string {
    return this.#seal
  }

  get isOpen(): boolean {
    return this.#openBytes > 0
  }

  add(bytes: Uint8Array, lines: number): void {
    this.#hash.update(bytes)
    this.#bytes += bytes.length
    this.#openBytes += bytes.length
    this.#lines += lines
    this.#openLines += lines
  }

  checkpoint(reason: SealReason, seq: number, at: Micros, before?: FileEnd): Checkpoint {
    const { signer, encodeLife } = this.#options
    const fields = {
      seal_reason: reason,
      file: this.#file,
      records: this.#lines,
      bytes: this.#bytes,
      ...(this.#hasFound && { unsealed_records: this.#openLines, unsealed_bytes: this.#openBytes }),
      ...beforeFields(before),
      ...(signer && { key_id: signer.keyId }),
      seal: BLANK,
      ...(signer && { signature: BLANK }),
    }
    const { head, tail } = encodeLife({ event: 'audit.checkpoint', at, fields })
    const text = `${head}${seq}${tail}\n`
    const behind = text.slice(text.lastIndexOf(BLANK) + 1)
    const signatureAt = signer ? text.lastIndexOf(BLANK) : text.length
    const sealAt = text.lastIndexOf(BLANK, signatureAt - 1)
    const upTo = text.slice(0, sealAt)
    const seal = this.#hash.copy().update(upTo).digest('hex')
    const signature = signer?.sign(seal) ?? ''
    const between = signer ? text.slice(sealAt + 1, signatureAt) : ''
    return { line: Buffer.from(upTo + seal + between + signature + behind), seal, signature }
  }

  settle({ line, seal }: Checkpoint): void {
    this.#hash = createHash('sha256').update(line.subarray(line.lastIndexOf(seal)))
    this.#seal = seal
    this.#lines++
    this.#bytes += line.length
    this.#openLines = 0
    this.#openBytes = 0
    this.#hasFound = false
  }

  end(): FileEnd {
    return {
      file: this.#file,
      seal: this.#seal,
      records: this.#openLines,
      bytes: this.#openBytes,
      sha256: this.#hash.copy().digest('hex'),
    }
  }
}

/** Chains for one writer. */
export const createChains = (options: ChainOptions): Chains => ({
  open: (name, path, size) => new FileChain(name, size === 0 ? emptyState() : readState(path), options),
  endOf(name, path) {
    const state = readState(path)
    return state.bytes === 0 ? undefined : new FileChain(name, state, options).end()
  },
  describe: describeFile,
})
