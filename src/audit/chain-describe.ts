/** What an `audit.delete` record says of the file that goes: how much it held, its times, its last seal. */
import type { AuditLife } from '../event.ts'
import { countLines } from './chain-state.ts'
import { CHECKPOINT_MARKS, LineHead, numberOf, readCheckpoint } from './log-line.ts'
import { readEnds } from './read-log.ts'

const LINE_FEED = 0x0a

const timeOf = (line: Buffer, start: number): string => {
  const head = new LineHead()
  head.read(line, start)
  return line.toString('latin1', head.timeStart, Math.max(head.timeStart, head.timeEnd))
}

/** Where the last whole line begins. */
const lastLine = (tail: Buffer): number => {
  const end = tail.lastIndexOf(LINE_FEED)
  return end <= 0 ? 0 : tail.lastIndexOf(LINE_FEED, end - 1) + 1
}

const sealIn = (tail: Buffer): AuditLife['fields'] => {
  const mark = Math.max(...CHECKPOINT_MARKS.map((text) => tail.lastIndexOf(text)))
  if (mark < 0) return {}
  const start = tail.lastIndexOf(LINE_FEED, mark) + 1
  const end = tail.indexOf(LINE_FEED, mark) + 1
  const checkpoint = readCheckpoint(tail.subarray(start, end))
  if (checkpoint === undefined) return {}
  const records = numberOf(checkpoint.fields, 'records') + 1 + countLines(tail.subarray(end))
  return { records, last_seal: checkpoint.seal }
}

/** `records`, `first_ts`, `last_ts`, `last_seal`: those that its two ends tell. */
export const describeFile = async (path: string): Promise<AuditLife['fields']> => {
  const { head, tail } = await readEnds(path)
  const [first, last] = [timeOf(head, 0), timeOf(tail, lastLine(tail))]
  return {
    ...(first !== '' && { first_ts: first }),
    ...(last !== '' && { last_ts: last }),
    ...sealIn(tail),
  }
}
