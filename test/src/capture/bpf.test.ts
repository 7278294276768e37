import { describe, expect, test } from 'vitest'
import { filterOf } from '../../../src/capture/bpf.ts'
import { run, which } from '../../support/programs.ts'

const HIDDEN =
  '((ip[6:2] & 0x1fff != 0 and ip proto 6) or (ip6[6] = 0) or (ip6[6] = 43) or (ip6[6] = 44) or (ip6[6] = 60))'

test('a port: its connections, and what the kernel cannot see a port in', () => {
  expect(filterOf([{ port: 5432 }], false)).toBe(`(tcp port 5432) or (${HIDDEN})`)
})

test('hosts, with a port and without', () => {
  const targets = [{ port: 5432, addresses: ['10.0.0.5', 'fd00::5%eth0'] }, { addresses: ['10.0.0.6'] }]
  expect(filterOf(targets, false)).toBe(
    '(tcp port 5432 and (host 10.0.0.5 or host fd00::5)) or (tcp and host 10.0.0.6) or ' +
      `(${HIDDEN} and (host 10.0.0.5 or host fd00::5)) or (${HIDDEN} and host 10.0.0.6)`,
  )
})

test('what several targets have in common stands once', () => {
  const filter = filterOf([{ port: 5432 }, { port: 5433 }], false)
  expect(filter).toBe(`(tcp port 5432) or (tcp port 5433) or (${HIDDEN})`)
})

test('frames with one and two VLAN tags', () => {
  const plain = filterOf([{ port: 1 }], false)
  expect(filterOf([{ port: 1 }], true)).toBe(`${plain} or (vlan and (${plain} or (vlan and (${plain}))))`)
})

describe.skipIf(which('tcpdump') === undefined)('tcpdump compiles it', () => {
  test.each([
    ['EN10MB', true],
    ['LINUX_SLL2', false],
    ['RAW', false],
    ['NULL', false],
  ])('for %s, VLAN %s', async (link, vlan) => {
    const targets = [{ port: 5432, addresses: ['10.0.0.5', 'fd00::5'] }, { port: 3306 }]
    const compiled = await run(which('tcpdump')!, ['-y', link, '-d', filterOf(targets, vlan)])
    // without the right to capture nothing can be opened, not even to compile for it
    if (/permission/i.test(compiled.stderr)) return
    if (/not one of the DLTs/i.test(compiled.stderr)) return
    expect(compiled.stderr).not.toMatch(/syntax|filter/)
    expect(compiled.code).toBe(0)
  })
})
