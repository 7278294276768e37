/**
 * What the two halves of a log file whose writer has a thread of its own say to each other. Everything can
 * be cloned; buffers are handed over, and come back to be used again.
 */
import type { ConfigError, SinkError } from '../errors.ts'
import type { Line } from '../event.ts'
import type { Loss } from './backlog.ts'

/** Records, each with its line feed; `count` of them are numbered, from `seq` on. */
export interface BlockMessage {
  readonly kind: 'block'
  readonly buffer: ArrayBuffer
  readonly used: number
  readonly count: number
  readonly seq: number
}

/** Records that are none for a block: of other formats, without a number, very long ones. */
export interface LinesMessage {
  readonly kind: 'lines'
  readonly lines: readonly Line[]
}

/** The writer answers `done` to blocks and lines, in order; and it answers to `idle`, `ping` and `close`. */
export type ToWriter =
  | BlockMessage
  | LinesMessage
  /** dropped before what comes next */
  | { readonly kind: 'loss'; readonly loss: Loss }
  | { readonly kind: 'reopen' }
  | { readonly kind: 'idle' }
  | { readonly kind: 'ping' }
  | { readonly kind: 'close' }

/** An error, as its parts: a clone of one has neither its class nor its code. */
export interface PlainError {
  readonly code: ConfigError['code'] | SinkError['code'] | ''
  /** of a ConfigError */
  readonly option?: string
  readonly message: string
}

/** The numbered record that is written next will have the number `next`. */
export type FromWriter =
  | { readonly kind: 'opened'; readonly path: string; readonly next: number }
  /** the file could not be opened; the writer ends */
  | { readonly kind: 'failed'; readonly error: PlainError }
  | {
      readonly kind: 'done'
      /** the block's */
      readonly buffer?: ArrayBuffer
      readonly next: number
      /** records that the writer could not write yet */
      readonly waiting: number
      /** the block was written as it was */
      readonly isWhole: boolean
      readonly path: string
    }
  | { readonly kind: 'trouble'; readonly output: string; readonly error: PlainError }
  | { readonly kind: 'recovered'; readonly lost: number }
  /** of a process that was killed: statements of its journal, and a torn line of a file */
  | { readonly kind: 'intents'; readonly recovered: number; readonly known: number }
  | { readonly kind: 'cut'; readonly file: string; readonly bytes: number }
  | { readonly kind: 'idle' }
  | { readonly kind: 'pong' }
  | { readonly kind: 'closed' }
