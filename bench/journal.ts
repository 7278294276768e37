/**
 * What an intent costs: ns per statement for taking, writing (one write per turn) and ending it, beside what
 * encoding its record into a buffer costs alone, taken in the same run. Run: `npm run build:bench && node
 * dist-bench/bench/journal.js`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEncoder } from '../src/audit/encode.ts'
import type { FlowFacts, Intent, Statement, Who } from '../src/event.ts'
import { openJournal } from '../src/sinks/journal.ts'

const TURNS = 4000
const ROUNDS = 5

const facts: FlowFacts = {
  conn_id: '01HXYZABCDEFGHJKMNPQRSTVWX',
  client_addr: '10.0.0.17:54321',
  proxy_listen_addr: '10.0.0.1:5432',
  proxy_client_addr: '10.0.0.1:43210',
  remote_addr: '10.0.0.2:5432',
}
const who: Who = { dialect: 'postgresql', username: 'app', database: 'shop', backend_pid: 4711 }

let at = Date.now() * 1000
const statement = (seq: number): Statement => ({
  event: 'statement',
  at: at++,
  who,
  stmt_seq: seq,
  protocol: 'simple',
  text: {
    text: `SELECT abalance FROM pgbench_accounts WHERE aid = ${seq}`,
    standardConformingStrings: true,
    dialect: 'postgresql',
  },
  outcome: 'unknown',
  recovered: true,
})
const intentOf = (seq: number): Intent => ({
  event: 'intent',
  at,
  who,
  token: seq,
  statement: statement(seq),
})

const encoder = createEncoder({ format: 'json', host: 'db-1', timezone: 'utc', bindValues: 'full' })
const dir = mkdtempSync(join(tmpdir(), 'querytap-bench-'))
const log = {
  ...{ stem: join(dir, '.dump.log.1-00000000'), isInTrouble: false, isStable: true },
  ...{ accepted: 0, settled: 0, watch: () => undefined, append: () => undefined },
  sync: () => Promise.resolve(),
}

/** ns per statement, of so many in each turn of the event loop. */
const encoding = (perTurn: number): number => {
  const buffer = Buffer.alloc(1 << 20)
  const start = process.hrtime.bigint()
  for (let turn = 0; turn < TURNS; turn++) {
    let used = 0
    for (let i = 1; i <= perTurn; i++)
      used = encoder.direct?.encode(buffer, used, 0, facts, statement(turn * perTurn + i)) ?? 0
  }
  return Number(process.hrtime.bigint() - start) / (TURNS * perTurn)
}

const journaling = (perTurn: number): number => {
  const { intents, gate, close } = openJournal({
    ...{ log, encoder, mask: (event) => event, guarantee: 'written', onFailure: 'block' },
    ...{ onTrouble: () => undefined, onRecovered: () => undefined },
  })
  const flow = intents.open(facts)
  let released = 0
  const start = process.hrtime.bigint()
  for (let turn = 0; turn < TURNS; turn++) {
    for (let i = 1; i <= perTurn; i++) flow.take(facts, intentOf(turn * perTurn + i))
    const ticket = flow.ticket(0)
    if (ticket !== 'go' && ticket.kind === 'wait') ticket.whenReady(() => released++)
    gate.settle()
    for (let i = 1; i <= perTurn; i++) {
      log.settled = ++log.accepted
      flow.settled(turn * perTurn + i)
    }
  }
  const took = Number(process.hrtime.bigint() - start) / (TURNS * perTurn)
  if (released !== TURNS) throw new Error(`${released} chunks let go, ${TURNS} wanted`)
  close()
  return took
}

const best = (measure: () => number): number => Math.min(...Array.from({ length: ROUNDS }, measure))

console.log('statements per turn │ encoding alone │ journal with encoding │ ratio')
for (const perTurn of [1, 4, 16, 64]) {
  const [alone, whole] = [best(() => encoding(perTurn)), best(() => journaling(perTurn))]
  console.log(
    `${String(perTurn).padStart(19)} │ ${alone.toFixed(0).padStart(11)} ns │ ${whole.toFixed(0).padStart(18)} ns │ ` +
      (whole / alone).toFixed(2),
  )
}
rmSync(dir, { recursive: true, force: true })
