/** What tcpdump is called with, and what it says. {@link https://www.tcpdump.org/manpages/tcpdump.1.html} */
import { accessSync, constants } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { delimiter, join } from 'node:path'
import { ConfigError } from '../errors.ts'

export interface TcpdumpOptions {
  readonly interface: string
  readonly filter: string
  /** the kernel's buffer, in bytes */
  readonly bufferBytes: number
  /** bytes kept of each packet; tcpdump's own, 262,144, unless told */
  readonly snapshotLength?: number
  /** packets are delivered one by one instead of in batches of up to a second */
  readonly immediateMode: boolean
}

/** Where the program is kept on systems that hide it from users' PATH. */
const SYSTEM_DIRECTORIES = ['/usr/sbin', '/sbin', '/usr/local/sbin']

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Path of the program. Throws ConfigError `environment` when it is not installed. */
export const findTcpdump = (env: NodeJS.ProcessEnv = process.env): string => {
  const directories = [...(env.PATH ?? '').split(delimiter), ...SYSTEM_DIRECTORIES].filter(Boolean)
  const found = directories.map((directory) => join(directory, 'tcpdump')).find(isExecutable)
  if (found !== undefined) return found
  const how = "install it with your system's packages (apt-get install tcpdump)"
  throw new ConfigError('environment', 'probe', `tcpdump is wanted to capture packets: ${how}`)
}

/** Its arguments: raw packets to the standard output, each at once (-U), names of hosts left alone (-n). */
export const tcpdumpArguments = (options: TcpdumpOptions): string[] => [
  ...['-i', options.interface, '-n', '-U', '-w', '-'],
  ...['-B', String(Math.max(1, Math.ceil(options.bufferBytes / 1024)))],
  ...(options.snapshotLength === undefined ? [] : ['-s', String(options.snapshotLength)]),
  ...(options.immediateMode ? ['--immediate-mode'] : []),
  options.filter,
]

/** Its counters, which only grow. */
export interface TcpdumpCounts {
  /** packets written */
  captured?: number
  /** packets that passed the filter */
  received?: number
  /** lost for want of room in the kernel's buffer, or in the network card */
  dropped?: number
  droppedByInterface?: number
}

const COUNTERS: readonly (readonly [RegExp, keyof TcpdumpCounts])[] = [
  [/(\d+) packets? captured/, 'captured'],
  [/(\d+) packets? received by filter/, 'received'],
  [/(\d+) packets? dropped by kernel/, 'dropped'],
  [/(\d+) packets? dropped by interface/, 'droppedByInterface'],
]

/** Counters that a line of its standard error tells; none for any other line. */
export const readCounts = (line: string): TcpdumpCounts => {
  const counts: TcpdumpCounts = {}
  for (const [pattern, key] of COUNTERS) {
    const number = pattern.exec(line)?.[1]
    if (number !== undefined) counts[key] = Number(number)
  }
  return counts
}

/** It has opened the interface, and packets are on their way. */
export const isListening = (line: string): boolean => /\blistening on\b/.test(line)

/** The link has no VLANs, so a filter must not speak of them. */
export const hasNoVlan = (words: string): boolean => /no VLAN support/i.test(words)

const failure = (option: string, message: string, code: ConfigError['code'] = 'environment'): ConfigError =>
  new ConfigError(code, option, message)

const knownInterfaces = (): string => ['any', ...Object.keys(networkInterfaces())].join(', ')

/** Why it could not begin, in words that say what to do. `words` is what it wrote to its standard error. */
export const startFailure = (words: string, name: string, program: string): ConfigError => {
  if (/no such device|SIOCGIFHWADDR|doesn't exist/i.test(words)) {
    const message = `no such network interface: ${name}; there are ${knownInterfaces()}`
    return failure('--interface', message)
  }
  if (/permission|not permitted/i.test(words)) {
    const how = `run as root, or once: setcap cap_net_raw,cap_net_admin+eip ${program}`
    return failure('probe', `no permission to capture on ${name}: ${how}`)
  }
  if (/that device is not up|network is down/i.test(words))
    return failure('--interface', `network interface ${name} is down`)
  const line =
    words
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/^tcpdump: /, '') ?? ''
  if (/filter|syntax error|expression/i.test(words))
    return failure('--filter', `--filter: ${line}`, 'usage')
  return failure('probe', `tcpdump: ${line === '' ? 'ended without a word' : line}`)
}
