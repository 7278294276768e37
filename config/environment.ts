/** Options as variables of the environment: `QUERYTAP_PROXY_LISTENADDR`, or with `TCPDP_` as in tcpdp. */
import { nearest } from './nearest.ts'
import { complaint, type Problem } from './problems.ts'
import { type SectionName, TABLES } from './schema.ts'

/** One option told outside the file. */
export interface Told {
  readonly section: SectionName
  readonly key: string
  readonly value: unknown
  /** as its user wrote it: a variable's name, or a flag */
  readonly label: string
}

const PREFIXES = ['QUERYTAP', 'TCPDP']

/** The variables that tell an option, the one that wins first. */
export const variablesOf = (section: SectionName, key: string): readonly string[] =>
  PREFIXES.flatMap((prefix) => {
    const tables = section === 'querytap' ? [prefix, `${prefix}_${prefix}`] : [`${prefix}_${section}`]
    return tables.map((table) => `${table}_${key}`.replace('.', '_').toUpperCase())
  })

const ALL = (Object.keys(TABLES) as SectionName[]).flatMap((section) =>
  Object.keys(TABLES[section]).map((key) => ({ section, key, names: variablesOf(section, key) })),
)
const KNOWN = ALL.flatMap(({ names }) => names)

const OURS = /^QUERYTAP_(?:QUERYTAP|PROBE|PROXY|LOG|DUMPLOG)_/
/** What Kubernetes puts in the environment for a service that is named like one of our tables. */
const OF_KUBERNETES = /_SERVICE_(?:HOST|PORT)|_PORT(?:_\d+_(?:TCP|UDP).*)?$/

const unknownVariables = (env: NodeJS.ProcessEnv): Problem[] =>
  Object.keys(env)
    .filter((name) => OURS.test(name) && !KNOWN.includes(name) && !OF_KUBERNETES.test(name))
    .map((name) => {
      const near = nearest(name, KNOWN)
      const text = `${name}: unknown variable${near === undefined ? '' : `, did you mean ${near}?`}`
      return { code: 'unknown-key', option: name, text }
    })

/** What a flag or a variable tells, checked. `text` is coerced as the option's kind wants it. */
export const checkTold = (told: Told, problems: Problem[]): Told | undefined => {
  const option = TABLES[told.section][told.key]
  if (option === undefined) throw new TypeError(`no such option: ${told.section}.${told.key}`)
  const written = typeof told.value === 'string' ? option.fromText(told.value) : told.value
  const result = option.schema.safeParse(written)
  if (result.success) return { ...told, value: result.data }
  const words = complaint(option, result.error.issues[0], told.value)
  problems.push({ code: 'invalid-value', option: told.label, text: `${told.label}: ${words}` })
  return undefined
}

/** Reads every option that the environment tells; a variable that is empty tells nothing. */
export const readEnvironment = (env: NodeJS.ProcessEnv, problems: Problem[]): Told[] => {
  problems.push(...unknownVariables(env))
  return ALL.flatMap(({ section, key, names }) => {
    const label = names.find((name) => (env[name] ?? '') !== '')
    if (label === undefined) return []
    return checkTold({ section, key, label, value: env[label] }, problems) ?? []
  })
}
