import { describe, expect, it } from 'vitest'
import { createEncoder } from '../../../src/audit/encode.ts'
import { isWritten } from '../../../src/audit/filter.ts'
import { openPipeline, type PipelineOptions } from '../../../src/audit/pipeline.ts'
import type { AuditEvent, Line, Statement } from '../../../src/event.ts'

const flow = { conn_id: 'c1' }
const secret: Statement = {
  event: 'statement',
  at: 1e15,
  who: { dialect: 'postgresql', username: 'app' },
  stmt_seq: 9,
  protocol: 'simple',
  text: {
    text: "ALTER ROLE app PASSWORD 'hunter2'",
    standardConformingStrings: true,
    dialect: 'postgresql',
  },
  outcome: 'error',
  error_code: '42601',
  error_message: 'at or near hunter2',
  duration_us: 5,
}

const open = (more: Partial<PipelineOptions> = {}) => {
  const encoder = createEncoder({ format: 'json', host: 'h', timezone: 'utc', bindValues: 'full' })
  const lines: Line[] = []
  const channel = { encoder, output: { append: (line: Line) => void lines.push(line) } }
  const sink = openPipeline({ filter: isWritten, redact: (event) => event, channels: [channel], ...more })
  const records = () => lines.map((line) => JSON.parse(`${line.head}1${line.tail}`))
  return { sink, lines, records, encoder, channel }
}

describe('the pipeline', () => {
  it('filters, then redacts, then encodes', () => {
    const calls: string[] = []
    const note = <T>(name: string, answer: T): T => {
      calls.push(name)
      return answer
    }
    const { sink } = open({
      filter: () => note('filter', true),
      redact: (event) => note('redact', event),
      channels: [
        {
          encoder: { encode: (_, event) => note('encode', { head: event.event, tail: '', at: 0 }) },
          output: { append: () => note('append', undefined) },
        },
      ],
    })
    sink.emit(flow, secret)
    expect(calls).toEqual(['filter', 'redact', 'encode', 'append'])
  })

  it('writes no intent', () => {
    const { sink, lines } = open()
    sink.emit(flow, { event: 'intent', at: 1, who: secret.who, token: 1 })
    expect(lines).toEqual([])
  })

  it('gives several outputs the same line when they share an encoder', () => {
    const { encoder, channel, lines } = open()
    const other: Line[] = []
    const channels = [channel, { encoder, output: { append: (line: Line) => void other.push(line) } }]
    openPipeline({ filter: isWritten, redact: (event) => event, channels }).emit(flow, secret)
    expect(other[0]).toBe(lines[0])
  })

  it.each(['redact', 'encode'] as const)('keeps the record and no text of it when %s throws', (stage) => {
    const failures: unknown[] = []
    const broken: AuditEvent =
      stage === 'redact'
        ? secret
        : {
            ...secret,
            values: { count: 1, typesKnown: false } as never,
          }
    const { sink, records } = open({
      redact: (event) => {
        if (stage === 'redact') throw new Error('no')
        return event
      },
      onFailure: (where) => failures.push(where),
    })
    sink.emit(flow, broken)
    const [record] = records()
    expect(JSON.stringify(record)).not.toContain('hunter2')
    expect(record).toMatchObject({
      event: 'statement',
      conn_id: 'c1',
      username: 'app',
      stmt_seq: 9,
      protocol: 'simple',
      outcome: 'error',
      error_code: '42601',
      duration_us: 5,
      encode_error: stage,
    })
    expect(failures).toEqual([stage])
  })

  it('keeps kind and time when even the connection’s facts cannot be encoded', () => {
    const { sink, records } = open()
    sink.emit(
      { conn_id: 1 as never },
      { ...secret, who: { dialect: 3n as never, username: Symbol('x') as never } },
    )
    expect(records()).toMatchObject([{ event: 'statement', encode_error: 'encode' }])
  })

  it('keeps a message that could not be redacted, without its text and fields', () => {
    const { sink, lines } = open({
      redact: () => {
        throw new Error('no')
      },
    })
    const fields = { ascii: 'hunter2' }
    sink.emit(flow, { event: 'message', at: 1e15, who: secret.who, direction: '->', fields })
    expect(JSON.parse(lines[0]?.head ?? '')).toMatchObject({ conn_id: 'c1', encode_error: 'redact' })
    expect(lines[0]?.head).not.toContain('hunter2')
  })
})
