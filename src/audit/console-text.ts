/** Words and figures of the console form: what a record says, without its colours. */
import type {
  AuditEvent,
  AuditLife,
  BoundValues,
  Cancel,
  LocalInfile,
  QueryText,
  SessionEnd,
  Who,
} from '../event.ts'

/** The keys by which statements and their like are shown; each kind of event has only some of them. */
export interface Settled {
  readonly event: AuditEvent['event']
  readonly outcome?: string | undefined
  readonly duration_us?: number | undefined
  readonly rows_returned?: number | undefined
  readonly rows_affected?: number | undefined
  readonly copy_rows?: number | undefined
  readonly error_code?: string | undefined
  readonly error_number?: number | undefined
  readonly error_message?: string | undefined
  readonly encode_error?: string | undefined
  readonly text?: QueryText | undefined
  readonly executed?: QueryText | undefined
  readonly values?: BoundValues | undefined
  readonly rows?: readonly BoundValues[] | undefined
  readonly protocol?: string | undefined
  readonly results?: readonly string[] | undefined
  readonly warnings?: number | undefined
  readonly query_attributes?: string | undefined
  readonly stmt_name?: string | undefined
  readonly stmt_id?: number | undefined
  readonly command?: string | undefined
  readonly command_tag?: string | undefined
  readonly malformed?: boolean | undefined
  readonly function_oid?: number | undefined
  readonly auth_method?: string | undefined
  readonly txn_outcome?: string | undefined
  readonly new_username?: string | undefined
  readonly new_database?: string | undefined
}

/** Spaces and line ends of a statement are folded into one space; nothing else of it is changed. */
const FOLD = /[ \t\r\n\f]+/g
/**
 * C0, DEL, C1, separators, zero-width and bidirectional controls, lone surrogates, the byte order mark,
 * tags.
 */
const HOSTILE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu

const escapeOne = (unit: string): string => {
  const code = unit.codePointAt(0) ?? 0
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
}

/** The first `width` characters, the last of them an ellipsis when something was cut. */
export const cutText = (text: string, width: number): string => {
  if (text.length <= width) return text
  const points = [...text.slice(0, width * 2)]
  return points.length <= width ? points.join('') : `${points.slice(0, Math.max(width - 1, 0)).join('')}…`
}

/** Text of the traffic as it may be shown: on one line, no control character, cut to `width` characters. */
export const showText = (text: string, width: number): string => {
  // Folding shortens, escaping lengthens: a prefix is enough, and a text of 1 MiB is not walked for one
  // line.
  const prefix = text.slice(0, width * 8)
  const shown = prefix.replace(FOLD, ' ').trim().replace(HOSTILE, escapeOne)
  return cutText(prefix === text ? shown : `${shown}…`, width)
}

/** `850 µs`, `1.2 ms`, `3.25 s`, `5 m 07 s` */
export const tookText = (us: number | undefined): string => {
  if (us === undefined) return ''
  if (us < 1000) return `${us} µs`
  if (us < 1e6) return `${(us / 1000).toFixed(1)} ms`
  if (us < 60e6) return `${(us / 1e6).toFixed(2)} s`
  const minutes = Math.floor(us / 60e6)
  return `${minutes} m ${String(Math.floor(us / 1e6) % 60).padStart(2, '0')} s`
}

const bytesText = (bytes: number): string => {
  if (bytes < 10_000) return `${bytes} B`
  return bytes < 10_000_000 ? `${Math.round(bytes / 1000)} kB` : `${Math.round(bytes / 1e6)} MB`
}

/** How many rows of values a bulk execute had. */
export const setsText = (count: number): string => `${count} ${count === 1 ? 'set' : 'sets'} of values`

const countText = (count: number): string => `${count} ${count === 1 ? 'row' : 'rows'}`

/** `app@shop` */
export const userAt = (who: Who): string =>
  who.database === undefined ? `${who.username}` : `${who.username}@${who.database}`

/** How a session ended. */
export const endText = (end: SessionEnd): string => {
  const reason = end.end_reason === 'closed' ? '' : `: ${end.end_reason}`
  const passed = `${bytesText(end.bytes_in)} in, ${bytesText(end.bytes_out)} out`
  const statements = `${end.statements} ${end.statements === 1 ? 'statement' : 'statements'}`
  return `ended by ${end.end_by}${reason} after ${tookText(end.duration_us)}, ${statements}, ${passed}`
}

/** An event of the audit's own life. */
export const lifeText = (event: AuditLife): string =>
  [
    event.event.replace('.', ' '),
    ...Object.entries(event.fields).map(([key, value]) => `${key}=${value}`),
  ].join(' ')

/** Rows, or the command's tag where it has none to tell, or the error's number or code. */
export const resultText = (event: Settled): string => {
  const { outcome, error_number: number, error_code: code, command_tag: tag = '' } = event
  if (outcome !== undefined && outcome !== 'success') {
    return number === undefined ? (code ?? outcome) : String(number)
  }
  const rows = Math.max(event.rows_returned ?? 0, event.rows_affected ?? 0, event.copy_rows ?? 0)
  const hasRows = rows > 0 || (tag === '' && event.rows_returned !== undefined)
  return hasRows || /\d$/.test(tag) ? countText(rows) : tag
}

/** What a statement's reply said besides: its results one by one, warnings, attributes of the query. */
export const remarkText = ({ results, warnings, query_attributes: attributes }: Settled): string => {
  const remarks = results === undefined ? [] : [`results ${results.join(', ')}`]
  if (warnings !== undefined && warnings > 0) {
    remarks.push(`${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`)
  }
  if (attributes !== undefined) remarks.push(`attributes ${attributes}`)
  return remarks.join('; ')
}

/** A client that wants another session's statement, or that session, ended. */
export const cancelText = (event: Cancel): string => {
  const { target_backend_pid: pid, target_username: user, cancel_scope: scope } = event
  const what = scope === undefined ? 'cancel request' : `kill ${scope}`
  if (user !== undefined) return `${what} user ${user}`
  if (pid === undefined) return what
  return scope === undefined ? `${what} for ${pid}` : `${what} ${pid}`
}

/** A file of the client's that the server asked for. */
export const infileText = ({ infile_name: name, infile_bytes: bytes }: LocalInfile): string =>
  `the server asked for the file ${name}: ${bytes === 0 ? 'nothing' : bytesText(bytes)} sent`

/** What stands before the text. */
export const labelOf = (event: Settled): string => {
  if (event.event === 'prepare')
    return event.stmt_name ? `prepare ${showText(event.stmt_name, 20)}: ` : 'prepare: '
  const command = event.command !== undefined && event.text !== undefined ? `${event.command} ` : ''
  return event.event === 'statement.open' ? `still running: ${command}` : command
}

const untoldText = (statement: string | number | undefined): string =>
  statement === undefined ? '(no text)' : `(text of prepared statement ${statement})`

/** An event without a text, in words. */
export const wordsOf = (event: Settled): string => {
  switch (event.event) {
    case 'session.auth': {
      const method = event.auth_method === undefined ? '' : ` (${event.auth_method})`
      if (event.outcome === 'success') return `logged in${method}`
      return `${event.outcome === 'error' ? 'log-in refused' : 'log-in not finished'}${method}`
    }
    case 'change_user': {
      const whom = userAt({
        dialect: '',
        username: event.new_username ?? '',
        ...(event.new_database ? { database: event.new_database } : {}),
      })
      if (event.outcome === 'success') return `changed user to ${whom}`
      if (event.outcome === 'skipped') return `change of user to ${whom} not sent`
      return `change of user to ${whom} ${event.outcome === 'error' ? 'refused' : 'not finished'}`
    }
    case 'txn.end':
      return `transaction ${(event.txn_outcome ?? '').replace('_', ' ')}`
    case 'replication':
      return `replication ${event.command ?? ''}`
    case 'statement':
    case 'statement.open':
      if (event.malformed) return '(malformed message)'
      if (event.function_oid !== undefined) return `function ${event.function_oid}`
      return event.command ?? untoldText(event.stmt_name ?? event.stmt_id)
    default:
      return event.event
  }
}
