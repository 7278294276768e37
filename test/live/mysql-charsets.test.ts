/** The servers are the oracle for collation ids and for what the bytes of each character set mean. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { charsetOfCollation, decodingOfCharset } from '../../dumpers/mysql/charsets.ts'
import { describeLive } from '../support/live.ts'
import { startMariaDb } from '../support/mariadb.ts'
import type { MyServer } from '../support/my-server.ts'
import { startMysql56 } from '../support/mysql56.ts'
import type { ServerName } from '../support/servers.ts'

const SINGLE_BYTE = [
  ...['armscii8', 'cp1250', 'cp1251', 'cp1256', 'cp1257', 'cp850', 'cp852', 'cp866', 'dec8', 'geostd8'],
  ...['greek', 'hebrew', 'hp8', 'keybcs2', 'koi8r', 'koi8u', 'latin1', 'latin2', 'latin5', 'latin7'],
  ...['macce', 'macroman', 'tis620'],
]
const MULTI_BYTE = ['big5', 'cp932', 'eucjpms', 'euckr', 'gb2312', 'gbk', 'sjis', 'ujis']
/** What the servers make of bytes that are no character. */
const isNone = (hex = ''): boolean => hex === '' || hex === 'NULL' || hex.startsWith('003F')

const asking = (name: string, kind: ServerName, start: () => Promise<MyServer>, mariadb: boolean) =>
  describeLive(`character sets: ${name}`, [kind], () => {
    let server: MyServer
    beforeAll(async () => {
      server = await start()
    })
    afterAll(() => server?.stop())

    test('every collation id is of the set that the server says', async () => {
      const table = mariadb ? 'collation_character_set_applicability' : 'collations'
      const output = await server.sql(`select id, character_set_name from information_schema.${table}`)
      const lines = output
        .trim()
        .split('\n')
        .map((line) => line.split('\t') as [string, string])
        .filter(([id]) => Number(id) > 0)
      expect(lines.length).toBeGreaterThan(200)
      const wrong = lines.filter(([id, charset]) => {
        const own = charsetOfCollation(Number(id), mariadb)
        return own !== (charset === 'utf8' ? 'utf8mb3' : charset)
      })
      expect(wrong).toEqual([])
    })

    /** UTF-16 of each of the codes, as hex, as the server converts it. */
    const converted = async (charset: string, codes: readonly string[]): Promise<string[]> => {
      const expressions = codes.map(
        (hex) => `hex(convert(convert(x'${hex}' using ${charset}) using utf16))`,
      )
      return (await server.sql(`select ${expressions.join(',')}`)).replace(/\n$/, '').split('\t')
    }
    const ours = (charset: string, hex: string): string =>
      Buffer.from(decodingOfCharset(charset).text(Buffer.from(hex, 'hex')), 'utf16le')
        .swap16()
        .toString('hex')
        .toUpperCase()

    test.each(SINGLE_BYTE)('%s: every byte', async (charset) => {
      const codes = Array.from({ length: 128 }, (_, low) => (0x80 | low).toString(16))
      const theirs = await converted(charset, codes)
      const wrong = codes.filter((hex, index) => {
        const own = ours(charset, hex)
        return own !== 'FFFD' && own !== theirs[index]
      })
      expect(wrong).toEqual([])
    })

    test.each(MULTI_BYTE)(
      '%s: two bytes are the character that the server says, but for a few',
      async (charset) => {
        const codes = Array.from({ length: 2000 }, (_, n) => (0xa140 + n * 11).toString(16)).filter(
          (hex) => Number.parseInt(hex, 16) < 0xfd00,
        )
        const theirs = await converted(charset, codes)
        const decoding = decodingOfCharset(charset)
        // both know the character, and each makes something else of it
        const other = codes.filter((hex, index) => {
          const bytes = Buffer.from(hex, 'hex')
          const text = decoding.text(bytes)
          if (!decoding.valid(bytes, 0, 2, text) || isNone(theirs[index])) return false
          return ours(charset, hex) !== theirs[index]
        })
        expect(other.length).toBeLessThanOrEqual(codes.length / 50)
      },
    )
  })

await asking('MariaDB', 'mariadb', startMariaDb, true)
await asking('MySQL 5.6', 'mysql56', startMysql56, false)
