import { describe, expect, test } from 'vitest'
import { decodingOfLabel, LATIN1, UTF8 } from '../../../dumpers/common/text-decoding.ts'
import { decodeExecute, type ValueOptions } from '../../../dumpers/mysql/bound-values.ts'
import { StatementStore } from '../../../dumpers/mysql/statements.ts'
import { formatDouble, formatFloat } from '../../../dumpers/mysql/values-numeric.ts'
import { columnTypeName } from '../../../dumpers/mysql/values-types.ts'
import type { Bytes } from '../../../src/flow.ts'
import { lenencString, uint8, uint16, uint32, uint64 } from '../../support/my-bytes.ts'
import { double, executeBody, float } from '../../support/my-params.ts'
import { fromHex } from '../../support/pg-wire.ts'

const OPTIONS: ValueOptions = {
  decoding: UTF8,
  mariadb: true,
  maxValueBytes: 65_536,
  queryAttributes: false,
}
const UNSIGNED = 0x8000
const VAR_STRING = 253
const BLOB = 252

const shownBy = (options: ValueOptions, type: number, value: Bytes): string | null | undefined => {
  const store = new StatementStore(10, 1_000_000)
  store.set(1, undefined, 2, 0, 1)
  const body = executeBody([
    { type, value },
    { type: VAR_STRING, value: lenencString('behind') },
  ])
  const { values } = decodeExecute(body, 0, body.length, store, options)
  // a wrong length of the first would show in the second
  expect(values?.text(1) ?? 'behind').toBe('behind')
  return values?.text(0)
}

const bytes = (hex: string): Bytes => lenencString(fromHex(hex))

// [name, type, value as it stands in the body, as the general log of MariaDB 10.11 prints it]
const LIKE_THE_SERVER: [string, number, Bytes, string | null][] = [
  ['tiny', 1, uint8(-1), '-1'],
  ['tiny unsigned (flag 0x8000)', 1 | UNSIGNED, uint8(255), '255'],
  ['short', 2, uint16(-1), '-1'],
  ['short unsigned', 2 | UNSIGNED, uint16(-1), '65535'],
  ['long', 3, uint32(-2147483648), '-2147483648'],
  ['long unsigned', 3 | UNSIGNED, uint32(-1), '4294967295'],
  ['longlong', 8, uint64(-1n), '-1'],
  ['longlong, the least', 8, uint64(-(2n ** 63n)), '-9223372036854775808'],
  ['longlong unsigned', 8 | UNSIGNED, uint64(-1n), '18446744073709551615'],
  ['longlong beyond what a double holds', 8, uint64(2n ** 53n + 1n), '9007199254740993'],
  ['double takes eight bytes', 5, double(1.5), '1.5'],
  ['double: the unsigned flag means nothing', 5 | UNSIGNED, double(-1.5), '-1.5'],
  ['double: negative zero', 5, double(-0), '0'],
  ['double: fifteen digits', 5, double(1e14), '100000000000000'],
  ['double: sixteen digits', 5, double(1e15), '1e15'],
  ['double: small', 5, double(1.5e-15), '0.0000000000000015'],
  ['double: smaller', 5, double(1e-16), '1e-16'],
  ['double: large', 5, double(2 ** 53 + 2), '9.007199254740994e15'],
  ['double: all digits', 5, double(0.1 + 0.2), '0.30000000000000004'],
  ['double: the least', 5, double(5e-324), '5e-324'],
  ['double: the largest', 5, double(Number.MAX_VALUE), '1.7976931348623157e308'],
  ['float that a double is equal to', 4, float(3.25), '3.25'],
  ['decimal', 246, lenencString('5.500'), '5.500'],
  ['old decimal', 0, lenencString('-0.5'), '-0.5'],
  ['date of no bytes', 10, uint8(0), '0000-00-00'],
  ['date of 4 bytes', 10, bytes('e407 02 1d'), '2020-02-29'],
  ['date of 7 bytes: a DATE has no time', 10, bytes('e407 02 1d 01 02 03'), '2020-02-29'],
  ['newdate', 14, bytes('e407 02 1d'), '2020-02-29'],
  ['datetime of no bytes', 12, uint8(0), '0000-00-00 00:00:00'],
  ['datetime of 4 bytes', 12, bytes('e407 02 1d'), '2020-02-29 00:00:00'],
  ['datetime of 7 bytes', 12, bytes('e407 02 1d 01 02 03'), '2020-02-29 01:02:03'],
  ['datetime of 11 bytes', 12, bytes('e407 02 1d 01 02 03 40e20100'), '2020-02-29 01:02:03.123456'],
  [
    'datetime of 11 bytes, no microseconds',
    12,
    bytes('e407 02 1d 01 02 03 00000000'),
    '2020-02-29 01:02:03',
  ],
  ['timestamp', 7, bytes('e407 02 1d 01 02 03'), '2020-02-29 01:02:03'],
  ['a day that is none', 12, bytes('e407 02 1f'), '2020-02-31 00:00:00'],
  ['time of no bytes', 11, uint8(0), '00:00:00'],
  ['time of 8 bytes', 11, bytes('00 00000000 01 02 03'), '01:02:03'],
  ['time: negative, with days', 11, bytes('01 01000000 02 03 04'), '-26:03:04'],
  ['time of 12 bytes', 11, bytes('01 05000000 0a 05 06 60ae0a00'), '-130:05:06.700000'],
  ['time: one microsecond', 11, bytes('00 00000000 00 00 00 01000000'), '00:00:00.000001'],
  ['text', VAR_STRING, lenencString('ü☃'), 'ü☃'],
  ['text with a NUL', VAR_STRING, lenencString('a\0b'), 'a\0b'],
  ['empty text is not NULL', VAR_STRING, lenencString(''), ''],
  ['varchar', 15, lenencString('v'), 'v'],
  ['string', 254, lenencString('s'), 's'],
  ['enum', 247, lenencString('e'), 'e'],
  ['set', 248, lenencString('a,b'), 'a,b'],
  ['blob of text', BLOB, lenencString('ab'), 'ab'],
  // it has no reader for these: NULL is stored, and no byte is read
  ['int24', 9, Buffer.alloc(0), null],
  ['year', 13, Buffer.alloc(0), null],
  ['bit', 16, Buffer.alloc(0), null],
  ['geometry', 255, Buffer.alloc(0), null],
]

describe('shows as MariaDB prints it', () => {
  test.each(LIKE_THE_SERVER)('%s', (_, type, value, shown) => {
    expect(shownBy(OPTIONS, type, value)).toBe(shown)
  })
})

// [name, type, value, shown]
const OF_OUR_OWN: [string, number, Bytes, string | null | undefined][] = [
  ['float: its own digits, not those of the double that the server makes of it', 4, float(1.1), '1.1'],
  ['float: the largest', 4, float(3.4028234663852886e38), '3.4028235e38'],
  ['float: the least', 4, float(1e-45), '1e-45'],
  ['float: sixteen digits', 4, float(1e16), '1e16'],
  ['double that is no number', 5, double(Number.NaN), 'NaN'],
  ['double without bounds', 5, double(Number.NEGATIVE_INFINITY), '-Infinity'],
  ['date of 3 bytes', 10, bytes('e40702'), '\\xe40702'],
  ['datetime of 5 bytes', 12, bytes('e407021d01'), '\\xe407021d01'],
  ['time of 5 bytes', 11, bytes('0000000000'), '\\x0000000000'],
  ['time of more hours than the server keeps', 11, bytes('00 e8030000 02 03 04'), '24002:03:04'],
  ['blob that is not text', BLOB, bytes('0001feff5c27'), '\\x0001feff5c27'],
  ['blob of control characters', BLOB, bytes('000102'), '\\x000102'],
  ['blob of several lines', BLOB, lenencString('a\r\n\tb'), 'a\r\n\tb'],
  ['text that is not of the character set', VAR_STRING, bytes('61ff'), '\\x61ff'],
  ['text that looks like hex', VAR_STRING, lenencString('\\x61ff'), '\\x5c7836316666'],
  ['text that looks like a mark', VAR_STRING, lenencString('\\DEFAULT'), '\\x5c44454641554c54'],
  ['text that begins like hex', VAR_STRING, lenencString('\\xampp'), '\\xampp'],
  ['a type that no server has', 17, lenencString('x'), undefined],
  ['NULL as a type, with no NULL bit', 6, Buffer.alloc(0), undefined],
]

describe('shows', () => {
  test.each(OF_OUR_OWN)('%s', (_, type, value, shown) => {
    expect(shownBy(OPTIONS, type, value)).toBe(shown)
  })

  test('for MySQL a length and bytes of types that MariaDB does not read', () => {
    const mysql = { ...OPTIONS, mariadb: false }
    expect(shownBy(mysql, 16, bytes('05'))).toBe('\\x05')
    expect(shownBy(mysql, 255, bytes('00000000'))).toBe('\\x00000000')
    expect(shownBy(mysql, 245, lenencString('{"a":1}'))).toBe('{"a":1}')
    expect(shownBy(mysql, 242, bytes('0000803f'))).toBe('\\x0000803f')
    expect(shownBy(mysql, 17, lenencString('x'))).toBe('\\x78')
    expect(shownBy(mysql, 13, lenencString('2024'))).toBe('\\x32303234')
  })

  test('text in the character set of the connection, blobs as UTF-8 (case 49)', () => {
    const latin1 = { ...OPTIONS, decoding: LATIN1 }
    expect(shownBy(latin1, VAR_STRING, bytes('fc'))).toBe('ü')
    expect(shownBy(latin1, BLOB, bytes('fc'))).toBe('\\xfc')
    expect(shownBy(latin1, BLOB, lenencString('ü'))).toBe('ü')
    const sjis = decodingOfLabel('sjis', 'shift_jis')
    expect(sjis && shownBy({ ...OPTIONS, decoding: sjis }, VAR_STRING, bytes('8abf8e9a'))).toBe('漢字')
  })
})

test('names types as MySQL does, in lower case', () => {
  expect([8 | UNSIGNED, 253, 12, 252, 0, 246, 20, 255, 245].map(columnTypeName)).toEqual([
    'longlong unsigned',
    'var_string',
    'datetime',
    'blob',
    'decimal',
    'newdecimal',
    'type 20',
    'geometry',
    'json',
  ])
})

describe('numbers read back the same', () => {
  // a fixed sequence of bit patterns
  const patterns = Array.from({ length: 2000 }, (_, i) => Math.imul(i + 1, 2654435761) >>> 0)

  test('double', () => {
    const view = new DataView(new ArrayBuffer(8))
    for (const [i, bits] of patterns.entries()) {
      view.setUint32(0, bits)
      view.setUint32(4, patterns[patterns.length - 1 - i] as number)
      const value = view.getFloat64(0)
      expect(Number(formatDouble(value))).toBe(value)
    }
  })

  test('float, in nine digits at most', () => {
    const view = new DataView(new ArrayBuffer(4))
    for (const bits of patterns) {
      view.setUint32(0, bits)
      const value = view.getFloat32(0)
      const text = formatFloat(value)
      expect(Math.fround(Number(text))).toBe(value)
      if (Number.isFinite(value)) {
        const digits = text.replace(/e.*|[-.]/g, '').replace(/^0+|0+$/g, '')
        expect(digits.length).toBeLessThanOrEqual(9)
      }
    }
  })
})
