import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ConfigError } from '../../../src/errors.ts'
import { type FlowObserver, GO, type OpenFlow } from '../../../src/flow.ts'
import { tap } from '../../../src/observe/tap.ts'
import { networks } from '../../../src/proxy/listener.ts'
import type { Handshake, HandshakeStep } from '../../../src/session.ts'
import { backend, read, readAll, type Seen, Stage, until } from './wire.ts'

let stage: Stage
beforeEach(() => {
  stage = new Stage()
})
afterEach(() => stage.stop())

/** A dialect of lines: "tls" is answered with "no" (or passed on), the first other line is the startup. */
class LineHandshake implements Handshake {
  refusable = false
  readonly #answers: boolean
  #pending = ''

  constructor(answers: boolean) {
    this.#answers = answers
  }

  feed(from: 'frontend' | 'backend', chunk: Buffer): HandshakeStep[] {
    if (from === 'backend') return [{ kind: 'forward', from, bytes: Buffer.from(chunk) }]
    this.#pending += chunk.toString()
    const steps: HandshakeStep[] = []
    for (let end = this.#pending.indexOf('\n'); end >= 0; end = this.#pending.indexOf('\n')) {
      const line = this.#pending.slice(0, end + 1)
      this.#pending = this.#pending.slice(end + 1)
      const bytes = Buffer.from(line)
      if (line === 'tls\n' && this.#answers) {
        steps.push({ kind: 'reply', to: 'frontend', bytes: Buffer.from('no\n'), shown: bytes })
      } else if (line === 'bad\n') {
        steps.push({ kind: 'refuse', bytes: Buffer.from('go away\n'), reason: 'tls_refused', shown: bytes })
        return steps
      } else steps.push({ kind: 'forward', from, bytes })
      if (line === 'tls\n') continue
      this.refusable = true
      if (this.#pending) steps.push({ kind: 'forward', from, bytes: Buffer.from(this.#pending) })
      steps.push({ kind: 'done' })
      return steps
    }
    return steps
  }
}

const DIALECT = {
  handshake: ({ tlsClient }: { tlsClient: string }) => new LineHandshake(tlsClient === 'refuse'),
  refusal: ({ reason, message }: { reason: string; message: string }) =>
    Buffer.from(`refused ${reason}: ${message}\n`),
}

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

describe('facts', () => {
  test('name both ends of both connections', async () => {
    await stage.listen({ name: 'main' })
    const { client, flow } = await stage.pair()
    expect(flow.facts).toEqual({
      conn_id: 'c1',
      listener: 'main',
      client_addr: `127.0.0.1:${client.localPort}`,
      proxy_listen_addr: `127.0.0.1:${stage.listener.port}`,
      proxy_client_addr: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      remote_addr: `127.0.0.1:${stage.backend.port}`,
    })
  })
})

describe('an observer that throws', () => {
  const breaking = (call: keyof FlowObserver | 'open'): OpenFlow => {
    const broken = () => {
      throw new Error('broken observer')
    }
    return () => {
      if (call === 'open') broken()
      const whole = { dialled() {}, secured() {}, chunk: () => GO, gap() {}, closed() {} } as FlowObserver
      return { ...whole, [call]: broken }
    }
  }

  test.each(['open', 'dialled', 'chunk', 'closed'] as const)(
    'at %s leaves the traffic alone',
    async (call) => {
      const errors: unknown[] = []
      stage.openFlow = tap(breaking(call), { onError: (error) => errors.push(error) })
      await stage.listen({}, { dialect: DIALECT })
      const client = await stage.client()
      const server = await stage.backend.next()
      client.end('startup\nquestion')
      expect((await readAll(server)).toString()).toBe('startup\nquestion')
      server.end('answer')
      expect((await readAll(client)).toString()).toBe('answer')
      await stage.listener.drained()
      expect(errors).toHaveLength(1)
    },
  )
})

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
})

/** A server that does not accept, and whose queue is full: the system drops further attempts silently. */
const silentServer = async (): Promise<{ port: number; stop(): void }> => {
  const script = `require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () {
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

describe('limits', () => {
  test('a client too many is refused in words, and the place is free again afterwards', async () => {
    await stage.listen({ maxConnections: 1 }, { dialect: DIALECT })
    const { client, flow } = await stage.pair()
    const second = await stage.client()
    second.end('hello\n')
    expect((await readAll(second)).toString()).toMatch(/^refused connection_limit: too many connections/)
    await until('second flow', () => stage.seen.length === 2)
    expect(await stage.seen[1]?.over).toMatchObject({ by: 'proxy', reason: 'connection_limit' })
    client.destroy()
    await flow.over
    await stage.pair()
  })

  test('refusals are bounded too', async () => {
    await stage.listen({ maxConnections: 1 }, { dialect: DIALECT })
    await stage.pair()
    for (let n = 0; n < 70; n++) await stage.client()
    await until('all accepted', () => stage.seen.length === 71)
    await Promise.all(stage.seen.slice(65).map((flow) => flow.over))
    expect(stage.listener.connections).toBe(65)
    expect(stage.seen.filter((flow) => flow.end?.reason === 'connection_limit')).toHaveLength(6)
  })

  test.each([
    [['10.0.0.0/8'], 'not_allowed'],
    [['127.0.0.0/8'], 'closed'],
    [['10.0.0.0/8', '127.0.0.1'], 'closed'],
    [['::1'], 'not_allowed'],
  ])('allow %j: %s', async (allow, reason) => {
    await stage.listen({ allow })
    const client = await stage.client()
    client.end()
    if (reason === 'closed') (await stage.backend.next()).end().resume()
    client.resume()
    const end = await (await stage.flow()).over
    expect(end.reason).toBe(reason)
  })

  test.each(['10.0.0.0/33', '10.0.0/8', 'localhost', '10.0.0.0/', '::1/129', ''])(
    'no network: %j',
    (text) => {
      expect(() => networks([text])).toThrow(ConfigError)
    },
  )

  test('login timeout: a client that says nothing', async () => {
    await stage.listen({}, { dialect: DIALECT })
    const { client, flow } = await stage.pair()
    stage.time.pass(59_000)
    expect(flow.end).toBeUndefined()
    stage.time.pass(1_001)
    client.resume()
    expect(await flow.over).toMatchObject({ by: 'proxy', reason: 'login_timeout' })
  })

  test('login timeout: a client that is not logged in, and one that is', async () => {
    await stage.listen({}, { dialect: DIALECT })
    const first = await stage.pair()
    first.flow.loggedIn = false
    const second = await stage.pair()
    second.flow.loggedIn = true
    for (const { client, server } of [first, second]) {
      client.write('hello\n')
      await read(server, 6)
    }
    stage.time.pass(60_001)
    expect(await first.flow.over).toMatchObject({ by: 'proxy', reason: 'login_timeout' })
    expect(second.flow.end).toBeUndefined()
    expect(stage.listener.connections).toBe(1)
    stage.time.pass(1)
    expect(stage.time.timers).toBe(0)
  })
})

describe('PROXY header', () => {
  const HEADER = 'PROXY TCP4 192.0.2.7 192.0.2.8 4711 5432\r\n'

  test.each([false, true])(
    'comes byte by byte, is recorded, and consumed unless forwarded: %s',
    async (forward) => {
      await stage.listen({ proxyProtocol: true, proxyProtocolForward: forward }, { dialect: DIALECT })
      const client = await stage.client()
      client.setNoDelay(true)
      const text = `${HEADER}hello\nrest`
      for (const byte of text) {
        client.write(byte)
        await new Promise((resolve) => setImmediate(resolve))
      }
      const server = await stage.backend.next()
      const wanted = forward ? text : 'hello\nrest'
      expect((await read(server, wanted.length)).toString()).toBe(wanted)
      const flow = await stage.flow()
      expect(flow.facts).toMatchObject({
        proxy_protocol_src_addr: '192.0.2.7:4711',
        proxy_protocol_dst_addr: '192.0.2.8:5432',
      })
      expect(flow.bytes('frontend').toString()).toBe('hello\nrest')
    },
  )

  test('in one segment with all the rest', async () => {
    await stage.listen({ proxyProtocol: true })
    const client = await stage.client()
    const body = Buffer.alloc(100_000, 'x')
    client.end(Buffer.concat([Buffer.from(HEADER), body]))
    const server = await stage.backend.next()
    expect((await readAll(server)).equals(body)).toBe(true)
    server.end()
    client.resume()
    expect(await (await stage.flow()).over).toMatchObject({ bytesIn: body.length })
  })

  test('broken: the connection ends, with one line in the log', async () => {
    await stage.listen({ proxyProtocol: true })
    const client = await stage.client()
    client.write('no header at all')
    await readAll(client).catch(() => {})
    const flow = await stage.flow()
    expect(await flow.over).toMatchObject({ by: 'proxy', reason: 'proxy_header' })
    expect(stage.log).toHaveLength(1)
  })

  test('missing: the login timeout ends it', async () => {
    await stage.listen({ proxyProtocol: true })
    const client = await stage.client()
    client.write('PROXY ')
    await until('watched', () => stage.time.timers > 0)
    stage.time.pass(60_001)
    client.resume()
    expect(await (await stage.flow()).over).toMatchObject({ by: 'proxy', reason: 'login_timeout' })
  })
})

describe('end', () => {
  test('stop: no new connections, the old ones last until their end', async () => {
    await stage.listen()
    const { client, server, flow } = await stage.pair()
    await stage.listener.stop()
    const late = stage.rawClient()
    expect((await once(late, 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED' })
    client.write('still here')
    expect((await read(server, 10)).toString()).toBe('still here')
    let drained = false
    const done = stage.listener.drained().then(() => {
      drained = true
    })
    expect(drained).toBe(false)
    client.end()
    server.end().resume()
    client.resume()
    await done
    expect(flow.ends).toBe(1)
  })

  test('end: all connections, now', async () => {
    await stage.listen()
    const { client, flow } = await stage.pair()
    client.resume()
    stage.listener.end('shutdown')
    expect(await flow.over).toMatchObject({ by: 'proxy', reason: 'shutdown' })
    await stage.listener.drained()
  })
})

describe('addresses', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'querytap-test-'))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  test('a port in use is an error of the environment that names it', async () => {
    await stage.listen()
    const port = stage.listener.port as number
    const other = new Stage()
    other.backend = stage.backend
    await expect(other.listen({ address: { host: '127.0.0.1', port } })).rejects.toMatchObject({
      code: 'environment',
      message: `listen 127.0.0.1:${port}: address already in use`,
    })
  })

  test('Unix sockets on both sides; the file goes with the listener', async () => {
    const path = join(directory, 'listen.sock')
    const remote = join(directory, 'server.sock')
    stage.backend = await backend({ path: remote })
    await stage.listen({ address: { path }, remote: { path: remote } })
    const { client, server, flow } = await stage.pair()
    client.end('through')
    expect((await readAll(server)).toString()).toBe('through')
    server.end('and back')
    expect((await readAll(client)).toString()).toBe('and back')
    await flow.over
    expect(flow.facts).toMatchObject({
      client_addr: `unix:${path}`,
      proxy_listen_addr: path,
      remote_addr: remote,
    })
    await stage.listener.stop()
    expect(existsSync(path)).toBe(false)
  })

  test('a socket file that nobody serves is replaced, a served one and a plain file are not', async () => {
    const path = join(directory, 'listen.sock')
    await stage.listen({ address: { path } })
    const second = new Stage()
    second.backend = stage.backend
    await expect(second.listen({ address: { path } })).rejects.toMatchObject({ code: 'environment' })
    // A process that dies leaves its file behind: a child that binds and is killed.
    const stale = join(directory, 'stale.sock')
    const script = `require('net').createServer().listen(${JSON.stringify(stale)}, () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', script])
    expect(existsSync(stale)).toBe(true)
    const third = new Stage()
    third.backend = stage.backend
    await third.listen({ address: { path: stale } })
    const client = connect(stale)
    await once(client, 'connect')
    client.destroy()
    await third.listener.stop()
    const plain = join(directory, 'plain')
    writeFileSync(plain, 'not a socket')
    const fourth = new Stage()
    fourth.backend = stage.backend
    await expect(fourth.listen({ address: { path: plain } })).rejects.toMatchObject({ code: 'environment' })
    expect(existsSync(plain)).toBe(true)
  })
})

test('every flow that was opened is closed once', async () => {
  await stage.listen({ maxConnections: 3 }, { dialect: DIALECT })
  for (let n = 0; n < 30; n++) {
    const client = await stage.client()
    if (n % 3 === 0) client.resetAndDestroy()
    else if (n % 3 === 1) client.end('hello\n').resume()
    else client.destroy()
  }
  await until('all opened', () => stage.seen.length === 30)
  stage.listener.end('shutdown')
  await Promise.all(stage.seen.map((flow) => flow.over))
  expect(stage.seen.map((flow: Seen) => flow.ends)).toEqual(Array(30).fill(1))
})
