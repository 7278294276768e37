import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ConfigError } from '../../../src/errors.ts'
import { type FlowObserver, GO, type OpenFlow } from '../../../src/flow.ts'
import { tap } from '../../../src/observe/tap.ts'
import { networks } from '../../../src/proxy/listener.ts'
import { DIALECT } from './lines.ts'
import { backend, read, readAll, type Seen, Stage, until } from './wire.ts'

let stage: Stage
beforeEach(() => {
  stage = new Stage()
})

/** A client that has gone again before this process can accept it. */
const visitAndReset = (port: number | undefined): void => {
  const script = 'const s = net.connect(+process.argv[1], "127.0.0.1", () => s.resetAndDestroy())'
  spawnSync(process.execPath, ['-e', script, String(port)])
}

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

  test('have no address of a client that had reset its connection before it was accepted', async () => {
    await stage.listen()
    visitAndReset(stage.listener.port)
    const { facts } = await stage.flow()
    expect(facts).toHaveProperty('proxy_listen_addr')
    expect(facts).not.toHaveProperty('client_addr')
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

  test('refusals are bounded where PROXY headers are waited for, too', async () => {
    await stage.listen({ maxConnections: 1, proxyProtocol: true, loginTimeout: 0 }, { dialect: DIALECT })
    for (let n = 0; n < 71; n++) (await stage.client()).resume()
    await until('six closed', () => stage.seen.length === 6 && stage.listener.connections === 65)
    stage.time.pass(60_001)
    await until('refused', () => stage.seen.length === 70)
    const reasons = await Promise.all(stage.seen.map(async (flow) => (await flow.over).reason))
    expect(new Set(reasons)).toEqual(new Set(['connection_limit']))
    expect(stage.listener.connections).toBe(1)
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

  test('allow: a client that had gone before it was accepted costs the server nothing', async () => {
    await stage.listen({ allow: ['127.0.0.1'] })
    visitAndReset(stage.listener.port)
    expect((await (await stage.flow()).over).reason).toBe('not_allowed')
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

  test('a missing directory of a Unix socket is named as such', async () => {
    const path = join(directory, 'missing', 'listen.sock')
    await expect(stage.listen({ address: { path } })).rejects.toMatchObject({
      code: 'environment',
      message: `listen ${path}: no such directory`,
    })
  })

  test('a path that cannot be looked at is named with the reason', async () => {
    const path = join(directory, 'x'.repeat(300), 'listen.sock')
    await expect(stage.listen({ address: { path } })).rejects.toMatchObject({
      code: 'environment',
      message: `listen ${path}: ENAMETOOLONG`,
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
    const die = "() => process.kill(process.pid, 'SIGKILL')"
    const script = `require('net').createServer().listen(${JSON.stringify(stale)}, ${die})`
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
