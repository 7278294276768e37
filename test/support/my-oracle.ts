/**
 * The general log of MySQL and MariaDB as the oracle of the audit: each command that it logged is one
 * record, in order, with its bound values; what we have beyond that failed before it was logged. Pure:
 * entries and records in, findings out.
 *
 * What the log leaves out or adds (MariaDB 10.11, MySQL 5.6): a Prepare that failed, an Execute that failed
 * early, an Init DB that failed and Reset connection are not logged; a bulk execute is one or more Execute
 * lines with the question marks left in; SQL-level PREPARE and EXECUTE add Prepare and Execute lines of
 * their own behind the Query.
 */
import { createHash } from 'node:crypto'
import { isSameValue, type Literal, literalsOf } from './my-literals.ts'
import type { ErrorLogEntry, GeneralLogEntry } from './my-log.ts'
import type { AuditRecord } from './records.ts'

export interface MyComparison {
  /** lines and records that have no partner, in words; empty when the audit told the truth */
  readonly findings: readonly string[]
  /** pairs of line and record: a comparison of nothing proves nothing */
  readonly matched: { readonly [kind in Kind]: number }
  /** bound values that were compared */
  readonly values: number
}

type Kind = 'query' | 'prepare' | 'execute' | 'bulk' | 'command'

/** The log's name of a command, and the protocol's. */
const COMMANDS: Readonly<Record<string, string>> = {
  'Init DB': 'COM_INIT_DB',
  'Field List': 'COM_FIELD_LIST',
  'Create DB': 'COM_CREATE_DB',
  'Drop DB': 'COM_DROP_DB',
  Refresh: 'COM_REFRESH',
  Shutdown: 'COM_SHUTDOWN',
  Processlist: 'COM_PROCESS_INFO',
  Kill: 'COM_PROCESS_KILL',
  Statistics: 'COM_STATISTICS',
  Debug: 'COM_DEBUG',
  'Register Slave': 'COM_REGISTER_SLAVE',
  'Binlog Dump': 'COM_BINLOG_DUMP',
  'Change user': 'COM_CHANGE_USER',
}

/** Lines that need no record: nothing is executed, or it is part of what another line tells. */
const QUIET = new Set(['Connect', 'Quit', 'Close stmt', 'Reset stmt', 'Long Data', 'Statistics', 'Debug'])
/** Commands of which the log says nothing. */
const UNLOGGED = new Set([
  'COM_REGISTER_SLAVE',
  'COM_RESET_CONNECTION',
  'COM_SET_OPTION',
  'COM_PING',
  'COM_STMT_FETCH',
])
const NOT_RUN = new Set(['skipped', 'unknown'])

const SHOWN = 160
const shown = (text: string): string =>
  JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text)
const shownLine = (line: GeneralLogEntry | undefined): string =>
  line ? `${line.command} ${shown(line.text)}` : 'nothing more'
const shownRecord = (record: AuditRecord): string =>
  [
    `record ${record.stmt_seq ?? ''} (${record.outcome}, error ${record.error_number ?? 'none'})`,
    record.event,
    record.protocol ?? '',
    record.command ?? '',
    shown(record.query ?? ''),
  ].join(' ')

const charsetOf = (record: AuditRecord): BufferEncoding =>
  record.character_set === 'latin1' ? 'latin1' : 'utf8'

/** The record's text in the bytes that were sent, as a latin1 string. */
const bytesOf = (record: AuditRecord): string =>
  typeof record.query_hex === 'string'
    ? Buffer.from(record.query_hex.replace(/^\\x/, ''), 'hex').toString('latin1')
    : Buffer.from(record.query ?? '', charsetOf(record)).toString('latin1')

const quotedForRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')

/** MariaDB logs texts without the blanks before them, and the blanks and semicolons behind. */
const trimmed = (text: string): string => text.replace(/^\s+/, '').replace(/[\s;]+$/, '')

/** A masked text agrees with what is around the masks; a truncated one with its beginning. */
const isSameText = (record: AuditRecord, logged: string): boolean => {
  const ours = bytesOf(record)
  if (ours === logged || trimmed(ours) === trimmed(logged)) return true
  if (record.query_truncated) return isTruncated(record, ours, logged)
  if (!ours.includes('<redacted>')) return false
  return new RegExp(`^${ours.split('<redacted>').map(quotedForRegExp).join('[^]*')}$`).test(logged)
}

const isTruncated = (record: AuditRecord, head: string, logged: string): boolean =>
  logged.startsWith(head) &&
  record.query_len === logged.length &&
  record.query_sha256 === createHash('sha256').update(logged, 'latin1').digest('hex')

/** A value that was too long to be kept is told by its head, its length and its hash. */
const isHead = (record: AuditRecord, index: number, ours: string | null, logged: Literal): boolean => {
  const length = record.bind_value_lens?.[index]
  const hash = record.bind_value_sha256s?.[index]
  if (ours === null || typeof length !== 'number' || typeof hash !== 'string') return false
  const sha256 = createHash('sha256').update(logged.value, 'latin1').digest('hex')
  const head = ours.startsWith('\\x')
    ? Buffer.from(ours.slice(2), 'hex').toString('latin1')
    : Buffer.from(ours, charsetOf(record)).toString('latin1')
  return length === logged.value.length && hash === sha256 && logged.value.startsWith(head)
}

const areSameValues = (record: AuditRecord, logged: readonly Literal[]): boolean => {
  const ours = record.bind_values ?? []
  const types = record.bind_types ?? []
  return (
    ours.length === logged.length &&
    ours.every((value, index) => {
      const literal = logged[index] as Literal
      if (value === '<redacted>') return true
      return (
        isSameValue(value, literal, types[index] ?? undefined, charsetOf(record)) ||
        isHead(record, index, value, literal)
      )
    })
  )
}

const isSameExecute = (record: AuditRecord, logged: string): boolean => {
  if (record.query_truncated || record.malformed === true) return true
  const literals = literalsOf(bytesOf(record), logged)
  return literals !== undefined && areSameValues(record, literals)
}

const kindOf = (record: AuditRecord): Kind => {
  if (record.event === 'prepare') return 'prepare'
  if (record.event === 'change_user') return 'command'
  const kinds: Readonly<Record<string, Kind>> = { text: 'query', binary: 'execute', bulk: 'bulk' }
  return kinds[record.protocol ?? ''] ?? 'command'
}

/** Commands whose text is a name, which the log has too. */
const NAMED = new Set(['COM_INIT_DB', 'COM_FIELD_LIST', 'COM_CREATE_DB', 'COM_DROP_DB'])

/** Of a database: MariaDB logs this in the place of its name. */
const ACCESS_DENIED = 1044

/** Names that are not plain are shown otherwise by the server. */
const isCommand = (record: AuditRecord, line: GeneralLogEntry): boolean => {
  const command = record.event === 'change_user' ? 'COM_CHANGE_USER' : record.command
  if (COMMANDS[line.command] !== command) return false
  if (command === 'COM_CHANGE_USER') return line.text.startsWith(`${record.new_username ?? ''}@`)
  const mayBeDenied = record.error_number === ACCESS_DENIED || record.outcome === 'unknown'
  if (mayBeDenied && line.text.startsWith('Access denied')) return true
  if (!NAMED.has(String(command))) return true
  return record.query === undefined || /[^ -~]/.test(record.query) || line.text.startsWith(record.query)
}

/** Its statement was prepared, but the connection ended before the reply came that gave it its number. */
const isNameless = (record: AuditRecord): boolean =>
  record.reason === 'text_unknown' && record.outcome === 'unknown'

const isPair = (record: AuditRecord, line: GeneralLogEntry): boolean => {
  const logged = line.bytes.toString('latin1')
  if (isNameless(record)) return line.command === 'Execute'
  switch (kindOf(record)) {
    case 'query':
      return line.command === 'Query' && isSameText(record, logged)
    case 'prepare':
      return line.command === 'Prepare' && isSameText(record, logged)
    case 'execute':
      return line.command === 'Execute' && isSameExecute(record, logged)
    case 'bulk':
      return line.command === 'Execute' && isSameText(record, logged)
    default:
      return isCommand(record, line)
  }
}

/** How many lines from `at` on the record may stand for; a bulk execute for one to one per row. */
const linesTaken = (record: AuditRecord, lines: readonly GeneralLogEntry[], at: number): number[] => {
  const most = kindOf(record) === 'bulk' ? Math.max(1, record.bind_values?.length ?? 1) : 1
  const taken: number[] = []
  for (let count = 1; count <= most; count++) {
    const line = lines[at + count - 1]
    if (!line || !isPair(record, line)) break
    taken.push(count)
  }
  return taken
}

/** Could the server have been silent about it? */
const mayBeSilent = (record: AuditRecord): boolean => {
  if (NOT_RUN.has(record.outcome ?? '') || UNLOGGED.has(String(record.command))) return true
  return record.outcome !== 'success' && kindOf(record) !== 'query'
}

/** MySQL 5.6 does not log an execute that opens a cursor. */
const opensCursor = (record: AuditRecord): boolean =>
  record.protocol === 'binary' && typeof record.fetches === 'number'

const ADDED = /\b(?:prepare|execute)\b/i

/** A database that the user may not use: a line of its own behind a Query of USE, too. */
const isDenied = ({ command, text }: GeneralLogEntry): boolean =>
  command === 'Init DB' && text.startsWith('Access denied')

/** May the line at hand be passed over? `before` is the record whose line came last. */
const needsNoRecord = (line: GeneralLogEntry, before: AuditRecord | undefined): boolean => {
  if (QUIET.has(line.command) || isDenied(line)) return true
  if (line.command !== 'Prepare' && line.command !== 'Execute') return false
  return before !== undefined && ADDED.test(before.query ?? '')
}

interface Step {
  readonly record: AuditRecord
  readonly lines: number
  readonly before: Step | undefined
}

type States = Map<number, Step | undefined>

/** All states reachable by passing over lines that need no record. */
const passOver = (states: States, lines: readonly GeneralLogEntry[]): States => {
  const all: States = new Map(states)
  for (const [from, step] of states) {
    for (let at = from; at < lines.length; at++) {
      if (!needsNoRecord(lines[at] as GeneralLogEntry, step?.record)) break
      if (!all.has(at + 1)) all.set(at + 1, step)
    }
  }
  return all
}

/** What the server at hand does in its own way. */
export interface ServerHabits {
  /** the server's log of errors, where there is one */
  readonly errors?: readonly ErrorLogEntry[] | undefined
  /** executes that open a cursor are not in its general log */
  readonly hidesCursors?: boolean
}

/** Follows all ways to put the records onto the lines, in order; a state is a number of lines used up. */
const align = (
  lines: readonly GeneralLogEntry[],
  records: readonly AuditRecord[],
  { hidesCursors = false }: ServerHabits,
): Step[] | string => {
  let states: States = passOver(new Map([[0, undefined]]), lines)
  for (const record of records) {
    const next: States = new Map()
    for (const [at, before] of states) {
      const taken = record.outcome === 'skipped' ? [] : linesTaken(record, lines, at)
      for (const count of taken) next.set(at + count, { record, lines: count, before })
      const silent = mayBeSilent(record) || (hidesCursors && opensCursor(record))
      if (silent && !next.has(at)) next.set(at, before)
    }
    if (next.size === 0) {
      return `${shownRecord(record)}; the server logged ${shownLine(lines[Math.max(...states.keys())])}`
    }
    states = passOver(next, lines)
  }
  if (states.has(lines.length)) return stepsTo(states.get(lines.length))
  return `no record of the server's ${shownLine(lines[Math.max(...states.keys())])}`
}

const stepsTo = (last: Step | undefined): Step[] => {
  const steps: Step[] = []
  for (let step = last; step; step = step.before) steps.push(step)
  return steps.reverse()
}

/** Those of `numbers` that are left when each of `others` has taken one. */
const without = (numbers: readonly number[], others: readonly number[]): number[] => {
  const left = [...numbers]
  for (const other of others) if (left.includes(other)) left.splice(left.indexOf(other), 1)
  return left
}

/** Network errors are the server's own; nobody was there to be told. */
const isToldToClient = ({ number }: ErrorLogEntry): boolean => number < 1158 || number > 1161

/** MariaDB writes a deadlock twice: the second of each two in a row is left out. */
const isNotRepeated = (error: ErrorLogEntry, index: number, all: readonly ErrorLogEntry[]): boolean => {
  if (error.number !== DEADLOCK) return true
  let before = 0
  while (all[index - 1 - before]?.number === DEADLOCK) before++
  return before % 2 === 0
}
const DEADLOCK = 1213

/** In a routine an error may be handled, and is never told. */
const callsRoutine = (records: readonly AuditRecord[]): boolean =>
  records.some(({ query, outcome }) => outcome === 'success' && /^\s*call\b/i.test(query ?? ''))

/** Each error of the server is told once. */
const compareErrors = (errors: readonly ErrorLogEntry[], records: readonly AuditRecord[]): string[] => {
  const logged = errors
    .filter(isToldToClient)
    .filter(isNotRepeated)
    .map(({ number }) => number)
  const told = records.flatMap(({ event, error_number: number }) =>
    typeof number === 'number' && event !== 'session.end' && event !== 'txn.end' ? [number] : [],
  )
  const invented = without(told, logged)
  const missing = callsRoutine(records) ? [] : without(logged, told)
  return [
    ...(invented.length > 0 ? [`errors that the server did not log: ${invented.join(' ')}`] : []),
    ...(missing.length > 0 ? [`errors without a record: ${missing.join(' ')}`] : []),
  ]
}

const AS_WHOM = /^(.*)@\S+ on (.*?)(?: using [^ ]+)?$/s

/** The log-in: who, and to which database. */
const compareLogin = (lines: readonly GeneralLogEntry[], records: readonly AuditRecord[]): string[] => {
  const connect = lines.find(({ command }) => command === 'Connect')
  const [, user, database] = AS_WHOM.exec(connect?.text ?? '') ?? []
  const login = records.find(({ event }) => event === 'session.auth')
  if (connect && !login) return [`no session.auth for ${shownLine(connect)}`]
  if (!login) return []
  // it was refused before the server looked at who it was
  if (login.outcome === 'error' && user === undefined) return []
  const ours = `${login.username ?? ''} ${login.database ?? ''}`
  return ours === `${user} ${database}` ? [] : [`session.auth of ${ours} for ${shownLine(connect)}`]
}

/**
 * In the order in which the client sent them. Records are written when their outcome is known, that of a cursor
 * late; a change of user has no number of its own and comes behind what was told before it.
 */
const asSent = (records: readonly AuditRecord[]): AuditRecord[] => {
  const asWritten = [...records].sort((a, b) => (a.log_seq ?? 0) - (b.log_seq ?? 0))
  let latest = 0
  const places = asWritten.map((record) => {
    latest = Math.max(latest, record.stmt_seq ?? 0)
    return { record, place: record.stmt_seq ?? latest + 0.5 }
  })
  return places.sort((a, b) => a.place - b.place).map(({ record }) => record)
}

const EVENTS = new Set(['statement', 'prepare', 'change_user'])

const grouped = <T>(items: readonly T[], key: (item: T) => number | undefined): Map<number, T[]> => {
  const groups = new Map<number, T[]>()
  for (const item of items) {
    const group = key(item)
    if (group === undefined) continue
    const members = groups.get(group)
    if (members) members.push(item)
    else groups.set(group, [item])
  }
  return groups
}

const compareSession = (
  lines: readonly GeneralLogEntry[],
  records: readonly AuditRecord[],
  habits: ServerHabits,
): { findings: string[]; steps: Step[] } => {
  const commands = asSent(records.filter(({ event }) => EVENTS.has(event)))
  const aligned = align(lines, commands, habits)
  const findings = [
    ...compareLogin(lines, records),
    ...(typeof aligned === 'string' ? [aligned] : []),
    ...(habits.errors ? compareErrors(habits.errors, records) : []),
  ]
  return { findings, steps: typeof aligned === 'string' ? [] : aligned }
}

/** Puts the server's log beside the audit's records, session by session. */
export const compareWithMyServer = (
  entries: readonly GeneralLogEntry[],
  records: readonly AuditRecord[],
  habits: ServerHabits = {},
): MyComparison => {
  const threads = new Map<unknown, number>()
  for (const { conn_id, backend_pid } of records) if (backend_pid) threads.set(conn_id, backend_pid)
  const ours = grouped(records, ({ conn_id }) => threads.get(conn_id))
  const theirs = grouped(entries, ({ thread }) => thread)
  const findings: string[] = []
  const matched = { query: 0, prepare: 0, execute: 0, bulk: 0, command: 0 }
  let values = 0
  for (const thread of new Set([...ours.keys(), ...theirs.keys()])) {
    const errors = habits.errors?.filter((error) => error.thread === thread)
    const session = compareSession(theirs.get(thread) ?? [], ours.get(thread) ?? [], { ...habits, errors })
    findings.push(...session.findings.map((finding) => `thread ${thread}: ${finding}`))
    for (const { record } of session.steps) {
      matched[kindOf(record)] += 1
      if (record.protocol === 'binary') values += record.bind_values?.length ?? 0
    }
  }
  return { findings, matched, values }
}
