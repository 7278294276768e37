/** The capturing child, played by a shell: what it captured is handed on, whatever becomes of it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { LiveCapture, type LiveOptions } from '../../../src/capture/live.ts'
import { silentLog } from '../../../src/log.ts'
import { until } from '../../support/programs.ts'

const CAPTURE = new URL('../../captures/pg_std_base.pcap', import.meta.url).pathname
const RECORDS = 63
const LISTENING = 'echo "tcpdump: listening on lo, link-type EN10MB" >&2'
const WAIT = 'while :; do sleep 0.05; done'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'querytap-live-'))
  return () => rmSync(directory, { recursive: true, force: true })
})

interface Seen {
  records: number
  readonly losses: (number | undefined)[]
  readonly details: string[]
}

const open = (script: string, more: Partial<LiveOptions> = {}): { live: LiveCapture; seen: Seen } => {
  const seen: Seen = { records: 0, losses: [], details: [] }
  const live = new LiveCapture({
    ...{ interface: 'lo', filter: 'tcp', bufferBytes: 1 << 20, immediateMode: true, log: silentLog },
    command: ['/bin/sh', '-c', `trap : USR1; ${script}`, 'sh'],
    onRecord: () => {
      seen.records++
    },
    onLoss: (packets, detail) => {
      seen.losses.push(packets)
      seen.details.push(detail)
    },
    backOff: 10,
    countEvery: 20,
    ...more,
  })
  return { live, seen }
}

test('hands on what is captured, to the last packet before the end', async () => {
  const late = `trap 'cat ${CAPTURE}; exit 0' TERM; ${LISTENING}; ${WAIT}`
  const { live, seen } = open(late)
  await live.start()
  expect(seen.records).toBe(0)
  await live.stop()
  expect([seen.records, seen.losses]).toEqual([RECORDS, []])
})

test('counts come when asked for, and at the end; each new drop is told', async () => {
  const asked = join(directory, 'asked')
  const script = `n=0; trap 'n=$((n+3)); echo "tcpdump: $n packets captured, 9 packets received by filter, \
$n packets dropped by kernel" >&2; touch ${asked}' USR1
    trap 'echo "40 packets captured" >&2; echo "50 packets received by filter" >&2
    echo "$((n+1)) packets dropped by kernel" >&2; echo "2 packets dropped by interface" >&2; exit 0' TERM
    ${LISTENING}; ${WAIT}`
  const { live, seen } = open(script)
  await live.start()
  await until('an answer', () => seen.losses.length >= 2)
  await live.stop()
  const { captured, received, dropped, droppedByInterface } = live.counts
  expect([captured, received, droppedByInterface]).toEqual([40, 50, 2])
  expect(seen.losses.reduce<number>((sum, packets) => sum + (packets ?? 0), 0)).toBe(dropped + 2)
  expect(dropped % 3).toBe(1)
  expect(seen.details[0]).toBe('3 packets dropped by the kernel')
})

describe('a child that ends', () => {
  test('is started again; nobody knows what was missed', async () => {
    const count = join(directory, 'count')
    const script = `echo x >> ${count}; ${LISTENING}; cat ${CAPTURE}
      [ "$(wc -l < ${count})" -lt 3 ] && exit 7; trap 'exit 0' TERM; ${WAIT}`
    const { live, seen } = open(script)
    await live.start()
    await until('two restarts', () => live.restarts === 2 && seen.records === 3 * RECORDS)
    await live.stop()
    expect(seen.losses).toEqual([undefined, undefined])
    expect(seen.details[0]).toBe('not captured for a while: tcpdump ended (exit code 7)')
  })

  test('and cannot be started again is tried again and again, until it is stopped', async () => {
    const count = join(directory, 'count')
    const script = `echo x >> ${count}; [ "$(wc -l < ${count})" -gt 1 ] && exit 1; ${LISTENING}; exit 0`
    const { live, seen } = open(script)
    await live.start()
    await until('tries', () => readFileSync(count, 'utf8').length > 6)
    await live.stop()
    expect(seen.losses).toEqual([undefined])
  })

  test('whose stream is broken is ended and started again', async () => {
    const broken = join(directory, 'broken')
    writeFileSync(broken, Buffer.concat([readFileSync(CAPTURE).subarray(0, 24), Buffer.alloc(100, 0xff)]))
    const count = join(directory, 'count')
    const script = `echo x >> ${count}; ${LISTENING}
      [ "$(wc -l < ${count})" -lt 2 ] && cat ${broken}; trap 'exit 0' TERM; ${WAIT}`
    const { live, seen } = open(script)
    await live.start()
    await until('a restart', () => live.restarts === 1)
    await live.stop()
    expect(seen.details[0]).toMatch(/^not captured for a while: tcpdump ended \(capture: /)
  })
})

describe('a child that cannot begin', () => {
  test('is the reason why the start fails', async () => {
    const { live } = open('echo "tcpdump: lo: No such device exists" >&2; exit 1')
    await expect(live.start()).rejects.toThrow('no such network interface: lo')
    await live.stop()
  })

  test('for want of the program', async () => {
    const { live } = open('', { command: [join(directory, 'missing')] })
    await expect(live.start()).rejects.toThrow(/ENOENT/)
  })

  test('because its link has no VLANs gets the filter that does without', async () => {
    const args = join(directory, 'args')
    const script = `for last; do :; done; echo "$last" >> ${args}
      [ "$last" = vlan ] && { echo "tcpdump: no VLAN support for Linux cooked v2" >&2; exit 1; }
      trap 'exit 0' TERM; ${LISTENING}; ${WAIT}`
    const { live } = open(script, { filter: 'vlan', plainFilter: 'plain' })
    await live.start()
    await live.stop()
    expect(readFileSync(args, 'utf8')).toBe('vlan\nplain\n')
  })
})

test('a child that does not end is killed, when there is no time at once', async () => {
  const { live } = open(`trap '' TERM; ${LISTENING}; exec sleep 60`, {
    immediateMode: false,
    killAfter: 50,
  })
  await live.start()
  const began = performance.now()
  await live.stop(Promise.resolve())
  // the child would sleep for a minute
  expect(performance.now() - began).toBeLessThan(20_000)
})
