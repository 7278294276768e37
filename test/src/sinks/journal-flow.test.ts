import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createEncoder } from '../../../src/audit/encode.ts'
import type { FlowFacts, FlowIntents, Statement } from '../../../src/event.ts'
import type { Ticket, Wait } from '../../../src/flow.ts'
import { type JournaledLog, type OpenJournal, openJournal } from '../../../src/sinks/journal.ts'

const facts: FlowFacts = { conn_id: 'c1' }
const who = { dialect: 'postgresql' }

const statement = (seq: number): Statement => ({
  event: 'statement',
  at: seq,
  who,
  stmt_seq: seq,
  protocol: 'simple',
  outcome: 'unknown',
  recovered: true,
})

const intent = (seq: number) =>
  ({ event: 'intent', at: seq, who, token: seq, statement: statement(seq) }) as const

let dir: string
let log: JournaledLog & { isInTrouble: boolean }
let journal: OpenJournal

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'querytap-flow-'))
  const stem = join(dir, '.dump.log.1-00000000')
  const idle = { watch: () => undefined, append: () => undefined, sync: () => Promise.resolve() }
  log = { stem, isInTrouble: false, accepted: 0, settled: 0, isStable: true, ...idle }
  journal = open()
})

const open = (openStatements?: number): OpenJournal =>
  openJournal({
    log,
    encoder: createEncoder({ format: 'json', host: 'h', timezone: 'utc', bindValues: 'full' }),
    mask: (event) => event,
    guarantee: 'written',
    onFailure: 'block',
    onTrouble: () => undefined,
    onRecovered: () => undefined,
    ...(openStatements !== undefined && { openStatements }),
  })

afterEach(() => {
  journal.close()
  rmSync(dir, { recursive: true, force: true })
})

const takeUpTo = (flow: FlowIntents, first: number, last: number): Ticket => {
  for (let seq = first; seq <= last; seq++) flow.take(facts, intent(seq))
  return flow.ticket(0)
}

const settleUpTo = (flow: FlowIntents, first: number, last: number): void => {
  for (let seq = first; seq <= last; seq++) flow.settled(seq)
}

const watch = (ticket: Ticket): (() => boolean) => {
  let isReady = false
  ;(ticket as Wait).whenReady(() => {
    isReady = true
  })
  return () => isReady
}

test('a chunk waits for replies while more than 10,000 statements before it have none', () => {
  const flow = journal.intents.open(facts)
  const first = takeUpTo(flow, 1, 12_000)
  journal.gate.settle()
  expect(watch(first)()).toBe(true)
  const second = takeUpTo(flow, 12_001, 12_002)
  const isReady = watch(second)
  expect((second as Wait).isForReplies).toBe(false)
  journal.gate.settle()
  expect((second as Wait).isForReplies).toBe(true)
  settleUpTo(flow, 1, 1999)
  expect(isReady()).toBe(false)
  settleUpTo(flow, 2000, 2000)
  expect(isReady()).toBe(true)
  // what waits behind it does so for its own part of the replies
  const third = watch(takeUpTo(flow, 12_003, 12_003))
  journal.gate.settle()
  expect(third()).toBe(false)
  settleUpTo(flow, 2001, 2002)
  expect(third()).toBe(true)
})

test('cursors that may be left open, which no reply settles, are let through', () => {
  journal.close()
  journal = open(10_000)
  const flow = journal.intents.open(facts)
  takeUpTo(flow, 1, 20_000)
  journal.gate.settle()
  const isReady = watch(takeUpTo(flow, 20_001, 20_001))
  journal.gate.settle()
  expect(isReady()).toBe(true)
})

test('what waits for replies and for the log waits for both', () => {
  const flow = journal.intents.open(facts)
  takeUpTo(flow, 1, 10_001)
  journal.gate.settle()
  log.isInTrouble = true
  const isReady = watch(takeUpTo(flow, 10_002, 10_002))
  settleUpTo(flow, 1, 10_001)
  journal.gate.settle()
  expect(isReady()).toBe(false)
  log.isInTrouble = false
  journal.gate.settle()
  expect(isReady()).toBe(true)
})

test('bytes that begin nothing do not wait for replies', () => {
  const flow = journal.intents.open(facts)
  takeUpTo(flow, 1, 12_000)
  journal.gate.settle()
  expect(flow.ticket(0)).toBe('go')
})

test('of 100,000 statements without a reply on all connections, 2,000 of each are let through', () => {
  const flows = Array.from({ length: 25 }, () => journal.intents.open(facts))
  for (const flow of flows) takeUpTo(flow, 1, 4001)
  journal.gate.settle()
  const isReady = flows.map((flow) => watch(takeUpTo(flow, 4002, 4002)))
  journal.gate.settle()
  expect(isReady.some((ready) => ready())).toBe(false)
  settleUpTo(flows[0] as FlowIntents, 1, 2001)
  expect(isReady.map((ready) => ready())).toEqual([true, ...Array(24).fill(false)])
  // the ends of others count too
  for (const flow of flows.slice(1)) flow.close()
  const last = watch(takeUpTo(flows[0] as FlowIntents, 4003, 4003))
  journal.gate.settle()
  expect(last()).toBe(true)
})
