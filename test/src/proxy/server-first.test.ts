import { createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Handshake, HandshakeStep } from '../../../src/session.ts'
import { DIALECT } from './lines.ts'
import { backend, read, readAll, Stage, until } from './wire.ts'

let stage: Stage
beforeEach(() => {
  stage = new Stage()
})
afterEach(() => stage.stop())

const HEADER = 'PROXY TCP4 192.0.2.7 192.0.2.8 4711 3306\r\n'
const FACTS = {
  proxy_protocol_src_addr: '192.0.2.7:4711',
  proxy_protocol_dst_addr: '192.0.2.8:3306',
}

/** The server greets with a line, which is passed on in capitals; the client's first line ends it. */
class Greeting implements Handshake {
  refusable = true
  #said = ''

  feed(from: 'frontend' | 'backend', chunk: Buffer): HandshakeStep[] {
    if (from === 'backend') {
      this.refusable = false
      const note = { kind: 'note', message: 'it was made louder' } as const
      return [note, { kind: 'forward', from, bytes: Buffer.from(chunk.toString().toUpperCase()) }]
    }
    this.#said += chunk.toString()
    if (!this.#said.includes('\n')) return []
    return [{ kind: 'forward', from, bytes: Buffer.from(this.#said) }, { kind: 'done' }]
  }
}

const GREETS = { handshake: () => new Greeting(), refusal: DIALECT.refusal, serverSpeaksFirst: true }
/** passes everything on from the first byte */
const PLAIN = { serverSpeaksFirst: true }

const deadPort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

const shown = (flow: { chunks: { from: string; bytes: Buffer }[] }) =>
  flow.chunks.map(({ from, bytes }) => `${from} ${bytes}`)

test('the greeting comes before the client says anything', async () => {
  await stage.listen({}, { dialect: GREETS })
  const { client, server, flow } = await stage.pair()
  server.write('hello\n')
  expect((await read(client, 6)).toString()).toBe('HELLO\n')
  client.write('me\n')
  expect((await read(server, 3)).toString()).toBe('me\n')
  expect(shown(flow)).toEqual(['backend HELLO\n', 'frontend me\n'])
})

test('a note of the dialogue is told once per listener', async () => {
  await stage.listen({}, { dialect: GREETS })
  for (let count = 0; count < 3; count++) {
    const client = await stage.client()
    const server = await stage.backend.next()
    server.write('hello\n')
    await read(client, 6)
  }
  expect(stage.log).toEqual([{ level: 'warn', message: 'it was made louder' }])
})

test('a server that greets and leaves', async () => {
  await stage.listen({}, { dialect: GREETS })
  const { client, server, flow } = await stage.pair()
  server.end('too many\n')
  expect((await readAll(client)).toString()).toBe('TOO MANY\n')
  client.end()
  expect(await flow.over).toMatchObject({ by: 'server', reason: 'closed' })
})

test('a client that ends its side amid the log-in still hears the answer', async () => {
  await stage.listen({}, { dialect: GREETS })
  const { client, server, flow } = await stage.pair()
  server.write('hello\n')
  await read(client, 6)
  client.end()
  expect((await readAll(server)).length).toBe(0)
  server.end('bye\n')
  expect((await readAll(client)).toString()).toBe('BYE\n')
  expect(await flow.over).toMatchObject({ by: 'client', reason: 'closed' })
})

test('the login timeout ends a client that says nothing to the greeting', async () => {
  await stage.listen({}, { dialect: GREETS })
  const { client, server, flow } = await stage.pair()
  server.write('hello\n')
  await read(client, 6)
  stage.time.pass(60_001)
  client.resume()
  expect(await flow.over).toMatchObject({ by: 'proxy', reason: 'login_timeout' })
})

test('a server that cannot be reached: the client is told at once', async () => {
  await stage.listen({ remote: { host: '127.0.0.1', port: await deadPort() } }, { dialect: GREETS })
  const client = await stage.client()
  expect((await readAll(client)).toString()).toMatch(/^refused dial_refused/)
  client.end()
  expect(await (await stage.flow()).over).toMatchObject({ by: 'server', reason: 'dial_refused' })
})

test('a client over the limit is told at once', async () => {
  await stage.listen({ maxConnections: 1 }, { dialect: GREETS })
  await stage.pair()
  const client = await stage.client()
  expect((await readAll(client)).toString()).toBe('refused connection_limit: too many connections\n')
})

describe('with a PROXY header expected', () => {
  test.each([false, true])('the greeting does not wait for it; forwarded: %s', async (forward) => {
    const options = { proxyProtocol: true, proxyProtocolForward: forward }
    await stage.listen(options, { dialect: GREETS })
    const client = await stage.client()
    const server = await stage.backend.next()
    server.write('hello\n')
    expect((await read(client, 6)).toString()).toBe('HELLO\n')
    expect(stage.seen).toHaveLength(0)
    client.write(`${HEADER}me\n`)
    const wanted = forward ? `${HEADER}me\n` : 'me\n'
    expect((await read(server, wanted.length)).toString()).toBe(wanted)
    const flow = await stage.flow()
    expect(flow.facts).toMatchObject({ ...FACTS, proxy_client_addr: expect.any(String) })
    expect(flow.dials).toBe(1)
    expect(shown(flow)).toEqual(['backend HELLO\n', 'frontend me\n'])
    client.end('bye')
    await readAll(server)
    server.end()
    client.resume()
    expect(await flow.over).toMatchObject({ by: 'client', reason: 'closed', bytesIn: 6, bytesOut: 6 })
  })

  test('without a handshake too, and the header in pieces', async () => {
    await stage.listen({ proxyProtocol: true }, { dialect: PLAIN })
    const client = await stage.client()
    const server = await stage.backend.next()
    server.write('hello')
    await read(client, 5)
    client.setNoDelay(true)
    for (const byte of `${HEADER}me`) {
      client.write(byte)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect((await read(server, 2)).toString()).toBe('me')
    server.write(' too')
    expect((await read(client, 4)).toString()).toBe(' too')
    const flow = await stage.flow()
    expect(flow.facts).toMatchObject(FACTS)
    expect(flow.bytes('backend').toString()).toBe('hello too')
    expect(flow.bytes('frontend').toString()).toBe('me')
  })

  test('without a handshake too, and what follows the header comes with it', async () => {
    await stage.listen({ proxyProtocol: true }, { dialect: PLAIN })
    const client = await stage.client()
    const server = await stage.backend.next()
    server.write('hello')
    await read(client, 5)
    client.write(`${HEADER}me`)
    expect((await read(server, 2)).toString()).toBe('me')
    expect(shown(await stage.flow())).toEqual(['backend hello', 'frontend me'])
  })

  test('a header that comes first', async () => {
    await stage.listen({ proxyProtocol: true }, { dialect: GREETS })
    const client = await stage.client()
    client.write(HEADER)
    const flow = await stage.flow()
    expect(flow.facts).toMatchObject(FACTS)
    const server = await stage.backend.next()
    server.write('hello\n')
    expect((await read(client, 6)).toString()).toBe('HELLO\n')
    client.write('me\n')
    expect((await read(server, 3)).toString()).toBe('me\n')
  })

  test('a broken one ends the connection', async () => {
    await stage.listen({ proxyProtocol: true }, { dialect: GREETS })
    const client = await stage.client()
    const server = await stage.backend.next()
    server.write('hello\n')
    await read(client, 6)
    client.write('no header at all')
    await readAll(client).catch(() => {})
    const flow = await stage.flow()
    expect(await flow.over).toMatchObject({ by: 'proxy', reason: 'proxy_header' })
    expect(shown(flow)).toEqual(['backend HELLO\n'])
  })

  test('a missing one: the login timeout ends it, and what was said is on record', async () => {
    await stage.listen({ proxyProtocol: true }, { dialect: GREETS })
    const client = await stage.client()
    const server = await stage.backend.next()
    server.write('hello\n')
    await read(client, 6)
    stage.time.pass(60_001)
    client.resume()
    const flow = await stage.flow()
    expect(await flow.over).toMatchObject({ by: 'proxy', reason: 'login_timeout', bytesOut: 6 })
    expect(shown(flow)).toEqual(['backend HELLO\n'])
  })

  test('a server that cannot be reached: told without waiting, recorded with the header', async () => {
    const remote = { host: '127.0.0.1', port: await deadPort() }
    await stage.listen({ proxyProtocol: true, remote }, { dialect: GREETS })
    const client = await stage.client()
    expect((await readAll(client)).toString()).toMatch(/^refused dial_refused/)
    client.end(HEADER)
    const flow = await stage.flow()
    expect(flow.facts).toMatchObject(FACTS)
    expect(await flow.over).toMatchObject({ by: 'server', reason: 'dial_refused' })
  })

  test('a server that says more than a greeting is held back', async () => {
    stage.backend = await backend()
    await stage.listen({ proxyProtocol: true }, { dialect: PLAIN })
    const client = await stage.client()
    const server = await stage.backend.next()
    const flood = Buffer.alloc(16 << 20, 'flood')
    server.write(flood)
    let got = 0
    client.on('data', (chunk) => {
      got += chunk.length
    })
    await until('read', () => got > 64 * 1024)
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(got).toBeLessThanOrEqual(256 * 1024)
    client.write(HEADER)
    await until('all', () => got === flood.length)
    const flow = await stage.flow()
    expect(flow.bytes('backend').equals(flood)).toBe(true)
  })
})
