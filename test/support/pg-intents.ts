/** A PostgreSQL session that is asked for intents, beside one that is not: what each feed gave. */
import { expect } from 'vitest'
import { PgSession } from '../../dumpers/pg/session.ts'
import type { AuditEvent } from '../../src/event.ts'
import type { Bytes, Direction } from '../../src/flow.ts'
import { openLink } from '../../src/observe/link.ts'
import type { SessionLimits } from '../../src/session.ts'
import { canonical, openContext, type Plain } from './canonical.ts'
import type { Step } from './changes.ts'

/** What came of one feed: its events as they were when it returned. */
export interface Feed {
  readonly from: Direction | 'end'
  readonly bytes: Bytes
  readonly events: readonly Plain[]
  readonly heldFrom: number
}

export interface Way {
  readonly intents: boolean
  readonly limits?: Partial<SessionLimits>
  readonly split?: (bytes: Bytes) => readonly Bytes[]
  /** false: nothing is ever sent on */
  readonly sends?: boolean
}

const NOTHING = Buffer.alloc(0)

/** An intent's record is looked at now: later it may say more. */
const plain = (event: AuditEvent): Plain => {
  const shown = canonical(event)
  if (event.event !== 'intent' || event.statement === undefined) return shown
  return { ...shown, statement: canonical(event.statement) }
}

/** Feeds the steps, telling at once that each chunk was sent on, and closes the session. */
export const feedsOf = (steps: readonly Step[], { intents, limits, split, sends }: Way): Feed[] => {
  const session = new PgSession(openContext({ intents, link: openLink(), ...(limits && { limits }) }))
  const feeds: Feed[] = []
  let now = 1000
  const keep = (from: Feed['from'], bytes: Bytes, given: readonly AuditEvent[]) => {
    feeds.push({ from, bytes, events: given.map(plain), heldFrom: session.heldFrom })
  }
  for (const step of steps) {
    now++
    if ('lost' in step) keep(step.from, NOTHING, session.gap(step.from, step.lost, now))
    else {
      for (const chunk of split?.(step.bytes) ?? [step.bytes]) {
        keep(step.from, chunk, session.feed(step.from, chunk, now))
        if (step.from === 'frontend' && sends !== false) session.sent(now)
      }
    }
  }
  keep('end', NOTHING, session.close(now + 1))
  return feeds
}

export const eventsOf = (feeds: readonly Feed[]): Plain[] => feeds.flatMap(({ events }) => events)

export const isOfIntents = ({ event }: Plain): boolean => event === 'intent' || event === 'intent.over'

/** Records as a session gives them that is not asked for intents, their numbers in order of appearance. */
export const recordsOf = (events: readonly Plain[]): Plain[] => {
  const numbers = new Map<unknown, number>()
  const renumbered = (seq: unknown) => {
    if (!numbers.has(seq)) numbers.set(seq, numbers.size)
    return numbers.get(seq)
  }
  return events
    .filter((event) => !isOfIntents(event))
    .map(({ gate_wait_us: _, ...event }) => ({
      ...event,
      ...('stmt_seq' in event && { stmt_seq: renumbered(event.stmt_seq) }),
      ...('prepare_seq' in event && { prepare_seq: renumbered(event.prepare_seq) }),
    }))
}

export const statementIn = (intent: Plain): Plain | undefined => intent.statement as Plain | undefined

/** May a record tell another text, or values of other types, than its intent did? */
const expectToldBefore = (record: Plain, intent: Plain): void => {
  const told = statementIn(intent)!
  expect(told).toMatchObject({ outcome: 'unknown', recovered: true, protocol: record.protocol })
  expect(told.stmt_seq).toBe(record.stmt_seq)
  expect(intent.at).toBeLessThanOrEqual(record.at as number)
  if (record.text !== undefined) {
    if (told.text !== undefined) expect(told.text).toEqual(record.text)
    else
      expect([told.reason, told.malformed, told.prepare_seq !== undefined]).not.toEqual([
        undefined,
        undefined,
        false,
      ])
  }
  if (told.values !== undefined && record.values !== undefined) {
    if (JSON.stringify(told.types) === JSON.stringify(record.types))
      expect(told.values).toEqual(record.values)
    else expect(told.values).toHaveLength((record.values as unknown[]).length)
  }
  expect(told.body_hex).toBe(record.reason === 'overflow' ? told.body_hex : record.body_hex)
}

/** Every record had its intent in an earlier place, every token is new, and settled in the end. */
export const expectSettled = (events: readonly Plain[], server: 'real' | 'any' = 'any'): void => {
  const open = new Map<unknown, Plain>()
  const given = new Map<unknown, Plain>()
  for (const event of events) {
    if (event.event === 'intent') {
      if (event.token === 0) continue
      expect(given.has(event.token), `token ${event.token} twice`).toBe(false)
      open.set(event.token, event)
      given.set(event.token, event)
    } else if (event.event === 'intent.over') {
      expect(open.delete(event.token), `over of ${event.token}`).toBe(true)
    } else if (event.event === 'statement' || event.event === 'statement.open') {
      const intent = given.get(event.stmt_seq)
      // an Execute whose portal a server drops that answers what it was not asked
      if (intent === undefined && server === 'any' && event.protocol === 'extended') continue
      if (intent === undefined) expect.fail(`no intent of ${JSON.stringify(event)}`)
      expectToldBefore(event, intent)
      if (event.event === 'statement') open.delete(event.stmt_seq)
    }
  }
  // what was given up is settled by the end of the flow
  const isGivenUp = events.some(({ event, gap_reason }) => event === 'gap' && gap_reason === 'overflow')
  if (!isGivenUp) expect([...open.keys()]).toEqual([])
}

/** A message of the client that was framed here, apart from the session: where it began and ended. */
interface Sent {
  readonly type: string
  readonly start: number
  readonly end: number
}

/** Messages of a client behind its startup packet; all must be sound. */
export const messagesOf = (bytes: Bytes, from: number): Sent[] => {
  const found: Sent[] = []
  for (let at = from; at + 5 <= bytes.length; ) {
    const end = at + 1 + bytes.readInt32BE(at + 1)
    if (end > bytes.length) break
    found.push({ type: String.fromCharCode(bytes[at] as number), start: at, end })
    at = end
  }
  return found
}

const kindOf = (intent: Plain): string => {
  if (intent.token === 0) return 'P'
  const { protocol } = statementIn(intent)!
  return protocol === 'simple' ? 'Q' : protocol === 'function' ? 'F' : 'B'
}

/**
 * The feed that has the last byte of a message which makes the server act gave its intent, and says where
 * the first such message began.
 */
export const expectInTime = (feeds: readonly Feed[], startup: number): void => {
  const sent = messagesOf(
    Buffer.concat(feeds.filter(({ from }) => from === 'frontend').map(({ bytes }) => bytes)),
    startup,
  )
  let at = 0
  for (const { from, bytes, events, heldFrom } of feeds) {
    const intents = events.filter(({ event }) => event === 'intent')
    if (from !== 'frontend') {
      expect(intents).toEqual([])
      continue
    }
    const here = sent.filter(({ end }) => end > at && end <= at + bytes.length)
    const acting = here.filter(({ type }) => 'QBFPE'.includes(type))
    const kinds = intents.map(kindOf)
    const sure = acting.filter(({ type }) => type !== 'E').map(({ type }) => type)
    expect(kinds.filter((kind) => kind !== 'B')).toEqual(sure.filter((type) => type !== 'B'))
    const bound = kinds.filter((kind) => kind === 'B').length
    expect(bound).toBeGreaterThanOrEqual(sure.filter((type) => type === 'B').length)
    expect(kinds.length).toBeLessThanOrEqual(acting.length)
    if (intents.length > 0 && acting.length > 0 && acting[0]!.type !== 'E')
      expect(heldFrom).toBe(Math.max(0, acting[0]!.start - at))
    at += bytes.length
  }
}
