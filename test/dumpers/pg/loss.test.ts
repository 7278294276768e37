/**
 * Recorded conversations with segments lost at random: whatever is missing, no statement is told that was not
 * sent, and none with an outcome that was another's.
 */
import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { PgSession } from '../../../dumpers/pg/session.ts'
import { canonical, ofKind, openContext, type Plain } from '../../support/canonical.ts'
import { seededRandom } from '../../support/chunks.ts'
import { type Piece, readConversations } from '../../support/pcap.ts'

const FOLDER = new URL('../../captures/', import.meta.url).pathname
const PORT = 6555
const NAMES = readdirSync(FOLDER).filter((file) => /^pg_(?!ed_|std_sll2).*\.pcap$/.test(file))
const SEEDS = 60

/** A loss is told when the next segment of its side comes, or at once, as the one who captures finds out. */
interface Loss {
  readonly share: number
  readonly late: boolean
}

const recordsOf = (pieces: readonly Piece[], seed: number, { share, late }: Loss): Plain[] => {
  const random = seededRandom(seed)
  const session = new PgSession(openContext())
  const events: Plain[] = []
  const missing = { frontend: 0, backend: 0 }
  const skips = Math.floor(random() * 3) === 0 ? Math.floor(random() * pieces.length) : 0
  const keep = (given: ReturnType<PgSession['feed']>): void => {
    events.push(...given.map((event) => canonical(event)))
  }
  if (skips > 0) keep(session.midStream(pieces[skips]!.at))
  for (const { from, bytes, at } of pieces.slice(skips)) {
    if (random() < share) {
      if (late) missing[from] += bytes.length
      else keep(session.gap(from, bytes.length, at))
      continue
    }
    if (missing[from] > 0) keep(session.gap(from, missing[from], at))
    missing[from] = 0
    keep(session.feed(from, bytes, at))
  }
  keep(session.close(pieces.at(-1)!.at + 1))
  return events
}

/** What of a record must be as it was when nothing was lost; a text or a name's text may be missing. */
const essence = ({ event, protocol, text, values, stmt_name }: Plain): string =>
  JSON.stringify([event, protocol, text, values, stmt_name])
const outcomeOf = ({ outcome, command_tag, command_tags, rows_returned, error_code }: Plain): string =>
  JSON.stringify([outcome, command_tag, command_tags, rows_returned, error_code])

const isRecord = ({ event }: Plain): boolean => event === 'statement' || event === 'prepare'

describe.each(NAMES)('%s', (name) => {
  const conversations = readConversations(`${FOLDER}${name}`, PORT)

  test.each([
    { share: 0.05, late: true },
    { share: 0.05, late: false },
    { share: 0.3, late: true },
    { share: 0.3, late: false },
  ])('$share of the segments lost, told late: $late', (loss) => {
    for (const { pieces } of conversations) {
      const whole = recordsOf(pieces, 0, { share: -1, late: true }).filter(isRecord)
      const texts = new Set(whole.map(({ text }) => text))
      for (let seed = 1; seed <= SEEDS; seed++) {
        const events = recordsOf(pieces, seed, loss)
        const records = events.filter(isRecord).sort((a, b) => Number(a.stmt_seq) - Number(b.stmt_seq))
        let at = 0
        for (const record of records) {
          if (record.text !== undefined) expect(texts, `seed ${seed}`).toContain(record.text)
          // a portal read on behind a gap: its Bind has a record, and so has this
          else if (whole.some(({ portal_name: portal }) => portal && portal === record.portal_name))
            continue
          // in order, each once: the rest of what was sent must still have it
          const found = whole.findIndex(
            (one, index) =>
              index >= at &&
              (essence(one) === essence(record) ||
                (record.text === undefined && essence({ ...one, text: undefined }) === essence(record))) &&
              (record.outcome === 'unknown' || outcomeOf(one) === outcomeOf(record)),
          )
          expect(found, `seed ${seed}: ${JSON.stringify(record)}`).toBeGreaterThanOrEqual(0)
          at = found + 1
        }
        if (records.length < whole.length)
          expect(ofKind(events, 'gap').length, `seed ${seed}`).toBeGreaterThan(0)
      }
    }
  })
})

test('most of what is left is told', () => {
  const { pieces } = readConversations(`${FOLDER}pg_std_base.pcap`, PORT)[0]!
  let told = 0
  for (let seed = 1; seed <= SEEDS; seed++)
    told += recordsOf(pieces, seed, { share: 0.05, late: true }).filter(isRecord).length
  const whole = recordsOf(pieces, 0, { share: -1, late: true }).filter(isRecord).length
  expect(told / (SEEDS * whole)).toBeGreaterThan(0.7)
})
