/** A log's directory, processes that write there, and what is left of them when they are killed. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect } from 'vitest'
import { createEncoder } from '../../src/audit/encode.ts'
import type { FlowFacts, FlowIntents, Statement } from '../../src/event.ts'
import { type FileSink, type FileSinkOptions, openFileSink } from '../../src/sinks/file.ts'
import { type OpenJournal, openJournal } from '../../src/sinks/journal.ts'
import { ownIdentity } from '../../src/sinks/owner.ts'

export type Format = 'json' | 'ltsv'
export const who = { dialect: 'postgresql' }
/** of a machine that was started anew since */
const GONE = { ...ownIdentity(), boot: 'an earlier one' }

export const statement = (seq: number): Statement => ({
  event: 'statement',
  at: Date.now() * 1000 + seq,
  who,
  stmt_seq: seq,
  protocol: 'simple',
  text: { text: `select ${seq}`, standardConformingStrings: true, dialect: 'postgresql' },
  outcome: 'unknown',
  recovered: true,
})

export let root: string
export let dir: string
let copies: number
let closing: (() => Promise<void>)[]
export let told: string[]

/** Each test of the file that calls this gets a directory of its own. */
export const useLogDirectory = (): void => {
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'querytap-recover-'))
    dir = join(root, 'log')
    mkdirSync(dir)
    ;[copies, closing, told] = [0, [], []]
  })

  afterEach(async () => {
    for (const close of closing) await close()
    rmSync(root, { recursive: true, force: true })
  })
}

export const encoders = {
  json: createEncoder({ format: 'json', host: 'h', timezone: 'utc', bindValues: 'full' }),
  ltsv: createEncoder({ format: 'ltsv', host: 'h', timezone: 'utc', bindValues: 'full' }),
}

export const openFile = (format: Format = 'json', options: Partial<FileSinkOptions> = {}): FileSink => {
  const file = openFileSink({
    ...{ dir, fileName: 'dump.log', rotateEnable: true, rotationTime: 'daily', timezone: 'utc' },
    ...{ fileMode: 0o600, rotationSize: 0, retention: { count: 0, maxAgeMs: 0, maxTotal: 0 } },
    ...{ compress: 'none', rotationHook: '', hookTimeoutMs: 0, bufferBytes: 1 << 20 },
    encodeLife: (event) => encoders[format].encode(undefined, event),
    onTrouble: ({ message }) => told.push(message),
    onRecovered: () => undefined,
    ...options,
  })
  closing.push(() => file.close())
  return file
}

/** A process that is going to be killed. */
export class Victim {
  readonly file: FileSink
  readonly #format: Format
  readonly #journal: OpenJournal
  readonly #facts: FlowFacts
  readonly #flow: FlowIntents

  constructor(conn_id: string, format: Format = 'json', options: Partial<FileSinkOptions> = {}) {
    this.#format = format
    this.file = openFile(format, options)
    this.#journal = openJournal({
      ...{ log: this.file, encoder: encoders[format], mask: (event) => event, guarantee: 'written' },
      ...{ onFailure: 'block', onTrouble: () => undefined, onRecovered: () => undefined, identity: GONE },
      segmentBytes: 4096,
    })
    closing.push(async () => this.#journal.close())
    this.#facts = { conn_id }
    this.#flow = this.#journal.intents.open(this.#facts)
  }

  take(...numbers: readonly number[]): void {
    for (const token of numbers)
      this.#flow.take(this.#facts, { event: 'intent', at: 1, who, token, statement: statement(token) })
    this.#journal.gate.settle()
  }

  /** Sent along with a log-in: it has its number, and another token. */
  takeEarly(number: number): void {
    const early = { ...statement(number), at: 1 }
    this.#flow.take(this.#facts, { event: 'intent', at: 1, who, token: -number, statement: early })
    this.#journal.gate.settle()
  }

  /** The outcome of these is in the log. */
  finish(...numbers: readonly number[]): void {
    for (const seq of numbers) {
      const event = { ...statement(seq), outcome: 'success', recovered: undefined } as const
      this.file.append(encoders[this.#format].encode(this.#facts, event))
      this.#flow.settled(seq)
    }
    this.file.flush()
  }
}

/** kill -9: what is in the directory now, as of a process that is gone. */
export const crash = (): void => {
  const next = join(root, `copy-${++copies}`)
  cpSync(dir, next, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
  for (const name of readdirSync(next).filter((file) => file.endsWith('.owner'))) {
    const holdings = JSON.parse(readFileSync(join(next, name), 'utf8'))
    writeFileSync(join(next, name), JSON.stringify({ ...holdings, identity: GONE }))
  }
  for (const name of readdirSync(next).filter((file) => /\.(writer|lock)$/.test(file)))
    writeFileSync(join(next, name), JSON.stringify(GONE))
  dir = next
}

export const journals = (): string[] => readdirSync(dir).filter((name) => name.includes('.journal-'))

export const logNames = (): string[] => readdirSync(dir).filter((name) => name.startsWith('dump.log.2'))

export const lines = (besides: readonly string[] = []): string[] =>
  readdirSync(dir)
    .filter((name) => /^dump\.log(\.|$)/.test(name) && !(name === 'dump.log' && isLink(name)))
    .filter((name) => !besides.includes(name))
    .flatMap((name) => {
      const bytes = readFileSync(join(dir, name))
      const text = (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
      expect(text === '' || text.endsWith('\n'), `${name} ends in a whole line`).toBe(true)
      return text.split('\n').slice(0, -1)
    })
const isLink = (name: string): boolean => readdirSync(dir).some((other) => other.startsWith(`${name}.2`))

/** `3` of a statement whose outcome is known, `3?` of a recovered one. */
export const statements = (given: Format | readonly string[] = 'json'): string[] => {
  const format = typeof given === 'string' ? given : 'json'
  return lines(typeof given === 'string' ? [] : given)
    .map((line) => (format === 'json' ? JSON.parse(line) : fieldsOf(line)))
    .filter(({ event }) => event === 'statement')
    .map(({ stmt_seq, outcome, recovered }) => {
      expect(outcome === 'unknown').toBe(String(recovered) === 'true')
      return `${stmt_seq}${outcome === 'unknown' ? '?' : ''}`
    })
    .sort()
}

export const fieldsOf = (line: string): Record<string, string> =>
  Object.fromEntries(line.split('\t').map((field) => field.split(/:(.*)/s).slice(0, 2)))

export const restart = async (
  format: Format = 'json',
  options: Partial<FileSinkOptions> = {},
): Promise<FileSink> => {
  const file = openFile(format, options)
  await file.idle()
  return file
}

/** The directory is that one from here on. */
export const moveTo = (path: string): void => {
  dir = path
}
