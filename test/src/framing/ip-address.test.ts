import { describe, expect, test } from 'vitest'
import { formatIpv6, isIpv4, parseIpv6 } from '../../../src/framing/ip-address.ts'

describe('IPv6', () => {
  // [any spelling, the one that is written]
  test.each([
    ['::', '::'],
    ['::1', '::1'],
    ['0:0:0:0:0:0:0:2', '::2'],
    ['1::', '1::'],
    ['0:0:0:0:0:0:102:304', '::1.2.3.4'],
    ['::ffff:1.2.3.4', '::ffff:1.2.3.4'],
    ['::fffe:1.2.3.4', '::fffe:102:304'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0db8::0001', '2001:db8::1'],
    ['1:0:2:0:3:0:4:0', '1:0:2:0:3:0:4:0'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['1:2:3:4:5:0:0:0', '1:2:3:4:5::'],
    ['ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ])('%s is written %s', (spelling, expected) => {
    expect(formatIpv6(parseIpv6(spelling)!)).toBe(expected)
    expect(formatIpv6(parseIpv6(expected)!)).toBe(expected)
  })

  test.each([
    '',
    ':',
    ':::',
    '1',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '1:2:3:4:5:6:7:8::',
    '12345::',
    'g::',
    ':1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:',
    '1.2.3.4',
    '1.2.3.4::',
    '::1.2.3',
    '::1.2.3.4:5',
    '::01.2.3.4',
    '::1%lo',
    ' ::1',
  ])('%j is none', (text) => {
    expect(parseIpv6(text)).toBeUndefined()
  })
})

test('an IPv4 address has one spelling', () => {
  for (const text of ['0.0.0.0', '255.255.255.255', '10.200.3.49']) expect(isIpv4(text)).toBe(true)
  for (const text of [
    '01.2.3.4',
    '256.1.1.1',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.4 ',
    '+1.2.3.4',
    '',
    '1..2.3',
  ]) {
    expect(isIpv4(text)).toBe(false)
  }
})
