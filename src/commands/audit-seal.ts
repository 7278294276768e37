/** The audit log's chain as configured: the key, the interval, the hook. */
import { readFileSync, statSync } from 'node:fs'
import type { DumpLogConfig } from '../../config/load.ts'
import { createChains } from '../audit/chain.ts'
import type { Encoder } from '../audit/encode.ts'
import { readSigner, type Signer } from '../audit/seal.ts'
import { ConfigError, type SinkError } from '../errors.ts'
import type { Log } from '../log.ts'
import { CheckpointHook } from '../sinks/checkpoint-hook.ts'
import type { SealOptions } from '../sinks/sealer.ts'

export interface AuditSeal {
  readonly options: SealOptions
  /** undefined without a key */
  readonly keyId: string | undefined
  /** Resolves when the hook has the last seal. */
  close(): Promise<void>
}

const GROUP_OR_OTHERS = 0o077

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Reads the key; a wrong one is told before anything is written. Throws ConfigError. */
const signerOf = (path: string, log: Log): Signer | undefined => {
  if (path === '') return undefined
  const option = 'dumpLog.signingKey'
  let pem: Buffer
  try {
    pem = readFileSync(path)
    if ((statSync(path).mode & GROUP_OR_OTHERS) !== 0)
      log.warn({ file: path }, 'the signing key can be read by others than its owner')
  } catch (error) {
    throw new ConfigError('environment', option, `${option}: ${messageOf(error)}`)
  }
  try {
    return readSigner(pem)
  } catch (error) {
    const what = 'a private key of Ed25519 in PEM form wanted, as `querytap keygen` makes it'
    throw new ConfigError('invalid-value', option, `${option}: ${path}: ${what}: ${messageOf(error)}`)
  }
}

/** Undefined where the log is not sealed. Throws ConfigError for a key that cannot be used. */
export const openAuditSeal = (
  config: DumpLogConfig,
  encoder: Encoder,
  onProblem: (error: SinkError) => void,
  log: Log,
): AuditSeal | undefined => {
  const { signingKey, checkpointInterval, checkpointHook, hookTimeout } = config
  const signer = signerOf(signingKey, log)
  if (checkpointInterval === 0) {
    if (signer === undefined && checkpointHook === '') return undefined
    const what = 'checkpointInterval = "0s" leaves nothing to sign or to hand to a hook'
    throw new ConfigError('invalid-value', 'dumpLog.checkpointInterval', `dumpLog: ${what}`)
  }
  const hook =
    checkpointHook === ''
      ? undefined
      : new CheckpointHook({ program: checkpointHook, timeoutMs: hookTimeout, onProblem })
  const chains = createChains({ signer, encodeLife: (event) => encoder.encode(undefined, event) })
  return {
    options: { chains, intervalMs: checkpointInterval, ...(hook && { onSeal: hook.tell }) },
    keyId: signer?.keyId,
    close: async () => hook?.close(),
  }
}
