/** Records of intents, as they are in a journal, and whether a log file has them already. */
import { join } from 'node:path'
import type { Line, Micros } from '../event.ts'
import type { ReadIntent } from './journal-format.ts'
import { filesChangedSince, searchFile } from './scan.ts'

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
  const key = keyOf(fields, token > 0)
  const at = microsOf(String(fields.ts))
  return { record, connection: String(fields.conn_id), key, at: Number.isFinite(at) ? at : 0 }
}

/** The entry's record, to be numbered anew. */
export const lineOf = ({ record, at }: Entry): Line => {
  const { number } = spellingOf(record)
  const head = record.indexOf(number) + number.length
  // its number is a 0
  return { head: record.toString('utf8', 0, head), tail: record.toString('utf8', head + 1), at }
}

/**
 * Those of the entries of which a log file of the directory tells. A record is no older than its intent, so
 * older files need not be read. Rejects with what the file system says.
 */
export const readWritten = async (
  dir: string,
  base: string,
  entries: readonly Entry[],
): Promise<ReadonlySet<Entry>> => {
  const connections = new Set(entries.map(({ connection }) => connection))
  const known = new Map<string, number>()
  const since = entries.reduce((least, { at }) => Math.min(least, at), Number.POSITIVE_INFINITY) / 1000
  const longest = Math.max(...[...connections].map((id) => Buffer.byteLength(id)))
  for (const file of filesChangedSince(dir, base, since)) {
    await searchFile(join(dir, file), {
      marks: [JSON_SPELLING.connection, LTSV_SPELLING.connection],
      wants: (bytes, at) => {
        const stop = bytes[at - 1] === 0x22 ? JSON_SPELLING.stop : LTSV_SPELLING.stop
        const end = endOf(bytes, at, stop, longest)
        return end > at && connections.has(bytes.toString('utf8', at, end))
      },
      found: (line) => note(line, known),
    })
  }
  return new Set(entries.filter(({ key }) => takeOne(known, key)))
}

const endOf = (bytes: Buffer, from: number, stop: number, most: number): number => {
  for (let at = from; at <= from + most; at++) if (bytes[at] === stop || bytes[at] === 0x0a) return at
  return -1
}

/** Counts what a line of the log tells of. `statement.open` is no statement's end. */
const note = (line: Buffer, known: Map<string, number>): void => {
  let fields: Fields
  try {
    fields = spellingOf(line).fields(line.toString('utf8'))
  } catch {
    return
  }
  if (fields.event === 'statement.open') return
  const count = (key: string): unknown => known.set(key, (known.get(key) ?? 0) + 1)
  if (fields.event === 'statement') count(keyOf(fields, true))
  count(keyOf(fields, false))
}

/** Is one more record of that key in the log? */
const takeOne = (known: Map<string, number>, key: string): boolean => {
  const count = known.get(key) ?? 0
  known.set(key, count - 1)
  return count > 0
}
