import { describe, expect, test } from 'vitest'
import { UTF8 } from '../../../dumpers/common/text-decoding.ts'
import { COM } from '../../../dumpers/mysql/capabilities.ts'
import { sayCommand } from '../../../dumpers/mysql/said.ts'
import { MysqlCursor } from '../../../src/framing/mysql-cursor.ts'

const FORM = { dialect: 'mysql', standardConformingStrings: false } as const

const say = (code: number, hex: string): string | undefined => {
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex')
  return sayCommand(code, new MysqlCursor().reset(bytes, 0, bytes.length), UTF8, FORM)?.text
}

const hexOf = (text: string): string => Buffer.from(text).toString('hex')

/** [what, code, body behind the code, in words] */
const CASES: readonly (readonly [string, number, string, string | undefined])[] = [
  [
    'a dump from a file',
    COM.BINLOG_DUMP,
    // position, flags, server id, file
    `04000000 0000 02000000 ${hexOf('bin.000005')}`,
    'bin.000005 position 4 server_id 2',
  ],
  ['a dump from where MariaDB knows', COM.BINLOG_DUMP, '04000000 0000 02000000', 'position 4 server_id 2'],
  [
    'a dump from a set of GTIDs',
    COM.BINLOG_DUMP_GTID,
    // flags, server id, no file, position, length, 1 source, 2 intervals: 1-5 and 7
    `0400 02000000 00000000 0400000000000000 40000000 0100000000000000
     3e11fa4771ca11e19e33c80aa9429562 0200000000000000
     0100000000000000 0600000000000000 0700000000000000 0800000000000000`.replaceAll(/\s/g, ''),
    'position 4 server_id 2 gtid_set 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7',
  ],
  [
    'a replica, without its password',
    COM.REGISTER_SLAVE,
    // server id, host, user, password, port, rank, source
    `09000000 03${hexOf('db2')} 04${hexOf('repl')} 06${hexOf('secret')} ea0c 00000000 00000000`,
    'server_id 9 port 3306 host db2 user repl',
  ],
  ['what is refreshed', COM.REFRESH, '05', 'GRANT TABLES'],
  ['a table', COM.TABLE_DUMP, `04${hexOf('shop')} 01${hexOf('t')}`, 'shop t'],
  ['any other', COM.DEBUG, '', undefined],
]

describe('sayCommand', () => {
  test.each(CASES)('%s', (_name, code, hex, words) => {
    expect(say(code, hex)).toBe(words)
  })

  test.each(CASES.filter(([, code]) => code !== COM.DEBUG))('throws when it is cut: %s', (_name, code) => {
    expect(() => say(code, '')).toThrow()
  })

  test('says the first thousand intervals of a set that is made to be long', () => {
    const interval = '01000000000000000200000000000000'
    const source = `${'00'.repeat(16)}d007000000000000${interval.repeat(2000)}`
    const words = say(COM.BINLOG_DUMP_GTID, `0000${'00'.repeat(16)}01000000 0100000000000000${source}`)
    expect(words?.match(/:1/g)).toHaveLength(1000)
    expect(words).toMatch(/…$/)
  })
})
