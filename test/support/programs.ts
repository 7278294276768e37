/**
 * Runs the programs that live tests and benches need: to their end with a time limit, or in the background
 * until they are stopped. Whatever is still running when this process exits is killed, by its own pid.
 */
import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'

export interface RunOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** what goes to the program's standard input, which is closed after it */
  readonly input?: string | Buffer
  /** milliseconds until it is killed; 60,000 unless told */
  readonly timeout?: number
  /** run as this user (only root can) */
  readonly identity?: Identity
}

/** Numeric user and group, as `spawn` takes them. */
export interface Identity {
  readonly uid: number
  readonly gid: number
}

/** What a program left behind. Output is decoded as UTF-8. */
export interface Finished {
  /** exit code; -1 when a signal ended it */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** A program that runs in the background. */
export interface Running {
  readonly pid: number
  readonly child: ChildProcess
  /** all it has written to either stream until now */
  output(): string
  /** settles with the exit code, or -1 when a signal ended it */
  readonly exited: Promise<number>
  /** sends the signal (SIGTERM unless told) and waits for the end; after 10 s the program is killed */
  stop(signal?: NodeJS.Signals): Promise<number>
}

const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})

/** Full path of a program on PATH or in one of the `extra` directories. */
export const which = (name: string, extra: readonly string[] = []): string | undefined => {
  const directories = [...extra, ...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return directories.map((directory) => join(directory, name)).find(isExecutable)
}

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * User and group ids of `name` when this process is root; servers that refuse root are started as that
 * user.
 */
export const identityOf = (name: string): Identity | undefined => {
  if (process.getuid?.() !== 0) return undefined
  const id = (flag: string) => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

const spawned = (
  command: string,
  args: readonly string[],
  options: RunOptions,
  stdio: SpawnOptions['stdio'],
) => {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio,
    ...options.identity,
  })
  alive.add(child)
  child.once('exit', () => alive.delete(child))
  return child
}

/**
 * Runs a program to its end. Rejects when it cannot be started or takes too long; an exit code is not an
 * error.
 */
export const run = async (
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> => {
  const child = spawned(command, args, options, ['pipe', 'pipe', 'pipe'])
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout!.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr!.on('data', (chunk: Buffer) => stderr.push(chunk))
  child.stdin!.on('error', () => {})
  child.stdin!.end(options.input)
  const limit = options.timeout ?? 60_000
  let late = false
  const timer = setTimeout(() => {
    late = true
    child.kill('SIGKILL')
  }, limit)
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (exit) => resolve(exit ?? -1))
    })
    const finished = { code, stdout: String(Buffer.concat(stdout)), stderr: String(Buffer.concat(stderr)) }
    if (late) throw new Error(`${command} took longer than ${limit} ms: ${finished.stderr.slice(-2000)}`)
    return finished
  } finally {
    clearTimeout(timer)
  }
}

/** Like {@link run}, but an exit code other than 0 rejects, with what the program said. Gives its output. */
export const runOk = async (
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> => {
  const { code, stdout, stderr } = await run(command, args, options)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${code}\n${stderr || stdout}`)
  return stdout
}

/** Starts a program in the background; its output is kept. */
export const start = (command: string, args: readonly string[], options: RunOptions = {}): Running => {
  const child = spawned(command, args, options, ['ignore', 'pipe', 'pipe'])
  const chunks: Buffer[] = []
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  const exited = new Promise<number>((resolve) => {
    child.once('error', (error) => {
      chunks.push(Buffer.from(String(error)))
      resolve(-1)
    })
    child.once('exit', (code) => resolve(code ?? -1))
  })
  return {
    pid: child.pid ?? -1,
    child,
    output: () => String(Buffer.concat(chunks)),
    exited,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal)
      const killer = setTimeout(() => child.kill('SIGKILL'), 10_000)
      const code = await exited
      clearTimeout(killer)
      return code
    },
  }
}

const PROBE_EVERY = 20

/** Waits until `ready` gives a value, asking every 20 ms; rejects with `what` after `limit` milliseconds. */
export const until = async <T>(
  what: string,
  ready: () => T | undefined | false | Promise<T | undefined | false>,
  limit = 30_000,
): Promise<T> => {
  const deadline = performance.now() + limit
  for (;;) {
    const value = await ready()
    if (value !== undefined && value !== false) return value
    if (performance.now() > deadline) throw new Error(`${what}: not within ${limit} ms`)
    await after(PROBE_EVERY)
  }
}

/** Does something accept connections there? */
export const accepts = (where: { port: number; host?: string } | { path: string }): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', ...where })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })

const LISTEN = '0A'

/**
 * Is somebody listening on the port? Asks the system's table where there is one, so that no connection is
 * made.
 */
export const isListening = async (port: number): Promise<boolean> => {
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].filter((path) => existsSync(path))
  if (tables.length === 0) return accepts({ port })
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  const rows = tables.flatMap((path) => readFileSync(path, 'latin1').split('\n').slice(1))
  return rows.some((row) => {
    const [, local, , state] = row.trim().split(/\s+/)
    return state === LISTEN && local?.endsWith(`:${wanted}`)
  })
}

/** Waits until the program listens on the port; rejects with its output when it ends before. */
export const listening = async (program: Running, port: number): Promise<void> => {
  let code: number | undefined
  void program.exited.then((exit) => {
    code = exit
  })
  await until(`listening on ${port}`, () => {
    if (code !== undefined)
      throw new Error(`exit ${code} before it listened on ${port}:\n${program.output()}`)
    return isListening(port)
  })
}

// Below the range from which the system takes ports for outgoing connections (32768 and up on Linux).
const FIRST_PORT = 20_000
const PORTS = 12_000

/** A free TCP port of the loopback interface, outside the range of outgoing connections. */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS)
    if (await canBind(port)) return port
  }
}

const canBind = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
