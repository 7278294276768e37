/** `querytap proxy` under start_server (Server::Starter), for tests of restarts without a gap. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'smol-toml'
import { freePort, type Running, start, until } from './programs.ts'
import { CLI } from './querytap.ts'
import { logFiles } from './records.ts'

export interface Supervised {
  /** where clients connect, on the loopback interface */
  readonly port: number
  readonly program: Running
  /** restarts it, and resolves when generation `count` alone is left and audits */
  restart(generation: number): Promise<void>
}

export interface SupervisedOptions {
  /** where its logs go */
  readonly directory: string
  /** port of the server on the loopback interface */
  readonly remote: number
  readonly dumper: string
}

/** Starts the supervisor, and resolves when the first worker audits. */
export const startSupervised = async (options: SupervisedOptions): Promise<Supervised> => {
  const { directory, remote, dumper } = options
  const port = await freePort()
  const config = join(directory, 'querytap.toml')
  const status = join(directory, 'status')
  writeFileSync(config, stringify({ log: { dir: directory, stdout: false }, dumpLog: { dir: directory } }))
  const flags = ['-s', '-c', config, '-r', `127.0.0.1:${remote}`, '-d', dumper]
  const supervision = [`--port=127.0.0.1:${port}`, `--status-file=${status}`]
  const program = start('start_server', [...supervision, '--', process.execPath, CLI, 'proxy', ...flags])
  // `GENERATION:PID` of each worker that runs; the supervisor writes it when it has started one
  const workers = (): string[] =>
    existsSync(status) ? readFileSync(status, 'utf8').trim().split('\n') : []
  const hasStarted = (file: string): boolean =>
    readFileSync(join(directory, file), 'utf8').includes('"event":"audit.start"')
  // each worker writes a file of its own; one that is not that far yet has no handler for SIGTERM
  const started = async (count: number): Promise<void> => {
    const ready = () => logFiles(directory).filter(hasStarted).length === count
    await until('its audit log', ready).catch((error) => {
      throw new Error(`${error}\n${program.output()}`)
    })
  }
  const restart = async (generation: number): Promise<void> => {
    process.kill(program.pid, 'SIGHUP')
    await until(`generation ${generation} alone`, () => {
      const running = workers()
      return running.length === 1 && running[0]?.startsWith(`${generation}:`)
    })
    await started(generation)
  }
  try {
    await started(1)
  } catch (error) {
    await program.stop()
    throw error
  }
  return { port, program, restart }
}
