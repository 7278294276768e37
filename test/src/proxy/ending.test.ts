import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { passReset } from '../../../src/proxy/ending.ts'

const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => {}).resume()
})

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})

afterAll(() => {
  server.close()
})

const connected = async (): Promise<Socket> => {
  const { port } = server.address() as AddressInfo
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  await once(socket, 'connect')
  return socket
}

/** Resolves when it is closed; an error rejects. */
const closed = (socket: Socket): Promise<unknown> => once(socket, 'close')

test('a reset is handed on', async () => {
  const socket = await connected()
  const end = closed(socket)
  expect(passReset(socket)).toBe(false)
  await end
})

test('a side whose end is on its way is closed nonetheless', async () => {
  const socket = await connected()
  const end = closed(socket)
  socket.end()
  expect([socket.writableEnded, socket.writableFinished]).toEqual([true, false])
  process.nextTick(passReset, socket)
  await end
})

test('a side whose end was sent is reset', async () => {
  const socket = await connected()
  const end = closed(socket)
  socket.end()
  await once(socket, 'finish')
  passReset(socket)
  await end
})
