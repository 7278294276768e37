/** What `audit.start` says beside the command's own: who started which version, with which settings. */
import { userInfo } from 'node:os'
import type { Config } from '../../config/load.ts'
import { type SectionName, TABLES } from '../../config/schema.ts'
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

/** The options of a section that are not at their defaults, as the configuration file spells them. */
const changed = (config: Config, name: SectionName): Record<string, unknown> => {
  const [section, inner] = name.split('.') as [keyof Config, string?]
  const outer = config[section] as unknown as Readonly<Record<string, unknown>>
  const values = (inner === undefined ? outer : outer[inner]) as Readonly<Record<string, never>>
  const written = Object.entries(TABLES[name]).map(([key, option]) => ({
    key,
    value: option.write(values[key] as never),
    fallback: option.write(option.fallback),
  }))
  return Object.fromEntries(
    written
      .filter(({ value, fallback }) => JSON.stringify(value) !== JSON.stringify(fallback))
      .map(({ key, value }) => [`${name}.${key}`, value]),
  )
}

/** `version`, `user`, `key_id`, and `settings`: JSON of the options that are not at their defaults. */
export const startFacts = (config: Config, keyId: string | undefined): AuditLife['fields'] => {
  const names = Object.keys(TABLES) as SectionName[]
  const settings = Object.assign({}, ...names.map((name) => changed(config, name)))
  return {
    version: readVersion(),
    user: userName(),
    ...(keyId !== undefined && { key_id: keyId }),
    settings: JSON.stringify(settings),
  }
}
