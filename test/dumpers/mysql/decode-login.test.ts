import { describe, expect, test } from 'vitest'
import {
  type Capabilities,
  CLIENT_COMPRESS,
  CLIENT_MYSQL,
  CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA,
  CLIENT_PROTOCOL_41,
  CLIENT_SECURE_CONNECTION,
  CLIENT_SSL,
  has,
  hasMariadb,
  MARIADB_CLIENT_CACHE_METADATA,
  MARIADB_CLIENT_STMT_BULK_OPERATIONS,
} from '../../../dumpers/mysql/capabilities.ts'
import {
  decodeAuthSwitch,
  decodeChangeUser,
  decodeGreeting,
  decodeHandshakeResponse,
} from '../../../dumpers/mysql/decode-login.ts'
import type { HandshakeResponse } from '../../../dumpers/mysql/packets.ts'
import { ProtocolError } from '../../../src/errors.ts'
import type { Bytes } from '../../../src/flow.ts'
import { MysqlCursor } from '../../../src/framing/mysql-cursor.ts'
import { backend, CLIENT_DEFAULT, fromHex, frontend, SERVERS } from '../../support/my-wire.ts'

/** The payload of a packet. */
const payloadOf = (packet: Bytes): Bytes => packet.subarray(4)

/** A cursor on a payload between other bytes. */
const cursorOn = (payload: Bytes): MysqlCursor => {
  const bytes = Buffer.concat([fromHex('aaaa'), payload, fromHex('bb0b')])
  return new MysqlCursor(bytes, 2, bytes.length - 2)
}

/** What cut payloads come to: a packet, or an error of the protocol. */
const decodesAllCut = (payload: Bytes, decode: (body: MysqlCursor) => unknown): void => {
  for (let end = 0; end < payload.length; end++) {
    try {
      decode(cursorOn(payload.subarray(0, end)))
    } catch (error) {
      expect(error).toBeInstanceOf(ProtocolError)
    }
  }
}

// as MariaDB 10.11 sent it
const REAL_MARIADB = `0a 352e352e352d31302e31312e31392d4d6172696144422d302b646562313275312d6c6f6700 # version
  05000000 5360696d6a4c7a46 00 fef7 08 0200 ff81 15 000000000000 1d000000
  2c465c7b7766753b666d747c00 6d7973716c5f6e61746976655f70617373776f726400`

// [name, payload, expected]
const GREETINGS: [string, Bytes, object][] = [
  [
    'MariaDB 10.11, as it was sent',
    fromHex(REAL_MARIADB),
    {
      serverVersion: '10.11.19-MariaDB-0+deb12u1-log',
      threadId: 5,
      capabilities: { flags: 0x81fff7fe | 0, mariadb: 0x1d },
      characterSet: 8,
      status: 2,
      authPlugin: 'mysql_native_password',
      mariadb: true,
    },
  ],
  [
    'MySQL 8.0',
    backend.greeting(SERVERS.mysql80),
    {
      serverVersion: '8.0.36',
      threadId: 42,
      capabilities: { flags: 0xdfffffff | 0, mariadb: 0 },
      authPlugin: 'caching_sha2_password',
      mariadb: false,
    },
  ],
  [
    'MySQL, whose reserved bytes are not read',
    backend.greeting({ ...SERVERS.mysql56, mariadb: 0x1d }),
    { serverVersion: '5.6.51-log', capabilities: { flags: 0x807ff7ff | 0, mariadb: 0 }, mariadb: false },
  ],
  [
    'MySQL 5.1: no methods',
    backend.greeting({ version: '5.1.73', flags: 0xf7ff }),
    { serverVersion: '5.1.73', capabilities: { flags: 0xf7ff, mariadb: 0 }, authPlugin: undefined },
  ],
  [
    'MySQL 4.0: nothing behind the capabilities',
    fromHex('0a 342e302e3000 2a000000 6162636465666768 00 2c20'),
    { protocol: 10, serverVersion: '4.0.0', capabilities: { flags: 0x202c, mariadb: 0 } },
  ],
  [
    'a version that only looks like it',
    backend.greeting({ ...SERVERS.mysql56, version: '5.5.5-10' }),
    { serverVersion: '5.5.5-10' },
  ],
  [
    'protocol version 9',
    backend.greeting9(),
    { protocol: 9, serverVersion: '3.21.33', threadId: 42, capabilities: { flags: 0, mariadb: 0 } },
  ],
]

describe('greetings', () => {
  test.each(GREETINGS)('%s', (_, payload, expected) => {
    expect(decodeGreeting(cursorOn(payload))).toMatchObject({ kind: 'Greeting', ...expected })
    decodesAllCut(payload, decodeGreeting)
  })

  test.each(['ff', '08 00', '0b 00', ''])('of no version known: %s', (hex) => {
    expect(() => decodeGreeting(cursorOn(fromHex(hex)))).toThrow(ProtocolError)
  })
})

const capabilitiesOf = (server: { readonly flags: number; readonly mariadb: number }): Capabilities =>
  server
const MYSQL80 = capabilitiesOf(SERVERS.mysql80)
const MARIADB = capabilitiesOf(SERVERS.mariadb)

const respond = (packet: Bytes, server = MYSQL80, secured = true): HandshakeResponse => {
  const decoded = decodeHandshakeResponse(cursorOn(payloadOf(packet)), server, secured)
  decodesAllCut(payloadOf(packet), (body) => decodeHandshakeResponse(body, server, secured))
  if (decoded.kind !== 'HandshakeResponse') throw new Error(decoded.kind)
  return decoded
}
const texts = (all: readonly Bytes[]): string[] => all.map(String)

describe('log-ins', () => {
  const OPTIONS = { user: 'üser', database: 'dätabase', attrs: { _os: 'Linux', empty: '' }, collation: 33 }
  // [name, flags]
  const SECRETS: [string, number][] = [
    ['a lenenc one', CLIENT_DEFAULT],
    ['one with a byte for its length', CLIENT_DEFAULT & ~CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA],
    ['a cstring', CLIENT_DEFAULT & ~CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA & ~CLIENT_SECURE_CONNECTION],
  ]

  test.each(SECRETS)('of 4.1, its secret %s', (_, flags) => {
    const response = respond(frontend.response41({ ...OPTIONS, flags, zstdLevel: 3, maxPacket: 77 }))
    const { username, database, connectAttrs, ...rest } = response
    expect([username, database, ...connectAttrs].map(String)).toEqual([
      ...['üser', 'dätabase'],
      ...['_os', 'Linux', 'empty', ''],
    ])
    expect(rest).toMatchObject({
      maxPacket: 77,
      collation: 33,
      authPlugin: 'mysql_native_password',
      zstdLevel: 3,
    })
    expect(JSON.stringify(response)).not.toContain('0123456789')
  })

  test('of 4.1, with a secret longer than a byte can tell', () => {
    const response = respond(frontend.response41({ ...OPTIONS, secret: Buffer.alloc(3000, 'x') }))
    expect([response.username, response.database].map(String)).toEqual(['üser', 'dätabase'])
  })

  test('of 4.1, with nothing', () => {
    const flags = CLIENT_PROTOCOL_41 | CLIENT_MYSQL
    const response = respond(frontend.response41({ user: '', secret: Buffer.alloc(0), flags }))
    expect(response).toMatchObject({
      username: Buffer.alloc(0),
      database: undefined,
      authPlugin: undefined,
      connectAttrs: [],
      zstdLevel: undefined,
    })
  })

  test('an empty database is none', () => {
    expect(respond(frontend.response41({ database: '' })).database).toBeUndefined()
  })

  test('a database and a method that end with the packet', () => {
    const whole = payloadOf(frontend.response41({ database: 'db', flags: CLIENT_PROTOCOL_41 }))
    const response = decodeHandshakeResponse(cursorOn(whole.subarray(0, -1)), MYSQL80, true)
    expect(response).toMatchObject({ database: Buffer.from('db'), authPlugin: undefined })
  })

  test('what the server has not is not there', () => {
    const packet = frontend.response41({ database: 'db', flags: CLIENT_DEFAULT | CLIENT_COMPRESS })
    const { capabilities } = respond(packet, { flags: MYSQL80.flags & ~CLIENT_COMPRESS, mariadb: 0 })
    expect(has(capabilities, CLIENT_COMPRESS)).toBe(false)
    expect(has(respond(packet).capabilities, CLIENT_COMPRESS)).toBe(true)
  })

  test("MariaDB's own capabilities, where both are MariaDB's", () => {
    const bulk = MARIADB_CLIENT_STMT_BULK_OPERATIONS
    const packet = frontend.response41({ mariadb: bulk | (1 << 20) })
    const { capabilities } = respond(packet, MARIADB)
    expect(capabilities.mariadb).toBe(bulk)
    expect([bulk, MARIADB_CLIENT_CACHE_METADATA].map((flag) => hasMariadb(capabilities, flag))).toEqual([
      true,
      false,
    ])
    expect(respond(packet, MYSQL80).capabilities.mariadb).toBe(0)
    expect(respond(frontend.response41(), MARIADB).capabilities.mariadb).toBe(0)
  })

  test('attributes that break off', () => {
    const packet = frontend.response41({ attrs: { a: '1', b: '2' } })
    const broken = Buffer.from(packet)
    broken[broken.length - 2] = 9
    expect(texts(respond(packet).connectAttrs)).toEqual(['a', '1', 'b', '2'])
    expect(texts(respond(broken).connectAttrs)).toEqual(['a', '1'])
  })

  test.each([
    [{ user: 'old', database: 'db' }, 'db'],
    [{ user: 'old' }, undefined],
  ])('before 4.1: %j', (options, database) => {
    const response = respond(frontend.response320(options))
    expect(response).toMatchObject({ collation: undefined, authPlugin: undefined, maxPacket: 1 << 20 })
    expect([response.username.toString(), response.database?.toString()]).toEqual(['old', database])
    expect(has(response.capabilities, CLIENT_PROTOCOL_41)).toBe(false)
  })

  test('a request for TLS, and the log-in that comes inside it', () => {
    const flags = CLIENT_DEFAULT | CLIENT_SSL
    const decode = (packet: Bytes, server: Capabilities, secured: boolean): string =>
      decodeHandshakeResponse(cursorOn(payloadOf(packet)), server, secured).kind
    expect(decode(frontend.sslRequest(), MYSQL80, false)).toBe('SslRequest')
    expect(decode(frontend.response41({ flags }), MYSQL80, false)).toBe('SslRequest')
    expect(decode(frontend.response41({ flags }), MYSQL80, true)).toBe('HandshakeResponse')
    const noTls = { flags: MYSQL80.flags & ~CLIENT_SSL, mariadb: 0 }
    expect(decode(frontend.response41({ flags }), noTls, false)).toBe('HandshakeResponse')
  })
})

describe('COM_CHANGE_USER', () => {
  const change = (packet: Bytes, flags = CLIENT_DEFAULT) => {
    const capabilities = { flags: flags | (1 << 20), mariadb: 0 }
    decodesAllCut(payloadOf(packet), (body) => decodeChangeUser(body, capabilities))
    return decodeChangeUser(cursorOn(payloadOf(packet)), capabilities)
  }

  test('with all it may have', () => {
    const { username, database, connectAttrs, ...rest } = change(
      frontend.changeUser({ user: 'me', database: 'db', collation: 255, attrs: { a: '1' } }),
    )
    expect(texts([username, database ?? Buffer.alloc(0), ...connectAttrs])).toEqual(['me', 'db', 'a', '1'])
    expect(rest).toEqual({ kind: 'ChangeUser', collation: 255, authPlugin: 'mysql_native_password' })
  })

  test('with nothing behind the database', () => {
    const payload = payloadOf(frontend.changeUser({ user: 'me', flags: CLIENT_PROTOCOL_41 }))
    const decoded = decodeChangeUser(cursorOn(payload.subarray(0, -2)), { flags: 0, mariadb: 0 })
    expect(decoded).toMatchObject({ database: undefined, collation: undefined, authPlugin: undefined })
    expect(decoded.username.toString()).toBe('me')
  })
})

test.each([
  [backend.authSwitch('caching_sha2_password'), 'caching_sha2_password'],
  [backend.oldAuthSwitch(), 'mysql_old_password'],
  [backend.authNextFactor('authentication_fido'), 'authentication_fido'],
  [fromHex('fe 6162'), 'ab'],
])('an authentication method asked for: %#', (payload, plugin) => {
  expect(decodeAuthSwitch(cursorOn(payload))).toEqual({ kind: 'AuthSwitchRequest', plugin })
})
