/** Sealed logs of a test: what writes them, and what verifies them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { createChains } from '../../src/audit/chain.ts'
import { createEncoder, type Encoder } from '../../src/audit/encode.ts'
import { makeKeys, readSigner, readVerifier } from '../../src/audit/seal.ts'
import { FileCheck, type FileReport } from '../../src/audit/verify-file.ts'
import { type CheckedFile, checkLinks } from '../../src/audit/verify-links.ts'
import type { AuditEvent, Checkpoint, DirectEncoder, Line } from '../../src/event.ts'
import type { FileSink, FileSinkOptions } from '../../src/sinks/file.ts'
import { type LogDirectory, NOON } from './log-files.ts'

export const KEYS = makeKeys()
export const VERIFIER = readVerifier(KEYS.publicPem)

export interface SealedOptions {
  readonly format?: 'json' | 'ltsv'
  readonly isSigned?: boolean
  readonly onSeal?: (checkpoint: Checkpoint, path: string) => void
}

const encoderOf = (format: 'json' | 'ltsv'): Encoder =>
  createEncoder({ format, host: 'test', timezone: 'utc', bindValues: 'full' })

/** What makes a file sink of a test write a sealed log. */
export const sealed = ({
  format = 'json',
  isSigned = true,
  onSeal,
}: SealedOptions = {}): Pick<FileSinkOptions, 'seal' | 'encodeLife'> => {
  const encoder = encoderOf(format)
  const encodeLife: FileSinkOptions['encodeLife'] = (event) => encoder.encode(undefined, event)
  const signer = isSigned ? readSigner(KEYS.privatePem) : undefined
  const chains = createChains({ encodeLife, signer })
  return { encodeLife, seal: { chains, intervalMs: 1000, ...(onSeal && { onSeal }) } }
}

const encoders = { json: encoderOf('json'), ltsv: encoderOf('ltsv') }

const eventOf = (text: string, at: number): AuditEvent =>
  ({
    event: 'statement',
    at,
    who: { dialect: 'test' },
    stmt_seq: 1,
    text: { text },
  }) as unknown as AuditEvent

/** A statement's record. */
export const statement = (text: string, format: 'json' | 'ltsv' = 'json', at = NOON * 1000): Line =>
  encoders[format].encode(undefined, eventOf(text, at))

/** Gives a sink a statement by the fast path, if it is taken, else as a line; as the pipeline does. */
export const appendDirect = (sink: FileSink, text: string): void => {
  const direct = encoders.json.direct as DirectEncoder
  if (!sink.appendDirect(direct, undefined, eventOf(text, NOON * 1000))) sink.append(statement(text))
}

/** Checks the bytes of one file, fed in pieces of `size`. */
export const checkBytes = (path: string, bytes: Buffer, hasKey = true, size = 1 << 20): FileReport => {
  const check = new FileCheck(path, { verifiers: hasKey ? [VERIFIER] : [], expected: new Set() })
  for (let at = 0; at < bytes.length; at += size) check.feed(bytes.subarray(at, at + size))
  return check.end()
}

/** Verifies all files of a directory as a whole log. */
export const verifyAll = (log: LogDirectory, hasKey = true): CheckedFile[] => {
  const files = log.names().filter((name) => /\.\d+(\.gz)?$/.test(name) || log.names().length === 1)
  const reports = files.map((name) => {
    const bytes = readFileSync(join(log.dir, name))
    return checkBytes(join(log.dir, name), name.endsWith('.gz') ? gunzipSync(bytes) : bytes, hasKey)
  })
  return checkLinks(reports, true)
}

/** The findings in words. */
export const findingsOf = (files: readonly CheckedFile[]): string[] =>
  files.flatMap(({ findings }) => findings.map(({ kind, text }) => `${kind}: ${text}`))
