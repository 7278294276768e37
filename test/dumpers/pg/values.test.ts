import { describe, expect, test } from 'vitest'
import { PG_TYPES } from '../../../dumpers/pg/types.ts'
import { decodeBinary, typeName } from '../../../dumpers/pg/values.ts'
import { randomBytes, randomInteger, seededRandom } from '../../support/chunks.ts'

const OIDS = new Map(Array.from(PG_TYPES, ([oid, { name }]) => [name, oid]))
const utf8 = (bytes: Buffer) => bytes.toString('utf8')
const bytesOf = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex')
const decode = (type: string, hex: string) => decodeBinary(OIDS.get(type)!, bytesOf(hex), utf8)

// [type, bytes, text]: many more, from a real server, in test/live/values.test.ts
const TABLE: [string, string, string][] = [
  ['bool', '01', 't'],
  ['bool', '00', 'f'],
  ['bool', '07', 't'],
  ['int2', '8000', '-32768'],
  ['int4', 'ffffffff', '-1'],
  ['int8', '0000000000000007', '7'],
  ['int8', '001fffffffffffff', '9007199254740991'],
  ['int8', '0020000000000001', '9007199254740993'],
  ['int8', '8000000000000000', '-9223372036854775808'],
  ['int8', 'ffffffffffffffff', '-1'],
  ['oid', 'ffffffff', '4294967295'],
  ['xid8', 'ffffffffffffffff', '18446744073709551615'],
  ['regclass', '00004e20', '20000'],
  ['float4', '3f8ccccd', '1.1'],
  ['float4', '49742400', '1e+06'],
  ['float4', '459f1e40', '5091.7812'],
  ['float4', '0f800000', '1.2621775e-29'],
  ['float4', '00000001', '1e-45'],
  ['float4', '80000000', '-0'],
  ['float8', '3fb999999999999a', '0.1'],
  ['float8', '7e37e43c8800759c', '1e+300'],
  ['float8', '44b52d02c7e14af6', '9.999999999999999e+22'],
  ['float8', '0000000000000001', '5e-324'],
  ['float8', '42d6bcc41e900000', '100000000000000'],
  ['float8', '430c6bf526340000', '1e+15'],
  ['float8', '8000000000000000', '-0'],
  ['float8', 'fff0000000000000', '-Infinity'],
  ['float8', '7ff8000000000000', 'NaN'],
  // count, weight, sign, scale, digits
  ['numeric', '0003 0001 0000 0004 0001 0929 1a85', '12345.6789'],
  ['numeric', '0000 0000 0000 0000', '0'],
  ['numeric', '0000 0000 0000 0002', '0.00'],
  ['numeric', '0001 0000 4000 0000 0001', '-1'],
  ['numeric', '0001 ffff 0000 0004 0001', '0.0001'],
  ['numeric', '0001 fffe 4000 0005 03e8', '-0.00001'],
  ['numeric', '0001 0002 0000 0000 0001', '100000000'],
  ['numeric', '0000 0000 c000 0000', 'NaN'],
  ['numeric', '0000 0000 d000 0020', 'Infinity'],
  ['numeric', '0000 0000 f000 0020', '-Infinity'],
  ['numeric', '0001 ffff 4000 0000 0001', '0'],
  ['numeric', '0002 0001 0000 0000 0000 0007', '7'],
  ['text', 'c3a9', 'é'],
  ['text', '', ''],
  ['char', '61', 'a'],
  ['char', '00', ''],
  ['char', 'e9', '\\351'],
  ['bytea', '00ff', '\\x00ff'],
  ['bytea', '', '\\x'],
  ['date', '00002279', '2024-02-29'],
  ['date', 'fff49d7b', '0044-03-15 BC'],
  ['date', '7fffffff', 'infinity'],
  ['date', '80000000', '-infinity'],
  ['time', '0000000b187ff030', '13:14:15.678'],
  ['time', '000000141dd76000', '24:00:00'],
  ['timestamptz', '8000000000000000', '-infinity'],
  ['timestamptz', '0002b583ce0c5030', '2024-02-29 13:14:15.678+00'],
  ['timestamp', 'ff1af9e8fb46d000', '0044-03-15 12:00:00 BC'],
  ['timestamp', '0380e70b913b8000', '10000-01-01 00:00:00'],
  ['timestamptz', '0000000000000000', '2000-01-01 00:00:00+00'],
  ['timestamp', 'ffffffffffffffff', '1999-12-31 23:59:59.999999'],
  ['timestamp', '7fffffffffffffff', 'infinity'],
  ['timetz', '00000000dde878c0 ffffb297', '01:02:03+05:30:17'],
  ['interval', '0000000000000000 00000000 00000000', '00:00:00'],
  ['interval', 'fffffffffff0bdc0 00000001 fffffff3', '-1 years -1 mons +1 day -00:00:01'],
  ['interval', '7fffffffffffffff 7fffffff 7fffffff', 'infinity'],
  ['uuid', '00112233445566778899aabbccddeeff', '00112233-4455-6677-8899-aabbccddeeff'],
  ['json', '7b7d', '{}'],
  ['jsonb', '01 7b7d', '{}'],
  ['inet', '02 20 00 04 0a000001', '10.0.0.1'],
  ['inet', '02 08 00 04 0a000001', '10.0.0.1/8'],
  ['cidr', '02 20 01 04 0a000001', '10.0.0.1/32'],
  ['inet', '03 80 00 10 20010db8000000000000000000000001', '2001:db8::1'],
  ['macaddr', '08002b010203', '08:00:2b:01:02:03'],
  ['varbit', '00000009 aa80', '101010101'],
  ['int4[]', '00000000 00000000 00000017', '{}'],
  // dimensions, flags, element; length and lower bound; length and bytes of each
  ['int4[]', '00000001 00000001 00000017 00000002 00000001 00000004 00000007 ffffffff', '{7,NULL}'],
  ['int4[]', '00000001 00000000 00000017 00000001 00000002 00000004 00000007', '[2:2]={7}'],
  ['int4[]', '00000002 00000000 00000017 00000000 00000001 7fffffff 00000001', '{}'],
  [
    'int4[]',
    '00000002 00000000 00000017 00000002 00000001 00000001 00000001 00000004 00000007 00000004 00000008',
    '{{7},{8}}',
  ],
  [
    'text[]',
    '00000001 00000001 00000019 00000005 00000001' +
      '00000000 00000004 6e756c6c 00000003 225c2c ffffffff 00000001 61',
    '{"","null","\\"\\\\,",NULL,a}',
  ],
  [
    'oidvector',
    '00000001 00000000 0000001a 00000002 00000000 00000004 00000007 00000004 ffffffff',
    '7 4294967295',
  ],
]

describe('values in binary format', () => {
  test.each(TABLE)('%s %s', (type, hex, expected) => {
    expect(decode(type, hex)).toBe(expected)
  })

  // What the server refuses, or what is not decoded: shown as it came.
  test.each([
    ['bool', '0101'],
    ['int4', '000001'],
    ['int4', '0000000001'],
    ['int8', ''],
    ['numeric', '0002 0000 0000 0000 0001'],
    ['numeric', '0001 0000 0000 0000 2710'],
    ['numeric', '0001 0000 1234 0000 0001'],
    ['numeric', '0001 0000 0000 4000 0001'],
    // 131,072 digits from ten bytes
    ['numeric', '0001 7fff 0000 0000 0001'],
    ['date', '7ffffffe'],
    ['time', 'ffffffffffffffff'],
    ['timetz', '0000000000000000 0000e100'],
    ['timestamp', '7ffffffffffffffe'],
    ['uuid', '00112233445566778899aabbccddee'],
    ['jsonb', '02 7b7d'],
    ['jsonb', ''],
    ['inet', '02 21 00 04 0a000001'],
    ['inet', '02 20 00 10 0a000001'],
    ['inet', '04 20 00 04 0a000001'],
    ['macaddr', '08002b0102'],
    ['varbit', 'ffffffff'],
    ['int4[]', '00000007 00000000 00000017'],
    ['int4[]', '00000001 00000000 00000019 00000001 00000001 00000004 00000007'],
    ['int4[]', '00000001 00000000 00000017 7fffffff 00000001 00000004 00000007'],
    ['int4[]', '00000001 00000000 00000017 00000001 00000001 fffffffe 00000007'],
    ['int4[]', '00000001 00000000 00000017 00000001 00000001 00000003 000007'],
    ['int4[]', '00000001 00000000 00000017 00000001 00000001 00000004 00000007 00'],
    ['money', '0000000000000064'],
    ['int4range', '01'],
  ])('%s %s is left as hex', (type, hex) => {
    expect(decode(type, hex)).toBe(`\\x${hex.replaceAll(' ', '')}`)
  })

  test('an unknown type is left as hex, and a text that cannot be decoded', () => {
    expect(decodeBinary(0, Buffer.from('7'), utf8)).toBe('\\x37')
    expect(decodeBinary(16_384, Buffer.from('abc'), utf8)).toBe('\\x616263')
    const refuse = () => {
      throw new Error('not text')
    }
    expect(decodeBinary(OIDS.get('text')!, Buffer.from('abc'), refuse)).toBe('\\x616263')
  })

  test('the value is read where it stands, and not written to', () => {
    const chunk = Buffer.from('ff 0000000a ff'.replaceAll(' ', ''), 'hex')
    expect(decodeBinary(OIDS.get('int4')!, chunk.subarray(1, 5), utf8)).toBe('10')
    expect(decodeBinary(OIDS.get('date')!, chunk.subarray(1, 5), utf8)).toBe('2000-01-11')
    expect(chunk.toString('hex')).toBe('ff0000000aff')
  })

  test('random bytes never throw, and the text stays in proportion', () => {
    const random = seededRandom(3)
    const oids = [...PG_TYPES.keys()]
    const lengths = [0, 1, 2, 4, 8, 10, 12, 16, 20, 24, 40, 100]
    for (let round = 0; round < 20_000; round++) {
      const oid = oids[round % oids.length]!
      const bytes = randomBytes(random, lengths[randomInteger(random, 0, lengths.length - 1)]!)
      expect(decodeBinary(oid, bytes, utf8).length).toBeLessThanOrEqual(20 * bytes.length + 300)
    }
  })

  test('mutated arrays never throw', () => {
    const random = seededRandom(4)
    for (let round = 0; round < 10_000; round++) {
      const [type, hex] = TABLE[randomInteger(random, 0, TABLE.length - 1)]!
      const bytes = bytesOf(hex)
      if (bytes.length > 0)
        bytes[randomInteger(random, 0, bytes.length - 1)] = randomInteger(random, 0, 255)
      expect(typeof decodeBinary(OIDS.get(type)!, bytes, utf8)).toBe('string')
    }
  })
})

test('a type has its name, an array type that of its elements', () => {
  expect([23, 1007, 1184, 0, 16_384].map(typeName)).toEqual([
    'int4',
    'int4[]',
    'timestamptz',
    undefined,
    undefined,
  ])
})
