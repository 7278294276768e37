/** Which connections a capture is to show, and by which dumper: `-t` and `-d`, or what they imply. */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Config } from '../../config/load.ts'
import { dumperForPort, loadDumper } from '../../dumpers/index.ts'
import { type CaptureTarget, parseTargets, type Target } from '../capture/targets.ts'
import { ConfigError } from '../errors.ts'
import type { Dumper } from '../session.ts'

export interface CaptureSubject {
  readonly dumper: Dumper
  readonly targets: readonly CaptureTarget[]
  /** the target as its user wrote it, or what it was taken to be */
  readonly targetText: string
}

/** Gives the addresses of a host name. */
export type Resolve = (host: string) => Promise<readonly string[]>

const resolveHost: Resolve = async (host) => {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigError('environment', '--target', `--target: no address for ${host} (${code})`)
  }
}

const addressesOf = async (host: string, resolve: Resolve): Promise<readonly string[]> =>
  isIP(host.replace(/%.*$/, '')) === 0 ? resolve(host) : [host]

const resolved = async ({ host, port }: Target, resolve: Resolve): Promise<CaptureTarget> => ({
  ...(port !== undefined && { port }),
  ...(host !== undefined && { addresses: await addressesOf(host, resolve) }),
})

/** The dumper that all the targets' ports stand for. */
const usualDumper = (targets: readonly Target[]): string | undefined => {
  const names = new Set(targets.map(({ port }) => (port === undefined ? undefined : dumperForPort(port))))
  return names.size === 1 ? [...names][0] : undefined
}

const noDumper = (): ConfigError =>
  new ConfigError(
    'usage',
    '--dumper',
    'the dialect is wanted: -d pg, -d mysql, -d hex, -d conn or -d ./MODULE.mjs, or a target by whose ' +
      'port it can be told: -t 5432, -t 3306',
  )

const noTarget = (dumper: Dumper): ConfigError =>
  new ConfigError(
    'usage',
    '--target',
    `the target is wanted: -t PORT or -t HOST:PORT, since ${dumper.name} has no port of its own`,
  )

/**
 * Reads `[probe] target` and `[querytap] dumper`. Without a target it is the dialect's own port, on every
 * host. Throws ConfigError: `usage` where it cannot be told, `environment` for a name without an address.
 */
export const captureSubject = async (
  config: Pick<Config, 'probe' | 'querytap'>,
  resolve: Resolve = resolveHost,
): Promise<CaptureSubject> => {
  const { target } = config.probe
  const wanted = target === '' ? [] : parseTargets(target)
  const name = config.querytap.dumper || usualDumper(wanted)
  if (name === undefined || name === '') throw noDumper()
  const dumper = await loadDumper(name)
  if (wanted.length > 0) {
    const targets = await Promise.all(wanted.map((one) => resolved(one, resolve)))
    return { dumper, targets, targetText: target }
  }
  const { defaultPort } = dumper
  if (defaultPort === undefined) throw noTarget(dumper)
  return { dumper, targets: [{ port: defaultPort }], targetText: String(defaultPort) }
}
