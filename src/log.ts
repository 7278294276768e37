/**
 * The operational log: starts, stops, troubles, with the keys `level`, `ts`, `msg`, `error` of tcpdp's. It
 * never carries audit data, neither texts nor values of the traffic.
 */
import { pino } from 'pino'
import { type LogFile, openLogFile } from './log/file.ts'
import { createHook } from './log/hook.ts'
import { formatLine, type LineFormat } from './log/line.ts'
import { type ThrottleOptions, throttle } from './log/throttle.ts'

export { type ThrottleOptions, throttle } from './log/throttle.ts'

/** Keys of the line beside the message. An Error under `error` or `err` becomes its message and code. */
export type LogFields = Readonly<Record<string, unknown>>

/** What the program's parts write to. */
export interface Log {
  error(fields: LogFields, msg: string): void
  warn(fields: LogFields, msg: string): void
  info(fields: LogFields, msg: string): void
  /** for the developers; written with `log.enableInternal` only */
  debug(fields: LogFields, msg: string): void
  /** the same log with fields that each of its lines has */
  child(fields: LogFields): Log
}

/** Options as in `[log]` of the configuration; durations are milliseconds. */
export interface LogOptions {
  readonly dir: string
  readonly enable: boolean
  readonly enableInternal: boolean
  readonly stdout: boolean
  readonly stdoutFormat: 'auto' | LineFormat
  readonly format: 'json' | 'ltsv'
  readonly rotateEnable: boolean
  readonly rotationTime: 'secondly' | 'minutely' | 'hourly' | 'daily'
  readonly rotationCount: number
  readonly rotationHook: string
  readonly hookTimeout: number
  readonly fileName: string
}

/** Where lines are shown: the standard output, or the standard error when the former carries the audit. */
export type LogStream = NodeJS.WritableStream & {
  readonly isTTY?: boolean
  readonly writableLength?: number
}

export interface OpenLog {
  readonly log: Log
  /** opens the file anew, when it was moved away (SIGHUP) */
  reopen(): void
  /** The file's disk hangs, or no more: lines wait then, for a write would stop all the rest. */
  hold(isHeld: boolean): void
  /** everything is written when it resolves; what is logged later is lost */
  close(): Promise<void>
}

/** Bytes that may wait for a slow reader of the stream; lines beyond are not shown. */
const MAX_UNSHOWN = 1 << 20

/** Lines that wait for a disk that hangs; those beyond are only shown. */
const MOST_HELD = 1000

/** How often the same trouble of the log itself is told. */
const TROUBLE_INTERVAL_MS = 60_000

const wantsColor = (stream: LogStream): boolean => stream.isTTY === true && !process.env.NO_COLOR

const showOn = (stream: LogStream, wanted: LogOptions['stdoutFormat']): ((json: string) => void) => {
  const automatic = stream.isTTY ? 'console' : 'json'
  const format = wanted === 'auto' ? automatic : wanted
  const hasColor = wantsColor(stream)
  return (json) => {
    if ((stream.writableLength ?? 0) < MAX_UNSHOWN) stream.write(formatLine(json, format, hasColor))
  }
}

const textOf = (error: Error): LogFields => {
  const { code } = error as NodeJS.ErrnoException
  return {
    error: error.message,
    ...(code !== undefined && !error.message.includes(code) && { error_code: code }),
  }
}

/** Errors as text, under tcpdp's key. */
const withErrors = ({ err, ...fields }: Record<string, unknown>): Record<string, unknown> => {
  const error = err ?? fields.error
  if (error === undefined) return fields
  return { ...fields, ...(error instanceof Error ? textOf(error) : { error }) }
}

const createLogger = (write: (json: string) => void, hasDebug: boolean): Log =>
  pino(
    {
      level: hasDebug ? 'debug' : 'info',
      base: { pid: process.pid },
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: { level: (level) => ({ level }), log: withErrors },
      serializers: { err: (value: unknown) => value },
    },
    { write },
  )

/** A log that nobody reads. */
export const silentLog: Log = {
  error: () => {},
  warn: () => {},
  info: () => {},
  debug: () => {},
  child: () => silentLog,
}

/**
 * Opens the log: its file where enabled, and `stream` where `stdout` is on. Throws ConfigError `environment`
 * where the directory cannot be written.
 */
export const openLog = async (
  options: LogOptions,
  stream: LogStream = process.stdout,
): Promise<OpenLog> => {
  const show = options.stdout ? showOn(stream, options.stdoutFormat) : undefined
  let file: LogFile | undefined
  let held: string[] | undefined
  const log = createLogger((json) => {
    show?.(json)
    if (held === undefined) file?.write(formatLine(json, options.format))
    else if (held.length < MOST_HELD) held.push(formatLine(json, options.format))
  }, options.enableInternal)

  const mayTell = throttle({ intervalMs: TROUBLE_INTERVAL_MS })
  // not through the log: its file is what is in trouble
  const tell = (error: Error): void => {
    if (mayTell(error.message) !== undefined)
      process.stderr.write(`querytap: the operational log cannot be written: ${error.message}\n`)
  }
  const { rotationHook: hook, hookTimeout: timeoutMs } = options
  const onFailure = (reason: string): void => log.error({ hook, error: reason }, 'rotation hook failed')
  const runHook = hook === '' ? undefined : createHook({ hook, timeoutMs, onFailure })
  if (options.enable) {
    const onRotate = (previous: string, current: string): void => void runHook?.(previous, current)
    file = await openLogFile({ ...options, onRotate, onTrouble: tell })
  }
  return {
    log,
    reopen: () => {
      if (held === undefined) file?.reopen()
    },
    hold: (isHeld) => {
      const lines = held ?? []
      held = isHeld ? lines : undefined
      if (!isHeld) for (const line of lines) file?.write(line)
    },
    close: async () => {
      if (held !== undefined) return
      const closing = file
      file = undefined
      await closing?.close()
    },
  }
}

/**
 * The same log, but of errors and warnings that are equal in message and error only one passes in the
 * interval; the next that passes tells in `repeated` how many were held back.
 */
export const throttled = (log: Log, options: ThrottleOptions): Log => holdBack(log, throttle(options))

const holdBack = (log: Log, held: (key: string) => number | undefined): Log => {
  const pass = (level: 'error' | 'warn') => (fields: LogFields, msg: string) => {
    const error = fields.err ?? fields.error
    const repeated = held(`${level} ${msg} ${error instanceof Error ? error.message : String(error)}`)
    if (repeated !== undefined) log[level](repeated > 0 ? { ...fields, repeated } : fields, msg)
  }
  return {
    error: pass('error'),
    warn: pass('warn'),
    info: (fields, msg) => log.info(fields, msg),
    debug: (fields, msg) => log.debug(fields, msg),
    child: (fields) => holdBack(log.child(fields), held),
  }
}
