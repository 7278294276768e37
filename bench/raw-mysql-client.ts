/**
 * A MySQL client that is never the bottleneck: it sends bytes and throws away what comes, looking only for
 * the packet that ends an answer. For servers that ask it for no password, and single results.
 */
import { connect } from 'node:net'

// Protocol::CapabilityFlags
const CLIENT_LONG_PASSWORD = 1
const CLIENT_PROTOCOL_41 = 1 << 9
const CLIENT_TRANSACTIONS = 1 << 13
const CLIENT_SECURE_CONNECTION = 1 << 15
const CLIENT_PLUGIN_AUTH = 1 << 19
const CLIENT_DEPRECATE_EOF = 1 << 24
const CAPABILITIES =
  CLIENT_LONG_PASSWORD |
  CLIENT_PROTOCOL_41 |
  CLIENT_TRANSACTIONS |
  CLIENT_SECURE_CONNECTION |
  CLIENT_PLUGIN_AUTH |
  CLIENT_DEPRECATE_EOF

const COM_QUERY = 0x03
const UTF8MB4 = 45
const HEADER = 4
/** OK packet in place of EOF: 0xFE, no rows, no id, uint16 status, uint16 warnings */
const END_PAYLOAD = 7
const END_BYTES = HEADER + END_PAYLOAD
const READ_BYTES = 256 * 1024
const MAX_PAYLOAD = 0xff_ffff

const packet = (seq: number, payload: Buffer): Buffer => {
  if (payload.length >= MAX_PAYLOAD) throw new Error('one packet is all that this client sends')
  const head = Buffer.alloc(HEADER)
  head.writeUIntLE(payload.length, 0, 3)
  head[3] = seq
  return Buffer.concat([head, payload])
}

const response = (user: string): Buffer => {
  const head = Buffer.alloc(32)
  head.writeUInt32LE(CAPABILITIES, 0)
  head.writeUInt32LE(1 << 30, 4)
  head[8] = UTF8MB4
  return packet(1, Buffer.concat([head, Buffer.from(`${user}\0\0mysql_native_password\0`)]))
}

export interface RawMysqlClient {
  /** sends a query and waits for the end of its answer; gives the bytes of the answer */
  ask(sql: string): Promise<number>
  close(): void
}

/** The last bytes of what has arrived, over any split of it. */
const tailOf = (before: Buffer, chunk: Buffer): Buffer =>
  chunk.length >= END_BYTES
    ? Buffer.from(chunk.subarray(-END_BYTES))
    : Buffer.concat([before, chunk]).subarray(-END_BYTES)

const isEnd = (tail: Buffer): boolean =>
  tail.length === END_BYTES && tail.readUIntLE(0, 3) === END_PAYLOAD && tail[HEADER] === 0xfe

/** OK, ERR, or the greeting: an answer of one packet, which came whole. */
const isSingle = (first: Buffer): boolean =>
  first.length > HEADER &&
  first.length === HEADER + first.readUIntLE(0, 3) &&
  [0x00, 0xff, 0x0a].includes(first[HEADER] as number)

/** Logs in without a password; rejects when the connection ends, or the server says no. */
export const connectRawMysql = async (
  port: number,
  user: string,
  readBytes = READ_BYTES,
): Promise<RawMysqlClient> => {
  let first: Buffer = Buffer.alloc(0)
  let tail: Buffer = Buffer.alloc(0)
  let bytes = 0
  let done = (): void => {}
  let failed = (_: Error): void => {}
  const arrived = (chunk: Buffer): void => {
    bytes += chunk.length
    tail = tailOf(tail, chunk)
    if (bytes < 1024) first = Buffer.concat([first, chunk])
    if (bytes < 1024 && isSingle(first)) {
      if (first[HEADER] === 0xff) failed(new Error(first.toString('latin1', HEADER)))
      else done()
    } else if (isEnd(tail)) done()
  }
  const answer = (): Promise<number> => {
    bytes = 0
    first = Buffer.alloc(0)
    tail = Buffer.alloc(0)
    return new Promise((resolve, reject) => {
      done = () => resolve(bytes)
      failed = reject
    })
  }
  const greeted = answer()
  const socket = connect({
    port,
    host: '127.0.0.1',
    noDelay: true,
    onread: {
      buffer: Buffer.allocUnsafe(readBytes),
      callback: (length, buffer) => {
        arrived(Buffer.from(buffer.buffer, buffer.byteOffset, length))
        return true
      },
    },
  })
  const end = () => failed(new Error('the connection ended'))
  socket.on('error', (error) => failed(error)).on('close', end)
  const send = (what: Buffer): Promise<number> => {
    const answered = answer()
    socket.write(what)
    return answered
  }
  await greeted
  await send(response(user))
  return {
    ask: (sql) => send(packet(0, Buffer.concat([Buffer.from([COM_QUERY]), Buffer.from(sql)]))),
    close: () => {
      failed = () => {}
      socket.destroy()
    },
  }
}
