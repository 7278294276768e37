import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Gather } from '../../../src/proxy/gather.ts'
import { Auditor, FakeLog } from './log.ts'
import { Stage, until } from './wire.ts'

let stage: Stage
let log: FakeLog
beforeEach(async () => {
  stage = new Stage()
  log = new FakeLog()
  log.auto = false
  stage.openFlow = (facts) => {
    const seen = new Auditor(facts, log)
    stage.seen.push(seen)
    return seen
  }
  await stage.listen({}, { gate: log, gather: new Gather() })
})
afterEach(() => stage.stop())

/** Numbers that look random and are the same each time. */
const seeded = (seed: number) => () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed / 2 ** 32
}

/** Sizes around those at which a chunk is gathered, copied, lent, or fills a read. */
const SIZES = [1, 2, 30, 500, 4096, 4097, 16_383, 16_384, 65_536, 150_000]
const ENDS = [
  'half-close',
  'half-close',
  'half-close',
  'client resets',
  'server ends',
  'server resets',
] as const

interface Side {
  readonly socket: Socket
  readonly sent: Buffer[]
  readonly got: Buffer[]
}

const side = (socket: Socket): Side => {
  const one: Side = { socket, sent: [], got: [] }
  socket.on('data', (chunk) => one.got.push(chunk))
  return one
}

/** Bytes of which some are statements (`!`), none of which stands where another could be taken for it. */
const words = (random: () => number, count: number): Buffer => {
  const length = Math.ceil((SIZES[Math.floor(random() * SIZES.length)] as number) * (0.5 + random() / 2))
  const bytes = Buffer.alloc(length, `${count} `)
  if (random() < 0.6) bytes[Math.floor(random() * length)] = 0x21
  return bytes
}

/** Nothing that reached the server stands behind a statement that was not written. */
const expectHeld = (server: Side, writtenStatements: number): void => {
  let reached = 0
  for (const chunk of server.got) {
    for (let at = chunk.indexOf(0x21); at >= 0; at = chunk.indexOf(0x21, at + 1)) reached++
  }
  expect(reached).toBeLessThanOrEqual(writtenStatements)
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** One connection with a history of its own; answers how it was ended. */
const live = async (seed: number): Promise<void> => {
  const random = seeded(seed)
  const pair = await stage.pair()
  const flow = pair.flow as Auditor
  const client = side(pair.client)
  const server = side(pair.server)
  pair.client.setNoDelay(true)
  const steps = 3 + Math.floor(random() * 10)
  for (let step = 0; step < steps; step++) {
    const dice = random()
    const [from] = dice < 0.2 ? [server] : [client]
    if (dice < 0.75) {
      const bytes = words(random, step)
      from.sent.push(bytes)
      from.socket.write(bytes)
    } else if (dice < 0.85) {
      if (server.socket.isPaused()) server.socket.resume()
      else server.socket.pause()
    } else log.write(Math.floor(random() * 3))
    for (let left = Math.floor(random() * 4); left > 0; left--) await turn()
    expectHeld(server, flow.written)
  }
  server.socket.resume()
  await finish(ENDS[Math.floor(random() * ENDS.length)] as (typeof ENDS)[number], client, server, flow)
}

const finish = async (
  how: (typeof ENDS)[number],
  client: Side,
  server: Side,
  flow: Auditor,
): Promise<void> => {
  const up = Buffer.concat(client.sent)
  const down = Buffer.concat(server.sent)
  if (how === 'half-close') {
    client.socket.end()
    // Until all has come the log is written a little at a time, so that every wait is met.
    while (!server.socket.readableEnded) {
      log.write(1)
      await turn()
      expectHeld(server, flow.written)
    }
    server.socket.end()
    const end = await flow.over
    await until('all read', () => client.socket.readableEnded)
    expect(Buffer.concat(server.got).equals(up)).toBe(true)
    expect(Buffer.concat(client.got).equals(down)).toBe(true)
    expect(flow.bytes('frontend').equals(up)).toBe(true)
    expect(flow.bytes('backend').equals(down)).toBe(true)
    expect(end).toMatchObject({ bytesIn: up.length, bytesOut: down.length, by: 'client', reason: 'closed' })
    if (up.length > 0) expect(flow.notes.lastIndexOf('sent')).toBeGreaterThan(lastOf(flow))
    return
  }
  // libuv takes a reset behind bytes that are still to be read for an end: the other goes then by itself.
  server.socket.once('end', () => server.socket.end())
  client.socket.once('end', () => client.socket.end())
  if (how === 'client resets') client.socket.resetAndDestroy()
  else if (how === 'server resets') server.socket.resetAndDestroy()
  else {
    server.socket.end()
    if (!client.socket.readableEnded) await once(client.socket, 'end')
    expect(Buffer.concat(client.got).equals(down)).toBe(true)
    client.socket.end()
  }
  // A client that is not read is not known to have gone: the log is written meanwhile.
  while (flow.ends === 0) {
    log.write(1)
    await turn()
  }
  const got = Buffer.concat(server.got)
  expect(got.equals(up.subarray(0, got.length))).toBe(true)
  const shown = flow.bytes('frontend')
  expect(shown.equals(up.subarray(0, shown.length))).toBe(true)
  expect(shown.length).toBe(flow.end?.bytesIn)
  expectHeld(server, flow.written)
}

/** Where the last chunk of the client's was shown. */
const lastOf = (flow: Auditor): number => flow.notes.findLastIndex((note) => note.startsWith('frontend'))

test.each([...Array(10).keys()])(
  'of 100 connections: order, nothing lost, nothing before its time (%i)',
  async (batch) => {
    for (let n = 0; n < 100; n++) {
      const seed = batch * 100 + n
      await live(seed).catch((error: unknown) => {
        throw new Error(`with seed ${seed}`, { cause: error })
      })
    }
    await until('over', () => stage.listener.connections === 0)
    expect(stage.listener.held.now).toBe(0)
  },
)
