import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { GO, type Ticket } from '../../../src/flow.ts'
import { read, readAll, Seen, Stage, until } from './wire.ts'

let stage: Stage
beforeEach(() => {
  stage = new Stage()
})
afterEach(() => stage.stop())

/** Numbers that look random and are the same each time. */
const seeded = (seed: number) => () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed / 2 ** 32
}

const noise = (length: number, seed: number): Buffer => {
  const random = seeded(seed)
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at++) bytes[at] = random() * 256
  return bytes
}

const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** Sizes around those at which a chunk is copied, lent, or fills a read. */
const SIZES = [1, 7, 100, 4095, 4096, 16_383, 16_384, 65_535, 65_536, 65_537, 200_000]

const sendInPieces = async (socket: Socket, bytes: Buffer, seed: number): Promise<void> => {
  const random = seeded(seed)
  for (let at = 0; at < bytes.length; ) {
    const size = SIZES[Math.floor(random() * SIZES.length)] as number
    if (!socket.write(bytes.subarray(at, at + size))) await once(socket, 'drain')
    at += size
    if (random() < 0.3) await new Promise((resolve) => setImmediate(resolve))
  }
  socket.end()
}

/** Reads so that the sender has to wait now and then. */
const readSlowly = async (socket: Socket, seed: number): Promise<Buffer> => {
  const random = seeded(seed)
  const chunks: Buffer[] = []
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk as Buffer)
    const turns = random() < 0.2 ? 20 : 0
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  return Buffer.concat(chunks)
}

describe('bytes', () => {
  test.each([1, 2, 3])('out equal bytes in, both ways at once, with slow readers (%i)', async (seed) => {
    await stage.listen()
    const { client, server, flow } = await stage.pair()
    const up = noise(3_000_000 + seed, seed)
    const down = noise(5_000_000 + seed, seed + 100)
    const [gotUp, gotDown] = await Promise.all([
      readSlowly(server, seed),
      readSlowly(client, seed + 1),
      sendInPieces(client, up, seed + 2),
      sendInPieces(server, down, seed + 3),
    ])
    expect(sha(gotUp)).toBe(sha(up))
    expect(sha(gotDown)).toBe(sha(down))
    const end = await flow.over
    expect(end).toMatchObject({ bytesIn: up.length, bytesOut: down.length, reason: 'closed' })
    expect(sha(flow.bytes('frontend'))).toBe(sha(up))
    expect(sha(flow.bytes('backend'))).toBe(sha(down))
  })

  test('of many connections do not mix, though there are not loans for all', async () => {
    await stage.listen()
    const pairs = []
    for (let n = 0; n < 60; n++) pairs.push(await stage.pair())
    await Promise.all(
      pairs.map(async ({ client, server }, n) => {
        const down = noise(400_000 + n, n)
        const [got] = await Promise.all([readSlowly(client, n), sendInPieces(server, down, n)])
        expect(sha(got)).toBe(sha(down))
      }),
    )
  })
})

describe('back-pressure', () => {
  test.each(['frontend', 'backend'] as const)(
    'holds the sender when %s bytes are not taken',
    async (from) => {
      await stage.listen()
      const { client, server } = await stage.pair()
      const [sender, taker] = from === 'frontend' ? [client, server] : [server, client]
      taker.pause()
      const piece = Buffer.alloc(1 << 20, 1)
      let sent = 0
      let stuck = false
      while (!stuck && sent < 200) {
        sent++
        // A write that is not taken within many turns of the loop is held back by the proxy.
        if (!sender.write(piece)) {
          const drained = once(sender, 'drain').then(() => true)
          const turns = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 300))
          stuck = !(await Promise.race([drained, turns]))
        }
      }
      expect(stuck).toBe(true)
      const flow = await stage.flow()
      // What the kernel holds on both legs is in there too.
      expect(flow.bytes(from).length).toBeLessThan(64 << 20)
      sender.end()
      const got = await readAll(taker)
      expect(got.length).toBe(sent * piece.length)
    },
  )
})

describe('half-close', () => {
  test('case 67: a client that half-closes after its last statement gets the answer', async () => {
    await stage.listen()
    const { client, server, flow } = await stage.pair()
    client.end('last statement')
    expect((await readAll(server)).toString()).toBe('last statement')
    server.end('the answer')
    expect((await readAll(client)).toString()).toBe('the answer')
    expect(await flow.over).toMatchObject({ by: 'client', reason: 'closed' })
  })

  test('a client that sends and half-closes before the dial is through loses nothing', async () => {
    await stage.listen()
    const client = stage.rawClient()
    client.end('all at once')
    const server = await stage.backend.next()
    expect((await readAll(server)).toString()).toBe('all at once')
    server.end('answer')
    expect((await readAll(client)).toString()).toBe('answer')
  })

  test('a server that closes first is told as such, and what it said arrives', async () => {
    await stage.listen()
    const { client, server, flow } = await stage.pair()
    server.end('FATAL: terminated')
    expect((await readAll(client)).toString()).toBe('FATAL: terminated')
    client.end()
    expect(await flow.over).toMatchObject({ by: 'server', reason: 'closed' })
  })

  test('a client that stays after its server has gone is ended after a while', async () => {
    await stage.listen()
    const { client, server, flow } = await stage.pair()
    server.end()
    await readAll(client)
    await until('watched', () => stage.time.timers > 0)
    stage.time.pass(61_000)
    expect(await flow.over).toMatchObject({ by: 'server', reason: 'closed' })
  })
})

describe('resets', () => {
  test('of the client reach the server', async () => {
    await stage.listen()
    const { client, server, flow } = await stage.pair()
    client.write('x')
    await read(server, 1)
    const failed = once(server, 'error')
    server.resume()
    client.resetAndDestroy()
    expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' })
    expect(await flow.over).toMatchObject({ by: 'client', reason: 'reset' })
  })

  test('of the server reach the client, behind what it had said', async () => {
    await stage.listen()
    const { client, server, flow } = await stage.pair()
    server.write('dying words')
    await read(client, 11)
    const failed = once(client, 'error')
    client.resume()
    server.resetAndDestroy()
    expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' })
    expect(await flow.over).toMatchObject({ by: 'server', reason: 'reset', bytesOut: 11 })
  })
})

describe('gated', () => {
  test('chunks wait for the word of the observer, in order, the FIN behind them', async () => {
    let ready: (() => void) | undefined
    const wait: Ticket = {
      kind: 'wait',
      from: 0,
      whenReady: (callback) => {
        ready = callback
      },
    }
    stage.openFlow = (facts) => {
      const seen = new Seen(facts)
      seen.answer = () => (seen.chunks.length === 1 ? wait : GO)
      stage.seen.push(seen)
      return seen
    }
    await stage.listen({}, { gate: { settle() {}, isBlocked: false } })
    const { client, server, flow } = await stage.pair()
    client.write('held ')
    await until('shown', () => flow.chunks.length === 1)
    client.end('then')
    server.write('backend bytes do not wait')
    await read(client, 25)
    expect(server.read()).toBeNull()
    ready?.()
    expect((await readAll(server)).toString()).toBe('held then')
  })
})
