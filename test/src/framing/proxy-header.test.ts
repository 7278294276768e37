import { describe, expect, test } from 'vitest'
import { parseProxyHeader } from '../../../src/framing/proxy-header.ts'
import { randomBytes, randomInteger, seededRandom } from '../../support/chunks.ts'

const SIGNATURE = '0d0a0d0a000d0a515549540a'
const FOLLOWING = Buffer.from('\0\0\0\x08\x04\xd2\x16\x2f', 'latin1')

const v2 = (...hex: string[]) => Buffer.from([SIGNATURE, ...hex].join('').replaceAll(' ', ''), 'hex')
const line = (text: string) => Buffer.from(text, 'latin1')
const path = (text: string) => Buffer.from(text.padEnd(108, '\0')).toString('hex')

/** The definition itself, bit by bit. */
const bitwiseCrc32c = (bytes: Buffer): number => {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

const withChecksum = (...hex: string[]) => {
  const header = v2(...hex, '03 0004 00000000')
  header.writeUInt32BE(bitwiseCrc32c(header), header.length - 4)
  return header
}

interface Expected {
  version: 1 | 2
  local?: boolean
  source?: string
  destination?: string
}
const headers: [string, Buffer, Expected][] = [
  [
    'TCP4',
    line('PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n'),
    { version: 1, source: '192.168.0.1:56324', destination: '192.168.0.11:443' },
  ],
  [
    'TCP4, the longest',
    line('PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n'),
    { version: 1, source: '255.255.255.255:65535', destination: '255.255.255.255:65535' },
  ],
  [
    'TCP6',
    line('PROXY TCP6 2001:DB8::1 ::1 0 5432\r\n'),
    { version: 1, source: '[2001:db8::1]:0', destination: '[::1]:5432' },
  ],
  [
    'TCP6 with an IPv4 address within',
    line('PROXY TCP6 ::ffff:10.0.0.1 1:2:3:4:5:6:7:8 1 2\r\n'),
    { version: 1, source: '[::ffff:10.0.0.1]:1', destination: '[1:2:3:4:5:6:7:8]:2' },
  ],
  ['UNKNOWN', line('PROXY UNKNOWN\r\n'), { version: 1 }],
  [
    'UNKNOWN with addresses, which are ignored',
    line('PROXY UNKNOWN ffff:: ::1 1 2 \r \n \0 anything\r\n'),
    { version: 1 },
  ],
  ['UNKNOWN, the longest', line(`PROXY UNKNOWN ${'x'.repeat(91)}\r\n`), { version: 1 }],
  [
    'TCP over IPv4',
    v2('21 11 000c', '0a000001 0a000002', 'dc04 1538'),
    { version: 2, source: '10.0.0.1:56324', destination: '10.0.0.2:5432' },
  ],
  [
    'UDP over IPv4',
    v2('21 12 000c', '0a000001 0a000002', 'dc04 1538'),
    { version: 2, source: '10.0.0.1:56324', destination: '10.0.0.2:5432' },
  ],
  [
    'TCP over IPv6',
    v2('21 21 0024', `20010db8${'00'.repeat(11)}01`, `${'00'.repeat(15)}01`, 'dc04 1538'),
    { version: 2, source: '[2001:db8::1]:56324', destination: '[::1]:5432' },
  ],
  [
    'Unix sockets',
    v2('21 31 00d8', path('/run/client'), path('/run/pg/.s.PGSQL.5432')),
    { version: 2, source: '/run/client', destination: '/run/pg/.s.PGSQL.5432' },
  ],
  [
    'an unnamed Unix socket',
    v2('21 31 00d8', path(''), path('/run/pg')),
    { version: 2, destination: '/run/pg' },
  ],
  ['UNSPEC', v2('21 00 0000'), { version: 2 }],
  ['UNSPEC with bytes of some kind', v2('21 00 0003', 'ffffff'), { version: 2 }],
  ['IPv4 with no transport', v2('21 10 000c', '0a000001 0a000002', 'dc04 1538'), { version: 2 }],
  ['LOCAL', v2('20 00 0000'), { version: 2, local: true }],
  ['LOCAL with a block and a family, ignored', v2('20 ff 0003', 'ffffff'), { version: 2, local: true }],
  [
    // ALPN "h2", UNIQUE_ID, NOOP of no bytes
    'extensions',
    v2('21 11 001c', '0a000001 0a000002', 'dc04 1538', '01 0002 6832', '05 0005 0102030405', '04 0000'),
    { version: 2, source: '10.0.0.1:56324', destination: '10.0.0.2:5432' },
  ],
  [
    'a checksum',
    withChecksum('21 11 0013', '0a000001 0a000002', 'dc04 1538'),
    { version: 2, source: '10.0.0.1:56324', destination: '10.0.0.2:5432' },
  ],
]

describe('PROXY header', () => {
  test('the checksum of these tests is CRC32C', () => {
    expect(bitwiseCrc32c(Buffer.from('123456789'))).toBe(0xe3069283)
  })

  test.each(headers)('%s', (_, header, expected) => {
    const whole = { kind: 'header', local: false, length: header.length, ...expected }
    expect(parseProxyHeader(header)).toEqual(whole)
    expect(parseProxyHeader(Buffer.concat([header, FOLLOWING]))).toEqual(whole)
    for (let length = 0; length < header.length; length++) {
      expect(parseProxyHeader(header.subarray(0, length)), `${length} bytes`).toEqual({ kind: 'short' })
    }
  })

  // [name, bytes, how many of them are enough to know]
  const broken: [string, Buffer, number][] = [
    ['a PostgreSQL startup', FOLLOWING, 1],
    ['HTTP', line('POST / HTTP/1.1\r\n'), 2],
    ['lower case', line('proxy TCP4'), 1],
    ['two spaces', line('PROXY  TCP4'), 7],
    ['another family', line('PROXY UDP4 1.1.1.1'), 8],
    ['no addresses', line('PROXY TCP4\r\n'), 11],
    ['a word longer than UNKNOWN', line('PROXY UNKNOWNS\r\n'), 14],
    ['a leading zero in an address', line('PROXY TCP4 192.168.01.1'), 21],
    ['an octet over 255', line('PROXY TCP4 1.256.1.1'), 16],
    ['a fifth octet', line('PROXY TCP4 1.2.3.4.5'), 19],
    ['three octets', line('PROXY TCP4 1.2.3 1.1.1.1'), 17],
    ['an IPv6 address in TCP4', line('PROXY TCP4 ::1 ::1 1 1\r\n'), 12],
    ['an IPv4 address in TCP6', line('PROXY TCP6 1.2.3.4 '), 13],
    ['two double colons', line('PROXY TCP6 1::2::3'), 17],
    ['nine groups', line('PROXY TCP6 1:2:3:4:5:6:7:8:9'), 27],
    ['five digits', line('PROXY TCP6 12345::'), 16],
    ['seven groups', line('PROXY TCP6 1:2:3:4:5:6:7 ::1'), 25],
    ['an octet over 255 within IPv6', line('PROXY TCP6 ::1.256.'), 18],
    ['a port over 65535', line('PROXY TCP4 1.1.1.1 1.1.1.1 65536 1'), 32],
    ['a leading zero in a port', line('PROXY TCP4 1.1.1.1 1.1.1.1 01 1'), 29],
    ['an empty port', line('PROXY TCP4 1.1.1.1 1.1.1.1  1'), 28],
    ['a port with a sign', line('PROXY TCP4 1.1.1.1 1.1.1.1 +1'), 28],
    ['one port', line('PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n'), 29],
    ['a word too many', line('PROXY TCP4 1.1.1.1 1.1.1.1 1 1 '), 31],
    ['LF alone', line('PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n'), 31],
    ['CR alone', line('PROXY TCP4 1.1.1.1 1.1.1.1 1 1\rx'), 32],
    ['a NUL', line('PROXY TCP4 1.1.1.1\0'), 19],
    ['no end in 107 bytes', line(`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`), 107],
    ['version 3', v2('31 11 000c'), 13],
    ['an unknown command', v2('22 11 000c'), 13],
    ['a broken signature', Buffer.from('0d0a0d0a000d0a515549550a', 'hex'), 11],
    ['an unknown family', v2('21 41 000c'), 14],
    ['an unknown transport', v2('21 13 000c'), 14],
    ['a block too short for IPv4', v2('21 11 000b'), 16],
    ['a block too short for IPv6', v2('21 21 0023'), 16],
    ['a block too short for Unix', v2('21 31 00d7'), 16],
    ['a header of 64 KiB', v2('21 11 ffff'), 15],
    ['a header of one byte too many', v2('21 11 4001'), 16],
    ['a LOCAL header of 64 KiB', v2('20 00 ffff'), 15],
    ['an extension that is cut', v2('21 11 000e', '00'.repeat(12), '0100'), 30],
    ['an extension past the end', v2('21 11 0010', '00'.repeat(12), '01 0002 00'), 32],
    ['a wrong checksum', v2('21 11 0013', '00'.repeat(12), '03 0004 00000001'), 35],
    ['a checksum of three bytes', v2('21 11 0012', '00'.repeat(12), '03 0003 000000'), 34],
    ['a wrong checksum without addresses', v2('21 00 0007', '03 0004 00000001'), 23],
  ]
  test.each(broken)('refuses %s as soon as it shows', (_, bytes, enough) => {
    const kinds = Array.from(bytes, (_, index) => parseProxyHeader(bytes.subarray(0, index + 1)).kind)
    expect(kinds.indexOf('invalid') + 1).toBe(enough)
    expect(new Set(kinds.slice(enough - 1))).toEqual(new Set(['invalid']))
  })

  test('the longest block is read', () => {
    const header = Buffer.concat([
      v2('21 11 4000', '0a000001 0a000002', 'dc04 1538'),
      Buffer.alloc(0x4000 - 12, 4),
    ])
    // one extension of type 4 over all that is left
    header.writeUInt16BE(0x4000 - 15, 29)
    expect(parseProxyHeader(header)).toMatchObject({ kind: 'header', length: 16 + 0x4000 })
  })

  test('mutated and random bytes never throw, and no answer is taken back', () => {
    const random = seededRandom(7)
    for (let round = 0; round < 1000; round++) {
      const [, header] = headers[randomInteger(random, 0, headers.length - 1)]!
      const bytes = Buffer.concat([header, randomBytes(random, 8)])
      for (let n = randomInteger(random, 1, 3); n > 0; n--) {
        bytes[randomInteger(random, 0, header.length - 1)] = randomInteger(random, 0, 255)
      }
      let settled: ReturnType<typeof parseProxyHeader> | undefined
      for (let length = 0; length <= bytes.length; length++) {
        const answer = parseProxyHeader(bytes.subarray(0, length))
        if (settled?.kind === 'header') expect(answer).toEqual(settled)
        if (settled?.kind === 'invalid') expect(answer.kind).toBe('invalid')
        if (answer.kind === 'header') expect(answer.length).toBeLessThanOrEqual(length)
        if (answer.kind !== 'short') settled = answer
      }
    }
  })
})
