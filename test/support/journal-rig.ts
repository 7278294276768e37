/** A journal beside a log file, each in a directory of its own. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import { createEncoder } from '../../src/audit/encode.ts'
import type { AuditEvent, FlowFacts, Statement } from '../../src/event.ts'
import type { Ticket } from '../../src/flow.ts'
import { type FileSink, type FileSinkOptions, openFileSink } from '../../src/sinks/file.ts'
import { type JournalOptions, type OpenJournal, openJournal } from '../../src/sinks/journal.ts'
import { readSegment } from '../../src/sinks/journal-format.ts'

export const encoder = createEncoder({ format: 'json', host: 'h', timezone: 'utc', bindValues: 'full' })
export const who = { dialect: 'postgresql' }
export const facts: FlowFacts = { conn_id: 'c1' }

export const statement = (seq: number, query = `select ${seq}`): Statement => ({
  event: 'statement',
  at: 1_714_554_000_000_000 + seq,
  who,
  stmt_seq: seq,
  protocol: 'simple',
  text: { text: query, standardConformingStrings: true, dialect: 'postgresql' },
  outcome: 'unknown',
  recovered: true,
})

export let dir: string
export let file: FileSink
export let journal: OpenJournal

export const open = (
  options: Partial<JournalOptions> = {},
  fileOptions: Partial<FileSinkOptions> = {},
): void => {
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
    ...fileOptions,
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

/** Each test of the file that calls this gets a directory of its own. */
export const useJournal = (): void => {
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'querytap-journal-'))
  })

  afterEach(async () => {
    await file.close()
    journal.close()
    rmSync(dir, { recursive: true, force: true })
  })
}

export const isReady = (ticket: Ticket): boolean => {
  if (ticket === 'go') return true
  let ready = false
  if (ticket.kind === 'wait') ticket.whenReady(() => (ready = true))
  return ready
}

export const journaled = (): string[] => {
  const segments = readdirSync(dir)
    .filter((name) => /\.journal-[ab]$/.test(name))
    .map((name) => readSegment(readFileSync(join(dir, name))))
    .flatMap((segment) => (typeof segment === 'string' ? [] : [segment]))
    .sort((a, b) => b.epoch - a.epoch)
  return segments[0]?.intents.map(({ record }) => JSON.parse(record.toString()).query) ?? []
}

export const emit = (event: AuditEvent): void => file.append(encoder.encode(facts, event))

export const intent = (seq: number, query?: string) =>
  ({ event: 'intent', at: 1, who, token: seq, statement: statement(seq, query) }) as const
