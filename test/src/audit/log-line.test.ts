import { describe, expect, it } from 'vitest'
import { createEncoder } from '../../../src/audit/encode.ts'
import { LineHead, readCheckpoint, readFields } from '../../../src/audit/log-line.ts'
import type { AuditEvent, AuditLife } from '../../../src/event.ts'

const FORMATS = ['json', 'ltsv'] as const
const SEAL = 'ab'.repeat(32)
const AT = Date.UTC(2024, 4, 1, 9) * 1000

const encoded = (format: 'json' | 'ltsv', event: AuditEvent, timezone: 'utc' | 'local' = 'utc'): Buffer => {
  const encoder = createEncoder({ format, host: 'h', timezone, bindValues: 'full' })
  const { head, tail } = encoder.encode(undefined, event)
  return Buffer.from(tail === '' ? `${head}\n` : `${head}42${tail}\n`)
}

const statement = (text: string): AuditEvent =>
  ({ event: 'statement', at: AT, who: { dialect: 'd' }, text: { text } }) as unknown as AuditEvent

const checkpoint = (fields: AuditLife['fields']): AuditLife => ({
  event: 'audit.checkpoint',
  at: AT,
  fields: { file: 'a\tb\\c"é', ...fields, seal: SEAL },
})

describe.each(FORMATS)('%s', (format) => {
  it.each(['utc', 'local'] as const)('time (%s), kind and number are read', (timezone) => {
    const head = new LineHead()
    const line = encoded(format, statement('SELECT 1'), timezone)
    expect(head.read(Buffer.concat([Buffer.from('before\n'), line]), 7)).toBe(true)
    expect(line.toString('latin1', head.timeStart - 7, head.timeEnd - 7)).toMatch(/^2024-05-01T\d\d:00:00/)
    expect([head.seq, head.isLife, head.isCheckpoint]).toEqual([42, false, false])
  })

  it('no text is taken for a checkpoint', () => {
    const line = encoded(format, checkpoint({})).toString()
    const head = new LineHead()
    expect(head.read(encoded(format, statement(line)), 0)).toBe(true)
    expect(head.isCheckpoint).toBe(false)
    expect(readCheckpoint(encoded(format, statement(line)))).toBeUndefined()
  })

  it('a line of tcpdp has no number', () => {
    const who = { dialect: 'd' }
    const message = { event: 'message', at: AT, who, direction: '->', fields: {} } as unknown as AuditEvent
    const head = new LineHead()
    expect(head.read(encoded(format, message), 0)).toBe(true)
    expect([head.seq, head.isLife]).toEqual([0, false])
  })

  it('a checkpoint is read to its last byte', () => {
    const line = encoded(format, checkpoint({ records: 7 }))
    const read = readCheckpoint(line)
    expect(read).toMatchObject({ seal: SEAL, signature: '' })
    expect(line.toString('latin1', read?.sealAt, (read?.sealAt ?? 0) + 64)).toBe(SEAL)
    expect(Number(read?.fields.records)).toBe(7)
    expect(read?.fields.file).toBe('a\tb\\c"é')
    for (let at = (read?.sealAt ?? 0) + 64; at < line.length; at++) {
      const altered = Buffer.from(line)
      altered[at] = (altered[at] as number) ^ 1
      expect(readCheckpoint(altered)).toBeUndefined()
    }
    expect(readCheckpoint(line.subarray(0, -1))).toBeUndefined()
    expect(readCheckpoint(Buffer.concat([line.subarray(0, -1), Buffer.from(' \n')]))).toBeUndefined()
  })

  it('what no encoder writes is no record', () => {
    const line = encoded(format, statement('x')).toString()
    const head = new LineHead()
    for (const broken of [
      '',
      '\n',
      'ts',
      '{',
      line.replace('statement', 'statemint'),
      line.replace('42', 'x'),
    ])
      expect(head.read(Buffer.from(broken), 0)).toBe(false)
  })

  it('values are read back', () => {
    const text = 'tab\t, line\n, quote ", backslash \\, é, \u2028, nul \0'
    const life = { event: 'audit.delete', at: AT, fields: { file: text, bytes: 3 } } as const
    const fields = readFields(encoded(format, life).toString())
    expect(fields?.file).toBe(text)
    expect(Number(fields?.bytes)).toBe(3)
  })
})

it('broken JSON has no values', () => {
  expect(readFields('{"ts":')).toBeUndefined()
})
