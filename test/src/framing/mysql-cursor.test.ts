import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../../../src/errors.ts'
import { MysqlCursor } from '../../../src/framing/mysql-cursor.ts'
import { fromHex } from '../../support/pg-wire.ts'

const codeOf = (read: () => unknown): string => {
  try {
    read()
  } catch (error) {
    if (error instanceof ProtocolError) return error.code
    throw error
  }
  return 'none'
}

// [name, hex, what is read, expected]
const TABLE: [string, string, (cursor: MysqlCursor) => unknown, unknown][] = [
  ['uint8', 'ff', (cursor) => cursor.uint8(), 255],
  ['int8', 'ff', (cursor) => cursor.int8(), -1],
  ['int8, positive', '7f', (cursor) => cursor.int8(), 127],
  ['uint16', 'feff', (cursor) => cursor.uint16(), 65534],
  ['int16', 'feff', (cursor) => cursor.int16(), -2],
  ['uint24', 'feffff', (cursor) => cursor.uint24(), 0xfffffe],
  ['int32', 'feffffff', (cursor) => cursor.int32(), -2],
  ['int32, smallest', '00000080', (cursor) => cursor.int32(), -2147483648],
  ['uint32', 'feffffff', (cursor) => cursor.uint32(), 4294967294],
  ['bigInt64', 'feffffffffffffff', (cursor) => cursor.bigInt64(), -2n],
  ['bigUint64', 'feffffffffffffff', (cursor) => cursor.bigUint64(), 2n ** 64n - 2n],
  ['float32', '0000c03f', (cursor) => cursor.float32(), 1.5],
  ['float64', '000000000000f83f', (cursor) => cursor.float64(), 1.5],
  ['lenenc of one byte', 'fa', (cursor) => cursor.lenenc(), 250],
  ['lenenc of two', 'fc fb00', (cursor) => cursor.lenenc(), 251],
  ['lenenc of three', 'fd 563412', (cursor) => cursor.lenenc(), 0x123456],
  ['lenenc of eight', 'fe ffffffffffff1f00', (cursor) => cursor.lenenc(), Number.MAX_SAFE_INTEGER],
  ['lenenc longer than needed', 'fe 0100000000000000', (cursor) => cursor.lenenc(), 1],
  ['a figure', 'fc fb00', (cursor) => cursor.lenencFigure(), 251],
  ['a figure of eight bytes', 'fe 0000000000000100', (cursor) => cursor.lenencFigure(), 2 ** 48],
  ['the largest safe', 'fe ffffffffffff1f00', (cursor) => cursor.lenencFigure(), 2 ** 53 - 1],
  ['the next', 'fe 0000000000002000', (cursor) => cursor.lenencFigure(), '9007199254740992'],
  ['the largest', 'fe ffffffffffffffff', (cursor) => cursor.lenencFigure(), '18446744073709551615'],
  ['lenencBytes', '02 6162', (cursor) => cursor.lenencBytes(), fromHex('6162')],
  ['lenencSkip', 'fc 0200 6162', (cursor) => cursor.lenencSkip(), undefined],
  ['cstring', '6162 00', (cursor) => cursor.cstring(), 'ab'],
]

describe('reads', () => {
  test.each(TABLE)('%s', (_, hex, read, expected) => {
    // bytes of other packets stand before and behind the payload
    const bytes = Buffer.concat([fromHex('aaaa'), fromHex(hex), fromHex('00bb')])
    const cursor = new MysqlCursor(bytes, 2, bytes.length - 2)
    expect(read(cursor)).toEqual(expected)
    expect([cursor.left, cursor.peek()]).toEqual([0, -1])
    cursor.finish()
  })
})

describe('of a payload that ends too early, throws and reads nothing of what follows', () => {
  test.each(TABLE)('%s', (_, hex, read) => {
    const bytes = fromHex(hex)
    for (let end = 0; end < bytes.length; end++) {
      expect(['short', 'invalid']).toContain(codeOf(() => read(new MysqlCursor(bytes, 0, end))))
    }
  })
})

// [name, hex, code of the error]
const BROKEN: [string, string, string][] = [
  ['NULL in the place of a length', 'fb 00', 'invalid'],
  ['an error in the place of a length', 'ff 00', 'invalid'],
  ['a length of 2^53', 'fe 0000000000002000 00', 'invalid'],
  ['a length of 2^64 - 1', 'fe ffffffffffffffff 00', 'invalid'],
  ['more than there is', '03 6162', 'short'],
  ['much more than there is', 'fe ffffffffffff1f00 61', 'short'],
]

describe.each(BROKEN)('%s', (_, hex, code) => {
  test.each([
    ['lenencBytes', (cursor: MysqlCursor) => cursor.lenencBytes()],
    ['lenencSkip', (cursor: MysqlCursor) => cursor.lenencSkip()],
  ])('%s', (_name, read) => {
    const bytes = fromHex(`${hex} 6263646566`)
    expect(codeOf(() => read(new MysqlCursor(bytes, 0, bytes.length - 5)))).toBe(code)
  })
})

test('peek reads nothing', () => {
  const cursor = new MysqlCursor(fromHex('0a0b'))
  expect([cursor.peek(), cursor.peek(), cursor.uint8(), cursor.peek(), cursor.left]).toEqual([
    10, 10, 10, 11, 1,
  ])
})
