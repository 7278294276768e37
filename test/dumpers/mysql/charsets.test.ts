import { describe, expect, test } from 'vitest'
import { makeText, type TextForm } from '../../../dumpers/common/query-text.ts'
import { charsetOfCollation, decodingOfCharset } from '../../../dumpers/mysql/charsets.ts'
import { fromHex } from '../../support/my-wire.ts'

const FORM: TextForm = { dialect: 'mysql', standardConformingStrings: false }

// [collation, id, character set]
const COLLATIONS: [string, number, string | undefined][] = [
  ['big5_chinese_ci', 1, 'big5'],
  ['latin1_swedish_ci', 8, 'latin1'],
  ['utf8_general_ci', 33, 'utf8mb3'],
  ['utf8mb4_general_ci', 45, 'utf8mb4'],
  ['binary', 63, 'binary'],
  ['utf8_tolower_ci', 76, 'utf8mb3'],
  ['utf8mb4_unicode_ci', 224, 'utf8mb4'],
  ['gb18030_chinese_ci', 248, 'gb18030'],
  ['utf8mb4_0900_ai_ci', 255, 'utf8mb4'],
  ['utf8mb4_ja_0900_as_cs', 303, 'utf8mb4'],
  ['utf8mb4_nb_0900_ai_ci', 310, 'utf8mb4'],
  ['utf8mb3_croatian_mysql561_ci', 213, 'utf8mb3'],
  ['utf8mb3_croatian_ci', 576, 'utf8mb3'],
  ['utf8mb4_myanmar_ci', 609, 'utf8mb4'],
  ['utf32_thai_520_w2', 738, 'utf32'],
  ['big5_chinese_nopad_ci', 1025, 'big5'],
  ['utf16_unicode_nopad_ci', 1125, 'utf16'],
  ['utf8mb4_unicode_520_nopad_ci', 1270, 'utf8mb4'],
  ['utf8mb3_uca1400_ai_ci', 2048, 'utf8mb3'],
  ['utf8mb4_uca1400_ai_ci', 2304, 'utf8mb4'],
  ['the last of utf8mb4_uca1400', 2503, 'utf8mb4'],
  ['the first of ucs2_uca1400', 2560, 'ucs2'],
  ['none', 0, undefined],
  ['none', 17, undefined],
  ['none', 1023, undefined],
  ['none', 65_535, undefined],
]

test.each(COLLATIONS)('%s, %i, is of %s', (_, id, charset) => {
  expect(charsetOfCollation(id, false) ?? charsetOfCollation(id, true)).toBe(charset)
})

test.each([
  [247, 'utf8mb4', 'utf8mb4'],
  [248, 'gb18030', undefined],
  [255, 'utf8mb4', undefined],
  [323, 'utf8mb4', undefined],
  [576, undefined, 'utf8mb3'],
  [1069, undefined, 'utf8mb4'],
  [2304, undefined, 'utf8mb4'],
])('%i is of %s to MySQL, of %s to MariaDB', (id, mysql, mariadb) => {
  expect([charsetOfCollation(id, false), charsetOfCollation(id, true)]).toEqual([mysql, mariadb])
})

// [character set, hex, text]
const TEXTS: [string, string, string][] = [
  ['utf8mb4', 'c3bc e282ac f09f9880', 'ü€😀'],
  ['utf8', 'c3bc', 'ü'],
  ['UTF8MB3', 'c3bc', 'ü'],
  ['latin1', '80 81 92 9f a0 ff', '€\x81’Ÿ\xa0ÿ'],
  ['latin2', 'a1 80', 'Ą\x80'],
  ['latin5', 'dd', 'İ'],
  ['latin7', 'ff', '’'],
  ['cp850', '80 ff', 'Ç\xa0'],
  ['cp852', 'a5', 'ą'],
  ['cp866', '80', 'А'],
  ['cp1250', '8a', 'Š'],
  ['cp1251', 'c0', 'А'],
  ['cp1256', 'e1', 'ل'],
  ['cp1257', 'e0', 'ą'],
  ['koi8r', 'c1', 'а'],
  ['koi8u', 'a4', 'є'],
  ['greek', 'e1', 'α'],
  ['hebrew', 'e0', 'א'],
  ['tis620', 'a1', 'ก'],
  ['dec8', 'd7', 'Œ'],
  ['hp8', 'ba', '¤'],
  ['macroman', '80', 'Ä'],
  ['macce', '81', 'Ā'],
  ['keybcs2', '80', 'Č'],
  ['armscii8', 'b2', 'Ա'],
  ['geostd8', 'c0', 'ა'],
  ['swe7', '5b', '['],
  ['ascii', '41', 'A'],
  ['binary', 'c3bc', 'ü'],
  ['gbk', 'd6d0', '中'],
  ['gb2312', 'd6d0', '中'],
  ['gb18030', 'd6d0 8130 8130', '中\x80'],
  ['big5', 'a4a4', '中'],
  ['sjis', '93fa b1', '日ｱ'],
  ['cp932', '93fa 8740', '日①'],
  ['ujis', 'c6fc 8eb1', '日ｱ'],
  ['eucjpms', 'c6fc 8fb0a1', '日丂'],
  ['euckr', 'c7d1', '한'],
  // the second byte of a character may be a backslash, which escapes nothing then
  ['sjis', '95 5c 27', "表'"],
  ['cp932', '95 5c 27', "表'"],
  ['gbk', 'bf 5c 27', "縗'"],
  ['big5', 'b3 5c 27', "許'"],
]

describe('texts', () => {
  test.each(TEXTS)('%s: %s', (charset, hex, expected) => {
    const bytes = Buffer.concat([Buffer.from('aa'), fromHex(hex), Buffer.from('bb')])
    const made = makeText(bytes, 2, bytes.length - 2, decodingOfCharset(charset), FORM)
    expect(made).toEqual({ text: expected, standardConformingStrings: false, dialect: 'mysql' })
  })

  test.each(TEXTS.slice(3))('%s is read by one decoding', (charset) => {
    expect(decodingOfCharset(charset)).toBe(decodingOfCharset(charset.toUpperCase()))
  })

  test('an unknown set is read as UTF-8', () => {
    expect(decodingOfCharset('klingon').text(Buffer.from('ü'))).toBe('ü')
    expect(decodingOfCharset('constructor').text(Buffer.from('ü'))).toBe('ü')
  })
})

describe('bytes that are no character are kept as hex beside the text', () => {
  test.each([
    ['utf8mb4', '61 ff'],
    ['cp1250', '81'],
    ['armscii8', 'ff'],
    ['armscii8', 'a4'],
    ['sjis', '61 81'],
    ['gbk', 'bf 27'],
    // four bytes of gb18030, of which gbk's lexer sees two digits
    ['gbk', '8130 8130'],
    // a character of Hong Kong, of which big5's lexer sees a backslash
    ['big5', '88 5c'],
    ['gb2312', '8140'],
    ['euckr', 'c75c'],
    ['ujis', '8fb0'],
  ])('%s %s', (charset, hex) => {
    const bytes = fromHex(hex)
    const made = makeText(bytes, 0, bytes.length, decodingOfCharset(charset), FORM)
    expect(made).toMatchObject({ hex: `\\x${bytes.toString('hex')}` })
  })
})

const SETS = [...new Set(TEXTS.map(([charset]) => charset))]

test.each(SETS)('%s: ASCII is ASCII, and no other byte is', (charset) => {
  const decoding = decodingOfCharset(charset)
  const ascii = Buffer.from(Array.from({ length: 128 }, (_, code) => code))
  expect(decoding.text(ascii)).toBe(ascii.toString('latin1'))
  const pairs = Array.from({ length: 0x4000 }, (_, pair) => [0x80 | (pair >> 7), 0x80 | (pair & 0x7f)])
  const made = pairs.map((pair) => decoding.text(Buffer.from(pair)))
  expect(made.filter((text) => /[\0-\x7f]/.test(text))).toEqual([])
})
