import { EventEmitter, once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Config, loadConfig } from '../../../config/load.ts'
import { runProxy } from '../../../src/commands/proxy.ts'
import { type SignalSource, watchSignals } from '../../../src/commands/signals.ts'
import { type Backend, backend, read, readAll } from '../proxy/wire.ts'

let directory: string
let server: Backend
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'querytap-test-'))
  server = await backend()
})
afterEach(() => {
  server.stop()
  rmSync(directory, { recursive: true, force: true })
})

const configure = (settings: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {}): Config => {
  const wanted = {
    proxy: { listenAddr: '127.0.0.1:0', remoteAddr: `127.0.0.1:${server.port}`, ...settings.proxy },
    querytap: { dumper: 'conn', pidfile: join(directory, 'proxy.pid'), ...settings.querytap },
    log: { dir: directory, stdout: false, rotateEnable: false, ...settings.log },
    dumpLog: { dir: directory, ...settings.dumpLog },
  }
  const flags = Object.entries(wanted).flatMap(([section, values]) =>
    Object.entries(values).map(([key, value]) => ({
      section: section as 'proxy',
      key,
      value,
      label: `${section}.${key}`,
    })),
  )
  return loadConfig({ candidates: [], env: {}, flags, needsListener: true })
}

/** A proxy in this process, with signals that the test sends. */
const start = async (config: Config, env: NodeJS.ProcessEnv = {}) => {
  const source = new EventEmitter()
  const send = (signal: string): void => void source.emit(signal, signal)
  const signals = watchSignals(() => {}, source as unknown as SignalSource)
  let tell: (addresses: readonly string[]) => void = () => {}
  const listening = new Promise<readonly string[]>((resolve) => {
    tell = resolve
  })
  const done = runProxy(config, { stdout: false, signals, env, onListening: tell })
  const [address = ''] = await Promise.race([listening, done.then(() => [])])
  const port = Number(address.slice(address.lastIndexOf(':') + 1))
  return { send, done, port }
}

const dial = async (port: number): Promise<Socket> => {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {})
  await once(socket, 'connect')
  return socket
}

const records = (): Record<string, unknown>[] =>
  readFileSync(join(directory, 'dump.log'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ event }) => event !== 'audit.checkpoint')

const events = () => records().map((record) => record.event)

describe('a run', () => {
  test('records its own start and stop around its sessions', async () => {
    const proxy = await start(configure())
    expect(readFileSync(join(directory, 'proxy.pid'), 'utf8')).toBe(`${process.pid}\n`)
    const client = await dial(proxy.port)
    const peer = await server.next()
    client.end('hello')
    expect((await readAll(peer)).toString()).toBe('hello')
    peer.end('bye')
    expect((await readAll(client)).toString()).toBe('bye')
    proxy.send('SIGTERM')
    expect(await proxy.done).toBe(0)
    expect(events()).toEqual(['audit.start', 'session.start', 'session.end', 'audit.stop'])
    expect(records()[2]).toMatchObject({
      end_by: 'client',
      end_reason: 'closed',
      bytes_in: 5,
      bytes_out: 3,
    })
    expect(records()[3]).toMatchObject({ reason: 'SIGTERM', pid: process.pid })
    expect(existsSync(join(directory, 'proxy.pid'))).toBe(false)
  })

  test('drains on SIGTERM: sessions go on, new ones are not taken; a second signal ends them', async () => {
    const proxy = await start(configure())
    const client = await dial(proxy.port)
    const peer = await server.next()
    proxy.send('SIGTERM')
    const late = connect(proxy.port, '127.0.0.1')
    expect((await once(late, 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED' })
    client.write('still here')
    expect((await read(peer, 10)).toString()).toBe('still here')
    client.resume()
    proxy.send('SIGTERM')
    expect(await proxy.done).toBe(0)
    expect(records().at(-2)).toMatchObject({
      event: 'session.end',
      end_by: 'proxy',
      end_reason: 'shutdown',
    })
  })

  test('stops now on SIGINT', async () => {
    const proxy = await start(configure())
    const client = await dial(proxy.port)
    client.resume()
    await server.next()
    proxy.send('SIGINT')
    expect(await proxy.done).toBe(0)
    expect(records().at(-2)).toMatchObject({ end_by: 'proxy', end_reason: 'shutdown' })
  })

  test('drainTimeout ends what does not end', async () => {
    const proxy = await start(configure({ proxy: { drainTimeout: '50ms' } }))
    const client = await dial(proxy.port)
    client.resume()
    await server.next()
    proxy.send('SIGTERM')
    expect(await proxy.done).toBe(0)
    expect(records().at(-2)).toMatchObject({ end_by: 'proxy', end_reason: 'shutdown' })
  })

  test('a port in use: an error that names it, and nothing left behind', async () => {
    const taken: Server = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const address = taken.address()
    const port = typeof address === 'object' ? address?.port : 0
    const config = configure({ proxy: { listenAddr: `127.0.0.1:${port}` } })
    await expect(runProxy(config, { stdout: false, env: {} })).rejects.toMatchObject({
      code: 'environment',
      message: `listen 127.0.0.1:${port}: address already in use`,
    })
    taken.close()
    expect(existsSync(join(directory, 'proxy.pid'))).toBe(false)
    expect(events()).toEqual(['audit.start', 'audit.stop'])
    expect(readFileSync(join(directory, 'querytap.log'), 'utf8')).toContain(
      `"error":"listen 127.0.0.1:${port}: address already in use"`,
    )
    expect(process.listenerCount('SIGTERM')).toBe(0)
  })

  test('useServerStarter without a starter is refused', async () => {
    const config = configure({ proxy: { useServerStarter: true } })
    await expect(runProxy(config, { stdout: false, env: {} })).rejects.toMatchObject({
      code: 'environment',
    })
    expect(readdirSync(directory)).toEqual([])
  })

  test("the log file's mode is that of the configuration", async () => {
    const proxy = await start(configure({ dumpLog: { rotateEnable: false } }))
    proxy.send('SIGTERM')
    await proxy.done
    expect(statSync(join(directory, 'dump.log')).mode & 0o777).toBe(0o600)
  })
})
