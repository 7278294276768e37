/** The ways to the database that a bench compares, each started as a process of its own. */
import { lstatSync, mkdtempSync, readdirSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startHaproxy } from '../test/support/haproxy.ts'
import { freePort, listening, start } from '../test/support/programs.ts'

export type PathName = 'direct' | 'haproxy' | 'relay' | 'querytap' | 'observe'

/** The server behind the paths. */
export interface Target {
  /** on the loopback interface */
  readonly port: number
  /** as `-d` takes it */
  readonly dumper: string
}

export interface Path {
  /** unique among the paths of a run */
  readonly name: string
  readonly port: number
  /** of the process whose CPU time counts; none for the direct path */
  readonly pid: number | undefined
  /** between two runs: keeps what the path writes from filling the disk */
  clear(): void
  stop(): Promise<void>
}

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url))
const RELAY = here('./bare-relay.js')
// from dist-bench/bench/paths.js: the program as it is shipped
const CLI = here('../../dist/src/cli.js')
const address = (port: number): string => `127.0.0.1:${port}`

const nothing = (): void => {}

const direct = (target: Target): Path => ({
  name: 'direct',
  port: target.port,
  pid: undefined,
  clear: nothing,
  stop: async () => {},
})

const haproxy = async (target: Target): Promise<Path> => {
  const { port, pid, stop } = await startHaproxy({ backend: target.port })
  return { name: 'haproxy', port, pid, clear: nothing, stop }
}

const relay = async (target: Target): Promise<Path> => {
  const port = await freePort()
  const program = start(process.execPath, [RELAY, address(port), address(target.port)])
  await listening(program, port)
  const stop = async () => void (await program.stop())
  return { name: 'relay', port, pid: program.pid, clear: nothing, stop }
}

const emptyFiles = (directory: string): void => {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name)
    if (name.startsWith('dump.log') && !lstatSync(path).isSymbolicLink()) truncateSync(path)
  }
}

export interface QuerytapPathOptions {
  /** `querytap` unless told */
  readonly name?: string
  /** options as variables of the environment; everything else is at its default */
  readonly env?: NodeJS.ProcessEnv
  /** arguments of node */
  readonly nodeArgs?: readonly string[]
}

/** `querytap proxy` with full audit to a file in a directory of its own among the temporary files. */
export const startQuerytapPath = async (
  target: Target,
  options: QuerytapPathOptions = {},
): Promise<Path> => {
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), 'querytap-bench-'))
  const flags = ['-l', address(port), '-r', address(target.port), '-d', target.dumper]
  const args = [...(options.nodeArgs ?? []), CLI, 'proxy', ...flags]
  // the logs go to the current directory unless told otherwise
  const program = start(process.execPath, args, { cwd: directory, env: { ...process.env, ...options.env } })
  await listening(program, port)
  const stop = async () => {
    await program.stop()
    rmSync(directory, { recursive: true, force: true })
  }
  const { name = 'querytap' } = options
  return { name, port, pid: program.pid, clear: () => emptyFiles(directory), stop }
}

const querytap = (target: Target): Promise<Path> => startQuerytapPath(target)

/** Its log is behind the traffic: what a relay that decodes beside forwarding costs. */
const observe = (target: Target): Promise<Path> =>
  startQuerytapPath(target, {
    name: 'querytap, observe',
    env: { QUERYTAP_DUMPLOG_GUARANTEE: 'observe' },
  })

const STARTERS = { direct, haproxy, relay, querytap, observe } as const

export const PATH_NAMES = Object.keys(STARTERS) as PathName[]

/** Starts the named paths to one server. */
export const startPaths = async (names: readonly PathName[], target: Target): Promise<Path[]> => {
  const paths: Path[] = []
  for (const name of names) paths.push(await STARTERS[name](target))
  return paths
}
