/**
 * Recorded conversations with segments, or any bytes, lost at random: whatever is missing, no statement is
 * told that was not sent, none with values or an outcome that was another's, and none is missing without a
 * gap.
 */
import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { MysqlSession } from '../../../dumpers/mysql/session.ts'
import { canonical, ofKind, openContext, type Plain } from '../../support/canonical.ts'
import { seededRandom } from '../../support/chunks.ts'
import { isPartOf } from '../../support/my-foretold.ts'
import { type Piece, readConversations } from '../../support/pcap.ts'

const FOLDER = new URL('../../captures/', import.meta.url).pathname
const PORT = 4555
const NAMES = readdirSync(FOLDER).filter((file) => /^my_(?!ed_).*\.pcap$/.test(file))
/** LOSS_FACTOR=20 tries twenty times as much. */
const SEEDS = 20 * Number(process.env.LOSS_FACTOR ?? 1)

/**
 * A loss is told when the next segment of its side comes, or at once, as the one who captures finds out.
 * `cut`: a piece of the segment is there, before or behind what is lost.
 */
interface Loss {
  readonly share: number
  readonly late: boolean
  readonly cut?: boolean
}

const recordsOf = (pieces: readonly Piece[], seed: number, { share, late, cut = false }: Loss): Plain[] => {
  const random = seededRandom(seed)
  const session = new MysqlSession(openContext())
  const events: Plain[] = []
  const missing = { frontend: 0, backend: 0 }
  const skips = Math.floor(random() * 3) === 0 ? Math.floor(random() * pieces.length) : 0
  const keep = (given: ReturnType<MysqlSession['feed']>): void => {
    events.push(...given.map((event) => canonical(event)))
  }
  const tell = ({ from, at }: Piece): void => {
    if (missing[from] > 0) keep(session.gap(from, missing[from], at))
    missing[from] = 0
  }
  if (skips > 0) keep(session.midStream(pieces[skips]!.at))
  for (const piece of pieces.slice(skips)) {
    const { from, bytes, at } = piece
    if (random() >= share) {
      tell(piece)
      keep(session.feed(from, bytes, at))
      continue
    }
    const start = cut ? Math.floor(random() * bytes.length) : 0
    const end = cut ? start + Math.floor(random() * (bytes.length - start + 1)) : bytes.length
    if (start > 0) {
      tell(piece)
      keep(session.feed(from, bytes.subarray(0, start), at))
    }
    missing[from] += end - start
    if (!late) tell(piece)
    if (end === bytes.length) continue
    tell(piece)
    keep(session.feed(from, bytes.subarray(end), at))
  }
  for (const piece of pieces.slice(-2)) tell(piece)
  keep(session.close(pieces.at(-1)!.at + 1))
  return events
}

const isRecord = ({ event }: Plain): boolean => event === 'statement' || event === 'prepare'
describe.each(NAMES)('%s', (name) => {
  const conversations = readConversations(`${FOLDER}${name}`, PORT)

  test.each([
    { share: 0.05, late: true },
    { share: 0.05, late: false },
    { share: 0.3, late: true },
    { share: 0.3, late: false },
    { share: 0.1, late: true, cut: true },
    { share: 0.4, late: false, cut: true },
  ])('$share of the segments lost, told late: $late, in part: $cut', (loss) => {
    for (const { pieces } of conversations) {
      const whole = recordsOf(pieces, 0, { share: -1, late: true }).filter(isRecord)
      for (let seed = 1; seed <= SEEDS; seed++) {
        const events = recordsOf(pieces, seed, loss)
        const records = events.filter(isRecord).sort((a, b) => Number(a.stmt_seq) - Number(b.stmt_seq))
        let at = 0
        for (const record of records) {
          // in order, each once: the rest of what was sent must still have it
          const found = whole.findIndex((one, index) => index >= at && isPartOf(record, one))
          expect(found, `seed ${seed}: ${JSON.stringify(record)}`).toBeGreaterThanOrEqual(0)
          at = found + 1
        }
        if (records.length < whole.length)
          expect(ofKind(events, 'gap').length, `seed ${seed}`).toBeGreaterThan(0)
      }
    }
  })
})

/** All that the records of statements say, but for what only the log-in tells. */
const essenceOf = ({ who: _who, character_set: _set, after_gap: _gap, ...rest }: Plain): Plain => rest

describe.each(NAMES)('%s, begun behind its log-ins', (name) => {
  test('gives all its records, values and outcomes', () => {
    for (const { pieces } of readConversations(`${FOLDER}${name}`, PORT)) {
      const first = pieces.findIndex(({ from, bytes }) => from === 'frontend' && bytes[3] === 0)
      if (first < 0) continue
      const session = new MysqlSession(openContext())
      const events = [...session.midStream(0)]
      for (const { from, bytes, at } of pieces.slice(first)) events.push(...session.feed(from, bytes, at))
      events.push(...session.close(pieces.at(-1)!.at + 1))
      const records = events.map((event) => canonical(event)).filter(isRecord)
      const whole = recordsOf(pieces, 0, { share: -1, late: true }).filter(isRecord)
      expect(records.map(essenceOf)).toEqual(whole.map(essenceOf))
      expect(records.filter((record) => record.after_gap !== true)).toEqual([])
    }
  })
})

test('most of what is left is told', () => {
  const { pieces } = readConversations(`${FOLDER}my_std_base.pcap`, PORT)[0]!
  let told = 0
  for (let seed = 1; seed <= SEEDS; seed++)
    told += recordsOf(pieces, seed, { share: 0.05, late: true }).filter(isRecord).length
  const whole = recordsOf(pieces, 0, { share: -1, late: true }).filter(isRecord).length
  expect(told / (SEEDS * whole)).toBeGreaterThan(0.7)
})
