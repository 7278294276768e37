/**
 * What framing and decoding cost, from memory: MB/s and ns per message of the framer alone, and of the whole
 * session with its events, beside a plain walk from header to header in the same run.
 *
 *   npm run bench:session -- [--dialect pg|mysql] [--rounds N] [--write]
 */
import { parseArgs } from 'node:util'
import type { Session } from '../src/session.ts'
import { median, medianRatio, report, table } from './measure.ts'
import { bytesOf, type Piece, type Traffic } from './pieces.ts'
import { MYSQL_TRAFFIC } from './traffic-mysql.ts'
import { PG_TRAFFIC } from './traffic-pg.ts'

const { values: flags } = parseArgs({
  options: {
    dialect: { type: 'string', default: 'pg' },
    rounds: { type: 'string', default: '15' },
    write: { type: 'boolean', default: false },
  },
})
const TRAFFIC: Readonly<Record<string, Traffic>> = { pg: PG_TRAFFIC, mysql: MYSQL_TRAFFIC }
const traffic = TRAFFIC[flags.dialect] as Traffic
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
  const session = traffic.dumper.open({
    limits: LIMITS,
    detail: 'statement',
    connId: 'bench',
    link: NO_LINK,
  })
  feedAll(session, traffic.beginning)
  return session
}

const WORK: Readonly<Record<string, (pieces: readonly Piece[]) => void>> = {
  'plain walk': (pieces) => void traffic.walk(pieces),
  framer: traffic.frame,
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
  const messages = traffic.walk(pieces)
  const baseline = took.get('plain walk') as number[]
  return names.map((name) => {
    const own = took.get(name) as number[]
    const each = median(own)
    const speed = ((bytes / each) * 1000).toFixed(0)
    return [label, name, speed, (each / messages).toFixed(1), medianRatio(own, baseline).toFixed(1)]
  })
}

const rows = traffic.cases.flatMap(([label, pieces]) => rowsFor(label, pieces()))
const head = ['traffic', 'what', 'MB/s', 'ns/message', 'time ÷ plain walk']
const body = `Medians of ${rounds} rounds, from memory, ${events} events. Point queries: one read per message group.`
const title = traffic.title === '' ? 'Framing and decoding' : `${traffic.title}framing and decoding`
report(title, `${body}\n\n${table(head, rows)}`, flags.write)
