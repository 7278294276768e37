/** A configuration as TOML: input for the program itself, with each option's description as a comment. */
import { stringify } from 'smol-toml'
import type { Config, ListenerConfig } from './load.ts'
import type { Option, Written } from './option.ts'
import { LISTENER_TABLE, type OptionTable, TABLES, TLS_TABLE } from './schema.ts'

const INTRODUCTION = `# querytap's configuration, each option as it is in effect.
# What is left out has its default. Flags win over variables (QUERYTAP_PROXY_LISTENADDR), both over this.
# Durations are "500ms", "10s", "1m", "1h", "7d" or a number of seconds.
# Sizes are "64KiB", "2MB", "1GiB" or a number of bytes; KB and KiB both count 1024.
`

const TABLE_NOTES: Readonly<Record<string, string>> = {
  querytap: 'The program. [tcpdp] is another name of this table.',
  probe: 'Live capture: querytap probe; querytap read takes the target. Keys as in files of tcpdp.',
  proxy: 'The proxy between the clients and the database server.',
  'proxy.tls': 'TLS on either side of the proxy.',
  log: 'The operational log: starts, stops, troubles. It never carries audit data.',
  dumpLog: 'The audit log.',
}

const LISTENER_NOTE = `Several targets in one process: a block each, instead of listenAddr and remoteAddr.
What a block leaves out is as in [querytap], [proxy] and [proxy.tls].`

const commented = (text: string): string => text.replace(/^/gm, '# ')

const pair = (key: string, option: Option, value: Written): string => {
  const written = option.write(value)
  // a plain object: the library types its input as tables only
  return stringify({ [key]: typeof written === 'object' ? [...written] : written }).trimEnd()
}

const body = (
  table: OptionTable,
  values: Readonly<Record<string, unknown>>,
  isDescribed: boolean,
): string[] =>
  Object.entries(table).flatMap(([key, option]) => [
    ...(isDescribed ? [commented(option.doc)] : []),
    pair(key, option, values[key] as Written),
  ])

const LISTENER_EXAMPLE = `[[listener]]
name = "orders"
listenAddr = "0.0.0.0:15432"
remoteAddr = "db1.example.com:5432"
dumper = "pg"
proxyProtocol = false
allow = ["10.0.0.0/8"]
maxConnections = 200
loginTimeout = "60s"
dialTimeout = "10s"
keepAlive = "60s"
listenBacklog = 511
proxyProtocolForward = false
tls = { client = "refuse", server = "disable" }`

const block = (listener: ListenerConfig): string =>
  [
    '[[listener]]',
    ...body(LISTENER_TABLE, listener as unknown as Record<string, unknown>, false),
    '[listener.tls]',
    ...body(TLS_TABLE, listener.tls, false),
  ].join('\n')

/** The whole configuration; read again it gives the same one. */
export const renderToml = (config: Config): string => {
  const valuesOf: Readonly<Record<string, object>> = {
    ...config,
    'proxy.tls': config.proxy.tls,
  } as unknown as Record<string, object>
  const tables = Object.entries(TABLES).map(([name, table]) =>
    [
      commented(TABLE_NOTES[name] ?? ''),
      `[${name}]`,
      ...body(table, valuesOf[name] as Record<string, unknown>, true),
    ].join('\n'),
  )
  const blocks = config.hasBlocks ? config.listeners.map(block) : [commented(LISTENER_EXAMPLE)]
  return `${[INTRODUCTION.trimEnd(), ...tables, commented(LISTENER_NOTE), ...blocks].join('\n\n')}\n`
}
