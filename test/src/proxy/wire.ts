/** What tests of the proxy core share: a scripted server, a recording observer, time that stands still. */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import {
  type Direction,
  type FlowEnd,
  type FlowFacts,
  type FlowObserver,
  GO,
  type OpenFlow,
  type Ticket,
} from '../../../src/flow.ts'
import type { Clock, Timers } from '../../../src/proxy/clock.ts'
import type { ListenerDeps, ListenerOptions, ProxyLog } from '../../../src/proxy/context.ts'
import { type Listener, listen } from '../../../src/proxy/listener.ts'

const LOOPBACK = '127.0.0.1'

/** Time that passes when the test says so, and sweeps when it does. */
export class FakeTime implements Clock, Timers {
  #now = 1_000
  #callbacks = new Set<() => void>()

  now(): number {
    return 1_700_000_000_000_000 + this.#now * 1000
  }

  readonly steady = (): number => this.#now

  every(_milliseconds: number, callback: () => void): () => void {
    this.#callbacks.add(callback)
    return () => this.#callbacks.delete(callback)
  }

  get timers(): number {
    return this.#callbacks.size
  }

  pass(milliseconds: number): void {
    this.#now += milliseconds
    for (const callback of [...this.#callbacks]) callback()
  }
}

/** One flow as its observer saw it. */
export class Seen implements FlowObserver {
  facts: FlowFacts
  dials = 0
  loggedIn: boolean | undefined
  end: FlowEnd | undefined
  ends = 0
  answer: () => Ticket = () => GO
  readonly chunks: { from: Direction; bytes: Buffer }[] = []
  readonly over: Promise<FlowEnd>
  #tellOver!: (end: FlowEnd) => void

  constructor(facts: FlowFacts) {
    this.facts = facts
    this.over = new Promise((resolve) => {
      this.#tellOver = resolve
    })
  }

  dialled(facts: FlowFacts): void {
    this.dials++
    this.facts = facts
  }

  secured(): void {}
  gap(): void {}

  chunk(from: Direction, chunk: Buffer): Ticket {
    this.chunks.push({ from, bytes: Buffer.from(chunk) })
    return this.answer()
  }

  closed(end: FlowEnd): void {
    this.ends++
    this.end = end
    this.#tellOver(end)
  }

  bytes(from: Direction): Buffer {
    return Buffer.concat(this.chunks.filter((chunk) => chunk.from === from).map((chunk) => chunk.bytes))
  }
}

/** A database server: each connection is handed to the test. */
export interface Backend {
  readonly port: number
  readonly server: Server
  /** the next connection that was accepted */
  next(): Promise<Socket>
  stop(): void
}

export const backend = async (
  where: { port: number } | { path: string } = { port: 0 },
): Promise<Backend> => {
  const accepted: Socket[] = []
  const waiting: ((socket: Socket) => void)[] = []
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    socket.on('error', () => {})
    sockets.add(socket)
    const take = waiting.shift()
    if (take) take(socket)
    else accepted.push(socket)
  })
  server.listen('path' in where ? where : { ...where, host: LOOPBACK })
  await once(server, 'listening')
  const address = server.address()
  return {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    server,
    next: () => {
      const socket = accepted.shift()
      return socket ? Promise.resolve(socket) : new Promise((resolve) => waiting.push(resolve))
    },
    stop() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly message: string
}

export const recordingLog = (lines: LogLine[]): ProxyLog => ({
  info: (_fields, message) => void lines.push({ level: 'info', message }),
  warn: (_fields, message) => void lines.push({ level: 'warn', message }),
  error: (_fields, message) => void lines.push({ level: 'error', message }),
})

/** A listener before a backend, and all that is needed to look at it. */
export class Stage {
  readonly time = new FakeTime()
  readonly seen: Seen[] = []
  readonly log: LogLine[] = []
  readonly clients: Socket[] = []
  listener!: Listener
  backend!: Backend
  #ids = 0
  #where: { port: number | undefined; address: string } = { port: undefined, address: '' }
  #watchers: (() => void)[] = []

  openFlow: OpenFlow = (facts) => {
    const seen = new Seen(facts)
    this.seen.push(seen)
    for (const tell of this.#watchers.splice(0)) tell()
    return seen
  }

  async listen(options: Partial<ListenerOptions> = {}, deps: Partial<ListenerDeps> = {}): Promise<this> {
    this.backend ??= await backend()
    this.listener = await listen(
      {
        address: { host: LOOPBACK, port: 0 },
        remote: { host: LOOPBACK, port: this.backend.port },
        tlsClient: 'refuse',
        dialTimeout: 10_000,
        loginTimeout: 60_000,
        maxConnections: 0,
        allow: [],
        keepAlive: 0,
        noDelay: true,
        proxyProtocol: false,
        proxyProtocolForward: false,
        ...options,
      },
      {
        openFlow: (facts, at) => this.openFlow(facts, at),
        clock: this.time,
        timers: this.time,
        log: recordingLog(this.log),
        connId: () => `c${++this.#ids}`,
        ...deps,
      },
    )
    this.#where = { port: this.listener.port, address: this.listener.address }
    return this
  }

  async client(): Promise<Socket> {
    const socket = this.rawClient()
    await once(socket, 'connect')
    return socket
  }

  rawClient(): Socket {
    const { port, address } = this.#where
    const where = port === undefined ? { path: address } : { port, host: LOOPBACK }
    const socket = connect({ ...where, allowHalfOpen: true })
    socket.on('error', () => {})
    this.clients.push(socket)
    return socket
  }

  /** A client, and its connection as the server has it. */
  async pair(): Promise<{ client: Socket; server: Socket; flow: Seen }> {
    const client = await this.client()
    const server = await this.backend.next()
    const flow = await this.flow()
    await until('dialled', () => flow.dials === 1)
    return { client, server, flow }
  }

  /** The flow opened last, or the next one. */
  async flow(): Promise<Seen> {
    while (this.seen.length === 0) await new Promise<void>((resolve) => this.#watchers.push(resolve))
    return this.seen.at(-1) as Seen
  }

  async stop(): Promise<void> {
    for (const socket of this.clients) socket.destroy()
    this.listener?.end('shutdown')
    const stopped = this.listener?.stop()
    this.backend?.stop()
    await this.listener?.drained()
    await stopped
  }
}

/** All bytes until the sender's FIN. */
export const readAll = async (socket: Socket): Promise<Buffer> => {
  const chunks: Buffer[] = []
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Exactly so many bytes; further ones stay with the socket. */
export const read = (socket: Socket, count: number): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    let got: Buffer = Buffer.alloc(0)
    const settle = () => {
      socket.off('data', take).off('close', gone).off('end', gone).pause()
    }
    const gone = () => {
      settle()
      reject(new Error(`ended after ${got.length} of ${count} bytes`))
    }
    const take = (chunk: Buffer) => {
      got = Buffer.concat([got, chunk])
      if (got.length < count) return
      settle()
      if (got.length > count) socket.unshift(got.subarray(count))
      resolve(got.subarray(0, count))
    }
    socket.on('data', take).on('close', gone).on('end', gone).resume()
  })

/** Far beyond what a busy machine takes, within what a test may. */
const PATIENCE_MS = 20_000

/** Waits for a condition that no event tells of. */
export const until = async (what: string, condition: () => boolean): Promise<void> => {
  const end = Date.now() + PATIENCE_MS
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within ${PATIENCE_MS} ms: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
