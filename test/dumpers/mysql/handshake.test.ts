import { describe, expect, test } from 'vitest'
import { MysqlHandshake } from '../../../dumpers/mysql/handshake.ts'
import { refusal } from '../../../dumpers/mysql/refusal.ts'
import type { Bytes } from '../../../src/flow.ts'
import { seededRandom, splitEvery, splitRandomly } from '../../support/chunks.ts'
import { type DialogueOutcome, holdDialogue, type Said } from '../../support/dialogue.ts'

type Mode = 'refuse' | 'passthrough'

const client = (...bytes: Bytes[]): Said => ['frontend', Buffer.concat(bytes)]
const server = (...bytes: Bytes[]): Said => ['backend', Buffer.concat(bytes)]
const text = (...bytes: Bytes[]): string => Buffer.concat(bytes).toString('latin1')

const uint16 = (value: number): Bytes => Buffer.from([value & 0xff, value >>> 8])
const uint32 = (value: number): Bytes =>
  Buffer.concat([uint16(value & 0xffff), uint16((value >>> 16) & 0xffff)])
const packet = (seq: number, ...parts: Bytes[]): Bytes => {
  const payload = Buffer.concat(parts)
  return Buffer.concat([uint32(payload.length).subarray(0, 3), Buffer.from([seq]), payload])
}
const latin1 = (words: string): Bytes => Buffer.from(words, 'latin1')

const SSL = 1 << 11
const PROTOCOL_41 = 1 << 9
const ZSTD = 1 << 26
/** of a MySQL 8 without TLS and zstd */
const PLAIN = (0xdfff_ffff & ~SSL & ~ZSTD) >>> 0

/** A greeting of version 10 with these capabilities, all of it. */
const greeting = (capabilities: number, version = '8.0.36'): Bytes =>
  packet(
    0,
    latin1(`\n${version}\0`),
    uint32(4711),
    latin1('scramble\0'),
    uint16(capabilities & 0xffff),
    latin1('\xff\x02\0'),
    uint16(capabilities >>> 16),
    latin1(`\x15${'\0'.repeat(10)}and the rest\0caching_sha2_password\0`),
  )

/** A greeting that ends behind the lower flags, or behind what follows them. */
const shortGreeting = (capabilities: number, rest: string): Bytes =>
  packet(
    0,
    latin1('\n3.23.58\0'),
    uint32(1),
    latin1('scramble\0'),
    uint16(capabilities & 0xffff),
    latin1(rest),
  )

const sslRequest = (capabilities: number): Bytes =>
  packet(1, uint32(capabilities), uint32(1 << 24), latin1(`\xff${'\0'.repeat(23)}`))
const response = (capabilities: number): Bytes =>
  packet(
    1,
    uint32(capabilities),
    uint32(1 << 24),
    latin1(`\xff${'\0'.repeat(23)}app\0\x14${'s'.repeat(20)}shop\0`),
  )
const OLD_RESPONSE = packet(1, uint16(0x0485), latin1('\0\0\0app\0scramble'))
const LOGGED_IN = packet(2, latin1('\0\0\0\x02\0\0\0'))
const PING = packet(0, latin1('\x0e'))
const CLIENT_HELLO = latin1('\x16\x03\x01\0\x05\x01\0\0\x01\0')
const TOO_MANY = packet(0, latin1('\xff\x10\x04Too many connections'))

const err = (seq: number, sqlstate: string): Bytes =>
  packet(seq, latin1(`\xff\x13\x04${sqlstate}TLS is not offered here: connect without it`))

const CLIENT_41 = (PLAIN & 0x00ff_ffff) | PROTOCOL_41

type Row = [name: string, mode: Mode, said: Said[], expected: Partial<DialogueOutcome>]
const TABLE: Row[] = [
  [
    'refuse: the greeting goes on without CLIENT_SSL, the rest of it as it was',
    'refuse',
    [server(greeting(PLAIN | SSL))],
    { toClient: text(greeting(PLAIN)), toServer: '', end: 'open', refusable: false },
  ],
  [
    'refuse: a client that merely prefers TLS goes on in plain text',
    'refuse',
    [server(greeting(PLAIN | SSL)), client(response(CLIENT_41)), server(LOGGED_IN), client(PING)],
    {
      toClient: text(greeting(PLAIN), LOGGED_IN),
      toServer: text(response(CLIENT_41), PING),
      shown: text(response(CLIENT_41), PING),
      end: 'done',
    },
  ],
  [
    'refuse: of a server without TLS nothing is altered',
    'refuse',
    [server(greeting(PLAIN)), client(response(CLIENT_41 | SSL))],
    { toClient: text(greeting(PLAIN)), toServer: text(response(CLIENT_41 | SSL)), end: 'open' },
  ],
  [
    'refuse: a request for TLS that was not offered',
    'refuse',
    [server(greeting(PLAIN | SSL)), client(sslRequest(CLIENT_41 | SSL))],
    {
      toClient: text(greeting(PLAIN), err(2, '#08S01')),
      toServer: '',
      shown: text(sslRequest(CLIENT_41 | SSL)),
      end: 'refused: tls_refused',
    },
  ],
  [
    'refuse: the request of four bytes that old Java clients send',
    'refuse',
    [server(greeting(PLAIN | SSL)), client(packet(1, uint32(CLIENT_41 | SSL)))],
    { toServer: '', end: 'refused: tls_refused' },
  ],
  [
    'refuse: the request of the protocol before 4.1',
    'refuse',
    [server(greeting(PLAIN | SSL)), client(packet(1, uint16(SSL), latin1('\xff\xff\xff')))],
    { toClient: text(greeting(PLAIN), err(2, '')), toServer: '', end: 'refused: tls_refused' },
  ],
  [
    'refuse: a whole response that claims TLS is read in plain text, as by a server without it',
    'refuse',
    [server(greeting(PLAIN | SSL)), client(response(CLIENT_41 | SSL), PING)],
    { toServer: text(response(CLIENT_41), PING), shown: text(response(CLIENT_41), PING), end: 'open' },
  ],
  [
    'refuse: a response before 4.1',
    'refuse',
    [server(greeting(PLAIN | SSL)), client(OLD_RESPONSE)],
    { toServer: text(OLD_RESPONSE), end: 'open' },
  ],
  [
    'refuse: a response said before the greeting has come waits for it',
    'refuse',
    [client(response(CLIENT_41 | SSL), PING), server(greeting(PLAIN | SSL))],
    { toClient: text(greeting(PLAIN)), toServer: text(response(CLIENT_41), PING), end: 'open' },
  ],
  [
    'refuse: nothing of the client goes on while the greeting is awaited',
    'refuse',
    [client(response(CLIENT_41), PING)],
    { toServer: '', toClient: '', end: 'open', refusable: true },
  ],
  [
    'a log-in of several rounds, until the server says OK',
    'refuse',
    [
      server(greeting(PLAIN | SSL)),
      client(response(CLIENT_41)),
      server(packet(2, latin1('\xfeclient_ed25519\0scramble'))),
      client(packet(3, latin1('PROX and more of an answer'))),
      server(packet(4, latin1('\x01more\0'))),
      client(packet(5, Buffer.alloc(0)), PING),
      server(packet(6, latin1('\0\0\0\x02\0\0\0'))),
      client(latin1('PROXY is the beginning of anything now')),
    ],
    {
      toServer: text(
        response(CLIENT_41),
        packet(3, latin1('PROX and more of an answer')),
        packet(5, Buffer.alloc(0)),
        PING,
        latin1('PROXY is the beginning of anything now'),
      ),
      end: 'done',
    },
  ],
  [
    'a log-in that is refused',
    'passthrough',
    [
      server(greeting(PLAIN)),
      client(response(CLIENT_41)),
      server(packet(2, latin1('\xff\x15\x04#28000no'))),
    ],
    { end: 'done' },
  ],
  [
    'a server that gives up before its client has said anything',
    'refuse',
    [server(greeting(PLAIN | SSL)), server(packet(1, latin1('\xff\x87\x04#08S01slow')))],
    { toClient: text(greeting(PLAIN), packet(1, latin1('\xff\x87\x04#08S01slow'))), end: 'done' },
  ],
  [
    "a PROXY header of the client's own, later in the log-in, hides no statement",
    'refuse',
    [
      server(greeting(PLAIN)),
      client(response(CLIENT_41)),
      server(packet(2, latin1('\xfemysql_native_password\0scramble\0'))),
      client(latin1('PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n'), packet(3, Buffer.alloc(0)), PING),
    ],
    { end: 'refused: proxy_header' },
  ],
  ...(['refuse', 'passthrough'] as const).flatMap((mode) =>
    ['PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n', '\r\n\r\n\0\r\nQUIT\n'].map(
      (header, index): Row => [
        `${mode}: a PROXY header of the client's own, version ${index + 1}, hides no log-in`,
        mode,
        [server(greeting(PLAIN)), client(latin1(header), response(CLIENT_41 | SSL))],
        { end: 'refused: proxy_header' },
      ],
    ),
  ),
  [
    'refuse: a client of the X protocol speaks first, and is not kept waiting',
    'refuse',
    [client(latin1('\x01\0\0\0\x01')), server(latin1('\x05\0\0\0\x0b\x08\x05\x1a\0'))],
    {
      toServer: '\x01\0\0\0\x01',
      toClient: '\x05\0\0\0\x0b\x08\x05\x1a\0',
      end: 'done',
    },
  ],
  [
    "refuse: a response of no meaning is the server's to refuse",
    'refuse',
    [server(greeting(PLAIN | SSL)), client(packet(1, latin1('x')), PING)],
    { toServer: text(packet(1, latin1('x')), PING), end: 'open' },
  ],
  [
    'refuse: another protocol',
    'refuse',
    [server(greeting(PLAIN | SSL)), client(latin1('GET / HTTP/1.1\r\n\r\n'))],
    { end: 'open' },
  ],
  [
    'refuse: a greeting that ends behind its lower flags',
    'refuse',
    [server(shortGreeting(SSL | 0x2c, '')), client(OLD_RESPONSE)],
    { toClient: text(shortGreeting(0x2c, '')), toServer: text(OLD_RESPONSE), end: 'open' },
  ],
  [
    'refuse: a greeting without upper flags',
    'refuse',
    [server(shortGreeting(SSL | 0x2c, '\x08\x02\0')), client(OLD_RESPONSE)],
    { toClient: text(shortGreeting(0x2c, '\x08\x02\0')), end: 'open' },
  ],
  [
    'refuse: a greeting without flags',
    'refuse',
    [server(packet(0, latin1('\n3.20\0\x01\0\0\0scramble')))],
    { toClient: text(packet(0, latin1('\n3.20\0\x01\0\0\0scramble'))), end: 'done' },
  ],
  [
    'refuse: protocol 9',
    'refuse',
    [server(packet(0, latin1('\t3.20.1\0\x01\0\0\0scramble\0')))],
    { toClient: text(packet(0, latin1('\t3.20.1\0\x01\0\0\0scramble\0'))), end: 'done' },
  ],
  [
    'ERR in place of the greeting',
    'refuse',
    [server(TOO_MANY)],
    { toClient: text(TOO_MANY), toServer: '', end: 'done', refusable: false },
  ],
  [
    'a greeting in one chunk with more',
    'refuse',
    [server(greeting(PLAIN | SSL), LOGGED_IN)],
    { toClient: text(greeting(PLAIN), LOGGED_IN), end: 'done' },
  ],
  [
    'passthrough: the greeting stays, what follows is not looked at',
    'passthrough',
    [server(greeting(PLAIN | SSL)), client(sslRequest(CLIENT_41 | SSL), CLIENT_HELLO)],
    {
      toClient: text(greeting(PLAIN | SSL)),
      toServer: text(sslRequest(CLIENT_41 | SSL), CLIENT_HELLO),
      end: 'done',
    },
  ],
]

const SPLITS: readonly [string, (bytes: Bytes) => Bytes[]][] = [
  ['whole', (bytes) => [bytes]],
  ['byte by byte', (bytes) => splitEvery(bytes, 1)],
  ...[1, 2, 3].map((seed): [string, (bytes: Bytes) => Bytes[]] => [
    `split by seed ${seed}`,
    (bytes) => splitRandomly(bytes, seededRandom(seed)),
  ]),
]

describe.each(TABLE)('%s', (_, mode, said, expected) => {
  test.each(SPLITS)('%s', (_name, split) => {
    const handshake = new MysqlHandshake({ tlsClient: mode }, true)
    expect(holdDialogue(handshake, said, split)).toMatchObject({ notes: [], ...expected })
  })
})

test('every split in two of a greeting and its response', () => {
  const said = [server(greeting(PLAIN | SSL)), client(response(CLIENT_41 | SSL))]
  for (let at = 1; at < Math.max(...said.map(([, bytes]) => bytes.length)); at++) {
    const handshake = new MysqlHandshake({ tlsClient: 'refuse' }, true)
    const split = (bytes: Bytes) => [bytes.subarray(0, at), bytes.subarray(at)]
    const outcome = holdDialogue(handshake, said, split)
    expect(outcome).toMatchObject({ toClient: text(greeting(PLAIN)), toServer: text(response(CLIENT_41)) })
  }
})

describe('zstd on a Node that has none', () => {
  const NOTE = expect.stringContaining('zstd')

  test.each(SPLITS)('is hidden in the greeting, and said so: %s', (_name, split) => {
    const said = [server(greeting(PLAIN | SSL | ZSTD)), client(sslRequest(CLIENT_41 | SSL))]
    const handshake = new MysqlHandshake({ tlsClient: 'passthrough' }, false)
    expect(holdDialogue(handshake, said, split)).toMatchObject({
      toClient: text(greeting(PLAIN | SSL)),
      toServer: text(sslRequest(CLIENT_41 | SSL)),
      notes: [NOTE],
      end: 'done',
    })
  })

  test('with TLS refused as well', () => {
    const said = [server(greeting(PLAIN | SSL | ZSTD)), client(response(CLIENT_41))]
    const handshake = new MysqlHandshake({ tlsClient: 'refuse' }, false)
    const outcome = holdDialogue(handshake, said, (bytes) => [bytes])
    expect(outcome).toMatchObject({ toClient: text(greeting(PLAIN)), notes: [NOTE], end: 'open' })
  })

  test('a client that claims it even so is read by the server without it', () => {
    const said = [server(greeting(PLAIN | ZSTD)), client(response(CLIENT_41 | ZSTD))]
    const handshake = new MysqlHandshake({ tlsClient: 'passthrough' }, false)
    const outcome = holdDialogue(handshake, said, (bytes) => [bytes])
    expect(outcome).toMatchObject({ toServer: text(response(CLIENT_41)), end: 'open' })
  })

  test('is no matter where the server has none', () => {
    const handshake = new MysqlHandshake({ tlsClient: 'passthrough' }, false)
    const outcome = holdDialogue(handshake, [server(greeting(PLAIN))], (bytes) => [bytes])
    expect(outcome).toMatchObject({ toClient: text(greeting(PLAIN)), notes: [], end: 'open' })
  })
})

test('a version without an end does not wait for ever', () => {
  const handshake = new MysqlHandshake({ tlsClient: 'refuse' }, true)
  const endless = Buffer.concat([latin1('\xff\xff\xff\0\n'), Buffer.alloc(40_000, 'x')])
  const outcome = holdDialogue(handshake, [server(endless)], (bytes) => splitEvery(bytes, 4000))
  expect(outcome).toMatchObject({ toClient: text(endless), end: 'done' })
})

test('its bytes are copies: the chunk may be written over', () => {
  const handshake = new MysqlHandshake({ tlsClient: 'refuse' }, true)
  const chunk = greeting(PLAIN | SSL)
  const [forwarded] = handshake.feed('backend', chunk)
  expect(chunk.equals(greeting(PLAIN | SSL))).toBe(true)
  chunk.fill(0)
  expect(forwarded).toMatchObject({ kind: 'forward', bytes: greeting(PLAIN) })
})

test('never throws, whatever either side sends', () => {
  const packets = [
    greeting(PLAIN | SSL),
    sslRequest(SSL),
    response(CLIENT_41),
    TOO_MANY,
    PING,
    CLIENT_HELLO,
  ]
  for (let seed = 0; seed < 500; seed++) {
    const random = seededRandom(seed)
    const handshake = new MysqlHandshake({ tlsClient: seed % 2 ? 'refuse' : 'passthrough' }, seed % 3 > 0)
    const bytes = Buffer.concat(
      Array.from({ length: 5 }, () => {
        const bytes = Buffer.from(packets[Math.floor(random() * packets.length)]!)
        if (random() < 0.5) bytes[Math.floor(random() * bytes.length)] = random() * 256
        return bytes
      }),
    )
    for (const chunk of splitRandomly(bytes, random)) {
      const steps = handshake.feed(random() < 0.5 ? 'frontend' : 'backend', chunk)
      if (steps.some(({ kind }) => kind === 'done' || kind === 'refuse')) break
    }
  }
})

describe('a refusal', () => {
  test.each([
    ['connection_limit', 1040],
    ['not_allowed', 1130],
    ['shutdown', 1053],
    ['login_timeout', 1159],
    ['tls_refused', 1043],
    ['dial_refused', 1429],
    ['anything else', 1429],
  ])('%s is an ERR packet in place of the greeting, number %i', (reason, number) => {
    expect(refusal({ reason, message: 'no' })).toEqual(
      packet(0, Buffer.from([0xff]), uint16(number), latin1('no')),
    )
  })

  test('of the limit looks like that of MariaDB', () => {
    expect(refusal({ reason: 'connection_limit', message: 'Too many connections' })).toEqual(TOO_MANY)
  })
})
