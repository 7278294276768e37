/**
 * A PostgreSQL client that is never the bottleneck: it sends bytes and throws away what comes, looking only
 * for the ReadyForQuery that ends an answer. For servers that trust it, and statements that do not fail.
 */
import { connect, type Socket } from 'node:net'

const PROTOCOL_3 = 0x0003_0000
const READY_BYTES = 6
const Z = 0x5a
const G = 0x47
const READ_BYTES = 256 * 1024

const message = (type: string, body: Buffer): Buffer => {
  const head = Buffer.alloc(5)
  head.write(type, 'latin1')
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

const startup = (user: string, database: string): Buffer => {
  const body = Buffer.from(`\0\0\0\0user\0${user}\0database\0${database}\0\0`, 'latin1')
  body.writeUInt32BE(PROTOCOL_3, 0)
  const head = Buffer.alloc(4)
  head.writeUInt32BE(body.length + 4)
  return Buffer.concat([head, body])
}

/** Query 'Q': cstring */
export const query = (sql: string): Buffer => message('Q', Buffer.from(`${sql}\0`))

/** CopyData 'd' with so many equal rows */
export const copyData = (row: string, rows: number): Buffer => message('d', Buffer.from(row.repeat(rows)))

const COPY_DONE = message('c', Buffer.alloc(0))

export interface RawClient {
  /** sends a query and waits for the end of its answer; gives the bytes of the answer */
  ask(sql: string): Promise<number>
  /** COPY … FROM STDIN: sends the chunk so many times; gives the bytes sent */
  copyIn(sql: string, chunk: Buffer, times: number): Promise<number>
  close(): void
}

/** The last bytes of what has arrived, over any split of it. */
const tailOf = (before: Buffer, chunk: Buffer): Buffer =>
  chunk.length >= READY_BYTES
    ? Buffer.from(chunk.subarray(-READY_BYTES))
    : Buffer.concat([before, chunk]).subarray(-READY_BYTES)

const isReady = (tail: Buffer): boolean =>
  tail.length === READY_BYTES && tail[0] === Z && tail.readUInt32BE(1) === 5 && tail[5] !== 0

/** Logs in; rejects when the connection ends. */
export const connectRaw = async (
  port: number,
  user: string,
  database: string,
  readBytes = READ_BYTES,
): Promise<RawClient> => {
  let tail: Buffer = Buffer.alloc(0)
  let bytes = 0
  let done = (): void => {}
  let failed = (_: Error): void => {}
  const arrived = (chunk: Buffer): void => {
    bytes += chunk.length
    tail = tailOf(tail, chunk)
    if (isReady(tail) || (chunk[0] === G && bytes === chunk.length)) done()
  }
  const onread = {
    buffer: Buffer.allocUnsafe(readBytes),
    callback: (length: number, buffer: Uint8Array) => {
      arrived(Buffer.from(buffer.buffer, buffer.byteOffset, length))
      return true
    },
  }
  const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true, onread })
  const end = () => failed(new Error('the connection ended'))
  socket.on('error', (error) => failed(error)).on('close', end)
  const answer = (): Promise<number> => {
    bytes = 0
    tail = Buffer.alloc(0)
    return new Promise((resolve, reject) => {
      done = () => resolve(bytes)
      failed = reject
    })
  }
  const send = (what: Buffer): Promise<number> => {
    const answered = answer()
    socket.write(what)
    return answered
  }
  await send(startup(user, database))
  return {
    ask: (sql) => send(query(sql)),
    copyIn: async (sql, chunk, times) => {
      await send(query(sql))
      const answered = answer()
      for (let sent = 0; sent < times; sent++) {
        if (!socket.write(chunk)) await new Promise((resolve) => socket.once('drain', resolve))
      }
      socket.write(COPY_DONE)
      await answered
      return chunk.length * times
    },
    close: () => {
      failed = () => {}
      socket.destroy()
    },
  }
}
