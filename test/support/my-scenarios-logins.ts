/** Log-ins that are broken, odd or too much, each with two queries along: what runs must be told. */
import {
  CLIENT_COMPRESS,
  CLIENT_CONNECT_ATTRS,
  CLIENT_CONNECT_WITH_DB,
  CLIENT_MYSQL,
  CLIENT_PLUGIN_AUTH,
  CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA,
  CLIENT_PROTOCOL_41,
  CLIENT_SECURE_CONNECTION,
  CLIENT_SSL,
} from '../../dumpers/mysql/capabilities.ts'
import type { Bytes } from '../../src/flow.ts'
import type { Scenario } from './my-scenario.ts'
import { frontend as f, packet, uint8, uint16, uint24, uint32 } from './my-wire.ts'

const { concat } = Buffer
const text = (value: string): Bytes => Buffer.from(value, 'latin1')
const F41 = CLIENT_PROTOCOL_41 | CLIENT_MYSQL
const SECURE = F41 | CLIENT_SECURE_CONNECTION
const PLUGIN = SECURE | CLIENT_PLUGIN_AUTH
const NATIVE = 'mysql_native_password'
const EVERY = ~(CLIENT_SSL | CLIENT_COMPRESS)

/** uint32 flags, uint32 packet size, uint8 collation, 23 bytes of filler, then what is told. */
const head = (flags: number, ...rest: readonly Bytes[]): Bytes =>
  concat([uint32(flags), uint32(1 << 24), uint8(45), Buffer.alloc(23), ...rest])

const ODD: readonly (readonly [name: string, response: Bytes])[] = [
  ['a user without its NUL', head(F41, text('root'))],
  ['no user', head(F41)],
  ['a byte less than a header', head(F41).subarray(0, -1)],
  ['no secret', head(SECURE, text('root\0'))],
  ['a secret longer than the packet', head(SECURE, text('root\0\x20abc'))],
  ['an old secret', head(F41, text('root\0\0'))],
  ['an old secret without its NUL', head(F41, text('root\0abc'))],
  ['no method', head(PLUGIN, text('root\0\0'))],
  ['a method without its NUL', head(PLUGIN, text(`root\0\0${NATIVE}`))],
  ['bytes behind the method', head(PLUGIN, text(`root\0\0${NATIVE}\0more\0\xff`))],
  ['a database that is flagged and not there', head(SECURE | CLIENT_CONNECT_WITH_DB, text('root\0\0'))],
  ['a database without its NUL', head(SECURE | CLIENT_CONNECT_WITH_DB, text('root\0\0shop'))],
  ['a database and no flag', head(SECURE, text('root\0\0shop\0'))],
  ...[
    '\xfb',
    '\xfc\0\0',
    '\xfe\0\0\0\0\0\0\0\0',
    '\xff',
    '\xfe\xff\xff\xff\xff\xff\xff\xff\xff',
    '\xfc\0',
  ].map(
    (secret, index) =>
      [
        `case 63: a length of the secret, ${index}`,
        head(SECURE | CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA, text(`root\0${secret}`)),
      ] as const,
  ),
  ...[
    '',
    '\0',
    '\x05',
    '\x05\x01a\x01b',
    '\x03\xfe\xff\x09',
    '\x04\x01a\x01b\x01c',
    '\xfb',
    '\xfe\xff\xff',
  ].map(
    (attributes, index) =>
      [
        `attributes, ${index}`,
        head(PLUGIN | CLIENT_CONNECT_ATTRS, text(`root\0\0${NATIVE}\0${attributes}`)),
      ] as const,
  ),
  ['every flag but two', head(EVERY, text(`root\0\0shop\0${NATIVE}\0\0`))],
  [
    'every flag of MariaDB’s too',
    concat([
      ...[uint32(EVERY & ~CLIENT_MYSQL), uint32(0), uint8(45), Buffer.alloc(19), uint32(0xffff_ffff)],
      text(`root\0\0shop\0${NATIVE}\0\0`),
    ]),
  ],
  ['the client of before 4.1', concat([uint16(0), uint24(1 << 20), text('root\0')])],
  ['the same without a NUL', concat([uint16(0), uint24(1 << 20), text('root')])],
  [
    'the same with a database',
    concat([uint16(CLIENT_CONNECT_WITH_DB), uint24(1 << 20), text('root\0\0shop\0')]),
  ],
  ['an empty packet', Buffer.alloc(0)],
  ['a packet of a byte', uint8(1)],
  ['a user whom nobody knows', head(SECURE, text(`${'r'.repeat(16)}\0\0`))],
  ['flags of MySQL’s own secret', head(SECURE, text('root\0\0'), Buffer.alloc(70_000, 'x'))],
]

export const LOGINS: readonly Scenario[] = ODD.map(([name, response]) => ({
  name: `case 28: ${name}`,
  opening: concat([packet(1, response), f.query('DO 1'), f.query('DO 2')]),
  opened: /^(ooo|.*e\$?|.*\$)$/,
  steps: [],
}))
