import { Readable } from 'node:stream'
import { parse, serialize } from 'pg-protocol'
import { describe, expect, test } from 'vitest'
import {
  decodeAuthentication,
  decodeBackendKeyData,
  decodeBind,
  decodeErrorResponse,
  decodeExecute,
  decodeFunctionCall,
  decodeNamed,
  decodeNegotiateProtocolVersion,
  decodeParameterDescription,
  decodeParameterStatus,
  decodeParse,
  decodeQuery,
  decodeStartup,
} from '../../../dumpers/pg/decode.ts'
import { ProtocolError } from '../../../src/errors.ts'
import type { Bytes } from '../../../src/flow.ts'
import { Cursor } from '../../../src/framing/cursor.ts'
import { backend, fromHex, int32 } from '../../support/pg-wire.ts'

type Decode = (body: Cursor) => unknown

// [name, decoder, hex, expected]; the hex is the body, without type and length
const TABLE: [string, Decode, string, unknown][] = [
  [
    'StartupMessage',
    decodeStartup,
    `0003 0000            # version 3.0
     75736572 00 626f62 00 # user, bob
     00`,
    { kind: 'StartupMessage', major: 3, minor: 0, parameters: ['user', 'bob'] },
  ],
  [
    'StartupMessage of protocol 3.9999 with an option of the protocol (grease)',
    decodeStartup,
    `0003 270f
     5f70715f2e78 00 31 00 # _pq_.x, 1
     75736572 00 00        # user, empty
     00`,
    { kind: 'StartupMessage', major: 3, minor: 9999, parameters: ['_pq_.x', '1', 'user', ''] },
  ],
  ['SSLRequest', decodeStartup, '04d2 162f', { kind: 'SSLRequest' }],
  ['GSSENCRequest', decodeStartup, '04d2 1630', { kind: 'GSSENCRequest' }],
  [
    'CancelRequest',
    decodeStartup,
    '04d2 162e  00001267  deadbeef # process id, key',
    { kind: 'CancelRequest', pid: 4711, key: fromHex('deadbeef') },
  ],
  ['a startup packet of protocol 2', decodeStartup, '0002 0000', { kind: 'UnknownStartup', code: 0x20000 }],
  ['Query', decodeQuery, '73656c656374 00', { start: 0, end: 6 }],
  ['Query of nothing', decodeQuery, '00', { start: 0, end: 0 }],
  [
    'Parse',
    decodeParse,
    `7331 00          # statement s1
     73656c 00        # query
     0002             # parameters
     00000017         # int4
     00000000         # left to the server`,
    { kind: 'Parse', statement: 's1', query: { start: 3, end: 6 }, oids: [23, 0] },
  ],
  [
    'Parse of no name, no parameters',
    decodeParse,
    '00 73656c 00 0000',
    { kind: 'Parse', statement: '', query: { start: 1, end: 4 }, oids: [] },
  ],
  [
    'Parse with a type above 2^31',
    decodeParse,
    '00 00 0001 ffffffff',
    { kind: 'Parse', statement: '', query: { start: 1, end: 1 }, oids: [4294967295] },
  ],
  [
    'Bind',
    decodeBind,
    `7031 00          # portal
     7331 00          # statement
     0002 0000 0001   # formats: text, binary
     0003             # values
     00000001 61      # "a"
     ffffffff         # NULL
     00000000         # empty
     0001 0001        # result format`,
    {
      kind: 'Bind',
      portal: 'p1',
      statement: 's1',
      formats: [0, 1],
      count: 3,
      values: { start: 14, end: 27 },
    },
  ],
  [
    'Bind of nothing',
    decodeBind,
    '00 00 0000 0000 0000',
    { kind: 'Bind', portal: '', statement: '', formats: [], count: 0, values: { start: 6, end: 6 } },
  ],
  [
    'Bind with one format for all values (case 63)',
    decodeBind,
    '00 00  0001 0001  0002 00000001 61 00000001 62  0000',
    { kind: 'Bind', portal: '', statement: '', formats: [1], count: 2, values: { start: 8, end: 18 } },
  ],
  [
    'FunctionCall',
    decodeFunctionCall,
    `000004d2         # function 1234
     0001 0001        # formats
     0001 00000001 78 # values
     0000             # result format`,
    { kind: 'FunctionCall', oid: 1234, formats: [1], count: 1, values: { start: 10, end: 15 } },
  ],
  ['Execute', decodeExecute, '7031 00 0000000a', { kind: 'Execute', portal: 'p1', maxRows: 10 }],
  ['Describe or Close of a statement', decodeNamed, '53 7331 00', { of: 'S', name: 's1' }],
  ['Describe or Close of a portal', decodeNamed, '50 00', { of: 'P', name: '' }],
  ['ParameterStatus', decodeParameterStatus, '61 00 6f66 66 00', { name: 'a', value: 'off' }],
  ['ParameterDescription', decodeParameterDescription, '0002 00000017 00000019', [23, 25]],
]

const messageOf = (name: string, hex: string): { message: Cursor; bytes: Bytes } => {
  const bytes = fromHex(hex)
  // bytes of the messages beside it must not be read
  const all = Buffer.concat([Buffer.from([0xaa]), bytes, Buffer.alloc(8, 0x61), Buffer.alloc(1)])
  if (bytes.length === 0) throw new Error(`${name}: nothing to decode`)
  return { bytes, message: new Cursor(all.subarray(1), 0, bytes.length) }
}

/** Decodes; the code of the ProtocolError it throws; anything else that is thrown is thrown on. */
const attempt = (decode: Decode, bytes: Bytes): string => {
  try {
    decode(new Cursor(bytes))
    return 'decoded'
  } catch (error) {
    if (error instanceof ProtocolError) return error.code
    throw error
  }
}

describe('decodes', () => {
  test.each(TABLE)('%s', (name, decode, hex, expected) => {
    expect(decode(messageOf(name, hex).message)).toEqual(expected)
  })
})

describe('of a body that was cut anywhere, throws a ProtocolError', () => {
  test.each(TABLE)('%s', (name, decode, hex) => {
    const { bytes } = messageOf(name, hex)
    const codes = Array.from(bytes, (_, end) => attempt(decode, bytes.subarray(0, end)))
    // a cancel key takes all that is left
    const least = name === 'CancelRequest' ? 8 : bytes.length
    for (const code of codes.slice(0, least)) expect(['short', 'invalid']).toContain(code)
  })
})

describe('of a body with a byte too many, throws a ProtocolError', () => {
  const closed: Decode[] = [
    decodeQuery,
    decodeParse,
    decodeBind,
    decodeFunctionCall,
    decodeExecute,
    decodeNamed,
  ]
  test.each(TABLE.filter(([, decode]) => closed.includes(decode)))('%s', (name, decode, hex) => {
    const { bytes } = messageOf(name, hex)
    expect(attempt(decode, Buffer.concat([bytes, Buffer.alloc(1)]))).toBe('overlong')
  })
})

// [name, decoder, hex, code]
const MALFORMED: [string, Decode, string, string][] = [
  ['a startup message cut after the word user (case 63)', decodeStartup, '00030000 75736572 00', 'invalid'],
  ['a startup message without its last NUL', decodeStartup, '00030000 75736572 00 62 00', 'invalid'],
  ['a Query without its NUL', decodeQuery, '73656c', 'invalid'],
  ['more types than there are', decodeParse, '00 00 ffff 00000017', 'short'],
  ['more formats than there are', decodeBind, '00 00 ffff 0000', 'short'],
  ['more values than there are', decodeBind, '00 00 0000 ffff 00000000', 'short'],
  ['a value longer than its message', decodeBind, '00 00 0000 0001 7fffffff 61 0000', 'short'],
  ['a negative length other than NULL', decodeBind, '00 00 0000 0001 fffffffe 0000', 'invalid'],
  ['more result formats than there are', decodeBind, '00 00 0000 0000 0002 0000', 'short'],
  ['a Describe of neither', decodeNamed, '51 00', 'invalid'],
  ['a ParameterDescription that promises too much', decodeParameterDescription, 'ffff 00000017', 'short'],
]

describe('refuses', () => {
  test.each(MALFORMED)('%s', (_, decode, hex, code) => {
    expect(attempt(decode, fromHex(hex))).toBe(code)
  })
})

describe("pg-protocol's messages", () => {
  const bodyOf = (bytes: Bytes) => new Cursor(bytes.subarray(5))

  test('Parse', () => {
    const bytes = serialize.parse({ name: 'n', text: 'select $1', types: [25] })
    expect(decodeParse(bodyOf(bytes))).toMatchObject({ statement: 'n', oids: [25] })
  })

  test('Bind, text and binary', () => {
    const bytes = serialize.bind({ portal: 'p', statement: 'n', values: ['x', null, fromHex('00')] })
    expect(decodeBind(bodyOf(bytes))).toMatchObject({ portal: 'p', formats: [0, 0, 1], count: 3 })
  })

  test('Execute, Describe, Close', () => {
    expect(decodeExecute(bodyOf(serialize.execute({ portal: 'p', rows: 7 })))).toMatchObject({
      portal: 'p',
      maxRows: 7,
    })
    expect(decodeNamed(bodyOf(serialize.describe({ type: 'P', name: 'p' })))).toEqual({
      of: 'P',
      name: 'p',
    })
    expect(decodeNamed(bodyOf(serialize.close({ type: 'S', name: 's' })))).toEqual({ of: 'S', name: 's' })
  })

  test('startup, SSLRequest, CancelRequest', () => {
    const startup = decodeStartup(new Cursor(serialize.startup({ user: 'u', database: 'd' }).subarray(4)))
    expect(startup).toMatchObject({ kind: 'StartupMessage', major: 3, minor: 0 })
    expect(decodeStartup(new Cursor(serialize.requestSsl().subarray(4)))).toEqual({ kind: 'SSLRequest' })
    expect(decodeStartup(new Cursor(serialize.cancel(7, 9).subarray(4)))).toEqual({
      kind: 'CancelRequest',
      pid: 7,
      key: int32(9),
    })
  })
})

describe('backend messages are read as pg-protocol reads them', () => {
  const oracle = async (bytes: Bytes): Promise<Record<string, unknown>> => {
    let read: object = {}
    await parse(Readable.from([bytes]), (message) => {
      read = message
    })
    return read as Record<string, unknown>
  }
  const bodyOf = (bytes: Bytes) => new Cursor(bytes, 5)
  const utf8 = (bytes: Bytes) => bytes.toString('utf8')

  test('ErrorResponse', async () => {
    const bytes = backend.error({
      ...{ S: 'FEHLER', V: 'ERROR', C: '23505', M: 'doppelter Schlüssel', D: 'Key (a)=(1)', H: 'hint' },
      ...{
        P: '7',
        p: '3',
        q: 'select 1',
        W: 'PL/pgSQL function f()',
        s: 'public',
        t: 't',
        F: 'x.c',
        L: '1',
      },
    })
    const theirs = await oracle(bytes)
    expect(decodeErrorResponse(bodyOf(bytes), utf8)).toEqual({
      error_severity: 'ERROR',
      error_code: theirs.code,
      error_message: theirs.message,
      error_detail: theirs.detail,
      error_hint: theirs.hint,
      error_internal_query: theirs.internalQuery,
      error_context: theirs.where,
    })
  })

  test('ErrorResponse of a server that knows no V', () => {
    const bytes = backend.error({ S: 'ERROR', C: '42601', M: 'no' })
    expect(decodeErrorResponse(bodyOf(bytes), utf8)).toEqual({
      error_severity: 'ERROR',
      error_code: '42601',
      error_message: 'no',
    })
  })

  test('ErrorResponse that was cut anywhere gives the fields that came whole', () => {
    const bytes = backend.error({ V: 'ERROR', C: '42601', M: 'no' })
    for (let end = 5; end <= bytes.length; end++) {
      const error = decodeErrorResponse(new Cursor(bytes, 5, end), utf8)
      expect({ error_severity: 'ERROR', error_code: '42601', error_message: 'no' }).toMatchObject(error)
    }
  })

  test('ParameterStatus, BackendKeyData', async () => {
    const status = backend.parameterStatus('TimeZone', 'Europe/Berlin')
    const { parameterName, parameterValue } = await oracle(status)
    expect(decodeParameterStatus(bodyOf(status))).toEqual({ name: parameterName, value: parameterValue })
    const key = backend.backendKeyData(4711, int32(99))
    const { processID, secretKey } = await oracle(key)
    expect(decodeBackendKeyData(bodyOf(key))).toEqual({ pid: processID, key: int32(secretKey as number) })
  })

  test.each([
    [0, '', undefined, 'authenticationOk'],
    [3, '', 'password', 'authenticationCleartextPassword'],
    [5, '01020304', 'md5', 'authenticationMD5Password'],
    [10, '534352414d2d5348412d323536 00 00', 'scram-sha-256', 'authenticationSASL'],
  ])('Authentication %i', async (code, more, method, theirs) => {
    const bytes = backend.authentication(code, fromHex(more))
    expect((await oracle(bytes)).name).toBe(theirs)
    expect(decodeAuthentication(bodyOf(bytes))).toEqual(method === undefined ? { code } : { code, method })
  })
})

test.each([
  [2, 'kerberos'],
  [7, 'gss'],
  [9, 'sspi'],
])('Authentication %i, which pg-protocol does not read', (code, method) => {
  expect(decodeAuthentication(new Cursor(int32(code)))).toEqual({ code, method })
})

test('BackendKeyData of protocol 3.2 has a key of up to 256 bytes', () => {
  const key = Buffer.alloc(256, 7)
  expect(decodeBackendKeyData(new Cursor(Buffer.concat([int32(1), key])))).toEqual({ pid: 1, key })
})

test.each([
  ['the newest minor version', 2],
  ['a whole version, as since 18', (3 << 16) | 2],
])('NegotiateProtocolVersion with %s', (_, version) => {
  expect(decodeNegotiateProtocolVersion(new Cursor(Buffer.concat([int32(version), int32(0)])))).toEqual({
    minor: 2,
  })
})
