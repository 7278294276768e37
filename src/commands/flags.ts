/** Flags of the command line that stand for options of the configuration. */
import { type Command, Option } from 'commander'
import type { FlagValue } from '../../config/load.ts'

/** A flag and what it stands for. */
export interface OptionFlag {
  /** `-l, --listen <address>` */
  readonly flags: string
  readonly doc: string
  readonly section: FlagValue['section']
  readonly key: string
}

const long = ({ flags }: OptionFlag): string => /--[a-z-]+/.exec(flags)?.[0] ?? flags

/** Those of `querytap proxy`, spelt as in tcpdp. */
export const PROXY_FLAGS: readonly OptionFlag[] = [
  {
    flags: '-l, --listen <address>',
    doc: 'where clients connect: host:port, [v6]:port, :port, or the path of a Unix socket',
    section: 'proxy',
    key: 'listenAddr',
  },
  {
    flags: '-r, --remote <address>',
    doc: 'the database server, in the same forms',
    section: 'proxy',
    key: 'remoteAddr',
  },
  {
    flags: '-d, --dumper <name>',
    doc: 'pg, mysql, hex, conn, or the path of a module; follows from the port 5432 or 3306 when left out',
    section: 'querytap',
    key: 'dumper',
  },
  {
    flags: '-s, --use-server-starter',
    doc: 'take over listening sockets from Server::Starter or systemd',
    section: 'proxy',
    key: 'useServerStarter',
  },
  {
    flags: '--proxy-protocol',
    doc: 'clients send a PROXY protocol header first',
    section: 'querytap',
    key: 'proxyProtocol',
  },
  {
    flags: '--stdout',
    doc: 'write the audit to the standard output as well',
    section: 'dumpLog',
    key: 'stdout',
  },
  {
    flags: '-f, --format <form>',
    doc: 'form on the standard output: auto, console, json or ltsv',
    section: 'dumpLog',
    key: 'stdoutFormat',
  },
  {
    flags: '--pidfile <file>',
    doc: 'write the process id to this file',
    section: 'querytap',
    key: 'pidfile',
  },
  { flags: '--log-dir <directory>', doc: 'where the operational log goes', section: 'log', key: 'dir' },
  { flags: '--dump-log-dir <directory>', doc: 'where the audit log goes', section: 'dumpLog', key: 'dir' },
]

/** Adds the flags to a command. */
export const addFlags = (command: Command, flags: readonly OptionFlag[]): Command => {
  for (const flag of flags) command.addOption(new Option(flag.flags, flag.doc))
  return command
}

/** What of them was told, in the order of the table. */
export const toldFlags = (command: Command, flags: readonly OptionFlag[]): FlagValue[] =>
  flags.flatMap((flag) => {
    const value: unknown = command.getOptionValue(new Option(flag.flags).attributeName())
    return value === undefined ? [] : { section: flag.section, key: flag.key, value, label: long(flag) }
  })
