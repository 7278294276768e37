import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  findTcpdump,
  hasNoVlan,
  isListening,
  readCounts,
  startFailure,
  tcpdumpArguments,
} from '../../../src/capture/tcpdump.ts'
import { ConfigError } from '../../../src/errors.ts'

describe('arguments', () => {
  const options = { interface: 'eth0', filter: 'tcp port 1', bufferBytes: 2 << 20, immediateMode: false }

  test('as configured by default', () => {
    expect(tcpdumpArguments(options)).toEqual([
      '-i',
      'eth0',
      '-n',
      '-U',
      '-w',
      '-',
      '-B',
      '2048',
      'tcp port 1',
    ])
  })

  test('with a length and at once; the kernel counts its buffer in KiB', () => {
    const more = { ...options, bufferBytes: 1025, snapshotLength: 96, immediateMode: true }
    expect(tcpdumpArguments(more).slice(6)).toEqual([
      '-B',
      '2',
      '-s',
      '96',
      '--immediate-mode',
      'tcp port 1',
    ])
  })
})

describe('finding it', () => {
  test('in the PATH', () => {
    const directory = mkdtempSync(join(tmpdir(), 'querytap-path-'))
    const file = join(directory, 'tcpdump')
    writeFileSync(file, '#!/bin/sh\n', { mode: 0o755 })
    try {
      expect(findTcpdump({ PATH: `/nowhere:${directory}` })).toBe(file)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})

describe('what it says', () => {
  test.each([
    ['12 packets captured', { captured: 12 }],
    ['1 packet captured', { captured: 1 }],
    ['758268 packets dropped by kernel', { dropped: 758_268 }],
    ['3 packets dropped by interface', { droppedByInterface: 3 }],
    [
      'tcpdump: 251 packets captured, 764 packets received by filter, 7 packets dropped by kernel',
      { captured: 251, received: 764, dropped: 7 },
    ],
    ['tcpdump: listening on lo, link-type EN10MB (Ethernet), snapshot length 262144 bytes', {}],
  ])('%j', (line, counts) => {
    expect(readCounts(line)).toEqual(counts)
  })

  test('that it listens, that a link has no VLANs', () => {
    expect(isListening('tcpdump: listening on lo, link-type EN10MB (Ethernet)')).toBe(true)
    expect(isListening('tcpdump: verbose output suppressed')).toBe(false)
    expect(hasNoVlan('tcpdump: no VLAN support for Linux cooked v2\n')).toBe(true)
  })
})

test.each([
  [
    'tcpdump: nolo: No such device exists\n(No such device exists)',
    '--interface',
    /no such network interface/,
  ],
  [
    "tcpdump: lo: You don't have permission to perform this capture on that device\n(socket: Operation not permitted)",
    'probe',
    /no permission to capture on lo: .*setcap cap_net_raw,cap_net_admin\+eip \/usr\/bin\/tcpdump/,
  ],
  ['tcpdump: lo: That device is not up', '--interface', /is down/],
  ["tcpdump: can't parse filter expression: syntax error", '--filter', /--filter: .*syntax error/],
  ['tcpdump: something else\n', 'probe', /^tcpdump: something else$/],
  ['', 'probe', /^tcpdump: ended without a word$/],
])('%j is told as the user can mend it', (words, option, message) => {
  const error = startFailure(words, 'lo', '/usr/bin/tcpdump')
  expect(error).toBeInstanceOf(ConfigError)
  expect(error.option).toBe(option)
  expect(error.message).toMatch(message)
  expect(error.code).toBe(option === '--filter' ? 'usage' : 'environment')
})
