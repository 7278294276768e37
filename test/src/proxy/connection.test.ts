import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Handshake, HandshakeStep } from '../../../src/session.ts'
import { DIALECT } from './lines.ts'
import { backend, read, readAll, Stage, until } from './wire.ts'

let stage: Stage
beforeEach(() => {
  stage = new Stage()
})
afterEach(() => stage.stop())

/** A port of the loopback interface on which nobody listens. */
const deadPort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address ? address.port : 0
}

const deadRemote = async () => ({ remote: { host: '127.0.0.1', port: await deadPort() } })
describe('handshake', () => {
  test('answers, then forwards; the observer sees the client side of it', async () => {
    await stage.listen({}, { dialect: DIALECT })
    const { client, server, flow } = await stage.pair()
    client.write('tls\n')
    expect((await read(client, 3)).toString()).toBe('no\n')
    client.write('hello\nfirst query')
    expect((await read(server, 17)).toString()).toBe('hello\nfirst query')
    server.write('result')
    await read(client, 6)
    expect(flow.chunks.map(({ from, bytes }) => [from, bytes.toString()])).toEqual([
      ['frontend', 'tls\n'],
      ['backend', 'no\n'],
      ['frontend', 'hello\n'],
      ['frontend', 'first query'],
      ['backend', 'result'],
    ])
  })

  test('refuses the client in words of its own', async () => {
    await stage.listen({}, { dialect: DIALECT })
    const { client, server, flow } = await stage.pair()
    server.resume()
    client.write('bad\n')
    expect((await readAll(client)).toString()).toBe('go away\n')
    client.end()
    expect(await flow.over).toMatchObject({ by: 'proxy', reason: 'tls_refused', bytesIn: 4 })
  })

  test('that breaks is passed over', async () => {
    const handshake = (): Handshake => ({
      refusable: false,
      feed() {
        throw new Error('broken handshake')
      },
    })
    await stage.listen({}, { dialect: { handshake } })
    const { client, server } = await stage.pair()
    client.write('as it is')
    expect((await read(server, 8)).toString()).toBe('as it is')
    expect(stage.log.filter((line) => line.level === 'error')).toHaveLength(1)
  })

  test('bounds what is said to a server that is not reached', async () => {
    const silent = await silentServer()
    const chatty = { ...DIALECT, handshake: () => new Chatty() }
    await stage.listen({ remote: { host: '127.0.0.1', port: silent.port } }, { dialect: chatty })
    const client = await stage.client()
    const flow = await stage.flow()
    client.write(Buffer.alloc(8 << 20))
    await until('read from', () => flow.bytes('frontend').length >= 64 * 1024)
    const kept = flow.bytes('frontend').length
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(flow.bytes('frontend').length).toBe(kept)
    expect(kept).toBeLessThanOrEqual(128 * 1024)
    silent.stop()
  })

  test('bounds what awaits the answer of the server, and reads on behind it', async () => {
    const asking = new Asking()
    await stage.listen({}, { dialect: { handshake: () => asking } })
    const { client, server, flow } = await stage.pair()
    const sent = Buffer.alloc(2 << 20, 'held ')
    client.write(sent)
    await until('held', () => asking.bytes >= 64 * 1024)
    const { bytes } = asking
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(asking.bytes).toBe(bytes)
    expect(bytes).toBeLessThanOrEqual(128 * 1024)
    server.write('more')
    await read(client, 4)
    expect((await read(server, bytes)).equals(sent.subarray(0, bytes))).toBe(true)
    server.write('done')
    expect((await read(server, sent.length - bytes)).equals(sent.subarray(bytes))).toBe(true)
    expect(flow.bytes('frontend').equals(sent)).toBe(true)
  })
})

/** Holds what the client says until the server answers; an answer of `done` is its last. */
class Asking implements Handshake {
  readonly refusable = false
  bytes = 0
  #held: Buffer[] = []

  feed(from: 'frontend' | 'backend', chunk: Buffer): HandshakeStep[] {
    if (from === 'frontend') {
      this.bytes += chunk.length
      this.#held.push(Buffer.from(chunk))
      return []
    }
    const held = this.#held.map((bytes) => ({ kind: 'forward', from: 'frontend', bytes }) as const)
    this.#held = []
    const answer = { kind: 'forward', from, bytes: Buffer.from(chunk) } as const
    return chunk.toString() === 'done' ? [answer, ...held, { kind: 'done' }] : [answer, ...held]
  }
}

/** A server that does not accept, and whose queue is full: the system drops further attempts silently. */
const silentServer = async (): Promise<{ port: number; stop(): void }> => {
  const where = "{ port: 0, host: '127.0.0.1', backlog: 1 }"
  const script = `require('net').createServer().listen(${where}, function () {
    require('fs').writeSync(1, String(this.address().port))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const port = Number(String((await once(child.stdout, 'data'))[0]))
  const fillers: Socket[] = []
  const connected = () => fillers.filter((socket) => !socket.connecting).length
  // Two connections fill a queue of one; the third is not answered any more.
  for (let n = 0; n < 4; n++) fillers.push(connect(port, '127.0.0.1').on('error', () => {}))
  await until('queue full', () => connected() >= 2)
  return {
    port,
    stop() {
      for (const socket of fillers) socket.destroy()
      child.kill('SIGKILL')
    },
  }
}

/** Never understands a refusal and forwards for ever. */
class Chatty implements Handshake {
  readonly refusable = false
  feed(from: 'frontend' | 'backend', chunk: Buffer): HandshakeStep[] {
    return [{ kind: 'forward', from, bytes: Buffer.from(chunk) }]
  }
}

describe('a server that cannot be reached', () => {
  test('is told to the client as soon as it understands, and nothing eats the words', async () => {
    await stage.listen(await deadRemote(), { dialect: DIALECT })
    const client = await stage.client()
    client.write('tls\n')
    expect((await read(client, 3)).toString()).toBe('no\n')
    client.write('hello\nand a query that nobody will run')
    expect((await readAll(client)).toString()).toMatch(/^refused dial_refused: could not connect/)
    client.end()
    const flow = await stage.flow()
    expect(await flow.over).toMatchObject({ by: 'server', reason: 'dial_refused', detail: 'ECONNREFUSED' })
    expect(flow.dials).toBe(0)
    expect(flow.bytes('frontend').toString()).toBe('tls\nhello\nand a query that nobody will run')
    expect(stage.log).toHaveLength(1)
  })

  test('passthrough: the request that waits for the server is answered instead', async () => {
    stage.backend = await backend()
    await stage.listen(
      { remote: { path: '/nowhere/at/all' }, tlsClient: 'passthrough' },
      { dialect: DIALECT },
    )
    const client = await stage.client()
    client.write('tls\nhello\n')
    const said = (await readAll(client)).toString()
    expect(said).toMatch(/^no\nrefused dial_failed/)
    client.end()
    expect(await (await stage.flow()).over).toMatchObject({ reason: 'dial_failed', detail: 'ENOENT' })
  })

  test('dial timeout', async () => {
    const silent = await silentServer()
    await stage.listen({ remote: { host: '127.0.0.1', port: silent.port } }, { dialect: DIALECT })
    const client = await stage.client()
    client.write('hello\n')
    const flow = await stage.flow()
    await until('shown', () => flow.chunks.length > 0)
    stage.time.pass(10_001)
    expect((await readAll(client)).toString()).toMatch(/^refused dial_timeout: .* no answer within 10 s/)
    client.end()
    expect(await flow.over).toMatchObject({ by: 'proxy', reason: 'dial_timeout' })
    silent.stop()
  })

  test('of a server that a refused client is not waiting for says nothing', async () => {
    const silent = await silentServer()
    const remote = { host: '127.0.0.1', port: silent.port }
    await stage.listen({ remote, dialTimeout: 1_000 }, { dialect: DIALECT })
    const client = await stage.client()
    client.write('bad\n')
    expect(String(await readAll(client))).toBe('go away\n')
    stage.time.pass(1_001)
    client.end()
    expect(await (await stage.flow()).over).toMatchObject({ by: 'proxy', reason: 'tls_refused' })
    expect(stage.log).toEqual([])
    silent.stop()
  })

  test('a dialect without words: the connection ends', async () => {
    await stage.listen(await deadRemote())
    const client = await stage.client()
    expect((await readAll(client)).length).toBe(0)
    client.end()
    expect(await (await stage.flow()).over).toMatchObject({ by: 'server', reason: 'dial_refused' })
  })

  test('a client that never understands is ended at the login timeout', async () => {
    await stage.listen(await deadRemote(), { dialect: DIALECT })
    const client = await stage.client()
    client.write('half a li')
    const flow = await stage.flow()
    await until('dial failed', () => stage.log.length > 0)
    stage.time.pass(60_001)
    await readAll(client).catch(() => {})
    expect(await flow.over).toMatchObject({ by: 'server', reason: 'dial_refused' })
  })
})
