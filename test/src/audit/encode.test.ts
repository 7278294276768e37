import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createEncoder, type EncodeOptions } from '../../../src/audit/encode.ts'
import type {
  AuditEvent,
  AuditLife,
  BoundValues,
  FlowFacts,
  Line,
  MessageEvent,
  QueryText,
  Statement,
  Who,
} from '../../../src/event.ts'

const flow: FlowFacts = {
  remote_addr: '10.0.0.2:5432',
  client_addr: '10.0.0.9:40000',
  proxy_protocol_src_addr: '[2001:db8::1]:1234',
  listener: 'main',
  conn_id: 'c1',
}
const who: Who = {
  username: 'app',
  dialect: 'postgresql',
  database: 'shop',
  is_superuser: false,
  backend_pid: 7,
}
const AT = Date.UTC(2024, 4, 1, 9, 0, 0) * 1000 + 123

const textOf = (text: string, more: Partial<QueryText> = {}): QueryText => ({
  text,
  standardConformingStrings: true,
  dialect: 'postgresql',
  ...more,
})

const valuesOf = (texts: readonly (string | null)[], more: Partial<BoundValues> = {}): BoundValues => ({
  count: texts.length,
  text: (i) => texts[i] ?? null,
  byteLength: (i) => texts[i]?.length ?? -1,
  type: () => undefined,
  sha256: () => undefined,
  typesKnown: false,
  ...more,
})

const statement = (more: Partial<Statement> = {}): Statement => ({
  event: 'statement',
  at: AT,
  who,
  stmt_seq: 1,
  protocol: 'simple',
  text: textOf('SELECT 1'),
  ...more,
})

const encoder = (more: Partial<EncodeOptions> = {}) =>
  createEncoder({ format: 'json', host: 'db1', timezone: 'utc', bindValues: 'full', ...more })

const written = (line: Line, seq = 1): string =>
  line.tail === '' ? line.head : line.head + seq + line.tail
const json = (event: AuditEvent, more: Partial<EncodeOptions> = {}): Record<string, unknown> =>
  JSON.parse(written(encoder(more).encode(flow, event)))

/** Undoes audit/ltsv.ts. */
const parseLtsv = (line: string): Record<string, string> =>
  Object.fromEntries(
    line.split('\t').map((field) => {
      const colon = field.indexOf(':')
      const value = field.slice(colon + 1).replace(/\\(?:u([0-9a-f]{4})|(.))/g, (_, code, short) => {
        if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16))
        return { '\\': '\\', t: '\t', n: '\n', r: '\r', 0: '\0' }[short as string] ?? '?'
      })
      return [field.slice(0, colon), value]
    }),
  )

describe('a record as JSON', () => {
  it('has the documented keys in the documented order', () => {
    const event = statement({ outcome: 'success', command_tags: ['BEGIN', 'SELECT 1'], rows_returned: 1 })
    expect(written(encoder().encode(flow, event), 42)).toBe(
      '{"ts":"2024-05-01T09:00:00.000123Z","event":"statement","log_seq":42,"schema_version":1,"host":"db1",' +
        '"listener":"main","conn_id":"c1","client_addr":"10.0.0.9:40000","remote_addr":"10.0.0.2:5432",' +
        '"proxy_protocol_src_addr":"[2001:db8::1]:1234","dialect":"postgresql","username":"app",' +
        '"database":"shop","is_superuser":false,"backend_pid":7,"stmt_seq":1,"protocol":"simple",' +
        '"query":"SELECT 1","outcome":"success","command_tags":["BEGIN","SELECT 1"],"rows_returned":1}',
    )
  })

  it('leaves out keys whose value is undefined', () => {
    expect(json(statement({ stmt_name: undefined, values: undefined }))).not.toHaveProperty('stmt_name')
  })

  it('tells a text that was cut: length, hash, tail, and the bytes that are not valid', () => {
    const truncated = { bytes: 9_000_000, sha256: 'ab'.repeat(32), tail: '; DROP TABLE t' }
    const record = json(statement({ text: textOf('SELECT /*', { truncated, hex: '\\xff' }) }))
    expect(record).toMatchObject({
      query: 'SELECT /*',
      query_hex: '\\xff',
      query_truncated: true,
      query_len: 9_000_000,
      query_sha256: 'ab'.repeat(32),
      query_tail: '; DROP TABLE t',
    })
  })

  it('writes the text that a SQL-level EXECUTE ran', () => {
    const record = json(statement({ text: textOf('EXECUTE p'), executed: textOf('SELECT $1') }))
    expect(record).toMatchObject({ query: 'EXECUTE p', execute_query: 'SELECT $1' })
  })

  it('keeps the place of NULL among the values, and names types where they are known', () => {
    const values = valuesOf(['x', null, ''], {
      typesKnown: true,
      type: (i) => (i === 1 ? undefined : 'text'),
    })
    expect(json(statement({ values }))).toMatchObject({
      bind_values: ['x', null, ''],
      bind_types: ['text', null, 'text'],
    })
    expect(json(statement({ values: valuesOf(['x']) }))).not.toHaveProperty('bind_types')
  })

  it('tells lengths and hashes of values as soon as one was too long to be kept', () => {
    const values = valuesOf(['x', 'yyy', null], { sha256: (i) => (i === 1 ? 'cd' : undefined) })
    expect(json(statement({ values }))).toMatchObject({
      bind_values: ['x', 'yyy', null],
      bind_value_lens: [1, 3, null],
      bind_value_sha256s: [null, 'cd', null],
    })
  })

  it('writes only lengths, or nothing, of values where that is configured', () => {
    const event = statement({ values: valuesOf(['secret', null]) })
    expect(json(event, { bindValues: 'length' })).toMatchObject({ bind_value_lens: [6, null] })
    for (const bindValues of ['length', 'none'] as const) {
      expect(written(encoder({ bindValues }).encode(flow, event))).not.toContain('secret')
    }
    expect(json(event, { bindValues: 'none' })).not.toHaveProperty('bind_value_lens')
  })

  it('leaves the body of a malformed message out where values are not to be written', () => {
    const event = statement({ malformed: true, body_hex: '\\x736563726574' })
    expect(json(event)).toMatchObject({ malformed: true, body_hex: '\\x736563726574' })
    for (const bindValues of ['length', 'none'] as const) {
      const record = json(event, { bindValues })
      expect(record).toMatchObject({ malformed: true })
      expect(record).not.toHaveProperty('body_hex')
    }
  })

  it('writes the values of a bulk execute as an array of arrays', () => {
    const rows = [valuesOf(['1', null]), valuesOf(['2', 'b'])]
    const event = statement({ protocol: 'bulk', rows })
    const nested = [
      ['1', null],
      ['2', 'b'],
    ]
    expect(json(event)).toMatchObject({ bind_values: nested })
    expect(json(event, { bindValues: 'length' })).toMatchObject({
      bind_value_lens: [
        [1, null],
        [1, 1],
      ],
    })
  })

  it('writes the types of a bulk execute once, with or without values', () => {
    const typed = { typesKnown: true, type: (i: number) => ['LONG', 'VAR_STRING'][i] }
    const cut = { ...typed, sha256: (i: number) => (i === 1 ? 'ab' : undefined) }
    const rows = [valuesOf(['1', 'a'], typed), valuesOf(['2', 'b'], cut)]
    const event = statement({ protocol: 'bulk', rows })
    const types = { bind_types: ['LONG', 'VAR_STRING'] }
    expect(json(event)).toMatchObject({
      ...types,
      bind_value_sha256s: [
        [null, null],
        [null, 'ab'],
      ],
    })
    expect(json(event, { bindValues: 'length' })).toMatchObject(types)
    expect(json(event, { bindValues: 'none' })).not.toHaveProperty('bind_types')
  })

  it('writes the keys of MySQL as they are', () => {
    const keys = {
      stmt_id: 3,
      command: 'COM_INIT_DB',
      outcome: 'error',
      error_number: 1049,
      error_code: '42000',
      error_message: "Unknown database 'x'",
      results: ['OK 1', 'ROWS 2'],
      warnings: 2,
      last_insert_id: '18446744073709551615',
      character_set: 'utf8mb4',
      query_attributes: '{"traceparent":"00-1"}',
    } as const
    expect(json(statement({ protocol: 'command', ...keys }))).toMatchObject(keys)
    const { results, ...ltsv } = keys
    expect(
      parseLtsv(
        written(encoder({ format: 'ltsv' }).encode(flow, statement({ protocol: 'command', ...keys }))),
      ),
    ).toMatchObject({
      ...Object.fromEntries(Object.entries(ltsv).map(([key, value]) => [key, String(value)])),
      results: JSON.stringify(results),
    })
  })

  it('writes a change of user and a local file', () => {
    const change = {
      event: 'change_user',
      outcome: 'success',
      new_username: 'bob',
      new_database: 'shop',
      previous_username: 'app',
      auth_method: 'mysql_native_password',
      duration_us: 12,
    } as const
    expect(json({ ...change, at: AT, who })).toMatchObject({ ...change, username: 'app' })
    const infile = {
      event: 'local_infile',
      stmt_seq: 4,
      infile_name: '/etc/passwd',
      infile_bytes: 2,
      infile_sha256: 'ab',
    } as const
    expect(json({ ...infile, at: AT, who })).toMatchObject(infile)
  })

  it('gives the local time with its offset where that is configured', () => {
    const record = json(statement(), { timezone: 'local' })
    expect(record.ts).toMatch(/^2024-0[45]-\d\dT\d\d:\d\d:\d\d\.000123[+-]\d\d:\d\d$/)
    expect(Date.parse(record.ts as string)).toBe(Math.floor(AT / 1000))
  })

  it('never mixes up connections that share one Who, nor formats that share one text', () => {
    const encode = encoder()
    const text = textOf('SELECT "a\tb"')
    const ofConnection = (id: string) =>
      JSON.parse(written(encode.encode({ conn_id: id }, statement({ text }))))
    expect([ofConnection('a'), ofConnection('b'), ofConnection('a')].map((r) => r.conn_id)).toEqual([
      'a',
      'b',
      'a',
    ])
    const ltsv = written(encoder({ format: 'ltsv' }).encode(flow, statement({ text })))
    expect(parseLtsv(ltsv).query).toBe(text.text)
    expect(ofConnection('a').query).toBe(text.text)
  })

  it('encodes a frozen text', () => {
    expect(json(statement({ text: Object.freeze(textOf('SELECT 2')) })).query).toBe('SELECT 2')
  })

  it('writes the audit’s own life without a connection', () => {
    const life: AuditLife = { event: 'audit.loss', at: AT, fields: { lost_records: 3 } }
    expect(JSON.parse(written(encoder().encode(undefined, life)))).toEqual({
      ts: '2024-05-01T09:00:00.000123Z',
      event: 'audit.loss',
      log_seq: 1,
      schema_version: 1,
      host: 'db1',
      lost_records: 3,
    })
  })
})

describe('keys of the connection and the session', () => {
  const own = {
    backend_pid: 9,
    username: 'x',
    conn_id: 'x',
    ts: 'x',
    log_seq: 9,
    host: 'x',
    interface: 'x',
  }
  const keysOf = (line: Line): string[] =>
    [...written(line).matchAll(/[{,]"([a-z_]+)":/g)].map(([, key]) => key as string)

  it('are given once, though an event of a dumper of your own has them too', () => {
    const keys = keysOf(encoder().encode(flow, { event: 'cancel', at: AT, who, ...own }))
    expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([])
    expect(json({ event: 'cancel', at: AT, who, ...own })).toMatchObject({
      backend_pid: 7,
      username: 'app',
    })
  })

  it('are given once in a line per message', () => {
    const fields = { ...own, client_addr: 'x', direction: 'x' }
    const event: MessageEvent = { event: 'message', at: AT, who, direction: '->', fields }
    const keys = keysOf(encoder().encode(flow, event))
    expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([])
    expect(json(event)).toMatchObject({ username: 'app', direction: '->', backend_pid: 9 })
  })
})

describe('case 51: log forging', () => {
  const nasty = fc.string({ unit: 'binary', maxLength: 40 })
  const lone = fc.constantFrom(
    'a\nb',
    '\r',
    '\0',
    '\u2028',
    '\u2029',
    '\u0085',
    '\x9b31m',
    '\x1b]0;x\x07',
    '\ud800',
    '\udfff!',
    '\u202e',
    '\ufeff',
    'a:b\tc:d',
    '\\n',
    '","query":"x',
  )
  const hostile = fc.oneof(nasty, lone)
  const UNSAFE = /[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/u

  it('is one line of JSON that reads back as it was, whatever the traffic held', () => {
    fc.assert(
      fc.property(hostile, hostile, hostile, (text, value, name) => {
        const event = statement({
          who: { dialect: 'postgresql', username: name },
          text: textOf(text),
          values: valuesOf([value]),
          error_message: text,
        })
        const line = written(encoder().encode(flow, event))
        expect(line).not.toMatch(UNSAFE)
        expect(Buffer.from(line).toString()).toBe(line)
        expect(JSON.parse(line)).toMatchObject({
          username: name,
          query: text,
          bind_values: [value],
          error_message: text,
        })
      }),
    )
  })

  it('is one line of LTSV that reads back as it was, with the keys of JSON', () => {
    fc.assert(
      fc.property(hostile, hostile, (text, value) => {
        const event = statement({
          text: textOf(text),
          values: valuesOf([value, null]),
          error_message: value,
        })
        const line = written(encoder({ format: 'ltsv' }).encode(flow, event))
        expect(line).not.toMatch(/[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e]|\p{Surrogate}/u)
        const fields = parseLtsv(line)
        expect(Object.keys(fields)).toEqual(Object.keys(json(event)))
        expect(fields).toMatchObject({ query: text, error_message: value })
        expect(JSON.parse(fields.bind_values as string)).toEqual([value, null])
      }),
    )
  })

  it('lets no key of a user’s own dumper break a line', () => {
    const fields = { 'a\tb:c"': 1, at: 2, who: 'x', 'line\nend': true }
    const life: AuditLife = { event: 'audit.start', at: AT, fields }
    expect(JSON.parse(written(encoder().encode(undefined, life)))).toMatchObject(fields)
    const ltsv = parseLtsv(written(encoder({ format: 'ltsv' }).encode(undefined, life)))
    expect(ltsv).toMatchObject({ a_b_c_: '1', at: '2', who: 'x', line_end: 'true' })
  })
})

describe('detail = "message"', () => {
  const message: MessageEvent = {
    event: 'message',
    at: AT,
    who,
    direction: '->',
    text_key: 'parse_query',
    text: textOf('SELECT $1'),
    values_key: 'stmt_execute_values',
    values: valuesOf(['1', null]),
    fields: { conn_seq_num: 3, message_type: 'P', stmt_name: 's' },
  }

  it('has tcpdp’s keys and no others, and carries no number', () => {
    const line = encoder().encode(flow, message)
    expect(line.tail).toBe('')
    expect(JSON.parse(line.head)).toEqual({
      ts: '2024-05-01T09:00:00.000123Z',
      conn_id: 'c1',
      client_addr: '10.0.0.9:40000',
      remote_addr: '10.0.0.2:5432',
      proxy_protocol_src_addr: '[2001:db8::1]:1234',
      username: 'app',
      database: 'shop',
      direction: '->',
      conn_seq_num: 3,
      message_type: 'P',
      stmt_name: 's',
      parse_query: 'SELECT $1',
      stmt_execute_values: ['1', null],
    })
  })
})
