/** Flags of `querytap read` and `probe` that stand for options of the configuration, as in tcpdp. */
import type { OptionFlag } from './flags.ts'

const TARGET: OptionFlag = {
  flags: '-t, --target <targets>',
  doc: 'the server: PORT, HOST:PORT or HOST, several joined by ||',
  section: 'probe',
  key: 'target',
}

const DUMPER: OptionFlag = {
  flags: '-d, --dumper <name>',
  doc: 'pg, mysql, hex, conn, or the path of a module; follows from a usual port when left out',
  section: 'querytap',
  key: 'dumper',
}

const PROXY_PROTOCOL: OptionFlag = {
  flags: '--proxy-protocol',
  doc: 'connections begin with a PROXY protocol header',
  section: 'querytap',
  key: 'proxyProtocol',
}

const FORMAT: OptionFlag = {
  flags: '-f, --format <form>',
  doc: 'form on the standard output: auto, console, json or ltsv',
  section: 'dumpLog',
  key: 'stdoutFormat',
}

const LOG_DIRS: readonly OptionFlag[] = [
  { flags: '--log-dir <directory>', doc: 'where the operational log goes', section: 'log', key: 'dir' },
  { flags: '--dump-log-dir <directory>', doc: 'where the audit log goes', section: 'dumpLog', key: 'dir' },
]

/** Those of `querytap read`. */
export const READ_FLAGS: readonly OptionFlag[] = [DUMPER, TARGET, FORMAT, PROXY_PROTOCOL, ...LOG_DIRS]

/** Those of `querytap probe`. */
export const PROBE_FLAGS: readonly OptionFlag[] = [
  {
    flags: '-i, --interface <name>',
    doc: 'the network interface to capture on, or any',
    section: 'probe',
    key: 'interface',
  },
  TARGET,
  DUMPER,
  {
    flags: '-B, --buffer-size <size>',
    doc: "the kernel's buffer for captured packets, as 2MB",
    section: 'probe',
    key: 'bufferSize',
  },
  {
    flags: '--immediate-mode',
    doc: 'deliver each packet at once',
    section: 'probe',
    key: 'immediateMode',
  },
  {
    flags: '-s, --snapshot-length <length>',
    doc: 'bytes kept of each packet, or auto',
    section: 'probe',
    key: 'snapshotLength',
  },
  {
    flags: '--filter <bpf>',
    doc: 'a BPF filter to use instead of the one made from the target',
    section: 'probe',
    key: 'filter',
  },
  PROXY_PROTOCOL,
  {
    flags: '--stdout',
    doc: 'write the audit to the standard output as well',
    section: 'dumpLog',
    key: 'stdout',
  },
  FORMAT,
  {
    flags: '--pidfile <file>',
    doc: 'write the process id to this file',
    section: 'querytap',
    key: 'pidfile',
  },
  ...LOG_DIRS,
]
