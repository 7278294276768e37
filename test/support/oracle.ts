/**
 * PostgreSQL's own log with `log_statement = all` as the oracle of the audit: each `statement:`,
 * `execute` and
 * `fastpath` line is one record, in order, with its bound values; what we have beyond that is skipped or
 * failed
 * before it was executed. Pure: entries and records in, findings out.
 */
import { createHash } from 'node:crypto'
import type { AuditRecord } from './records.ts'

/** What of a server's log entry is looked at (jsonlog's keys). */
export interface OracleEntry {
  readonly pid?: number
  readonly error_severity: string
  readonly state_code?: string
  readonly message?: string
  readonly detail?: string
}

/**
 * Bound values whose text differs from the server's; whether they are the same value only the server can
 * tell.
 */
export interface ValuesInDoubt {
  readonly query: string
  readonly sent: readonly (string | null)[]
  readonly logged: readonly (string | null)[]
  /** as the record names them; empty when it knows none */
  readonly types: readonly (string | null)[]
}

export interface Comparison {
  /** lines and records that have no partner, in words; empty when the audit told the truth */
  readonly findings: readonly string[]
  readonly inDoubt: readonly ValuesInDoubt[]
  /** pairs of line and record, by kind of line: a comparison of nothing proves nothing */
  readonly matched: Readonly<Record<Line['kind'], number>>
}

interface Line {
  readonly kind: 'statement' | 'execute' | 'fastpath'
  /** what comes before the text: names of statement and portal; the function's oid */
  readonly head: string
  readonly text: string
  readonly values: readonly (string | null)[]
  /** Executes: 1, and one for each `execute fetch from` */
  fetches: number
}

const SHOWN = 160
const shown = (text: string): string =>
  JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text)

/** `parameters: $1 = 'it''s', $2 = NULL` → ["it's", null] */
export const parseParameters = (detail: string | undefined): (string | null)[] => {
  if (!detail || !/^parameters: /i.test(detail)) return []
  const values = detail.matchAll(/\$\d+ = (?:NULL|'((?:[^']|'')*)')(?:, |$)/g)
  return [...values].map((value) => value[1]?.replaceAll("''", "'") ?? null)
}

const EXECUTE = 'execute '
const FETCH = 'execute fetch from '

const lineOf = ({ message = '', detail }: OracleEntry): Line | undefined => {
  if (message.startsWith('statement: ')) {
    return {
      kind: 'statement',
      head: '',
      text: message.slice('statement: '.length),
      values: [],
      fetches: 1,
    }
  }
  if (message.startsWith(EXECUTE)) {
    const rest = message.slice(EXECUTE.length)
    return { kind: 'execute', head: '', text: rest, values: parseParameters(detail), fetches: 1 }
  }
  const called = /^fastpath function call: .*\(OID (\d+)\)$/s.exec(message)
  return called
    ? { kind: 'fastpath', head: called[1] as string, text: '', values: [], fetches: 1 }
    : undefined
}

/** One session's lines; `execute fetch from` adds to the latest line of its portal. */
const linesOf = (entries: readonly OracleEntry[]): Line[] => {
  const lines: Line[] = []
  for (const entry of entries) {
    const line = lineOf(entry)
    const fetched = entry.message?.startsWith(FETCH)
      ? lines.findLast(
          (each) => each.kind === 'execute' && each.text === entry.message?.slice(FETCH.length),
        )
      : undefined
    if (fetched) fetched.fetches += 1
    else if (line) lines.push(line)
  }
  return lines
}

/** A masked text agrees with what is around the masks; a truncated one with its beginning. */
const sameText = (record: AuditRecord, suffix: string): boolean => {
  const query = record.query ?? ''
  if (query === suffix) return true
  if (record.query_truncated) return suffix.startsWith(query)
  if (!query.includes('<redacted>')) return false
  const parts = query.split('<redacted>').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return new RegExp(`^${parts.join('[^]*')}$`).test(suffix)
}

const KIND_OF = { simple: 'statement', extended: 'execute', function: 'fastpath' } as const

const nameOf = ({ stmt_name, portal_name }: AuditRecord): string =>
  `${stmt_name || '<unnamed>'}${portal_name ? `/${portal_name}` : ''}: `

const agree = (record: AuditRecord, line: Line): boolean => {
  if (KIND_OF[record.protocol as keyof typeof KIND_OF] !== line.kind) return false
  if (line.kind === 'fastpath') return String(record.function_oid) === line.head
  if (line.kind === 'statement') return sameText(record, line.text)
  const name = nameOf(record)
  return line.text.startsWith(name) && sameText(record, line.text.slice(name.length))
}

/** How many lines from `at` on this record stands for; 0 when it is not the record of the line there. */
const linesTaken = (record: AuditRecord, lines: readonly Line[], at: number): number => {
  const wanted = record.fetches ?? 1
  let fetches = 0
  for (let index = at; fetches < wanted; index++) {
    const line = lines[index]
    if (!line || !agree(record, line)) return 0
    fetches += line.fetches
    if (fetches === wanted) return index + 1 - at
  }
  return 0
}

/**
 * Could the server have been silent about it? An empty text, nothing executed, or failed before
 * execution.
 */
const mayBeSilent = (record: AuditRecord): boolean =>
  record.outcome === 'error' ||
  record.outcome === 'unknown' ||
  record.outcome === 'skipped' ||
  record.fetches === 0 ||
  (record.protocol === 'extended' && !/[^\s;]/.test(record.query ?? ''))

const mustBeSilent = (record: AuditRecord): boolean => record.outcome === 'skipped' || record.fetches === 0

interface Step {
  readonly at: number
  readonly record: AuditRecord
  readonly taken: number
  readonly before: Step | undefined
}

/**
 * Follows all ways to put the records onto the lines, in order; each state is a number of lines that are
 * used up.
 */
const align = (lines: readonly Line[], records: readonly AuditRecord[]): Step[] | string => {
  let states = new Map<number, Step | undefined>([[0, undefined]])
  for (const record of records) {
    const next = new Map<number, Step | undefined>()
    for (const [at, before] of states) {
      const taken = mustBeSilent(record) ? 0 : linesTaken(record, lines, at)
      if (taken > 0) next.set(at + taken, { at, record, taken, before })
      if (mayBeSilent(record) && !next.has(at)) next.set(at, before)
    }
    if (next.size === 0) {
      const line = lines[Math.max(...states.keys())]
      const server = line
        ? `${line.kind} ${shown(line.text || line.head)} ×${line.fetches}`
        : 'nothing more'
      const ours = `${record.protocol} ${nameOf(record)}${shown(record.query ?? '')} ×${record.fetches ?? 1}`
      return `record ${record.stmt_seq} (${record.outcome}) ${ours}; the server logged ${server}`
    }
    states = next
  }
  if (!states.has(lines.length)) {
    const line = lines[Math.max(...states.keys())] as Line
    return `no record of the server's ${line.kind} ${shown(line.text || line.head)} ×${line.fetches}`
  }
  return stepsTo(states.get(lines.length))
}

const stepsTo = (last: Step | undefined): Step[] => {
  const steps: Step[] = []
  for (let step = last; step; step = step.before) steps.push(step)
  return steps.reverse()
}

/** A value that was too long to be kept is told by its head, its length and its hash. */
const isHeadOf = (head: string, logged: string, bytes: unknown, sha256: unknown): boolean =>
  logged.startsWith(head) &&
  Buffer.byteLength(logged) === bytes &&
  createHash('sha256').update(logged).digest('hex') === sha256

const sameValues = (record: AuditRecord, logged: readonly (string | null)[]): boolean => {
  const { bind_values: sent = [], bind_value_lens: lengths = [], bind_value_sha256s: hashes = [] } = record
  const isSame = (value: string | null, index: number): boolean => {
    const expected = logged[index] ?? null
    if (value === expected) return true
    return value !== null && expected !== null && isHeadOf(value, expected, lengths[index], hashes[index])
  }
  return sent.length === logged.length && sent.every(isSame)
}

const isFailure = (entry: OracleEntry): boolean => ['ERROR', 'FATAL'].includes(entry.error_severity)

/** Those of `codes` that are left when each of `others` has taken one. */
const without = (codes: readonly string[], others: readonly string[]): string[] => {
  const left = [...codes]
  for (const other of others) if (left.includes(other)) left.splice(left.indexOf(other), 1)
  return left
}

const codesOf = (records: readonly AuditRecord[]): string[] =>
  records.flatMap((record) => (record.error_code === undefined ? [] : [record.error_code]))

/**
 * Each error of the server is told once by what failed; by the transaction's end, which repeats it, or
 * alone.
 */
const compareErrors = (entries: readonly OracleEntry[], records: readonly AuditRecord[]): string[] => {
  const logged = entries.filter(isFailure).map((entry) => String(entry.state_code))
  const told = codesOf(records.filter((record) => record.event !== 'txn.end'))
  const atEnd = codesOf(records.filter((record) => record.event === 'txn.end'))
  const invented = without(told, logged)
  const missing = without(without(logged, told), atEnd)
  return [
    ...(invented.length > 0 ? [`errors that the server did not log: ${invented.join(' ')}`] : []),
    ...(missing.length > 0 ? [`errors without a record: ${missing.join(' ')}`] : []),
  ]
}

const compareSession = (
  entries: readonly OracleEntry[],
  records: readonly AuditRecord[],
): { findings: string[]; steps: Step[]; lines: Line[] } => {
  const lines = linesOf(entries)
  const statements = records.filter((record) => record.event === 'statement')
  statements.sort((a, b) => (a.stmt_seq ?? 0) - (b.stmt_seq ?? 0))
  const aligned = align(lines, statements)
  const findings = typeof aligned === 'string' ? [aligned] : []
  findings.push(...compareErrors(entries, records))
  return { findings, steps: typeof aligned === 'string' ? [] : aligned, lines }
}

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

/**
 * Puts the server's log beside the audit's records, session by session. Failed log-ins are left to other
 * tests.
 */
export const compareWithServer = (
  entries: readonly OracleEntry[],
  records: readonly AuditRecord[],
): Comparison => {
  const pids = new Map(records.map((record) => [record.conn_id, record.backend_pid]))
  for (const record of records) if (record.backend_pid) pids.set(record.conn_id, record.backend_pid)
  const ours = grouped(records, (record) => pids.get(record.conn_id))
  const theirs = grouped(entries, (entry) => entry.pid)
  const findings: string[] = []
  const inDoubt: ValuesInDoubt[] = []
  const matched = { statement: 0, execute: 0, fastpath: 0 }
  for (const pid of new Set([...ours.keys(), ...theirs.keys()])) {
    const session = compareSession(theirs.get(pid) ?? [], ours.get(pid) ?? [])
    findings.push(...session.findings.map((finding) => `backend ${pid}: ${finding}`))
    for (const { at, record } of session.steps) {
      const line = session.lines[at] as Line
      matched[line.kind] += 1
      const sent = record.bind_values ?? []
      const query = record.query ?? ''
      if (line.kind === 'execute' && !sameValues(record, line.values)) {
        inDoubt.push({ query, sent, logged: line.values, types: record.bind_types ?? [] })
      }
    }
  }
  return { findings, inDoubt, matched }
}
