/** A directory for log files, a clock that is moved by hand, and a file sink on both. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { SinkError } from '../../src/errors.ts'
import type { AuditEvent, AuditLife, DirectEncoder, Line } from '../../src/event.ts'
import type { Clock } from '../../src/sinks/clock.ts'
import { type FileSink, type FileSinkOptions, openFileSink } from '../../src/sinks/file.ts'
import { compareNames, parseName } from '../../src/sinks/names.ts'

/** 2024-05-01T09:30:00Z */
export const NOON = Date.UTC(2024, 4, 1, 9, 30)

/** Time stands still until it is moved; due timers fire then, in order. */
export class FakeClock implements Clock {
  #now = NOON
  #timers: { readonly due: number; readonly callback: () => void }[] = []

  nowMs(): number {
    return this.#now
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { due: this.#now + ms, callback }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const next = this.#timers.filter(({ due }) => due <= end).sort((a, b) => a.due - b.due)[0]
      if (next === undefined) break
      this.#timers = this.#timers.filter((other) => other !== next)
      this.#now = Math.max(this.#now, next.due)
      next.callback()
    }
    this.#now = end
  }

  /** Somebody sets the wall clock; timers, which do not heed it, are as far from being due as before. */
  set(now: number): void {
    const step = now - this.#now
    this.#timers = this.#timers.map(({ due, callback }) => ({ due: due + step, callback }))
    this.#now = now
  }
}

/** A record of a test: `{"event":"statement","log_seq":N,"text":…}`. */
export const lineOf = (text: string, at = NOON * 1000): Line => ({
  head: '{"event":"statement","log_seq":',
  tail: `,"text":${JSON.stringify(text)}}`,
  at,
})

/** An encoder of the fast path: its records look like those of {@link lineOf}. */
export const directOf = (text: string): DirectEncoder => ({
  encode: (buffer, at, seq) => {
    const record = `{"ts":"2024-05-01T12:00:00.000000Z","event":"statement","log_seq":${seq},"text":${JSON.stringify(text)}}\n`
    return buffer.length - at < record.length * 3 ? -1 : at + buffer.write(record, at)
  },
})

/** What is given beside {@link directOf}, which does not look at it. */
export const ANY_EVENT: AuditEvent = { event: 'session.start', at: 0, who: { dialect: 'test' } }

export const encodeLife = ({ event, at, fields }: AuditLife): Line => ({
  head: `{"event":"${event}","log_seq":`,
  tail: `,"at":${at},${JSON.stringify(fields).slice(1)}`,
  at,
})

export interface LogRecord {
  readonly event: string
  readonly log_seq: number
  readonly text?: string
  readonly [key: string]: unknown
}

/** One directory and the sinks that a test opened in it. */
export class LogDirectory {
  readonly dir: string
  readonly clock = new FakeClock()
  readonly troubles: SinkError[] = []
  readonly recoveries: number[] = []
  readonly #sinks: FileSink[] = []

  constructor(dir = mkdtempSync(join(tmpdir(), 'querytap-log-'))) {
    this.dir = dir
  }

  open(more: Partial<FileSinkOptions> = {}): FileSink {
    const sink = openFileSink({
      dir: this.dir,
      fileName: 'dump.log',
      rotateEnable: true,
      rotationTime: 'hourly',
      rotationSize: 0,
      timezone: 'utc',
      fileMode: 0o600,
      retention: { count: 0, maxAgeMs: 0, maxTotal: 0 },
      compress: 'none',
      rotationHook: '',
      hookTimeoutMs: 5000,
      bufferBytes: 1 << 20,
      encodeLife,
      onTrouble: (error) => this.troubles.push(error),
      onRecovered: (lost) => this.recoveries.push(lost),
      clock: this.clock,
      ...more,
    })
    this.#sinks.push(sink)
    return sink
  }

  /** everything that does not begin with a dot */
  names(): string[] {
    return readdirSync(this.dir)
      .filter((name) => !name.startsWith('.'))
      .sort()
  }

  hidden(): string[] {
    return readdirSync(this.dir).filter((name) => name.startsWith('.'))
  }

  read(name: string): string {
    const bytes = readFileSync(join(this.dir, name))
    return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
  }

  /** the records of one file; throws on a torn line */
  records(name = 'dump.log'): LogRecord[] {
    const text = this.read(name)
    if (text !== '' && !text.endsWith('\n')) throw new Error(`${name} ends in the middle of a line`)
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
  }

  /** the records of all rotated files, oldest first */
  all(): LogRecord[] {
    return readdirSync(this.dir)
      .map((file) => parseName('dump.log', file))
      .filter((name) => name !== undefined)
      .sort(compareNames)
      .flatMap((name) => this.records(name.file))
  }

  async remove(): Promise<void> {
    await Promise.all(this.#sinks.map((sink) => sink.close()))
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/** The texts of the statements among the records. */
export const textsOf = (records: readonly LogRecord[]): string[] =>
  records.filter(({ event }) => event === 'statement').map(({ text }) => text as string)
