/** `querytap read`: a capture file, or one on the standard input, to records. */
import { stat } from 'node:fs/promises'
import { performance } from 'node:perf_hooks'
import { setTimeout as after } from 'node:timers/promises'
import type { Config, DumpLogConfig } from '../../config/load.ts'
import { type CaptureInput, openInput } from '../capture/input.ts'
import { openRecords, type RecordReader } from '../capture/records.ts'
import { CaptureError, ConfigError } from '../errors.ts'
import type { AuditLife } from '../event.ts'
import type { Bytes } from '../flow.ts'
import { type Log, type OpenLog, openLog } from '../log.ts'
import { type AuditLog, openAuditLog } from './audit-log.ts'
import { countWords, ProgressLine, sizeWords } from './capture-progress.ts'
import { CaptureRun } from './capture-run.ts'
import { type CaptureSubject, captureSubject } from './capture-targets.ts'
import { lossWords, nothingFound } from './capture-words.ts'
import { startFacts } from './start-facts.ts'

export interface ReadOptions {
  /** path of the capture; `-` or absent: the standard input */
  readonly file?: string
  /** write the audit log instead of the standard output (`--log`) */
  readonly log: boolean
  readonly err: (text: string) => void
}

const FAILED = 1
const WRONG_USE = 2
/** Records that may wait for a slow output before reading waits for it. */
const MOST_WAITING = 2000
/** So much is read of a chunk before it is looked whether the output keeps up. */
const PIECE_BYTES = 1 << 18
const LOOK_MS = 1
const DEFAULT_COLUMNS = 80
const SIGNALS = ['SIGINT', 'SIGTERM'] as const

const wrongFile = (file: string, words: string): ConfigError =>
  new ConfigError('usage', 'FILE', `${file}: ${words}`)

const openFile = async (file: string): Promise<CaptureInput> => {
  try {
    if ((await stat(file)).isDirectory()) throw wrongFile(file, 'is a directory, a capture file is wanted')
    return await openInput(file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (error instanceof ConfigError) throw error
    if (code === 'ENOENT' || code === 'ENOTDIR') throw wrongFile(file, 'no such file')
    throw new ConfigError('environment', 'FILE', `${file}: cannot be read (${code})`)
  }
}

const openSource = async (file: string | undefined): Promise<CaptureInput> => {
  if (file !== undefined && file !== '-') return openFile(file)
  if (process.stdin.isTTY)
    throw new ConfigError(
      'usage',
      'FILE',
      'a capture is wanted: querytap read FILE, or one on the standard input',
    )
  return openInput(process.stdin)
}

/** To the standard output only, unless the audit log is asked for. */
const outputOf = (config: Config, toLog: boolean): DumpLogConfig =>
  toLog ? config.dumpLog : { ...config.dumpLog, enable: false, alertHook: '' }

/** The user wants it to end. */
class Stop {
  isAsked = false
  readonly asked: Promise<'stop'>
  #stop: () => void = () => {}

  constructor() {
    this.asked = new Promise((resolve) => {
      this.#stop = () => {
        this.isAsked = true
        resolve('stop')
      }
    })
    for (const signal of SIGNALS) process.once(signal, this.#stop)
  }

  off(): void {
    for (const signal of SIGNALS) process.off(signal, this.#stop)
  }
}

/** One reading of one capture. */
class Reading {
  readonly #subject: CaptureSubject
  readonly #config: Config
  readonly #audit: AuditLog
  readonly #log: OpenLog
  readonly #records: RecordReader = openRecords()
  readonly #progress: ProgressLine | undefined
  readonly #stop = new Stop()
  #run: CaptureRun | undefined

  constructor(
    config: Config,
    subject: CaptureSubject,
    audit: AuditLog,
    log: OpenLog,
    progress: ProgressLine | undefined,
  ) {
    this.#config = config
    this.#subject = subject
    this.#audit = audit
    this.#log = log
    this.#progress = progress
  }

  /** Reads to the end, or to the damage, which it answers. */
  async read(input: CaptureInput): Promise<CaptureError | undefined> {
    const chunks = input.chunks()[Symbol.asyncIterator]()
    try {
      while (!this.#isOver) {
        const next = await Promise.race([chunks.next(), this.#stop.asked])
        if (next === 'stop') break
        if (next.done) {
          this.#records.end()
          break
        }
        await this.#take(next.value, input)
      }
      return undefined
    } catch (error) {
      if (error instanceof CaptureError) return error
      throw error
    } finally {
      // not awaited: a stream that gives nothing would keep us waiting
      void chunks.return?.()?.catch(() => {})
      this.#run?.end()
      await this.#written(0)
      this.#stop.off()
      this.#progress?.clear()
    }
  }

  get wasStopped(): boolean {
    return this.#stop.isAsked
  }

  get #isOver(): boolean {
    return this.#stop.isAsked || this.#audit.isGone
  }

  async #take(chunk: Bytes, input: CaptureInput): Promise<void> {
    this.#run ??= new CaptureRun({
      ...{ config: this.#config, subject: this.#subject, sink: this.#audit.sink, log: this.#log.log },
    })
    for (let at = 0; at < chunk.length && !this.#isOver; at += PIECE_BYTES) {
      this.#records.feed(chunk.subarray(at, at + PIECE_BYTES), this.#run.record)
      if (this.#audit.waiting > MOST_WAITING) await this.#written(MOST_WAITING)
    }
    const { size, bytesRead } = input
    const { packets } = this.#run.capture.counts
    this.#progress?.update({ bytesRead, size, packets, statements: this.#run.statements })
  }

  /** Waits until no more than so many records wait for an output that is slower. */
  async #written(most: number): Promise<void> {
    const isBehind = (): boolean => (most > 0 ? this.#audit.waiting > most : !this.#audit.isIdle)
    while (isBehind() && !this.#isOver) await after(LOOK_MS)
  }

  /** What the user is told at the end. */
  summary(): { readonly words: string[]; readonly fields: Readonly<Record<string, number>> } {
    const counts = this.#run?.capture.counts
    if (counts === undefined) return { words: [], fields: {} }
    const { dropped } = this.#records
    const nothing = nothingFound(counts, this.#subject.targetText)
    const words = [...lossWords(counts, dropped), ...(nothing === undefined ? [] : [nothing])]
    return { words, fields: { ...counts, dropped, statements: this.#run?.statements ?? 0 } }
  }

  /** `1.2 GB, 1,203,404 packets, 80,113 statements in 6.1 s` */
  totals(input: CaptureInput): string {
    const counts = this.#run?.capture.counts
    const seconds = (this.#progress?.seconds ?? 0).toFixed(1)
    const packets = `${countWords(counts?.packets ?? 0)} packets`
    const statements = `${countWords(this.#run?.statements ?? 0)} statements`
    return `${sizeWords(input.bytesRead)}, ${packets}, ${statements} in ${seconds} s`
  }
}

const progressLine = (toLog: boolean): ProgressLine | undefined => {
  // records and progress on one terminal would write over one another
  if (!process.stderr.isTTY || (process.stdout.isTTY && !toLog)) return undefined
  return new ProgressLine({
    write: (text) => process.stderr.write(text),
    now: () => performance.now(),
    columns: () => process.stderr.columns || DEFAULT_COLUMNS,
  })
}

/** The operational log: as configured when the audit log is written, else what is amiss, on stderr. */
const openLogFor = (config: Config, toLog: boolean): Promise<OpenLog> =>
  openLog({ ...config.log, enable: toLog && config.log.enable, stdout: true }, process.stderr)

/** The log, but no errors once the reader is gone: one that has seen enough (`| head`) is no trouble. */
const untilGone = (log: Log, isGone: () => boolean): Log => ({
  error: (fields, msg) => {
    if (!isGone()) log.error(fields, msg)
  },
  warn: (fields, msg) => log.warn(fields, msg),
  info: (fields, msg) => log.info(fields, msg),
  debug: (fields, msg) => log.debug(fields, msg),
  child: (fields) => untilGone(log.child(fields), isGone),
})

/**
 * Reads one capture to its end and answers the exit code: 1 where it is damaged, after everything before the
 * damage. Throws ConfigError for what its user has to mend.
 */
export const runRead = async (config: Config, options: ReadOptions): Promise<number> => {
  const subject = await captureSubject(config)
  const input = await openSource(options.file)
  const name = options.file ?? '-'
  const log = await openLogFor(config, options.log)
  let audit: AuditLog | undefined
  try {
    const told = untilGone(log.log, () => audit?.isGone === true)
    const opened = openAuditLog(outputOf(config, options.log), !options.log, told)
    audit = opened
    const tell = (event: AuditLife['event'], fields: AuditLife['fields']): void => {
      const at = Date.now() * 1000
      if (options.log) opened.sink.emit(undefined, { event, at, fields: { pid: process.pid, ...fields } })
    }
    const progress = progressLine(options.log)
    const { detail } = config.dumpLog
    const facts = startFacts(config, opened.keyId)
    tell('audit.start', { detail, command: 'read', file: name, dumper: subject.dumper.name, ...facts })
    const reading = new Reading(config, subject, opened, log, progress)
    const damage = await reading.read(input)
    const { words, fields } = reading.summary()
    tell('audit.stop', { reason: damage === undefined ? 'end' : 'damaged' })
    if (options.log) log.log.info({ file: name, ...fields }, 'read')
    if (progress !== undefined) options.err(`querytap: ${reading.totals(input)}\n`)
    for (const line of words) options.err(`querytap: ${name}: ${line}\n`)
    // a live stream is ended by its user, a file is not
    if (damage === undefined && (!reading.wasStopped || input.size === undefined)) return 0
    options.err(`querytap: ${name}: ${damage?.message ?? 'stopped before its end'}\n`)
    return damage?.code === 'unsupported' && damage.record === 1 ? WRONG_USE : FAILED
  } finally {
    await audit?.close()
    await log.close()
  }
}
