/**
 * The operational log's file, by pino-roll: `querytap.20240501.1.log`, and `querytap.log` as a link to the
 * one that is being written. Lines are written at once, so that none is lost when the process ends.
 */
import { existsSync, lstatSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { RollingStream } from 'pino-roll'
import { ConfigError } from '../errors.ts'

export interface LogFileOptions {
  readonly dir: string
  /** `querytap.log` */
  readonly fileName: string
  readonly rotateEnable: boolean
  readonly rotationTime: 'secondly' | 'minutely' | 'hourly' | 'daily'
  /** files kept, the current one among them; 0: all */
  readonly rotationCount: number
  /** a new file is written; paths are absolute */
  readonly onRotate: (previous: string, current: string) => void
  /** the file could not be written, or the link not set */
  readonly onTrouble: (error: Error) => void
}

export interface LogFile {
  write(line: string): void
  /** opens the file anew, when it was moved away */
  reopen(): void
  close(): Promise<void>
}

const ROTATIONS = {
  secondly: { frequency: 1000, dateFormat: 'yyyyMMddHHmmss' },
  minutely: { frequency: 60_000, dateFormat: 'yyyyMMddHHmm' },
  hourly: { frequency: 'hourly', dateFormat: 'yyyyMMddHH' },
  daily: { frequency: 'daily', dateFormat: 'yyyyMMdd' },
} as const

/** Bytes that wait while the file cannot be written; what comes after is dropped. */
const MAX_WAITING = 1 << 20

const refusal = (dir: string, error: unknown): ConfigError => {
  const { code, message } = error as NodeJS.ErrnoException
  return new ConfigError('environment', 'log.dir', `log.dir: ${dir}: cannot be written: ${code ?? message}`)
}

/** Node's own `recursive` never returns where the kernel says ENOENT below what exists, as in /proc. */
const makeDirectory = (dir: string): void => {
  if (existsSync(dir)) return
  makeDirectory(dirname(dir))
  try {
    mkdirSync(dir)
  } catch (error) {
    // another process may have been faster
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

const openStream = async (options: LogFileOptions, dir: string): Promise<RollingStream> => {
  const common = { sync: true, mkdir: true, mode: 0o640, maxLength: MAX_WAITING } as const
  const file = join(dir, options.fileName)
  if (!options.rotateEnable) {
    const { destination } = await import('pino')
    return destination({ ...common, dest: file }) as unknown as RollingStream
  }
  const { default: roll } = await import('pino-roll')
  const { rotationCount: count } = options
  const limit = count > 0 ? { limit: { count, removeOtherLogFiles: true } } : {}
  return roll({ ...common, file, ...ROTATIONS[options.rotationTime], ...limit })
}

/** A file of that name from before rotation was turned on is kept under another one. */
const moveAside = (link: string): void => {
  const stat = lstatSync(link, { throwIfNoEntry: false })
  if (stat === undefined || stat.isSymbolicLink()) return
  renameSync(link, `${link}.${stat.mtime.toISOString().replace(/[-:]|\..*/g, '')}`)
}

/** Replaces the link in one step. */
const linkTo = (target: string, link: string): void => {
  moveAside(link)
  const temporary = `${link}.${process.pid}.tmp`
  rmSync(temporary, { force: true })
  symlinkSync(basename(target), temporary)
  renameSync(temporary, link)
}

class RollingFile implements LogFile {
  readonly #options: LogFileOptions
  readonly #stream: RollingStream
  readonly #link: string
  #current: string

  constructor(options: LogFileOptions, stream: RollingStream, dir: string) {
    this.#options = options
    this.#stream = stream
    this.#link = join(dir, options.fileName)
    this.#current = stream.file
    stream.on('error', options.onTrouble)
    stream.on('ready', () => this.#opened())
    this.#setLink()
  }

  write(line: string): void {
    this.#stream.write(line)
  }

  reopen(): void {
    try {
      this.#stream.reopen()
    } catch (error) {
      this.#options.onTrouble(error as Error)
    }
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#stream.once('close', () => resolve())
      // what cannot be written now is given up, or the program would never end
      this.#stream.once('error', () => this.#stream.destroy())
      this.#stream.end()
    })
  }

  #setLink(): void {
    if (!this.#options.rotateEnable) return
    try {
      linkTo(this.#current, this.#link)
    } catch (error) {
      this.#options.onTrouble(error as Error)
    }
  }

  #opened(): void {
    const [previous, current] = [this.#current, this.#stream.file]
    this.#current = current
    this.#setLink()
    if (previous !== current) this.#options.onRotate(previous, current)
  }
}

/** Opens the file for appending, makes its directory. Throws ConfigError `environment` where that fails. */
export const openLogFile = async (options: LogFileOptions): Promise<LogFile> => {
  const dir = resolve(options.dir)
  try {
    makeDirectory(dir)
    return new RollingFile(options, await openStream(options, dir), dir)
  } catch (error) {
    throw refusal(options.dir, error)
  }
}
