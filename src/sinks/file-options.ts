/** What a log file's writer is told, and what it asks of its file. */
import { ConfigError, SinkError } from '../errors.ts'
import type { EncodeLife } from './backlog.ts'
import type { WriteCall } from './block.ts'
import type { Clock } from './clock.ts'
import type { RetentionLimits } from './retention.ts'
import type { PlaceOptions } from './rotate.ts'
import type { SealOptions } from './sealer.ts'

export type RotateReason = 'time' | 'size' | 'reopen' | 'vanished'

export interface FileSinkOptions extends PlaceOptions {
  /** bytes of a file at which the next one is begun; 0 for no limit; not heeded with rotation off */
  readonly rotationSize: number
  readonly retention: RetentionLimits
  readonly compress: 'none' | 'gzip'
  /** path of a program; empty for none */
  readonly rotationHook: string
  readonly hookTimeoutMs: number
  /**
   * while records come without pause they are written so often at most, in milliseconds, and not at the end
   * of each turn of the event loop; the first one after a pause never waits. 0 for each turn
   */
  readonly flushEveryMs?: number
  /** bytes of records that may wait while the log cannot be written */
  readonly bufferBytes: number
  readonly encodeLife: EncodeLife
  /** told once when writing fails, when records begin to be dropped, and of each failure around rotation */
  readonly onTrouble: (error: SinkError) => void
  /** told once when all that waited is written; `lost` records had been dropped */
  readonly onRecovered: (lost: number) => void
  /** a hash chain through the files; none when left out */
  readonly seal?: SealOptions | undefined
  /** gives the record of a journal in the log's format, should that be another one now */
  readonly recode?: ((record: Buffer) => Buffer) | undefined
  /** told when a journal was found that somebody left: so many statements are in the log now, or were */
  readonly onIntents?: ((recovered: number, known: number) => void) | undefined
  readonly clock?: Clock
  /** the system call, for tests */
  readonly write?: WriteCall
}

/** What an error says. */
export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)

/** That happened to this file; a SinkError keeps its code. */
export const failure = (
  path: string,
  error: unknown,
  otherwise: SinkError['code'] = 'write',
): SinkError => {
  const code = error instanceof SinkError ? error.code : otherwise
  return new SinkError(code, `${path}: ${messageOf(error)}`, { cause: error })
}

/** The log cannot be kept at that path. */
export const noPlace = (path: string, error: unknown): ConfigError =>
  new ConfigError('environment', 'dumpLog.dir', `dumpLog.dir: ${path}: ${messageOf(error)}`)
