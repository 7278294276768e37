/** The file that says which process is the proxy. */
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { ConfigError } from '../errors.ts'

export interface Pidfile {
  /** removes the file, if it still holds our own process id */
  release(): void
}

/** A process younger than the file by more than this only has the same number. */
const YOUNGER_MS = 2_000
const TICK_MS = 10
/** Start time in ticks since boot: field 22 of /proc/PID/stat, counted behind the command's `)`, proc(5). */
const START_TIME = 19

const pidIn = (path: string): number | undefined => {
  try {
    const pid = Number(readFileSync(path, 'latin1').trim())
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined
  } catch {
    return undefined
  }
}

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** When a process began, in milliseconds since the epoch, where /proc tells. */
const startOf = (pid: number): number | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[START_TIME])
    const boot = /^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'latin1'))?.[1]
    return boot === undefined ? undefined : Number(boot) * 1000 + ticks * TICK_MS
  } catch {
    return undefined
  }
}

/** Is the process that wrote the file still there? The number alone may be another's by now. */
const isLive = (path: string, pid: number): boolean => {
  if (pid === process.pid || !isRunning(pid)) return false
  const written = statSync(path, { throwIfNoEntry: false })?.mtimeMs
  const started = startOf(pid)
  return written === undefined || started === undefined || started <= written + YOUNGER_MS
}

/**
 * Writes the process id. A file that a dead process left is replaced; a live one's is taken over by a
 * successor (`isSuccessor`: the sockets were inherited), and else throws ConfigError `environment`, as does
 * a file that cannot be written.
 */
export const takePidfile = (path: string, isSuccessor: boolean): Pidfile => {
  const holder = pidIn(path)
  if (holder !== undefined && !isSuccessor && isLive(path, holder)) {
    throw new ConfigError(
      'environment',
      'querytap.pidfile',
      `pidfile ${path}: process ${holder} is running`,
    )
  }
  const draft = `${path}.${process.pid}`
  try {
    writeFileSync(draft, `${process.pid}\n`)
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    const { code, message } = error as NodeJS.ErrnoException
    throw new ConfigError('environment', 'querytap.pidfile', `pidfile ${path}: ${code ?? message}`)
  }
  return {
    release() {
      if (pidIn(path) === process.pid) rmSync(path, { force: true })
    },
  }
}
