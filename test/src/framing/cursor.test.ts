import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../../../src/errors.ts'
import { Cursor } from '../../../src/framing/cursor.ts'
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
const TABLE: [string, string, (cursor: Cursor) => unknown, unknown][] = [
  ['uint8', 'ff', (cursor) => cursor.uint8(), 255],
  ['uint16', 'fffe', (cursor) => cursor.uint16(), 65534],
  ['int16', 'fffe', (cursor) => cursor.int16(), -2],
  ['int16, positive', '7fff', (cursor) => cursor.int16(), 32767],
  ['int32', 'fffffffe', (cursor) => cursor.int32(), -2],
  ['int32, smallest', '80000000', (cursor) => cursor.int32(), -2147483648],
  ['uint32', 'fffffffe', (cursor) => cursor.uint32(), 4294967294],
  ['bigInt64', 'fffffffffffffffe', (cursor) => cursor.bigInt64(), -2n],
  ['float32', '3fc00000', (cursor) => cursor.float32(), 1.5],
  ['float64', '3ff8000000000000', (cursor) => cursor.float64(), 1.5],
  ['int16s', '0001 ffff', (cursor) => cursor.int16s(2), [1, -1]],
  ['uint32s', '00000017 80000000', (cursor) => cursor.uint32s(2), [23, 2147483648]],
  ['bytes', 'c0ffee', (cursor) => cursor.bytes(3), fromHex('c0ffee')],
  ['cstring', '6162 00', (cursor) => cursor.cstring(), 'ab'],
  ['cstring, not ASCII', 'c3a9 00', (cursor) => cursor.cstring(), 'é'],
  [
    'cstring, longer than is searched byte by byte',
    `${'61'.repeat(99)}00`,
    (c) => c.cstring(),
    'a'.repeat(99),
  ],
  ['cbytes', '6162 00', (cursor) => cursor.cbytes(), fromHex('6162')],
]

describe('reads', () => {
  test.each(TABLE)('%s', (_, hex, read, expected) => {
    // bytes of other messages stand before and behind the body
    const bytes = Buffer.concat([fromHex('aaaa'), fromHex(hex), fromHex('00bb')])
    const cursor = new Cursor(bytes, 2, bytes.length - 2)
    expect(read(cursor)).toEqual(expected)
    expect(cursor.left).toBe(0)
    cursor.finish()
  })
})

describe('of a body that ends too early, throws and reads nothing of what follows', () => {
  test.each(TABLE)('%s', (_, hex, read) => {
    const bytes = fromHex(hex)
    for (let end = 0; end < bytes.length; end++) {
      expect(['short', 'invalid']).toContain(codeOf(() => read(new Cursor(bytes, 0, end))))
    }
  })
})

test('empty arrays are read from nothing', () => {
  const cursor = new Cursor()
  expect([cursor.int16s(0), cursor.uint32s(0), cursor.rest().length]).toEqual([[], [], 0])
})

test('counts are checked before anything is allocated', () => {
  const cursor = new Cursor(fromHex('00000001'))
  expect(codeOf(() => cursor.uint32s(4_000_000_000))).toBe('short')
  expect(codeOf(() => cursor.int16s(4_000_000_000))).toBe('short')
  expect(cursor.left).toBe(4)
})

test('a negative count is refused', () => {
  expect(codeOf(() => new Cursor(fromHex('00000001')).skip(-1))).toBe('short')
  expect(codeOf(() => new Cursor(fromHex('00000001')).bytes(-1))).toBe('short')
})

test('leftover bytes are an error that says where', () => {
  const cursor = new Cursor(fromHex('ff 0102 03'), 1, 4)
  cursor.uint16()
  expect(() => cursor.finish()).toThrow(expect.objectContaining({ code: 'overlong', offset: 2 }))
})

test('errors say what was wanted and where, counted from the start of the body', () => {
  const cursor = new Cursor(fromHex('ffff 0102 03'), 2)
  cursor.uint16()
  expect(() => cursor.int32()).toThrow(
    expect.objectContaining({ code: 'short', offset: 2, message: '4 bytes wanted at 2, 1 left' }),
  )
  expect(() => cursor.cstring()).toThrow(
    expect.objectContaining({ code: 'invalid', offset: 2, message: 'string without its NUL at 2' }),
  )
})

test('a string ends within its body, wherever the next NUL is', () => {
  const bytes = Buffer.concat([Buffer.from('a'.repeat(40)), Buffer.alloc(1)])
  for (const end of [1, 23, 24, 25, 40]) {
    expect(codeOf(() => new Cursor(bytes, 0, end).cstring())).toBe('invalid')
  }
  expect(new Cursor(bytes, 0, 41).cstring()).toHaveLength(40)
})

test('one cursor serves body after body', () => {
  const cursor = new Cursor()
  expect(cursor.reset(fromHex('0001 0002'), 2, 4).uint16()).toBe(2)
  expect(cursor.reset(fromHex('0003'), 0, 2).uint16()).toBe(3)
})
