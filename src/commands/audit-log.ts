/** The audit log as configured: encoders and outputs joined to one sink. */
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { DumpLogConfig } from '../../config/load.ts'
import { createConsoleEncoder, wantsColor } from '../audit/console.ts'
import { createEncoder, type Encoder } from '../audit/encode.ts'
import { isWritten } from '../audit/filter.ts'
import { type Channel, openPipeline } from '../audit/pipeline.ts'
import { recodeRecord } from '../audit/recode.ts'
import { redact } from '../audit/redact.ts'
import { ConfigError } from '../errors.ts'
import type { Sink } from '../event.ts'
import { type Log, throttled } from '../log.ts'
import { type FileSink, openFileSink } from '../sinks/file.ts'
import { RemoteFile } from '../sinks/remote-file.ts'
import { openStdout, openStreamSink, type StreamSink } from '../sinks/stdout.ts'
import { type OutputReports, openAuditAlarm } from './audit-alarm.ts'
import { type AuditGate, openAuditGate } from './audit-gate.ts'
import { type AuditSeal, openAuditSeal } from './audit-seal.ts'
import { canStartLogThread, startLogThread } from './log-thread.ts'
import type { AuditPromise } from './promise.ts'

export interface AuditLog {
  readonly sink: Sink
  /** Resolves when the file is open. Rejects with ConfigError where a thread of its own cannot open it. */
  readonly opened: Promise<void>
  /** path of the file that is written now, where there is one */
  readonly path: string | undefined
  /** records that wait for an output which is slower than they come */
  readonly waiting: number
  /** has every output taken all there is? */
  readonly isIdle: boolean
  /** the reader of the standard output went away */
  readonly isGone: boolean
  /** of the key that signs the file's seals */
  readonly keyId: string | undefined
  /** what frontend chunks wait for; undefined where nothing is promised */
  readonly held: Pick<AuditGate, 'intents' | 'gate'> | undefined
  /** SIGHUP */
  reopen(): void
  /** all that can be written is written */
  close(): Promise<void>
}

const REPEAT_MS = 60_000
const DEFAULT_COLUMNS = 120

/** Number of the group, by number or name (group(5)); undefined for none. Throws ConfigError if unknown. */
const groupId = (group: string): number | undefined => {
  if (group === '') return undefined
  if (/^\d+$/.test(group)) return Number(group)
  const lines = readFileSync('/etc/group', 'utf8').split('\n')
  const id = lines.map((line) => line.split(':')).find(([name]) => name === group)?.[2]
  if (id !== undefined) return Number(id)
  throw new ConfigError(
    'environment',
    'dumpLog.fileGroup',
    `dumpLog.fileGroup: no group ${group} in /etc/group`,
  )
}

/** The encoder of the file, or of lines on the standard output. */
export const lineEncoder = (options: DumpLogConfig, format: 'json' | 'ltsv'): Encoder =>
  createEncoder({
    format,
    host: hostname(),
    timezone: options.timezone,
    bindValues: options.bindValues,
  })

/**
 * Records may wait so long for others to be written with, in milliseconds. Longer than a turn of the event
 * loop, for each write costs a look after the file as well; no longer than the proxy gathers chunks for.
 */
const FLUSH_EVERY_MS = 4

/** Throws ConfigError where the file cannot be written. */
export const openFile = (
  options: DumpLogConfig,
  encoder: Encoder,
  seal: AuditSeal | undefined,
  reports: OutputReports,
): FileSink =>
  openFileSink({
    ...options,
    fileGroup: groupId(options.fileGroup),
    hookTimeoutMs: options.hookTimeout,
    flushEveryMs: FLUSH_EVERY_MS,
    retention: {
      count: options.rotationCount,
      maxAgeMs: options.rotationMaxAge,
      maxTotal: options.rotationMaxTotal,
    },
    encodeLife: (event) => encoder.encode(undefined, event),
    recode: (record) => recodeRecord(record, options.format),
    seal: seal?.options,
    ...reports,
  })

const openShown = (
  options: DumpLogConfig,
  reports: OutputReports,
): { sink: StreamSink; encoder: Encoder } => {
  const stream = openStdout()
  const terminal = stream as Partial<NodeJS.WriteStream>
  const isForPeople =
    options.stdoutFormat === 'console' || (options.stdoutFormat === 'auto' && terminal.isTTY)
  const { timezone, bindValues } = options
  const encoder = isForPeople
    ? createConsoleEncoder({
        timezone,
        bindValues,
        color: wantsColor(terminal as { isTTY?: boolean }, process.env),
        columns: () => terminal.columns ?? DEFAULT_COLUMNS,
      })
    : lineEncoder(options, options.stdoutFormat === 'ltsv' ? 'ltsv' : 'json')
  const encodeLife = (event: Parameters<Encoder['encode']>[1]) => encoder.encode(undefined, event)
  const sink = openStreamSink({
    stream,
    bufferBytes: options.bufferBytes,
    encodeLife,
    ...reports,
  })
  return { sink, encoder }
}

/** The same in a thread of its own. */
const openRemote = (
  options: DumpLogConfig,
  file: OutputReports,
  hook: OutputReports,
  onHang: AuditLogWishes['onHang'],
): RemoteFile =>
  new RemoteFile({
    start: (events) => startLogThread(options, events),
    bufferBytes: options.bufferBytes,
    onTrouble: (error, output) => (output === 'file' ? file : hook).onTrouble(error),
    onRecovered: file.onRecovered,
    onIntents: file.onIntents,
    onCut: file.onCut,
    onHang,
  })

/** A capture is later than its traffic: it can promise nothing. */
const NO_PROMISE: AuditPromise = { guarantee: 'observe', onFailure: 'continue', onUndecodable: 'pass' }

/** What is wanted of the log besides its options. */
export interface AuditLogWishes {
  readonly promise?: AuditPromise
  /** the file is written by a thread of its own, so that a file system that hangs stops nothing else */
  readonly thread?: boolean
  /** told when that thread's file system does not answer, and when it does again */
  readonly onHang?: ((hangs: boolean) => void) | undefined
}

/** Opens the file and, where `stdout`, the standard output. Throws ConfigError where it cannot. */
export const openAuditLog = (
  options: DumpLogConfig,
  stdout: boolean,
  log: Log,
  { promise = NO_PROMISE, thread = false, onHang }: AuditLogWishes = {},
): AuditLog => {
  const channels: Channel[] = []
  const quiet = throttled(log, { intervalMs: REPEAT_MS })
  const alarm = openAuditAlarm(options, quiet, log)
  let file: FileSink | RemoteFile | undefined
  let own: { readonly sink: FileSink; readonly encoder: Encoder } | undefined
  let seal: AuditSeal | undefined
  if (options.enable) {
    const encoder = lineEncoder(options, options.format)
    const [reports, hook] = [alarm.reports('file'), alarm.reports('checkpointHook')]
    seal = openAuditSeal(options, encoder, hook.onTrouble, log)
    if (thread && canStartLogThread()) file = openRemote(options, reports, hook, onHang)
    else {
      file = openFile(options, encoder, seal, reports)
      own = { sink: file, encoder }
    }
    channels.push({ encoder, output: file })
  }
  const shown = stdout ? openShown(options, alarm.reports('stdout')) : undefined
  if (shown) channels.push({ encoder: shown.encoder, output: shown.sink })
  const sink = openPipeline({
    filter: isWritten,
    redact,
    channels,
    onFailure: (stage, error) => quiet.error({ err: error, stage }, 'a record is written without its text'),
  })
  const held = openAuditGate({
    ...{ promise, detail: options.detail, maxStatements: options.maxStatements },
    ...{ file: own, shown: shown?.sink, reports: alarm.reports },
  })
  alarm.begin()
  return {
    held,
    sink: alarm.watched(sink),
    opened: file instanceof RemoteFile ? file.opened : Promise.resolve(),
    get path() {
      return file?.path
    },
    get waiting() {
      return (file?.waiting ?? 0) + (shown?.sink.waiting ?? 0)
    },
    get isIdle() {
      return (file?.waiting ?? 0) === 0 && (shown?.sink.isIdle ?? true)
    },
    get isGone() {
      return shown?.sink.isGone ?? false
    },
    keyId: seal?.keyId,
    reopen: () => file?.reopen(),
    async close() {
      await Promise.all([file?.close(), shown?.sink.close()])
      held?.close()
      await seal?.close()
      await alarm.close()
    },
  }
}
