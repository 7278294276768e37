/** What `audit.start` says beside the command's own: who started which version, with which settings. */
import { userInfo } from 'node:os'
import type { Config } from '../../config/load.ts'
import {
  LISTENER_TABLE,
  type OptionTable,
  type SectionName,
  TABLES,
  TLS_TABLE,
} from '../../config/schema.ts'
import type { AuditLife } from '../event.ts'
import { readVersion } from './version.ts'

const userName = (): string => {
  try {
    return userInfo().username
  } catch {
    // a user id without an entry in passwd(5)
    return String(process.getuid?.() ?? '')
  }
}

type Values = Readonly<Record<string, unknown>>

/** The options of a table that are not at their defaults, as the configuration file spells them. */
const changed = (table: OptionTable, values: Values, prefix = ''): Values => {
  const written = Object.entries(table).map(([key, option]) => ({
    key,
    value: option.write(values[key] as never),
    fallback: option.write(option.fallback),
  }))
  return Object.fromEntries(
    written
      .filter(({ value, fallback }) => JSON.stringify(value) !== JSON.stringify(fallback))
      .map(({ key, value }) => [`${prefix}${key}`, value]),
  )
}

const changedIn = (config: Config, name: SectionName): Values => {
  const [section, inner] = name.split('.') as [keyof Config, string?]
  const outer = config[section] as unknown as Values
  return changed(TABLES[name], inner === undefined ? outer : (outer[inner] as Values), `${name}.`)
}

/** What each `[[listener]]` block comes to, with what it takes from `[proxy]` and `[querytap]`. */
const listenersOf = ({ hasBlocks, listeners }: Config): Values => {
  if (!hasBlocks) return {}
  const blocks = listeners.map((listener) => ({
    ...changed(LISTENER_TABLE, listener as unknown as Values),
    ...changed(TLS_TABLE, listener.tls, 'tls.'),
  }))
  return { listener: blocks }
}

/** `version`, `user`, `key_id`, and `settings`: JSON of the options that are not at their defaults. */
export const startFacts = (config: Config, keyId: string | undefined): AuditLife['fields'] => {
  const names = Object.keys(TABLES) as SectionName[]
  const sections = names.map((name) => changedIn(config, name))
  const settings = Object.assign({}, ...sections, listenersOf(config))
  return {
    version: readVersion(),
    user: userName(),
    ...(keyId !== undefined && { key_id: keyId }),
    settings: JSON.stringify(settings),
  }
}
