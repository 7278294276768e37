import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { mysql } from '../../../dumpers/mysql/index.ts'
import { pg } from '../../../dumpers/pg/index.ts'
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

const listen = (options: Partial<ListenerOptions> = {}, deps: Partial<ListenerDeps> = {}) =>
  stage.listen(options, { gate: log, ...deps })

/** Lines, of which `cancel` begins no session: no refusal would be understood. */
const CANCELLING: NonNullable<ListenerDeps['dialect']> = {
  ...DIALECT,
  handshake: (options) => {
    const lines = DIALECT.handshake(options)
    let isCancel = false
    return {
      get refusable() {
        return lines.refusable && !isCancel
      },
      feed(from, chunk) {
        isCancel ||= chunk.includes('cancel')
        return lines.feed(from, chunk)
      },
    }
  },
}

describe('while the log is blocked', () => {
  test('new connections are refused as soon as they understand; that is logged once', async () => {
    log.isBlocked = true
    await listen({}, { dialect: CANCELLING })
    for (let n = 0; n < 3; n++) {
      const client = await stage.client()
      client.write('tls\n')
      expect(String(await read(client, 3))).toBe('no\n')
      client.write('hello\n')
      const words = 'refused log_blocked: the audit log cannot be written\n'
      expect(String(await readAll(client))).toBe(words)
      client.end()
      expect(await (await stage.flow()).over).toMatchObject({ by: 'proxy', reason: 'log_blocked' })
    }
    log.isBlocked = false
    const { client, server } = await stage.pair()
    client.write('hello\n')
    await read(server, 6)
    expect(stage.log).toEqual([
      { level: 'warn', message: 'the audit log cannot be written: new connections are refused' },
      { level: 'info', message: 'the audit log is written again: new connections are accepted' },
    ])
  })

  test('a dialect whose server speaks first: in place of the greeting, nobody is dialled', async () => {
    log.isBlocked = true
    await listen({}, { dialect: { ...DIALECT, handshake: undefined, serverSpeaksFirst: true } as never })
    const client = await stage.client()
    expect(String(await readAll(client))).toMatch(/^refused log_blocked/)
    client.end()
    const flow = await stage.flow()
    await flow.over
    expect(flow.dials).toBe(0)
  })

  test('a PROXY header is read first, so that the record has it', async () => {
    log.isBlocked = true
    await listen(
      { proxyProtocol: true },
      { dialect: { refusal: DIALECT.refusal, serverSpeaksFirst: true } },
    )
    const client = await stage.client()
    client.write('PROXY TCP4 192.0.2.7 192.0.2.8 4711 3306\r\n')
    expect(String(await readAll(client))).toMatch(/^refused log_blocked/)
    client.end()
    const flow = await stage.flow()
    expect(await flow.over).toMatchObject({ by: 'proxy', reason: 'log_blocked' })
    expect(flow.facts).toMatchObject({ proxy_protocol_src_addr: '192.0.2.7:4711' })
  })

  test('a request to cancel passes', async () => {
    log.isBlocked = true
    await listen({ maxConnections: 5 }, { dialect: CANCELLING })
    for (let n = 0; n < 6; n++) {
      const client = await stage.client()
      client.write('cancel\n')
      const server = await stage.backend.next()
      expect(String(await read(server, 7))).toBe('cancel\n')
      server.end()
      client.end()
      await readAll(client)
      const flow = await stage.flow()
      expect(await flow.over).toMatchObject({ reason: 'closed' })
      await until('gone', () => stage.listener.connections === 0)
    }
  })

  test('who came before goes on with the log-in, and what waits goes when the log is written', async () => {
    await listen({}, { dialect: DIALECT })
    const { client, server } = await stage.pair()
    log.isBlocked = true
    client.write('hello\n')
    expect(String(await read(server, 6))).toBe('hello\n')
    server.write('welcome')
    await read(client, 7)
    client.write('!run')
    await until('held', () => stage.listener.held.now === 1)
    log.isBlocked = false
    log.settle()
    expect(String(await read(server, 4))).toBe('!run')
  })
})

describe('the dialects themselves, while the log is blocked', () => {
  const STARTUP = Buffer.from('0000001b000300007573657200616c6963650000000000000000', 'hex')
  /** CancelRequest: int32 16, int32 80877102, int32 process id, int32 key */
  const CANCEL = Buffer.from('0000001004d2162e0000002a00000539', 'hex')
  /** SSLRequest: int32 8, int32 80877103 */
  const SSL = Buffer.from('0000000804d2162f', 'hex')

  beforeEach(() => {
    log.isBlocked = true
  })

  test('PostgreSQL: FATAL once the startup message is complete, also behind a request for TLS', async () => {
    await listen({}, { dialect: pg })
    const client = await stage.client()
    client.write(SSL)
    expect(String(await read(client, 1))).toBe('N')
    const startup = Buffer.concat([Buffer.from([0, 0, 0, STARTUP.length]), STARTUP.subarray(4)])
    client.write(startup.subarray(0, 10))
    await turns(5)
    expect(client.readableLength).toBe(0)
    client.write(startup.subarray(10))
    const words = String(await readAll(client))
    expect(words).toMatch(/^E.*FATAL.*the audit log cannot be written\0\0$/s)
    client.end()
    const flow = await stage.flow()
    expect(await flow.over).toMatchObject({ by: 'proxy', reason: 'log_blocked' })
    expect(flow.dials).toBe(0)
  })

  test.each([[CANCEL], [Buffer.concat([SSL, CANCEL])]])(
    'PostgreSQL: a CancelRequest passes',
    async (bytes) => {
      await listen({}, { dialect: pg })
      const client = await stage.client()
      client.end(bytes)
      const server = await stage.backend.next()
      expect((await readAll(server)).equals(CANCEL)).toBe(true)
      server.end()
      client.resume()
      const flow = await stage.flow()
      expect(await flow.over).toMatchObject({ by: 'client', reason: 'closed' })
      expect(flow.dials).toBe(1)
    },
  )

  test('MySQL: an ERR packet in place of the greeting', async () => {
    await listen({}, { dialect: mysql })
    const client = await stage.client()
    const words = await readAll(client)
    expect([...words.subarray(0, 5)]).toEqual([words.length - 4, 0, 0, 0, 0xff])
    expect(String(words.subarray(7))).toBe('the audit log cannot be written')
    client.end()
    const flow = await stage.flow()
    expect(await flow.over).toMatchObject({ by: 'proxy', reason: 'log_blocked' })
    expect(flow.dials).toBe(0)
  })
})
