import { describe, expect, test } from 'vitest'
import { PgHandshake, refusal } from '../../../dumpers/pg/handshake.ts'
import type { Bytes } from '../../../src/flow.ts'
import { seededRandom, splitEvery, splitRandomly } from '../../support/chunks.ts'
import { type DialogueOutcome, holdDialogue, type Said } from '../../support/dialogue.ts'
import { backend, fromHex, frontend, int32, loggedIn, untyped } from '../../support/pg-wire.ts'

type Mode = 'refuse' | 'passthrough'

const client = (...bytes: Bytes[]): Said => ['frontend', Buffer.concat(bytes)]
const server = (...bytes: Bytes[]): Said => ['backend', Buffer.concat(bytes)]

const SSL = frontend.sslRequest()
const GSS = frontend.gssencRequest()
const STARTUP = frontend.startup({ user: 'u', database: 'd' })
const QUERY = frontend.query('select 1')
const CANCEL = frontend.cancelRequest(4711, int32(42))
const CLIENT_HELLO = fromHex('16 0301 0005 0100000100')
const ALERT = fromHex('15 0301 0002 02 28')
const NO = Buffer.from('N')
const YES = Buffer.from('S')
const LOGGED_IN = loggedIn()
const text = (...bytes: Bytes[]): string => Buffer.concat(bytes).toString('latin1')
const TOO_MANY = refusal({ reason: 'handshake', message: 'too many requests for encryption' })

type Row = [name: string, mode: Mode, said: Said[], expected: Partial<DialogueOutcome>]
const TABLE: Row[] = [
  [
    'refuse: a startup message goes on, and what follows it',
    'refuse',
    [client(STARTUP, QUERY), server(LOGGED_IN)],
    { toServer: text(STARTUP, QUERY), toClient: text(LOGGED_IN), end: 'done', refusable: true },
  ],
  [
    'refuse: SSLRequest is answered, never forwarded',
    'refuse',
    [client(SSL), client(STARTUP), server(LOGGED_IN)],
    { toServer: text(STARTUP), toClient: text(NO, LOGGED_IN), shown: text(SSL, STARTUP), end: 'done' },
  ],
  [
    'refuse: GSSENCRequest, then SSLRequest (libpq with gssencmode=prefer)',
    'refuse',
    [client(GSS), client(SSL), client(STARTUP)],
    { toServer: text(STARTUP), toClient: 'NN', shown: text(GSS, SSL, STARTUP), end: 'done' },
  ],
  [
    'refuse: SSLRequest, then GSSENCRequest',
    'refuse',
    [client(SSL), client(GSS), client(STARTUP)],
    { toServer: text(STARTUP), toClient: 'NN', end: 'done' },
  ],
  [
    'refuse: the same request again',
    'refuse',
    [client(SSL), client(SSL), client(STARTUP)],
    { toServer: text(STARTUP), toClient: 'NN', end: 'done' },
  ],
  [
    'refuse: requests without end',
    'refuse',
    [client(SSL, GSS, SSL, GSS, SSL), client(STARTUP)],
    { toServer: '', toClient: text(Buffer.from('NNNN'), TOO_MANY), end: 'refused: handshake' },
  ],
  [
    'refuse: early bytes are plain text, read like any other',
    'refuse',
    [client(SSL, STARTUP, QUERY)],
    { toServer: text(STARTUP, QUERY), toClient: 'N', shown: text(SSL, STARTUP, QUERY), end: 'done' },
  ],
  [
    'refuse: direct TLS is told so by an alert',
    'refuse',
    [client(CLIENT_HELLO)],
    { toServer: '', toClient: text(ALERT), end: 'refused: tls_refused' },
  ],
  [
    'refuse: TLS in spite of the answer, which a server that knows direct TLS would take',
    'refuse',
    [client(SSL), client(CLIENT_HELLO)],
    { toServer: '', toClient: text(NO, ALERT), end: 'refused: tls_refused' },
  ],
  [
    'refuse: CancelRequest, which nobody can refuse in words',
    'refuse',
    [client(CANCEL)],
    { toServer: text(CANCEL), toClient: '', end: 'done', refusable: false },
  ],
  [
    'refuse: CancelRequest behind SSLRequest',
    'refuse',
    [client(SSL), client(CANCEL)],
    { toServer: text(CANCEL), toClient: 'N', end: 'done' },
  ],
  [
    'refuse: a cancel key of 256 bytes (protocol 3.2)',
    'refuse',
    [client(frontend.cancelRequest(1, Buffer.alloc(256, 7)))],
    { toServer: text(frontend.cancelRequest(1, Buffer.alloc(256, 7))), end: 'done', refusable: false },
  ],
  [
    'refuse: the largest startup packet',
    'refuse',
    [client(untyped(Buffer.alloc(10_000)))],
    { toServer: text(untyped(Buffer.alloc(10_000))), end: 'done', refusable: true },
  ],
  [
    "refuse: a startup packet that is too long is the server's to refuse",
    'refuse',
    [client(untyped(Buffer.alloc(10_001)))],
    { toServer: text(untyped(Buffer.alloc(10_001))), end: 'done', refusable: false },
  ],
  [
    'refuse: a startup packet too short for its code',
    'refuse',
    [client(fromHex('00000007 000300'))],
    { toServer: text(fromHex('00000007 000300')), end: 'done', refusable: false },
  ],
  [
    'refuse: another protocol',
    'refuse',
    [client(Buffer.from('GET / HTTP/1.1\r\n\r\n'))],
    { toServer: 'GET / HTTP/1.1\r\n\r\n', toClient: '', end: 'done', refusable: false },
  ],
  [
    'refuse: an SSLRequest with more in it is one to the server',
    'refuse',
    [client(untyped(Buffer.concat([int32(80877103), int32(0)]))), client(STARTUP)],
    { toServer: text(STARTUP), toClient: 'N', end: 'done' },
  ],
  [
    'refuse: a startup message that is not complete is waited for',
    'refuse',
    [client(STARTUP.subarray(0, 20))],
    { toServer: '', toClient: '', end: 'open', refusable: false },
  ],
  [
    'refuse: what the server says first passes',
    'refuse',
    [server(backend.error({ S: 'FATAL', C: '53300', M: 'too many clients' })), client(STARTUP)],
    {
      toServer: text(STARTUP),
      toClient: text(backend.error({ S: 'FATAL', C: '53300', M: 'too many clients' })),
      end: 'done',
    },
  ],
  [
    'passthrough: a startup message goes on',
    'passthrough',
    [client(STARTUP, QUERY), server(LOGGED_IN)],
    { toServer: text(STARTUP, QUERY), toClient: text(LOGGED_IN), end: 'done', refusable: true },
  ],
  [
    'passthrough: the server answers N, the session goes on in plain text',
    'passthrough',
    [client(SSL), server(NO), client(STARTUP), server(LOGGED_IN)],
    { toServer: text(SSL, STARTUP), toClient: text(NO, LOGGED_IN), end: 'done', refusable: true },
  ],
  [
    'passthrough: the server answers S, the rest is its own',
    'passthrough',
    [client(SSL), server(YES), client(CLIENT_HELLO)],
    { toServer: text(SSL, CLIENT_HELLO), toClient: 'S', end: 'done', refusable: false },
  ],
  [
    'passthrough: the server answers G',
    'passthrough',
    [client(GSS), server(Buffer.from('G')), client(fromHex('00000001ff'))],
    { toServer: text(GSS, fromHex('00000001ff')), toClient: 'G', end: 'done' },
  ],
  [
    'passthrough: GSSENCRequest refused, then SSLRequest taken',
    'passthrough',
    [client(GSS), server(NO), client(SSL), server(YES), client(CLIENT_HELLO)],
    { toServer: text(GSS, SSL, CLIENT_HELLO), toClient: 'NS', end: 'done' },
  ],
  [
    'passthrough: an old server answers with an error',
    'passthrough',
    [client(SSL), server(backend.error({ S: 'FATAL', M: 'unsupported frontend protocol' }))],
    { toClient: text(backend.error({ S: 'FATAL', M: 'unsupported frontend protocol' })), end: 'done' },
  ],
  [
    'passthrough: early bytes wait for the answer',
    'passthrough',
    [client(SSL, STARTUP)],
    { toServer: text(SSL), toClient: '', end: 'open', refusable: false },
  ],
  [
    'passthrough: early bytes behind N are a startup message',
    'passthrough',
    [client(SSL, STARTUP, QUERY), server(NO)],
    { toServer: text(SSL, STARTUP, QUERY), toClient: 'N', end: 'done', refusable: true },
  ],
  [
    "passthrough: early bytes behind S are the server's to refuse (CVE-2021-23222)",
    'passthrough',
    [client(SSL, STARTUP), server(YES)],
    { toServer: text(SSL, STARTUP), toClient: 'S', end: 'done', refusable: false },
  ],
  [
    'passthrough: requests without end',
    'passthrough',
    [...Array.from({ length: 4 }, () => [client(SSL), server(NO)]).flat(), client(SSL)],
    {
      toServer: text(SSL, SSL, SSL, SSL),
      toClient: text(NO, NO, NO, NO, TOO_MANY),
      end: 'refused: handshake',
    },
  ],
  [
    'passthrough: direct TLS goes through',
    'passthrough',
    [client(CLIENT_HELLO), server(fromHex('16030300'))],
    { toServer: text(CLIENT_HELLO), toClient: text(fromHex('16030300')), end: 'done' },
  ],
  [
    'passthrough: CancelRequest',
    'passthrough',
    [client(CANCEL)],
    { toServer: text(CANCEL), end: 'done', refusable: false },
  ],
]

describe.each(TABLE)('%s', (_, mode, said, expected) => {
  test.each([
    ['whole', (bytes: Bytes) => [bytes]],
    ['byte by byte', (bytes: Bytes) => splitEvery(bytes, 1)],
    ...[1, 2, 3].map((seed): [string, (bytes: Bytes) => Bytes[]] => [
      `split by seed ${seed}`,
      (bytes) => splitRandomly(bytes, seededRandom(seed)),
    ]),
  ])('%s', (_name, split) => {
    const outcome = holdDialogue(new PgHandshake({ tlsClient: mode }), said, split)
    expect(outcome).toMatchObject(expected)
    if (outcome.end === 'done') {
      // what is not answered is forwarded, each byte once and in order
      expect(outcome.shown.endsWith(outcome.toServer)).toBe(true)
    }
  })
})

test('its bytes are copies: the chunk may be written over', () => {
  const handshake = new PgHandshake({ tlsClient: 'passthrough' })
  const chunk = Buffer.concat([SSL, STARTUP])
  const [forwarded] = handshake.feed('frontend', chunk)
  chunk.fill(0)
  const steps = handshake.feed('backend', NO)
  expect(forwarded).toMatchObject({ kind: 'forward', bytes: SSL })
  expect(steps).toMatchObject([{ from: 'backend' }, { from: 'frontend', bytes: STARTUP }, { kind: 'done' }])
})

test('never throws, whatever either side sends', () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = seededRandom(seed)
    const handshake = new PgHandshake({ tlsClient: seed % 2 === 0 ? 'refuse' : 'passthrough' })
    const bytes = Buffer.concat(
      Array.from({ length: 6 }, () => {
        const packets = [SSL, GSS, STARTUP, CANCEL, CLIENT_HELLO, QUERY, Buffer.from([random() * 256])]
        return packets[Math.floor(random() * packets.length)]!
      }),
    )
    for (const chunk of splitRandomly(bytes, random)) {
      const from = random() < 0.7 ? 'frontend' : 'backend'
      const steps = handshake.feed(from, chunk)
      if (steps.some(({ kind }) => kind === 'done' || kind === 'refuse')) break
    }
  }
})

describe('a refusal', () => {
  const split = (bytes: Bytes) => bytes.toString('latin1', 5).split('\0')

  test.each([
    ['connection_limit', '53300'],
    ['not_allowed', '28000'],
    ['shutdown', '57P01'],
    ['login_timeout', '57P05'],
    ['dial_refused', '08001'],
    ['anything else', '08001'],
  ])('%s is an ErrorResponse with SQLSTATE %s', (reason, code) => {
    const bytes = refusal({ reason, message: 'no' })
    expect(bytes[0]).toBe('E'.charCodeAt(0))
    expect(bytes.readInt32BE(1)).toBe(bytes.length - 1)
    expect(split(bytes)).toEqual(['SFATAL', 'VFATAL', `C${code}`, 'Mno', '', ''])
  })

  test('cannot be ended early by its message', () => {
    const bytes = refusal({ reason: 'dial_failed', message: 'a\0Mb' })
    expect(split(bytes)).toEqual(['SFATAL', 'VFATAL', 'C08001', 'MaMb', '', ''])
  })
})
