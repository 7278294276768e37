import { describe, expect, test } from 'vitest'
import {
  type Capabilities,
  CLIENT_OPTIONAL_RESULTSET_METADATA,
  CLIENT_PROTOCOL_41,
  CLIENT_SESSION_TRACK,
  CLIENT_TRANSACTIONS,
  MARIADB_CLIENT_CACHE_METADATA,
  MARIADB_CLIENT_EXTENDED_METADATA,
} from '../../../dumpers/mysql/capabilities.ts'
import {
  decodeColumnDefinition,
  decodeEof,
  decodeErr,
  decodeOk,
  decodePrepareOk,
  decodeResultSetHeader,
} from '../../../dumpers/mysql/decode.ts'
import { ProtocolError } from '../../../src/errors.ts'
import { MysqlCursor } from '../../../src/framing/mysql-cursor.ts'
import { fromHex } from '../../support/pg-wire.ts'

const OLD: Capabilities = { flags: 0, mariadb: 0 }
const P41: Capabilities = { flags: CLIENT_PROTOCOL_41, mariadb: 0 }
const TRACK: Capabilities = { flags: CLIENT_PROTOCOL_41 | CLIENT_SESSION_TRACK, mariadb: 0 }
const OPTIONAL: Capabilities = {
  flags: CLIENT_PROTOCOL_41 | CLIENT_OPTIONAL_RESULTSET_METADATA,
  mariadb: 0,
}
const CACHE: Capabilities = { flags: CLIENT_PROTOCOL_41, mariadb: MARIADB_CLIENT_CACHE_METADATA }
const EXTENDED: Capabilities = { flags: CLIENT_PROTOCOL_41, mariadb: MARIADB_CLIENT_EXTENDED_METADATA }

type Decode = (body: MysqlCursor, capabilities: Capabilities) => object

const OK = {
  kind: 'Ok',
  affectedRows: 0,
  lastInsertId: 0,
  status: 2,
  warnings: 0,
  info: undefined,
  changes: [],
}
const ERR = { kind: 'Err', number: 1064, sqlstate: '42000', message: Buffer.from('no'), progress: false }
const PREPARED = { kind: 'PrepareOk', id: 7, columns: 1, params: 2, warnings: 3, metadataFollows: true }
const COLUMN = { kind: 'ColumnDefinition', name: Buffer.from('n'), type: 3, flags: 0x21, collation: 0x2d }
const FIXED = '0c 2d00 0b000000 03 2100 00 0000'

// [name, decoder, capabilities, hex, expected]
const TABLE: [string, Decode, Capabilities, string, object][] = [
  ['OK', decodeOk, P41, '00 00 00 0200 0000', OK],
  ['OK in place of an EOF', decodeOk, P41, 'fe 00 00 0200 0000', OK],
  [
    'OK with figures',
    decodeOk,
    P41,
    '00 fc2c01 fe0000000000000080 0300 0100',
    { ...OK, affectedRows: 300, lastInsertId: '9223372036854775808', status: 3, warnings: 1 },
  ],
  ['OK with info', decodeOk, P41, '00 00 00 0200 0000 02 6869', { ...OK, info: Buffer.from('hi') }],
  [
    'OK with info as the manual has it',
    decodeOk,
    P41,
    '00 00 00 0200 0000 6869',
    { ...OK, info: Buffer.from('hi') },
  ],
  ['OK with no info', decodeOk, TRACK, '00 00 00 0200 0000 00', OK],
  ['OK before 4.1', decodeOk, OLD, '00 01 00', { ...OK, affectedRows: 1, status: 0, warnings: undefined }],
  [
    'OK before 4.1 with its status',
    decodeOk,
    { flags: CLIENT_TRANSACTIONS, mariadb: 0 },
    '00 01 00 0200',
    { ...OK, affectedRows: 1, warnings: undefined },
  ],
  [
    'OK with changes',
    decodeOk,
    TRACK,
    `00 00 00 0240 0000 00 # no info
     1b # changes
     00 0d 0a 6175746f636f6d6d6974 01 30 # a variable
     01 03 02 6462 # the schema
     02 02 01 31 # that there were some
     05 01 00 # a transaction's state`,
    {
      ...OK,
      status: 0x4002,
      changes: [
        { kind: 'variable', name: 'autocommit', value: '0' },
        { kind: 'schema', name: 'db' },
        { kind: 'other', type: 2 },
        { kind: 'transaction', state: '' },
      ],
    },
  ],
  [
    'OK whose status tells of changes that the client does not get',
    decodeOk,
    P41,
    '00 00 00 0240 0000',
    { ...OK, status: 0x4002 },
  ],
  ['ERR', decodeErr, P41, 'ff 2804 23 3432303030 6e6f', ERR],
  ['ERR before 4.1', decodeErr, OLD, 'ff 2804 6e6f', { ...ERR, sqlstate: undefined }],
  [
    'ERR whose message begins with #',
    decodeErr,
    OLD,
    'ff 2804 23 61206e6f7465',
    { ...ERR, sqlstate: undefined, message: Buffer.from('#a note') },
  ],
  [
    'ERR without a message',
    decodeErr,
    P41,
    'ff 2804',
    { ...ERR, sqlstate: undefined, message: Buffer.alloc(0) },
  ],
  [
    'a progress report',
    decodeErr,
    P41,
    'ff ffff 01 01 02 a08601 02 6869',
    { ...ERR, number: 0xffff, sqlstate: undefined, message: Buffer.alloc(0), progress: true },
  ],
  ['EOF', decodeEof, P41, 'fe 0100 0a00', { kind: 'Eof', warnings: 1, status: 10 }],
  ['EOF before 4.1', decodeEof, OLD, 'fe', { kind: 'Eof', warnings: undefined, status: 0 }],
  ['PrepareOk', decodePrepareOk, P41, '00 07000000 0100 0200 00 0300', PREPARED],
  [
    'PrepareOk of 4.1.0',
    decodePrepareOk,
    P41,
    '00 07000000 0100 0200',
    { ...PREPARED, warnings: undefined },
  ],
  [
    'PrepareOk and its definitions',
    decodePrepareOk,
    OPTIONAL,
    '00 07000000 0100 0200 00 0300 01',
    PREPARED,
  ],
  [
    'PrepareOk without its definitions',
    decodePrepareOk,
    OPTIONAL,
    '00 07000000 0100 0200 00 0300 00',
    { ...PREPARED, metadataFollows: false },
  ],
  [
    'a result of one column',
    decodeResultSetHeader,
    P41,
    '01',
    { kind: 'ResultSetHeader', columns: 1, metadataFollows: true },
  ],
  [
    'a result of many columns',
    decodeResultSetHeader,
    P41,
    'fc 0010',
    { kind: 'ResultSetHeader', columns: 4096, metadataFollows: true },
  ],
  [
    'a result without its definitions, MySQL',
    decodeResultSetHeader,
    OPTIONAL,
    '02 00',
    { kind: 'ResultSetHeader', columns: 2, metadataFollows: false },
  ],
  [
    'a result without its definitions, MariaDB',
    decodeResultSetHeader,
    CACHE,
    '02 00',
    { kind: 'ResultSetHeader', columns: 2, metadataFollows: false },
  ],
  [
    'a result with its definitions, MariaDB',
    decodeResultSetHeader,
    CACHE,
    '02 01',
    { kind: 'ResultSetHeader', columns: 2, metadataFollows: true },
  ],
  ['a column', decodeColumnDefinition, P41, `03 646566 01 64 01 74 00 01 6e 01 6f ${FIXED}`, COLUMN],
  [
    'a column with more about its type',
    decodeColumnDefinition,
    EXTENDED,
    `03 646566 00 00 00 01 6e 00 06 00 04 6a736f6e ${FIXED}`,
    COLUMN,
  ],
  [
    'a column before 4.1',
    decodeColumnDefinition,
    OLD,
    '01 74 01 6e 03 0b0000 01 03 03 2100 00',
    { ...COLUMN, collation: undefined },
  ],
]

describe('packets', () => {
  test.each(TABLE)('%s', (_, decode, capabilities, hex, expected) => {
    const bytes = Buffer.concat([fromHex('aaaa'), fromHex(hex), fromHex('0bbb')])
    expect(decode(new MysqlCursor(bytes, 2, bytes.length - 2), capabilities)).toEqual(expected)
  })

  test.each(TABLE)(
    '%s, cut anywhere: an error of the protocol, or less of it',
    (_, decode, capabilities, hex) => {
      const bytes = fromHex(hex)
      for (let end = 0; end < bytes.length; end++) {
        try {
          decode(new MysqlCursor(bytes, 0, end), capabilities)
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
      }
    },
  )
})
