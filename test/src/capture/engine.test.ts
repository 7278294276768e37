import { describe, expect, test } from 'vitest'
import { DEFAULT_LIMITS } from '../../../src/capture/limits.ts'
import { talkOf, watching } from '../../support/captured.ts'
import { play, playAll, Talk } from '../../support/talk.ts'

const V1 = 'PROXY TCP4 198.51.100.7 192.0.2.2 40000 5432\r\n'

describe('PROXY protocol headers', () => {
  const proxyProtocol = true

  test('whole, in pieces, and together with the first bytes', () => {
    for (const pieces of [[`${V1}hello`], [V1, 'hello'], [...`${V1}hello`]]) {
      const talk = new Talk().open()
      for (const piece of pieces) talk.client(piece)
      const [flow] = playAll(talk.server('hi').close().shots, { proxyProtocol })
      expect(talkOf(flow!)).toEqual(['> hello', '< hi'])
      expect(flow?.facts).toMatchObject({
        src_addr: '192.0.2.1:50000',
        proxy_protocol_src_addr: '198.51.100.7:40000',
        proxy_protocol_dst_addr: '192.0.2.2:5432',
      })
      expect(flow?.end).toMatchObject({ bytesIn: 5, bytesOut: 2 })
    }
  })

  test('a server that speaks before: the addresses are told when they come', () => {
    const [flow] = playAll(new Talk().open().server('greeting').client(`${V1}hello`).shots, {
      proxyProtocol,
    })
    expect(talkOf(flow!)).toEqual(['< greeting', '> hello'])
    expect(flow?.facts.proxy_protocol_src_addr).toBe('198.51.100.7:40000')
  })

  test('no header: it is logged, and the bytes are shown as they are', () => {
    const { flows, capture } = watching({ proxyProtocol })
    expect(flows).toEqual([])
    capture.end()
    const [flow] = playAll(new Talk().open().client('hello').server('hi').shots, { proxyProtocol })
    expect(talkOf(flow!)).toEqual(['> hello', '< hi'])
    const [cut] = playAll(new Talk().open().client('PROXY TC').shots, { proxyProtocol })
    expect(talkOf(cut!)).toEqual(['> PROXY TC'])
  })

  test('in the middle of a connection no header is awaited', () => {
    const [flow] = playAll(new Talk().client('hello').server('hi').shots, { proxyProtocol })
    expect(talkOf(flow!)).toEqual(['> hello', '< hi'])
  })
})

describe('what is kept is bounded', () => {
  test('connections without packets expire by the packets’ time; tombstones too', () => {
    const limits = { idleTimeout: 10_000_000 }
    const first = new Talk().open().client('one?').server('one!')
    const other = new Talk({ clientPort: 50_001, at: first.at + 11_000_000 }).open().client('x')
    const { flows, capture } = play([...first.shots, ...other.shots], { limits })
    expect(flows.map(({ end }) => end?.reason)).toEqual(['idle', undefined])
    expect(capture.open).toBe(1)
    capture.advance(other.at + 20_000_000)
    expect(flows[1]?.end).toMatchObject({ by: 'capture', reason: 'idle' })
  })

  test('a busy connection does not expire', () => {
    const talk = new Talk().open()
    for (let count = 0; count < 20; count++) talk.wait(6_000_000).client('ping').server('pong')
    const { flows } = play(talk.shots, { limits: { idleTimeout: 10_000_000 } })
    expect(flows.map(({ end }) => end)).toEqual([undefined])
  })

  test('one packet with a wrong time does not stop the time of the others', () => {
    const first = new Talk({ at: 4_000_000_000_000_000, clientPort: 50_001 }).open()
    const talk = new Talk().open().client('lost').lose().server('answer').client('')
    const { flows, capture } = play([...first.shots, ...talk.shots])
    capture.advance(talk.at + 200_000)
    expect(talkOf(flows[1]!)).toEqual(['> [4]', '< answer'])
  })

  test('of too many connections the one idle for longest goes', () => {
    const talks = Array.from({ length: 20 }, (_, index) =>
      new Talk({ clientPort: 50_000 + index, at: 1_700_000_000_000_000 + index * 100_000 })
        .open()
        .client('hi'),
    )
    const { flows, capture } = play(
      talks.flatMap(({ shots }) => shots),
      { limits: { maxFlows: 5 } },
    )
    expect(capture.open).toBe(5)
    expect(flows.map(({ end }) => end?.reason)).toEqual([
      ...Array(15).fill('flow_limit'),
      ...Array(5).fill(undefined),
    ])
  })

  test('bytes ahead of a hole, per connection and together', () => {
    const limits = { maxFlowBytes: 20_000, maxBytes: 50_000, patience: 1e12, patiencePackets: 1e9 }
    const shots = Array.from({ length: 10 }, (_, index) => {
      const talk = new Talk({ clientPort: 50_000 + index }).open().client('lost').lose()
      for (let count = 0; count < 60; count++) talk.client('x'.repeat(1000))
      return talk.server('done').shots
    }).flat()
    const { flows, capture } = watching({ limits })
    for (const [index, { bytes, at }] of shots.entries()) {
      const record = { bytes, start: 0, end: bytes.length, wireLength: bytes.length, at }
      capture.record({ ...record, linkType: 1, interface: undefined, number: index + 1 })
      expect(capture.held).toBeLessThanOrEqual(50_000)
    }
    capture.end()
    expect(flows.length).toBe(10)
    for (const flow of flows) {
      expect(flow.end).toMatchObject({ bytesIn: 60_004, bytesOut: 4 })
      expect(talkOf(flow)[1]).toBe('< done')
    }
  })

  test('as many bytes may wait as a window of megabytes has', () => {
    const talk = new Talk().open().client('first')
    const late = talk.shots.pop()!
    for (let count = 0; count < 2000; count++) talk.client('x'.repeat(1460))
    const limits = { patience: 1e12, patiencePackets: 1e9 }
    const [flow] = playAll([...talk.shots, late], { limits })
    expect(talkOf(flow!)[0]?.length).toBe(2 + 5 + 2000 * 1460)
    expect(DEFAULT_LIMITS.maxFlowBytes).toBeGreaterThan(2000 * 1460)
  })
})

describe('targets', () => {
  test('other connections are none of ours, and a target tells the direction', () => {
    const { shots } = new Talk().client('one?').server('one!')
    expect(playAll(shots, { targets: [{ port: 5433 }] })).toEqual([])
    const [flow] = playAll([...shots].reverse(), { targets: [{ addresses: ['192.0.2.2'] }] })
    expect(flow?.facts.dst_addr).toBe('192.0.2.2:5432')
    const [other] = playAll(shots, { targets: [{ port: 50_000 }] })
    expect(talkOf(other!)).toEqual(['< one?', '> one!'])
  })

  test('what a target itself opens to somewhere else is no connection to it', () => {
    const { shots } = new Talk().open().client('one?')
    expect(playAll(shots, { targets: [{ addresses: ['192.0.2.1'] }] })).toEqual([])
  })
})

test('a link type that nobody can decode is told once', () => {
  const warned: string[] = []
  const { capture } = watching({
    log: {
      ...{ error: () => {}, info: () => {}, debug: () => {} },
      warn: (_fields, message) => void warned.push(message),
      child: () => {
        throw new Error('no child was expected')
      },
    },
  })
  const record = { bytes: Buffer.alloc(60), start: 0, end: 60, wireLength: 60, at: 1 }
  for (const number of [1, 2]) capture.record({ ...record, linkType: 147, interface: undefined, number })
  expect(warned).toEqual(['packets of this link type cannot be decoded'])
})
