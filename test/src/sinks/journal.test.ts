import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createEncoder } from '../../../src/audit/encode.ts'
import type { AuditEvent, FlowFacts, Statement } from '../../../src/event.ts'
import type { Ticket } from '../../../src/flow.ts'
import { type FileSink, openFileSink } from '../../../src/sinks/file.ts'
import { type JournalOptions, type OpenJournal, openJournal } from '../../../src/sinks/journal.ts'
import { readSegment } from '../../../src/sinks/journal-format.ts'

const encoder = createEncoder({ format: 'json', host: 'h', timezone: 'utc', bindValues: 'full' })
const who = { dialect: 'postgresql' }
const facts: FlowFacts = { conn_id: 'c1' }

const statement = (seq: number, query = `select ${seq}`): Statement => ({
  event: 'statement',
  at: 1_714_554_000_000_000 + seq,
  who,
  stmt_seq: seq,
  protocol: 'simple',
  text: { text: query, standardConformingStrings: true, dialect: 'postgresql' },
  outcome: 'unknown',
  recovered: true,
})

let dir: string
let file: FileSink
let journal: OpenJournal

const open = (options: Partial<JournalOptions> = {}): void => {
  file = openFileSink({
    dir,
    fileName: 'dump.log',
    rotateEnable: true,
    rotationTime: 'daily',
    timezone: 'utc',
    fileMode: 0o600,
    rotationSize: 0,
    retention: { count: 0, maxAgeMs: 0, maxTotal: 0 },
    compress: 'none',
    rotationHook: '',
    hookTimeoutMs: 0,
    bufferBytes: 1 << 20,
    encodeLife: (event) => encoder.encode(undefined, event),
    onTrouble: () => undefined,
    onRecovered: () => undefined,
  })
  journal = openJournal({
    log: file,
    encoder,
    mask: (event) => event,
    guarantee: 'written',
    onFailure: 'block',
    onTrouble: () => undefined,
    onRecovered: () => undefined,
    ...options,
  })
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'querytap-journal-'))
})

afterEach(async () => {
  await file.close()
  journal.close()
  rmSync(dir, { recursive: true, force: true })
})

const isReady = (ticket: Ticket): boolean => {
  if (ticket === 'go') return true
  let ready = false
  if (ticket.kind === 'wait') ticket.whenReady(() => (ready = true))
  return ready
}

const journaled = (): string[] => {
  const segments = readdirSync(dir)
    .filter((name) => /\.journal-[ab]$/.test(name))
    .map((name) => readSegment(readFileSync(join(dir, name))))
    .flatMap((segment) => (typeof segment === 'string' ? [] : [segment]))
    .sort((a, b) => b.epoch - a.epoch)
  return segments[0]?.intents.map(({ record }) => JSON.parse(record.toString()).query) ?? []
}

const emit = (event: AuditEvent): void => file.append(encoder.encode(facts, event))

describe('written', () => {
  test('an intent is in the file when its chunk may go on, and gone when its record is in the log', () => {
    open()
    const flow = journal.intents.open(facts)
    flow.take(facts, { event: 'intent', at: 1, who, token: 1, statement: statement(1) })
    const ticket = flow.ticket(0)
    expect(isReady(ticket)).toBe(false)
    expect(journaled()).toEqual([])
    journal.gate.settle()
    expect(isReady(ticket)).toBe(true)
    expect(journaled()).toEqual(['select 1'])
    emit({ ...statement(1), outcome: 'success', recovered: undefined })
    flow.settled(1)
    file.flush()
    flow.take(facts, { event: 'intent', at: 1, who, token: 2, statement: statement(2) })
    journal.gate.settle()
    expect(journaled()).toEqual(['select 2'])
  })
})
