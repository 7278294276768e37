/**
 * Reads lines of audit logs back, JSON and LTSV, as far as their integrity goes: time, kind and number,
 * which the encoder puts first in each; checkpoints; other records of the audit's own life. No text of a
 * client can look like any of it: quotes and tabs inside of values are escaped.
 */

const LINE_FEED = 0x0a
const TAB = 0x09
const QUOTE = 0x22
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39

/** What a format puts around time, kind and number, where the line begins, and before a seal. */
interface Spelling {
  readonly time: Buffer
  readonly event: Buffer
  readonly seq: Buffer
  /** ends time and kind */
  readonly stop: number
  readonly seal: Buffer
  /** behind the seal: with and without a signature */
  readonly behind: RegExp
  /** the kind of a checkpoint and what stands around it: found in no other line */
  readonly checkpoint: Buffer
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

const JSON_SPELLING: Spelling = {
  time: bytes('{"ts":"'),
  event: bytes('","event":"'),
  seq: bytes('","log_seq":'),
  stop: QUOTE,
  seal: bytes('"seal":"'),
  behind: /^([0-9a-f]{64})(?:","signature":"([0-9a-f]{128}))?"\}\n$/,
  checkpoint: bytes('","event":"audit.checkpoint","log_seq":'),
}

const LTSV_SPELLING: Spelling = {
  time: bytes('ts:'),
  event: bytes('\tevent:'),
  seq: bytes('\tlog_seq:'),
  stop: TAB,
  seal: bytes('\tseal:'),
  behind: /^([0-9a-f]{64})(?:\tsignature:([0-9a-f]{128}))?\n$/,
  checkpoint: bytes('\tevent:audit.checkpoint\tlog_seq:'),
}

/** What a checkpoint's line has in its middle, in either format. */
export const CHECKPOINT_MARKS: readonly Buffer[] = [JSON_SPELLING.checkpoint, LTSV_SPELLING.checkpoint]

/** A time is never longer than `2024-05-01T11:00:00.000123+02:00`, a kind than `audit.checkpoint`. */
const LONGEST_TIME = 40
const LONGEST_EVENT = 24
const MOST_DIGITS = 15

/** All kinds of records. */
const EVENTS = [
  ...['session.start', 'session.auth', 'session.end', 'statement', 'statement.open', 'prepare', 'txn.end'],
  ...['cancel', 'change_user', 'local_infile', 'replication', 'gap', 'audit.start', 'audit.stop'],
  ...['audit.rotate', 'audit.delete', 'audit.loss', 'audit.checkpoint'],
].map(bytes)
const LIFE = bytes('audit.')

const startsAt = (line: Buffer, at: number, text: Buffer): boolean => {
  for (let i = 0; i < text.length; i++) if (line[at + i] !== text[i]) return false
  return true
}

const stopFrom = (line: Buffer, from: number, stop: number, most: number): number => {
  for (let at = from; at <= from + most; at++) if (line[at] === stop) return at
  return -1
}

const isEvent = (line: Buffer, start: number, end: number): boolean => {
  for (const name of EVENTS) if (name.length === end - start && startsAt(line, start, name)) return true
  return false
}

/** Where things stand in the line that was read last; offsets are into its buffer. */
export class LineHead {
  timeStart = 0
  timeEnd = 0
  /** 0 for a line without a number, as tcpdp's have none */
  seq = 0
  isLife = false
  isCheckpoint = false
  #spelling = JSON_SPELLING

  get spelling(): Spelling {
    return this.#spelling
  }

  /** False for what no encoder writes. */
  read(line: Buffer, start: number): boolean {
    this.seq = 0
    this.isLife = false
    this.isCheckpoint = false
    this.timeEnd = 0
    const spelling = line[start] === JSON_SPELLING.time[0] ? JSON_SPELLING : LTSV_SPELLING
    this.#spelling = spelling
    if (!startsAt(line, start, spelling.time)) return false
    this.timeStart = start + spelling.time.length
    const timeEnd = stopFrom(line, this.timeStart, spelling.stop, LONGEST_TIME)
    if (timeEnd < 0) return false
    this.timeEnd = timeEnd
    return !startsAt(line, timeEnd, spelling.event) || this.#numbered(line, timeEnd)
  }

  #numbered(line: Buffer, timeEnd: number): boolean {
    const { event, seq, stop, checkpoint } = this.#spelling
    const kind = timeEnd + event.length
    const kindEnd = stopFrom(line, kind, stop, LONGEST_EVENT)
    if (kindEnd < 0 || !startsAt(line, kindEnd, seq)) return false
    const first = kindEnd + seq.length
    let [at, number] = [first, 0]
    for (; at < first + MOST_DIGITS; at++) {
      const byte = line[at] as number
      if (!(byte >= DIGIT_0 && byte <= DIGIT_9)) break
      number = number * 10 + byte - DIGIT_0
    }
    this.seq = number
    this.isLife = startsAt(line, kind, LIFE)
    this.isCheckpoint = this.isLife && startsAt(line, timeEnd, checkpoint)
    return at > first && isEvent(line, kind, kindEnd)
  }
}

/** The values of a record, by key. */
export type Fields = Readonly<Record<string, unknown>>

const UNESCAPED: Readonly<Record<string, string>> = { '\\': '\\', t: '\t', n: '\n', r: '\r', '0': '\0' }

const unescapeLtsv = (text: string): string =>
  text.replace(/\\(?:u([0-9a-f]{4})|(.))/g, (_, hex?: string, one?: string) =>
    hex === undefined ? (UNESCAPED[one as string] ?? '') : String.fromCharCode(Number.parseInt(hex, 16)),
  )

const ltsvFields = (line: string): Fields =>
  Object.fromEntries(
    line.split('\t').map((field) => {
      const colon = field.indexOf(':')
      return [field.slice(0, colon), unescapeLtsv(field.slice(colon + 1))]
    }),
  )

/** All values of a line; undefined when it is broken. Those of LTSV are texts. */
export const readFields = (line: string): Fields | undefined => {
  if (!line.startsWith('{')) return ltsvFields(line.replace(/\n$/, ''))
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** A text among a record's values; empty when it is not there. */
export const textOf = (fields: Fields, key: string): string => {
  const value = fields[key]
  return typeof value === 'string' ? value : ''
}

/** A number among a record's values; 0 when it is not there. */
export const numberOf = (fields: Fields, key: string): number => {
  const number = Number(fields[key] ?? 0)
  return Number.isSafeInteger(number) ? number : 0
}

/** What a checkpoint's line says. */
export interface ReadCheckpoint {
  readonly fields: Fields
  /** where the seal stands in the line: all before it is sealed by it */
  readonly sealAt: number
  readonly seal: string
  /** empty without one */
  readonly signature: string
}

/**
 * Reads a whole line, line feed included, whose head says that it is a checkpoint. Undefined when it is not
 * spelt, to the last byte, as checkpoints are.
 */
export const readCheckpoint = (line: Buffer): ReadCheckpoint | undefined => {
  const head = new LineHead()
  if (!head.read(line, 0) || !head.isCheckpoint || line[line.length - 1] !== LINE_FEED) return undefined
  const { seal, behind } = head.spelling
  const mark = line.lastIndexOf(seal)
  if (mark < 0) return undefined
  const sealAt = mark + seal.length
  const match = behind.exec(line.toString('latin1', sealAt))
  const fields = readFields(line.toString('utf8'))
  if (match === null || fields === undefined) return undefined
  return { fields, sealAt, seal: match[1] as string, signature: match[2] ?? '' }
}
