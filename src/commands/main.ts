/**
 * From arguments to one command and its exit code: 0 fine, 1 failed at run time or by the machine's fault,
 * 2 wrong use. What goes wrong is told in lines that begin with `querytap:`, without a stack trace.
 */
import { Command, CommanderError } from 'commander'
import { ConfigError } from '../errors.ts'
import { PROBE_FLAGS, READ_FLAGS } from './capture-flags.ts'
import { addFlags, PROXY_FLAGS, toldFlags } from './flags.ts'
import { readVersion } from './version.ts'

/** What a command may use of its process. */
export interface Io {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly env: NodeJS.ProcessEnv
}

interface VerifyFlags {
  readonly key?: readonly string[]
  readonly expectSeal?: readonly string[]
  readonly name: string
  readonly json?: boolean
}

const FAILED = 1
const WRONG_USE = 2

const EXAMPLES = `
Examples:
  querytap proxy -l :15432 -r db.example.com:5432        audit into ./dump.log
  querytap proxy -l :15432 -r db.example.com:5432 --stdout
  querytap proxy -l :13306 -r db.example.com:3306        the same for MySQL and MariaDB
  querytap proxy -c /etc/querytap/querytap.toml
  querytap probe -i eth0 -t 5432 --stdout                beside the server, without touching its traffic
  querytap read dump.pcap.gz -t 5432                     the same audit from captured packets
  querytap verify --key querytap-key.pub.pem /var/log/querytap
  querytap config > querytap.toml                        every option, explained
`

const CONFIG_FLAG = ['-c, --config <file>', 'configuration file, or the directory that holds it'] as const

class Program {
  readonly #io: Io
  #exitCode = 0

  constructor(io: Io) {
    this.#io = io
  }

  async run(argv: readonly string[]): Promise<number> {
    const program = this.#build()
    if (argv.length === 0) {
      program.outputHelp()
      return 0
    }
    await program.parseAsync(argv, { from: 'user' })
    return this.#exitCode
  }

  #build(): Command {
    const { out, err } = this.#io
    const program = new Command('querytap')
    // before any subcommand, which takes both over
    program.exitOverride().configureOutput({
      writeOut: out,
      writeErr: err,
      outputError: (text, write) => write(oneLine(text)),
    })
    program
      .description('Protocol-aware database query auditing proxy')
      .version(readVersion(), '-V, --version', 'print the version')
      .helpCommand('help [command]', 'explain a command')
      .addHelpText('after', EXAMPLES)
    this.#addProxy(program)
    this.#addProbe(program)
    this.#addRead(program)
    this.#addVerify(program)
    this.#addKeygen(program)
    this.#addConfig(program)
    this.#addDemo(program)
    program
      .command('version')
      .description('print the version')
      .action(() => out(`${readVersion()}\n`))
    return program
  }

  #addProxy(program: Command): void {
    const command = program.command('proxy').description('stand in front of a database server and audit')
    addFlags(command.option(...CONFIG_FLAG), PROXY_FLAGS).action(async () => {
      const [{ loadConfig }, { runProxy }] = await Promise.all([
        import('../../config/load.ts'),
        import('./proxy.ts'),
      ])
      const { config: file } = command.opts<{ config?: string }>()
      const flags = toldFlags(command, PROXY_FLAGS)
      const config = loadConfig({ file, flags, env: this.#io.env, needsListener: true })
      this.#exitCode = await runProxy(config, { stdout: config.dumpLog.stdout })
    })
  }

  #addProbe(program: Command): void {
    const command = program.command('probe').description('capture live traffic by tcpdump and audit it')
    addFlags(command.option(...CONFIG_FLAG), PROBE_FLAGS).action(async () => {
      const [{ loadConfig }, { runProbe }] = await Promise.all([
        import('../../config/load.ts'),
        import('./probe.ts'),
      ])
      const { config: file } = command.opts<{ config?: string }>()
      const flags = toldFlags(command, PROBE_FLAGS)
      const config = loadConfig({ file, flags, env: this.#io.env, hasListeners: false })
      this.#exitCode = await runProbe(config, { stdout: config.dumpLog.stdout })
    })
  }

  #addRead(program: Command): void {
    const command = program.command('read').description('audit from a pcap or pcapng file, gzipped or not')
    command.argument('[file]', 'the capture; - or none: the standard input')
    addFlags(command.option(...CONFIG_FLAG), READ_FLAGS)
    command.option('--log', 'write the audit log instead of the standard output').action(async () => {
      const [{ loadConfig }, { runRead }] = await Promise.all([
        import('../../config/load.ts'),
        import('./read.ts'),
      ])
      const { config: file, log = false } = command.opts<{ config?: string; log?: boolean }>()
      const flags = toldFlags(command, READ_FLAGS)
      const config = loadConfig({ file, flags, env: this.#io.env, hasListeners: false })
      const [capture] = command.args
      const source = capture === undefined ? {} : { file: capture }
      this.#exitCode = await runRead(config, { ...source, log, err: this.#io.err })
    })
  }

  #addVerify(program: Command): void {
    const command = program.command('verify').description('check that audit logs are as they were written')
    const several = (value: string, before: readonly string[] = []): string[] => [...before, value]
    command
      .argument('<path...>', 'log files, gzipped or not; or directories that hold a whole log')
      .option('--key <file>', 'public key that signed the log; more than one may be given', several)
      .option('--expect-seal <seal>', 'seal that must be in the log; more than one may be given', several)
      .option('--name <name>', 'name of the log in directories', 'dump.log')
      .option('--json', 'print one JSON object')
      .addHelpText('after', '\nExit codes: 0 fine, 1 findings, 2 wrong use.')
      .action(async (paths: readonly string[]) => {
        const { runVerify } = await import('./verify.ts')
        const { key = [], expectSeal = [], name, json = false } = command.opts<VerifyFlags>()
        const isColored = process.stdout.isTTY === true && !this.#io.env.NO_COLOR
        const told = { paths, keys: key, expected: expectSeal, fileName: name, json, isColored }
        this.#exitCode = await runVerify({ ...told, out: this.#io.out })
      })
  }

  #addKeygen(program: Command): void {
    const command = program.command('keygen').description('make a pair of keys that sign audit logs')
    command
      .option('-o, --out <file>', 'where the private key goes', 'querytap-key.pem')
      .action(async () => {
        const { makeKeyFiles } = await import('./keygen.ts')
        this.#io.out(makeKeyFiles(command.opts<{ out: string }>().out))
      })
  }

  #addConfig(program: Command): void {
    const command = program.command('config').description('print the effective configuration as TOML')
    command
      .option(...CONFIG_FLAG)
      .option('--check', 'only say whether it is right')
      .action(async () => {
        const { describeConfig } = await import('./config.ts')
        const { config: file, check = false } = command.opts<{ config?: string; check?: boolean }>()
        this.#io.out(describeConfig({ file, check, env: this.#io.env }))
      })
  }

  #addDemo(program: Command): void {
    const command = program.command('demo').description('show it live, with a PostgreSQL of its own')
    command
      .option('--once', 'end after the workload')
      .option('-r, --remote <address>', 'use this PostgreSQL server instead')
      .action(async () => {
        const { runDemo } = await import('./demo.ts')
        const { once = false, remote } = command.opts<{ once?: boolean; remote?: string }>()
        this.#exitCode = await runDemo(remote === undefined ? { once } : { once, remote })
      })
  }
}

/** `error: unknown option '--lisen'\n(Did you mean --listen?)` on one line of ours. */
const oneLine = (text: string): string =>
  `querytap: ${text
    .replace(/^error: /, '')
    .trim()
    .replace(/\s*\n\s*/g, ' ')}\n`

const exitCodeOf = (error: unknown): number => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_USE
  return error instanceof ConfigError && error.code !== 'environment' ? WRONG_USE : FAILED
}

const messageOf = (error: unknown, env: NodeJS.ProcessEnv): string => {
  if (!(error instanceof Error)) return String(error)
  return env.QUERYTAP_DEBUG ? (error.stack ?? error.message) : error.message
}

/** Runs the command that the arguments name. Resolves with the exit code and never rejects. */
export const main = async (argv: readonly string[], io: Io): Promise<number> => {
  try {
    return await new Program(io).run(argv)
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      const lines = messageOf(error, io.env).split('\n')
      for (const line of lines) io.err(`querytap: ${line}\n`)
    }
    return exitCodeOf(error)
  }
}
