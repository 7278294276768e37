import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ListenerDeps, ListenerOptions } from '../../../src/proxy/context.ts'
import { DIALECT } from './lines.ts'
import { Auditor, FakeLog } from './log.ts'
import { read, readAll, Stage, until } from './wire.ts'

let stage: Stage
let log: FakeLog
beforeEach(() => {
  stage = new Stage()
  log = new FakeLog()
  stage.openFlow = (facts) => {
    const seen = new Auditor(facts, log)
    stage.seen.push(seen)
    return seen
  }
})
afterEach(() => stage.stop())

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  readonly flow: Auditor
}

const pair = async (): Promise<Pair> => (await stage.pair()) as Pair

const listen = (options: Partial<ListenerOptions> = {}, deps: Partial<ListenerDeps> = {}) =>
  stage.listen(options, { gate: log, ...deps })

/** A pair whose log is not written until the test says so, with the client's words shown and held. */
const held = async (words: string, options: Partial<ListenerOptions> = {}): Promise<Pair> => {
  log.auto = false
  await listen(options)
  const sides = await pair()
  sides.client.write(words)
  await until('held', () => stage.listener.held.now === 1)
  return sides
}

describe('a chunk', () => {
  test('is shown, settled, sent, and told as sent, with nothing left waiting', async () => {
    await listen()
    const { client, server, flow } = await pair()
    client.write('run!')
    expect(String(await read(server, 4))).toBe('run!')
    expect(flow.notes).toEqual(['frontend run!', 'sent'])
    expect(log.settles).toBe(1)
    expect(stage.listener.held).toEqual({ now: 0, total: 0, timedOut: 0 })
    server.write('done')
    await read(client, 4)
    client.write('again!')
    await read(server, 6)
    expect(flow.notes).toEqual(['frontend run!', 'sent', 'backend done', 'frontend again!', 'sent'])
  })

  test('goes up to where something begins that waits, the rest when it is written', async () => {
    const { client, server, flow } = await held('parse run!')
    expect(String(await read(server, 9))).toBe('parse run')
    server.write('meanwhile')
    expect(String(await read(client, 9))).toBe('meanwhile')
    await turns(5)
    expect(server.read()).toBeNull()
    expect(flow.notes.filter((note) => note.startsWith('sent'))).toEqual(['sent but 1'])
    stage.time.pass(70)
    log.write()
    expect(String(await read(server, 1))).toBe('!')
    expect(flow.notes.filter((note) => note.startsWith('sent'))).toEqual(['sent but 1', 'sent'])
    expect(flow.sentAt.at(-1)).toBe(stage.time.now())
    expect(stage.listener.held).toEqual({ now: 0, total: 1, timedOut: 0 })
  })

  test('behind a held one is not shown before it has gone', async () => {
    const { client, server, flow } = await held('!first')
    client.write('second')
    await until('read', () => true)
    server.write('notice')
    await read(client, 6)
    await turns(5)
    client.write('!third')
    await turns(5)
    expect(flow.notes.filter((note) => note.startsWith('frontend'))).toEqual(['frontend !first'])
    log.write()
    log.auto = true
    expect(String(await read(server, 18))).toBe('!firstsecond!third')
    await until('told', () => flow.notes.at(-1) === 'sent')
    expect(flow.bytes('frontend').toString()).toBe('!firstsecond!third')
  })

  test('that has gone is told, though one behind it is held', async () => {
    const { client, server, flow } = await held('!first')
    client.write('second')
    await until('read', () => server.bytesRead === 0)
    await turns(5)
    client.write('!third')
    await turns(5)
    stage.time.pass(70)
    log.write()
    expect(String(await read(server, 12))).toBe('!firstsecond')
    await until('held', () => stage.listener.held.now === 1)
    const since = flow.notes.indexOf('frontend !first')
    const told = flow.notes.slice(since + 1).filter((note) => note.startsWith('sent'))
    expect(told[0]).toBe('sent')
    expect(told.at(-1)).toMatch(/^sent but [56]$/)
    expect(flow.sentAt.at(-1)).toBe(stage.time.now())
  })

  test('that is long goes at once when nothing waits, and is told', async () => {
    await listen()
    const { client, server, flow } = await pair()
    client.write(Buffer.alloc(300_000, 'copy'))
    expect((await read(server, 300_000)).equals(Buffer.alloc(300_000, 'copy'))).toBe(true)
    await until('told', () => flow.notes.at(-1) === 'sent')
  })

  test('one settle serves all connections that spoke in a turn', async () => {
    await listen()
    const pairs = []
    for (let n = 0; n < 20; n++) pairs.push(await pair())
    // The sockets of this process are its own clients: what they write in one turn is read in one later.
    for (const { client } of pairs) client.write('go!')
    await Promise.all(pairs.map(({ server }) => read(server, 3)))
    expect(log.settles).toBeLessThan(10)
    for (const { flow } of pairs) expect(flow.notes).toEqual(['frontend go!', 'sent'])
  })
})

describe('while a chunk is held', () => {
  test('a FIN of the client waits behind it', async () => {
    const { client, server } = await held('!last')
    client.end()
    await turns(20)
    expect(server.readableEnded).toBe(false)
    log.write()
    expect(String(await readAll(server))).toBe('!last')
    server.end('answer')
    expect(String(await readAll(client))).toBe('answer')
  })

  test('a client that breaks off: it is dropped, and the server is told', async () => {
    const { client, server, flow } = await held('!never')
    const failed = once(server, 'error')
    server.resume()
    client.resetAndDestroy()
    expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' })
    expect(await flow.over).toMatchObject({ by: 'client', reason: 'reset', bytesIn: 6 })
    log.write()
    expect(flow.sentAt).toHaveLength(0)
    expect(server.bytesRead).toBe(0)
    expect(stage.listener.held.now).toBe(0)
  })

  test('a server that ends: its words flow, the chunk is dropped, what follows is only shown', async () => {
    const { client, server, flow } = await held('!never')
    server.end('terminated')
    expect(String(await readAll(client))).toBe('terminated')
    log.write()
    client.end('!nor this')
    expect(await flow.over).toMatchObject({ by: 'server', reason: 'closed', bytesIn: 15 })
    expect(String(await readAll(server))).toBe('')
    expect(flow.sentAt).toHaveLength(0)
    expect(flow.bytes('frontend').toString()).toBe('!never!nor this')
  })

  test('its client is not read without end', async () => {
    const { client, flow, server } = await held('!')
    const flood = Buffer.alloc(12_000_000, 'flood')
    for (let at = 0; at < flood.length; at += 50_000) client.write(flood.subarray(at, at + 50_000))
    for (let same = 0, length = 0; same < 50; await turns(1)) {
      same = client.writableLength === length ? same + 1 : 0
      length = client.writableLength
    }
    // What is not there is in the kernel's hands, on both sides of that connection.
    expect(client.writableLength).toBeGreaterThan(1_000_000)
    expect(flow.bytes('frontend').length).toBe(1)
    client.end()
    log.write()
    expect((await readAll(server)).subarray(1).equals(flood)).toBe(true)
    server.end()
    client.resume()
    expect(await flow.over).toMatchObject({ bytesIn: flood.length + 1 })
  })

  test('blockTimeout ends the session in words, behind what was said, and leaves the server at once', async () => {
    const { client, server, flow } = await held('!never', { blockTimeout: 5_000 })
    server.write('notice ')
    await until('passed on', () => flow.notes.includes('backend notice '))
    const closed = once(server, 'close')
    server.resume().on('end', () => server.end())
    stage.time.pass(4_999)
    expect(stage.listener.held).toEqual({ now: 1, total: 1, timedOut: 0 })
    stage.time.pass(1)
    await closed
    expect(String(await readAll(client))).toBe('notice FATAL')
    expect(flow.refusals).toEqual([{ reason: 'log_blocked', message: 'the audit log cannot be written' }])
    expect(stage.listener.held).toEqual({ now: 0, total: 1, timedOut: 1 })
    log.write()
    client.end('more words')
    expect(await flow.over).toMatchObject({ by: 'proxy', reason: 'log_blocked', bytesIn: 16 })
    expect(flow.sentAt).toHaveLength(0)
    expect(server.bytesRead).toBe(0)
  })

  test('blockTimeout without words ends it all the same, and a client that stays is ended', async () => {
    const { client, server, flow } = await held('!never', { blockTimeout: 5_000 })
    flow.words = undefined
    server.resume().on('end', () => server.end())
    stage.time.pass(5_000)
    expect(String(await readAll(client))).toBe('')
    stage.time.pass(5_001)
    expect(await flow.over).toMatchObject({ by: 'proxy', reason: 'log_blocked' })
  })

  test('each chunk has its own time to wait, and none that was written', async () => {
    const { client, server, flow } = await held('!one', { blockTimeout: 5_000 })
    stage.time.pass(4_000)
    log.write()
    await read(server, 4)
    client.write('!two')
    await until('held', () => stage.listener.held.now === 1)
    stage.time.pass(4_000)
    log.write()
    expect(String(await read(server, 4))).toBe('!two')
    stage.time.pass(60_000)
    await turns(3)
    expect(flow.ends).toBe(0)
  })

  test('the end of all connections drops it', async () => {
    const { flow } = await held('!never')
    stage.listener.end('shutdown')
    expect(await flow.over).toMatchObject({ by: 'proxy', reason: 'shutdown' })
    log.write()
    expect(flow.sentAt).toHaveLength(0)
    expect(stage.listener.held.now).toBe(0)
  })
})

test('a chunk that is refused ends the session in words, with what came before it in the turn', async () => {
  await listen()
  const { client, server, flow } = await pair()
  server.resume().on('end', () => server.end())
  client.write('what?')
  expect(String(await readAll(client))).toBe('FATAL')
  client.end()
  expect(await flow.over).toMatchObject({ by: 'proxy', reason: 'undecodable', bytesIn: 5 })
  expect(flow.refusals).toEqual([expect.objectContaining({ reason: 'undecodable' })])
  expect(server.bytesRead).toBe(0)
  expect(flow.sentAt).toHaveLength(0)
})

test('a chunk that is refused behind a held one ends the session later than in the call of the log', async () => {
  log.auto = false
  await listen({}, { dialect: DIALECT })
  const client = stage.rawClient()
  client.write('hello!\n?')
  const server = await stage.backend.next()
  expect(String(await read(server, 5))).toBe('hello')
  await until('held', () => stage.listener.held.now === 1)
  const flow = (await stage.flow()) as Auditor
  log.write()
  expect(flow.refusals).toEqual([])
  expect(String(await readAll(client))).toBe('FATAL')
  client.end()
  expect(await flow.over).toMatchObject({ reason: 'undecodable' })
  expect(String(await readAll(server))).toBe('!\n')
})

describe('before the log-in', () => {
  test('what is said to a server that is not reached yet goes when it is, and waits for the log', async () => {
    log.auto = false
    await listen({}, { dialect: DIALECT })
    const client = stage.rawClient()
    client.write('tls\nhello\nrun!')
    const server = await stage.backend.next()
    expect(String(await read(server, 9))).toBe('hello\nrun')
    await until('held', () => log.open === 1)
    await turns(5)
    expect(server.read()).toBeNull()
    log.write()
    expect(String(await read(server, 1))).toBe('!')
    const flow = (await stage.flow()) as Auditor
    expect(flow.notes).toEqual([
      'frontend tls\n',
      'backend no\n',
      'frontend hello\n',
      'frontend run!',
      'sent but 1',
      'sent',
    ])
  })

  test.each(['', 'PROXY TCP4 192.0.2.7 192.0.2.8 4711 3306\r\n'])(
    'a server that speaks first is heard, a command behind the log-in waits (%j)',
    async (header) => {
      log.auto = false
      await listen({ proxyProtocol: header !== '' }, { dialect: { serverSpeaksFirst: true } })
      const client = await stage.client()
      const server = await stage.backend.next()
      server.write('hello')
      expect(String(await read(client, 5))).toBe('hello')
      client.write(`${header}me`)
      expect(String(await read(server, 2))).toBe('me')
      client.write('run!')
      await until('held', () => stage.listener.held.now === 1)
      expect(String(await read(server, 3))).toBe('run')
      log.write()
      expect(String(await read(server, 1))).toBe('!')
      const flow = (await stage.flow()) as Auditor
      expect(flow.notes).toEqual([
        ...['backend hello', 'frontend me', 'sent'],
        ...['frontend run!', 'sent but 1', 'sent'],
      ])
    },
  )

  test('a server that is not reached: what waited for it is dropped, and was shown', async () => {
    await listen({ remote: { path: '/nowhere/at/all' } }, { dialect: DIALECT })
    const client = await stage.client()
    client.end('hello\nrun!')
    expect(String(await readAll(client))).toMatch(/^refused dial_failed/)
    const flow = (await stage.flow()) as Auditor
    expect(await flow.over).toMatchObject({ reason: 'dial_failed' })
    expect(flow.bytes('frontend').toString()).toBe('hello\nrun!')
    expect(flow.sentAt).toHaveLength(0)
  })
})
