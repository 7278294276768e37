/** Records of intents, as they are in a journal, and whether a log file has them already. */
import { join } from 'node:path'
import type { Line, Micros } from '../event.ts'
import type { ReadIntent } from './journal-format.ts'
import { filesChangedSince, type Search, searchFile } from './scan.ts'

/** How a format spells what is looked at; no text of a client can be spelt so. */
interface Spelling {
  readonly connection: Buffer
  readonly number: Buffer
  /** ends a value */
  readonly stop: number
  readonly fields: (line: string) => Fields
}

const JSON_SPELLING: Spelling = {
  connection: Buffer.from(',"conn_id":"'),
  number: Buffer.from(',"log_seq":'),
  stop: 0x22,
  fields: (line) => JSON.parse(line),
}

const LTSV_SPELLING: Spelling = {
  connection: Buffer.from('\tconn_id:'),
  number: Buffer.from('\tlog_seq:'),
  stop: 0x09,
  fields: (line) =>
    Object.fromEntries(
      line.split('\t').map((field) => {
        const colon = field.indexOf(':')
        return [field.slice(0, colon), field.slice(colon + 1)]
      }),
    ),
}

const spellingOf = (record: Buffer): Spelling => (record[0] === 0x7b ? JSON_SPELLING : LTSV_SPELLING)

/** An intent of a journal. */
export interface Entry {
  readonly record: Buffer
  /** by which its record in a log is known */
  readonly connection: string
  readonly key: string
  /** the key is that of its number */
  readonly isNumbered: boolean
  /** a part of that record, in any format */
  readonly needle: Buffer
  readonly at: Micros
}

/** `2024-05-01T09:00:00.000123Z`, or with an offset. */
const microsOf = (time: string): Micros =>
  Date.parse(time.slice(0, 19) + time.slice(26)) * 1000 + Number(time.slice(20, 26))

type Fields = Readonly<Record<string, unknown>>

const keyOf = ({ conn_id, stmt_seq, ts, query }: Fields, isNumbered: boolean): string =>
  isNumbered ? `${conn_id} stmt_seq ${stmt_seq}` : `${conn_id} ts ${ts} ${query}`

/** What a journal says of an intent. Those without a number are known by their time and text. */
export const entryOf = ({ token, record }: ReadIntent): Entry => {
  let fields: Fields = {}
  try {
    fields = spellingOf(record).fields(record.toString('utf8'))
  } catch {
    // a record that nobody can read is in no log
  }
  // of a command sent along with a log-in the number is known, though the token is another
  const isNumbered = token > 0 || fields.stmt_seq !== undefined
  const key = keyOf(fields, isNumbered)
  const at = microsOf(String(fields.ts))
  const needle = Buffer.from(String(isNumbered ? fields.stmt_seq : fields.ts))
  const connection = String(fields.conn_id)
  return { record, connection, key, isNumbered, needle, at: Number.isFinite(at) ? at : 0 }
}

/** The last one of each number: what came along with a log-in is told of again behind it. */
export const lastOfEach = (entries: readonly Entry[]): readonly Entry[] => {
  const last = new Map(entries.map((entry) => [entry.key, entry]))
  return entries.filter((entry) => !entry.isNumbered || last.get(entry.key) === entry)
}

/** The entry's record, to be numbered anew. */
export const lineOf = ({ record, at }: Pick<Entry, 'record' | 'at'>): Line => {
  const { number } = spellingOf(record)
  const head = record.indexOf(number) + number.length
  // its number is a 0
  return { head: record.toString('utf8', 0, head), tail: record.toString('utf8', head + 1), at }
}

/** By connection, digits that a record must have somewhere to be one of those that are looked for. */
const needlesOf = (entries: readonly Entry[]): ReadonlyMap<string, readonly Buffer[]> => {
  const needles = new Map<string, Buffer[]>()
  for (const { connection, needle } of entries) {
    const known = needles.get(connection) ?? []
    needles.set(connection, known)
    known.push(needle)
  }
  return needles
}

/**
 * Those of the entries of which a log file of the directory tells. A record is no older than its intent, so
 * older files need not be read. `onUnread` is told of each file that cannot be read, or not to its end.
 * Rejects with what the file system says of the directory.
 */
export const readWritten = async (
  dir: string,
  base: string,
  entries: readonly Entry[],
  onUnread?: (file: string, error: unknown) => void,
): Promise<ReadonlySet<Entry>> => {
  const needles = needlesOf(entries)
  const known = new Map(entries.map(({ key }) => [key, 0]))
  const since = entries.reduce((least, { at }) => Math.min(least, at), Number.POSITIVE_INFINITY) / 1000
  const longest = Math.max(...[...needles.keys()].map((id) => Buffer.byteLength(id)))
  let wanted: readonly Buffer[] | undefined
  const search: Search = {
    marks: [JSON_SPELLING.connection, LTSV_SPELLING.connection],
    wants: (bytes, at) => {
      const stop = bytes[at - 1] === 0x22 ? JSON_SPELLING.stop : LTSV_SPELLING.stop
      const end = endOf(bytes, at, stop, longest)
      wanted = end > at ? needles.get(bytes.toString('utf8', at, end)) : undefined
      return wanted !== undefined
    },
    found: (line) => {
      if (wanted?.some((needle) => line.includes(needle))) note(line, known)
    },
  }
  for (const file of filesChangedSince(dir, base, since)) {
    try {
      await searchFile(join(dir, file), search)
    } catch (error) {
      // retention of another process may have deleted it: what it told of was in the log
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') onUnread?.(file, error)
    }
  }
  return new Set(entries.filter(({ key }) => takeOne(known, key)))
}

const endOf = (bytes: Buffer, from: number, stop: number, most: number): number => {
  for (let at = from; at <= from + most; at++) if (bytes[at] === stop || bytes[at] === 0x0a) return at
  return -1
}

/** Counts what a line tells of, where that is looked for. `statement.open` is no statement's end. */
const note = (line: Buffer, known: Map<string, number>): void => {
  let fields: Fields
  try {
    fields = spellingOf(line).fields(line.toString('utf8'))
  } catch {
    return
  }
  if (fields.event === 'statement.open') return
  const count = (key: string): void => {
    const before = known.get(key)
    if (before !== undefined) known.set(key, before + 1)
  }
  if (fields.event === 'statement') count(keyOf(fields, true))
  count(keyOf(fields, false))
}

/** Is one more record of that key in the log? */
const takeOne = (known: Map<string, number>, key: string): boolean => {
  const count = known.get(key) ?? 0
  known.set(key, count - 1)
  return count > 0
}
