/** `querytap demo`: an embedded PostgreSQL, the proxy before it, a small workload, and its audit, live. */
import { mkdtempSync, readFileSync, realpathSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { styleText } from 'node:util'
import { type Config, type FlagValue, loadConfig } from '../../config/load.ts'
import { wantsColor } from '../audit/console.ts'
import { ConfigError } from '../errors.ts'
import { DemoClient } from './demo-client.ts'
import { type DemoServer, startDemoServer } from './demo-server.ts'
import { faultsOf, STEPS, sampleOf } from './demo-workload.ts'
import { runProxy } from './proxy.ts'
import { type Signals, type Stop, watchSignals } from './signals.ts'

export interface DemoOptions {
  /** end after the workload */
  readonly once: boolean
  /** a server of the user's own instead of the embedded one: `host:port` */
  readonly remote?: string
}

const USUAL_PORT = 5433
/** Between two steps, so that a person can follow and a step's records come before the next title. */
const PACE_MS = 400
const QUICK_PACE_MS = 100

const isTerminal = process.stdout.isTTY === true

/** Beside the records, which have the standard output to themselves when a program reads it. */
const say = (text: string, style?: Parameters<typeof styleText>[0]): void => {
  const stream = isTerminal ? process.stdout : process.stderr
  const isPainted = style !== undefined && wantsColor(stream, process.env)
  stream.write(`${isPainted ? styleText(style, text, { validateStream: false }) : text}\n`)
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })

/** A proxy like any other, but for its logs' place; no file and no variable of the environment is read. */
const configOf = (remote: string, port: number, dir: string): Config => {
  const set = (section: FlagValue['section'], key: string, value: unknown, label = key): FlagValue => ({
    section,
    key,
    value,
    label,
  })
  const flags = [
    set('proxy', 'listenAddr', `127.0.0.1:${port}`),
    set('proxy', 'remoteAddr', remote, '--remote'),
    set('querytap', 'dumper', 'pg'),
    set('log', 'dir', dir),
    set('log', 'stdout', false),
    set('dumpLog', 'dir', dir),
    set('dumpLog', 'stdoutFormat', 'console'),
  ]
  return loadConfig({ flags, candidates: [], env: {}, needsListener: true })
}

/** The process's signals, and a way to stop without one. */
class Stopper {
  readonly signals: Signals
  /** a signal came */
  isInterrupted = false
  /** the show is over */
  stop: () => void = () => {}

  constructor() {
    const watched = watchSignals(() => {})
    void watched.stop.then(() => {
      this.isInterrupted = true
    })
    const over = new Promise<{ how: Stop; signal: NodeJS.Signals }>((resolve) => {
      this.stop = () => resolve({ how: 'now', signal: 'SIGTERM' })
    })
    this.signals = { ...watched, stop: Promise.race([watched.stop, over]) }
  }
}

const runSteps = async (port: number, paceMs: number): Promise<void> => {
  const client = await DemoClient.logIn(port, 'postgres', 'demo')
  for (const { title, run } of STEPS) {
    await pause(paceMs)
    say(`\n${title}`, 'bold')
    await run(client)
  }
  await pause(paceMs)
  say('')
  await client.end()
  await pause(paceMs)
}

/** Runs the workload and shows a record as it stands in the file; false when a record did not come. */
const work = async (port: number, file: string, paceMs: number): Promise<boolean> => {
  await runSteps(port, paceMs)
  const log = readFileSync(file, 'utf8')
  const sample = sampleOf(log)
  if (sample !== undefined) {
    say('\nIn the file each record is a line of JSON. The one with the NULL:\n', 'bold')
    say(sample)
  }
  const faults = faultsOf(log)
  for (const fault of faults) say(`querytap: ${fault}`, 'red')
  return faults.length === 0
}

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1))

const invite = (port: number, file: string, isOwn: boolean): void => {
  const who = isOwn ? 'user=postgres dbname=postgres' : 'user=YOU dbname=YOURS'
  say('\nNow you. In another terminal:\n')
  say(`  psql "host=127.0.0.1 port=${port} ${who}"`, 'bold')
  say(`  tail -F ${file}`, 'bold')
  say('\nEach statement shows up here. Ctrl-C ends it.\n')
}

/** The proxy before that server, until a signal or the end of the workload. */
const runBefore = async (remote: string, options: DemoOptions): Promise<boolean> => {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'querytap-demo-')))
  const file = join(dir, 'dump.log')
  const config = configOf(remote, (await isFree(USUAL_PORT)) ? USUAL_PORT : 0, dir)
  const stopper = new Stopper()
  const isOwn = options.remote === undefined
  let workload: Promise<boolean> = Promise.resolve(true)
  const onListening = ([address = '']: readonly string[]): void => {
    const port = portOf(address)
    say(`querytap listens on ${address}, before PostgreSQL at ${remote}`)
    say(`The audit log is ${file}\n`)
    if (isOwn) workload = work(port, file, options.once ? QUICK_PACE_MS : PACE_MS)
    void workload.then(
      () => (options.once ? stopper.stop() : invite(port, file, isOwn)),
      () => stopper.stop(),
    )
  }
  await runProxy(config, { stdout: true, onListening, signals: stopper.signals })
  return workload.catch((error: Error) => {
    // whoever presses Ctrl-C does not wait for the rest of the show
    if (stopper.isInterrupted) return true
    say(`querytap: the workload failed: ${error.message}`, 'red')
    return false
  })
}

/** Runs the demonstration until it is interrupted. Resolves with the exit code. */
export const runDemo = async (options: DemoOptions): Promise<number> => {
  if (options.once && options.remote !== undefined) {
    const message = '--once has nothing to wait for: no workload is run on a server of yours (--remote)'
    throw new ConfigError('usage', '--once', `demo: ${message}`)
  }
  if (options.remote !== undefined) return (await runBefore(options.remote, options)) ? 0 : 1
  say('An embedded PostgreSQL starts; this takes some seconds.', 'dim')
  const server: DemoServer = await startDemoServer()
  try {
    return (await runBefore(`${server.host}:${server.port}`, options)) ? 0 : 1
  } finally {
    await server.close()
  }
}
