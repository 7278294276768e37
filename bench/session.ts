/**
 * What framing and decoding cost, from memory: MB/s and ns per message of the framer alone, and of the whole
 * PostgreSQL session with its events, beside a plain walk from header to header in the same run.
 *
 *   npm run bench:session -- [--rounds N] [--write]
 */
import { parseArgs } from 'node:util'
import { pg } from '../dumpers/pg/index.ts'
import { type FrameHandler, SKIP } from '../src/framing/framer.ts'
import { PgFramer } from '../src/framing/pg.ts'
import type { Session } from '../src/session.ts'
import { median, medianRatio, report, table } from './measure.ts'
import {
  bytesOf,
  copyOut,
  LOGIN,
  MODES,
  manyRows,
  type Piece,
  PREPARE,
  pointQueries,
  walk,
} from './traffic.ts'

const { values: flags } = parseArgs({
  options: { rounds: { type: 'string', default: '15' }, write: { type: 'boolean', default: false } },
})
const rounds = Number(flags.rounds)
const WARM_UP = 3

const NO_LINK = { claim: () => {}, release: () => {}, find: () => undefined }
const LIMITS = { maxQueryBytes: 1 << 20, maxValueBytes: 1 << 16, maxStatements: 1000, maxQueue: 10_000 }

let clock = 1_700_000_000_000_000
let events = 0

const feedAll = (session: Session, pieces: readonly Piece[]): void => {
  for (const { from, bytes } of pieces) events += session.feed(from, bytes, clock++).length
}

/** A new session that is logged in and has its statement prepared. */
const loggedIn = (): Session => {
  const session = pg.open({ limits: LIMITS, detail: 'statement', connId: 'bench', link: NO_LINK })
  feedAll(session, LOGIN)
  feedAll(session, PREPARE)
  return session
}

const nothing = (): void => {}
const SKIPPING: FrameHandler = { header: () => SKIP, frame: nothing, beyond: nothing, lost: nothing }

/** The framers of both directions, skipping every body. */
const frameAll = (pieces: readonly Piece[]): void => {
  const framers = { frontend: new PgFramer(SKIPPING), backend: new PgFramer(SKIPPING) }
  framers.frontend.expect('typed')
  framers.backend.expect('typed')
  for (const { from, bytes } of pieces) framers[from].feed(bytes)
}

const WORK: Readonly<Record<string, (pieces: readonly Piece[]) => void>> = {
  'plain walk': (pieces) => void walk(pieces),
  framer: frameAll,
  session: (pieces) => feedAll(loggedIn(), pieces),
}

const nanosecondsOf = (work: () => void): number => {
  const started = process.hrtime.bigint()
  work()
  return Number(process.hrtime.bigint() - started)
}

const rowsFor = (label: string, pieces: readonly Piece[]): string[][] => {
  const names = Object.keys(WORK)
  const took = new Map<string, number[]>(names.map((name) => [name, []]))
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const name of names) {
      const nanoseconds = nanosecondsOf(() => WORK[name]?.(pieces))
      if (round >= 0) took.get(name)?.push(nanoseconds)
    }
  }
  const bytes = bytesOf(pieces)
  const messages = walk(pieces)
  const baseline = took.get('plain walk') as number[]
  return names.map((name) => {
    const own = took.get(name) as number[]
    const each = median(own)
    const speed = ((bytes / each) * 1000).toFixed(0)
    return [label, name, speed, (each / messages).toFixed(1), medianRatio(own, baseline).toFixed(1)]
  })
}

const POINTS = 20_000
const WIDE = 1000
const WIDE_ROWS = 100_000
const NARROW = 7
const NARROW_ROWS = 2_000_000

const rows = [
  ...MODES.flatMap((mode) => rowsFor(`point queries, ${mode}`, pointQueries(mode, POINTS))),
  ...rowsFor(`rows of ${WIDE} bytes`, manyRows(WIDE, WIDE_ROWS)),
  ...rowsFor(`rows of ${NARROW} bytes`, manyRows(NARROW, NARROW_ROWS)),
  ...rowsFor(`COPY of ${WIDE} bytes`, copyOut(WIDE, WIDE_ROWS)),
]
const head = ['traffic', 'what', 'MB/s', 'ns/message', 'time ÷ plain walk']
const body = `Medians of ${rounds} rounds, from memory, ${events} events. Point queries: one read per message group.`
report('Framing and decoding', `${body}\n\n${table(head, rows)}`, flags.write)
