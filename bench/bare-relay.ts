/**
 * The proxy core with nothing behind it: `bare-relay HOST:PORT HOST:PORT` listens on the first and passes
 * everything on to the second. What observation costs is measured against it.
 */
import { type FlowObserver, GO } from '../src/flow.ts'
import { systemClock, systemTimers } from '../src/proxy/clock.ts'
import { connIds } from '../src/proxy/conn-id.ts'
import { listen } from '../src/proxy/listener.ts'

const ignore = (): void => {}
const NOBODY: FlowObserver = {
  dialled: ignore,
  secured: ignore,
  chunk: () => GO,
  gap: ignore,
  closed: ignore,
}

const address = (text: string | undefined) => {
  const [host, port] = (text ?? '').split(':')
  if (!host || !port) throw new Error('bare-relay HOST:PORT HOST:PORT')
  return { host, port: Number(port) }
}

const [from, to] = process.argv.slice(2)

await listen(
  {
    address: address(from),
    remote: address(to),
    tlsClient: 'refuse',
    dialTimeout: 10_000,
    loginTimeout: 0,
    maxConnections: 0,
    allow: [],
    keepAlive: 0,
    noDelay: true,
    proxyProtocol: false,
    proxyProtocolForward: false,
  },
  {
    openFlow: () => NOBODY,
    clock: systemClock(),
    timers: systemTimers,
    log: { info: ignore, warn: console.error, error: console.error },
    connId: connIds(),
  },
)
