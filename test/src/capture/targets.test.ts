import { describe, expect, test } from 'vitest'
import { decodePacket, newPacket } from '../../../src/capture/packet.ts'
import { type CaptureTarget, parseTargets, showEnd, TargetMatcher } from '../../../src/capture/targets.ts'
import { ipv4, ipv6, tcp } from '../../support/packets.ts'

test.each([
  ['3306', [{ port: 3306 }]],
  [':3306', [{ port: 3306 }]],
  ['db.example:3306', [{ host: 'db.example', port: 3306 }]],
  ['db.example', [{ host: 'db.example' }]],
  ['192.0.2.7', [{ host: '192.0.2.7' }]],
  ['[2001:db8::1]:5432', [{ host: '2001:db8::1', port: 5432 }]],
  ['[::1]', [{ host: '::1' }]],
  ['2001:db8::1', [{ host: '2001:db8::1' }]],
  ['3306 || a:3307||b', [{ port: 3306 }, { host: 'a', port: 3307 }, { host: 'b' }]],
])('%s', (text, wanted) => {
  expect(parseTargets(text)).toEqual(wanted)
})

test.each(['', '0', '65536', 'a:0', 'a:b', 'a b', '3306||', '1|2', 'http://a:1', 'a:99999'])(
  'refuses %j, and names the option',
  (text) => {
    const wanted = expect.objectContaining({ name: 'ConfigError', option: 'probe.target' })
    expect(() => parseTargets(text, 'probe.target')).toThrow(wanted)
  },
)

const v4 = (destination: string, destinationPort: number) => {
  const packet = newPacket()
  const bytes = ipv4(tcp({ sequence: 1, destinationPort }), { destination })
  decodePacket(101, bytes, 0, bytes.length, bytes.length, packet)
  return packet
}
const v6 = (destination: number, destinationPort: number) => {
  const packet = newPacket()
  const bytes = ipv6(tcp({ sequence: 1, destinationPort }), { destination })
  decodePacket(101, bytes, 0, bytes.length, bytes.length, packet)
  return packet
}

describe('matches', () => {
  const some: CaptureTarget[] = [
    { port: 5432 },
    { port: 3306, addresses: ['192.0.2.2', '2001:db8::2'] },
    { addresses: ['::ffff:192.0.2.9'] },
  ]
  test.each([
    [v4('192.0.2.77', 5432), true],
    [v4('192.0.2.2', 3306), true],
    [v4('192.0.2.3', 3306), false],
    [v6(2, 3306), true],
    [v6(3, 3306), false],
    [v4('192.0.2.9', 1), true],
    [v4('192.0.2.2', 1), false],
  ])('packet %#', (packet, wanted) => {
    const matcher = new TargetMatcher(some)
    expect(matcher.isToTarget(packet)).toBe(wanted)
    expect(matcher.isFromTarget(packet)).toBe(false)
  })

  test('an unresolved name is told', () => {
    expect(() => new TargetMatcher([{ addresses: ['db.example'] }])).toThrow(
      'not an IP address: "db.example"',
    )
  })
})

test.each([
  [4, [0xc0000207, 0, 0, 0], '192.0.2.7:5432'],
  [6, [0x20010db8, 0, 0, 1], '[2001:db8::1]:5432'],
  [6, [0, 0, 0xffff, 0xc0000207], '192.0.2.7:5432'],
] as const)('shows IPv%i %j as %s', (version, words, wanted) => {
  expect(showEnd(version, words, 5432)).toBe(wanted)
})
