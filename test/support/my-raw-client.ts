/** A client that sends what it is told to, byte for byte: what drivers would never send. */
import { connect, type Socket } from 'node:net'
import {
  CLIENT_PLUGIN_AUTH,
  CLIENT_PROTOCOL_41,
  CLIENT_SECURE_CONNECTION,
  COM,
} from '../../dumpers/mysql/capabilities.ts'
import type { Bytes } from '../../src/flow.ts'
import { packet, uint8, uint16, uint32 } from './my-bytes.ts'
import { cstring } from './pg-wire.ts'

const FLAGS = CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH
const MAX_PACKET = 1 << 24
const UTF8MB4 = 45
const OK = 0
const AUTH_SWITCH = 0xfe
const EOF = 0xfe
const ERR = 0xff
/** An EOF is shorter than any row that begins with its byte. */
const LONGEST_EOF = 8

const HANDSHAKE_RESPONSE = Buffer.concat([
  uint32(FLAGS),
  uint32(MAX_PACKET),
  uint8(UTF8MB4),
  Buffer.alloc(23),
  cstring('root'),
  uint8(0),
  cstring('mysql_native_password'),
])

/** What a command came to: the server's error number, or none. */
export type Reply = number | undefined

export class RawClient {
  readonly #socket: Socket
  #bytes: Bytes = Buffer.alloc(0)
  #wake = () => {}
  #sequence = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    const wake = () => this.#wake()
    socket.on('data', (chunk) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
      wake()
    })
    socket.on('error', wake)
    socket.on('close', wake)
  }

  /** Logs in as root without a password. */
  static async open(port: number): Promise<RawClient> {
    const client = new RawClient(connect({ host: '127.0.0.1', port }))
    await client.#payload()
    client.#send(HANDSHAKE_RESPONSE)
    for (let payload = await client.#payload(); payload[0] !== OK; payload = await client.#payload()) {
      if (payload[0] !== AUTH_SWITCH) throw new Error(payload.toString('latin1'))
      client.#send(Buffer.alloc(0))
    }
    return client
  }

  #send(payload: Bytes): void {
    this.#socket.write(packet(this.#sequence + 1, payload))
  }

  async #payload(): Promise<Bytes> {
    for (;;) {
      const length = this.#bytes.length < 4 ? Number.POSITIVE_INFINITY : this.#bytes.readUIntLE(0, 3)
      if (this.#bytes.length >= 4 + length) {
        const payload = this.#bytes.subarray(4, 4 + length)
        this.#sequence = this.#bytes[3] as number
        this.#bytes = this.#bytes.subarray(4 + length)
        return payload
      }
      if (this.#socket.destroyed) throw new Error('the server has closed the connection')
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** A command that nothing answers. */
  tell(code: number, body: Bytes): void {
    this.#socket.write(packet(0, Buffer.concat([uint8(code), body])))
  }

  /** Sends a command and reads its reply: an OK, an ERR, or one result set. */
  async command(code: number, body: Bytes): Promise<Reply> {
    this.tell(code, body)
    const first = await this.#payload()
    if (first[0] === ERR) return first.readUInt16LE(1)
    if (first[0] === OK) return undefined
    await this.#untilEof()
    return this.#untilEof()
  }

  async #untilEof(): Promise<Reply> {
    for (;;) {
      const payload = await this.#payload()
      if (payload[0] === ERR) return payload.readUInt16LE(1)
      if (payload[0] === EOF && payload.length <= LONGEST_EOF) return undefined
    }
  }

  /** The statement's id and how many parameters it has. */
  async prepare(text: string): Promise<{ readonly id: number; readonly params: number }> {
    this.tell(COM.STMT_PREPARE, Buffer.from(text))
    const ok = await this.#payload()
    if (ok[0] === ERR) throw new Error(ok.toString('latin1'))
    const [id, columns, params] = [ok.readUInt32LE(1), ok.readUInt16LE(5), ok.readUInt16LE(7)]
    if (params > 0) await this.#untilEof()
    if (columns > 0) await this.#untilEof()
    return { id, params }
  }

  sendLongData(id: number, param: number, data: Bytes): void {
    this.tell(COM.STMT_SEND_LONG_DATA, Buffer.concat([uint32(id), uint16(param), data]))
  }

  /** Ends the session and waits until the server has seen it. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#socket.once('close', resolve))
    this.tell(COM.QUIT, Buffer.alloc(0))
    await closed
  }
}
