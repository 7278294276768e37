/**
 * Takes secrets out of events before anything is written: passwords and the like that statements set or
 * connection strings carry. A literal becomes `<redacted>` as a whole, quotes and prefix included:
 * `ALTER ROLE bob PASSWORD <redacted>`; of a connection string only the password does. What counts as a
 * secret is told in `redact-sql.ts`. Hashes, hex forms and lengths of what was masked are left out. The hex
 * dumper's events are bytes and cannot be redacted.
 */
import type { AuditEvent, BoundValues, QueryText, ServerError, SessionAuth, Who } from '../event.ts'
import type { ScanOptions } from '../sql/scan.ts'
import { maskMessage, maskSettings } from './redact-mask.ts'
import { maySecret } from './redact-names.ts'
import { maskNear } from './redact-near.ts'
import { type Masking, maskArguments, maskingOf } from './redact-text.ts'
import { maskValues } from './redact-values.ts'
import { redactWho } from './redact-who.ts'

/** `event` without its secrets; the event itself when it has none. Pure but for a memory on each text. */
export const redact = (event: AuditEvent): AuditEvent => {
  switch (event.event) {
    case 'statement':
    case 'statement.open':
    case 'prepare':
    case 'replication':
      return redactParts(event, event)
    case 'message':
      return event.who.dialect === 'hex' ? event : redactParts(event, event)
    case 'session.auth':
      return redactAuth(event)
    case 'session.end':
      return redactStrings(event, event, ['end_detail', ...ERROR_KEYS])
    case 'change_user':
      return redactStrings(event, event, ['new_username', 'new_database', ...ERROR_KEYS])
    case 'txn.end':
      return redactStrings(event, event, ERROR_KEYS)
    default:
      return 'who' in event ? patched(event, event.who, undefined) : event
  }
}

const ERROR_KEYS = [
  'error_message',
  'error_detail',
  'error_hint',
  'error_internal_query',
  'error_context',
] as const satisfies readonly (keyof ServerError)[]
const STRING_KEYS = [
  ...ERROR_KEYS,
  ...(['command', 'stmt_name', 'portal_name', 'query_attributes'] as const),
] as const

type Strings<K extends string> = { readonly [Key in K]?: string | undefined }
type Fields = Readonly<Record<string, string | number | boolean>>

/** What an event with a text has that may hold a secret. */
interface Parts extends Strings<(typeof STRING_KEYS)[number]> {
  readonly text?: QueryText | undefined
  readonly executed?: QueryText | undefined
  readonly bound_text?: QueryText | undefined
  readonly values?: BoundValues | undefined
  readonly rows?: readonly BoundValues[] | undefined
  readonly body_hex?: string | undefined
  readonly fields?: Fields
}
/** Keys that take the place of an event's own. */
type Patch = Record<string, unknown>

/** Shorter names cannot be a statement with a secret. */
const SHORT_NAME = 12
const NO_WORDS: ReadonlySet<string> = new Set()
const NO_PARAMS: ReadonlySet<number> = new Set()
const DEFAULT_OPTIONS: ScanOptions = {}

const redactParts = (event: AuditEvent & { who: Who }, parts: Parts): AuditEvent => {
  const text = parts.text && maskingOf(parts.text)
  // the server took it: if it breaks off it was cut
  const executed = parts.executed && maskingOf(parts.executed, true)
  const bound = parts.bound_text ?? parts.text
  const params = (bound && maskingOf(bound)?.params) ?? NO_PARAMS
  const texts = { text: bound, executed: parts.executed }
  const values = parts.values && maskValues(parts.values, params, texts)
  const rows = parts.rows?.map((row) => maskValues(row, params, texts))
  const strings = hasStrings(parts)
  if (!text && !executed && !values && !rows && !strings) return patched(event, event.who, undefined)

  const words = new Set<string>()
  for (const source of [text, executed, values, ...(rows ?? [])])
    for (const word of source?.words ?? []) words.add(word)
  const patch: Patch = {}
  if (text) patch.text = text.text
  if (executed) patch.executed = executed.text
  if (values) patch.values = values
  if (rows?.some((row) => row)) patch.rows = parts.rows?.map((row, index) => rows[index] ?? row)
  // the arguments of EXECUTE are the prepared statement's parameters
  if (parts.text && executed && executed.params.size > 0)
    patch.text = maskArguments(text?.text ?? parts.text, executed.params, words)
  if (strings) {
    const quoted = quoting(parts, [text, executed], words)
    if (quoted.error_message !== parts.error_message) patch.error_message = quoted.error_message
    patchStrings(patch, quoted, words, params)
  }
  return patched(event, event.who, patch)
}

/** With MySQL's error message less what it quotes of the secrets in the texts. */
const quoting = (
  parts: Parts,
  maskings: readonly (Masking | undefined)[],
  words: ReadonlySet<string>,
): Parts => {
  let { error_message: message } = parts
  if (message === undefined || parts.text?.dialect !== 'mysql') return parts
  for (const [index, masking] of maskings.entries()) {
    const query = index === 0 ? parts.text : parts.executed
    if (masking && query) message = maskNear(message, { text: query.text, spans: masking.spans, words })
  }
  return message === parts.error_message ? parts : { ...parts, error_message: message }
}

const patched = (event: AuditEvent, who: Who, patch: Patch | undefined): AuditEvent => {
  const safe = redactWho(who)
  if (safe === who && (patch === undefined || isEmpty(patch))) return event
  return { ...event, ...patch, who: safe } as AuditEvent
}

const isEmpty = (patch: Patch): boolean => Object.keys(patch).length === 0

const hasStrings = (parts: Parts): boolean =>
  parts.error_message !== undefined ||
  parts.error_detail !== undefined ||
  parts.error_hint !== undefined ||
  parts.error_internal_query !== undefined ||
  parts.error_context !== undefined ||
  parts.command !== undefined ||
  parts.query_attributes !== undefined ||
  parts.body_hex !== undefined ||
  parts.fields !== undefined ||
  tellsSecret(parts.stmt_name) ||
  tellsSecret(parts.portal_name)

/** Some drivers name a statement by its text. */
const tellsSecret = (name: string | undefined): boolean =>
  name !== undefined && name.length > SHORT_NAME && maySecret(name)

const patchStrings = (
  patch: Patch,
  parts: Parts,
  words: ReadonlySet<string>,
  params: ReadonlySet<number>,
): void => {
  const options = parts.text ?? DEFAULT_OPTIONS
  Object.assign(patch, maskedStrings(parts, STRING_KEYS, words, options))
  if (parts.fields) {
    const { fields } = parts
    const keys = Object.keys(fields).filter((key) => typeof fields[key] === 'string')
    const masked = maskedStrings(fields as Strings<string>, keys, words, options)
    if (masked) patch.fields = { ...fields, ...masked }
  }
  if (parts.body_hex !== undefined) {
    const kept = params.size > 0 ? HEX_PREFIX : harmlessHex(parts.body_hex)
    if (kept.length < parts.body_hex.length) patch.body_hex = kept
  }
}

const HEX_PREFIX = '\\x'
const BODY_SECRET =
  /pas+w|passphrase|pwd|secret|:\/\/|(?:create|alter)\s+(?:role|user|group)|scram-sha|md5[0-9a-f]{32}/i

/** The hex form of bytes up to the first that tell of a secret. */
const harmlessHex = (hex: string): string => {
  const start = hex.startsWith(HEX_PREFIX) ? HEX_PREFIX.length : 0
  const at = Buffer.from(hex.slice(start), 'hex').toString('latin1').search(BODY_SECRET)
  return at === -1 ? hex : hex.slice(0, start + 2 * at)
}

const maskedStrings = <K extends string>(
  strings: Strings<K>,
  keys: readonly K[],
  words: ReadonlySet<string>,
  options: ScanOptions,
): Patch | undefined => {
  let patch: Patch | undefined
  for (const key of keys) {
    const text = strings[key]
    if (text === undefined) continue
    const masked = maskMessage(text, words, options)
    if (masked !== text) {
      patch ??= {}
      patch[key] = masked
    }
  }
  return patch
}

const redactStrings = <K extends string>(
  event: AuditEvent & { who: Who },
  strings: Strings<K>,
  keys: readonly K[],
): AuditEvent => patched(event, event.who, maskedStrings(strings, keys, NO_WORDS, DEFAULT_OPTIONS))

const redactAuth = (event: SessionAuth): AuditEvent => {
  const patch: Patch = { ...maskedStrings(event, ERROR_KEYS, NO_WORDS, DEFAULT_OPTIONS) }
  const options = event.startup_options
  const masked = options === undefined ? undefined : maskSettings(options)
  if (masked !== options) patch.startup_options = masked
  return patched(event, event.who, patch)
}
