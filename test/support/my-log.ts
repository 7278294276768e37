/**
 * What a MySQL or MariaDB server writes of itself: the general log, where each command is a line, and
 * MariaDB's sql_error_log, where each error is one. Both are files of lines whose texts may hold newlines.
 */

/** One entry of the general log. Texts are in the bytes the client sent; `text` reads them as UTF-8. */
export interface GeneralLogEntry {
  /** the connection's thread id */
  readonly thread: number
  /** as the server spells it: `Query`, `Prepare`, `Execute`, `Init DB`, `Close stmt`, … */
  readonly command: string
  readonly text: string
  readonly bytes: Buffer
}

/** One error that the server gave to a client. */
export interface ErrorLogEntry {
  readonly thread: number
  /** MySQL's number, e.g. 1064 */
  readonly number: number
  readonly message: string
}

// The time is left out when it is that of the line before; the id is padded with blanks.
const ENTRY = /^(?:\d{6} [ \d]\d:\d\d:\d\d\t|\t\t) *(\d+) ([A-Z][A-Za-z_ ]*)\t(.*)$/s
const HEADING = /^Time +Id Command +Argument$/

const withoutEnd = (text: string): string => text.replace(/\n$/, '')

const entryOf = (lines: readonly string[]): GeneralLogEntry[] => {
  const [, thread, command, rest] = ENTRY.exec(lines.join('\n')) ?? []
  if (thread === undefined || command === undefined || rest === undefined) return []
  const bytes = Buffer.from(rest, 'latin1')
  return [{ thread: Number(thread), command, text: bytes.toString('utf8'), bytes }]
}

/**
 * Lines of a file that begin as told, each with the lines that follow it: a text that holds a newline goes
 * on there. A text with such a beginning in it cannot be told from an entry; test workloads avoid it.
 */
const grouped = (lines: readonly string[], beginning: RegExp): string[][] => {
  const groups: string[][] = []
  for (const line of lines) {
    if (beginning.test(line)) groups.push([line])
    else groups.at(-1)?.push(line)
  }
  return groups
}

/** Reads a general log (`log_output = FILE`) from its beginning. */
export const parseGeneralLog = (log: Buffer): GeneralLogEntry[] => {
  const lines = withoutEnd(log.toString('latin1')).split('\n')
  const heading = lines.findIndex((line) => HEADING.test(line.replaceAll('\t', ' ')))
  return grouped(lines.slice(heading + 1), ENTRY).flatMap(entryOf)
}

const ERROR = /^\d{4}-\d\d-\d\d .\d:\d\d:\d\d (\d+) .*? ERROR (\d+): (.*)$/s

/** Reads a sql_error_log written with `sql_error_log_with_db_and_thread_info`. */
export const parseErrorLog = (log: string): ErrorLogEntry[] =>
  grouped(withoutEnd(log).split('\n'), ERROR).flatMap((lines) => {
    const [, thread, number, message] = ERROR.exec(lines.join('\n')) ?? []
    return message === undefined ? [] : [{ thread: Number(thread), number: Number(number), message }]
  })
