/**
 * A PostgreSQL client of a few lines, for the demo's own workload: it sends, waits for ReadyForQuery, and
 * keeps nothing of what comes back.
 * {@link https://www.postgresql.org/docs/current/protocol-message-formats.html}
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const PROTOCOL_3 = 196_608
const READY_FOR_QUERY = 0x5a
const AUTHENTICATION = 0x52

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

const int16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

const cstring = (text: string): Buffer => Buffer.from(`${text}\0`)

/** byte type, int32 length of what follows with itself, body */
const message = (type: string, ...body: readonly Buffer[]): Buffer => {
  const bytes = Buffer.concat(body)
  return Buffer.concat([Buffer.from(type), int32(bytes.length + 4), bytes])
}

const sizedValue = (text: string | null): Buffer => {
  if (text === null) return int32(-1)
  const bytes = Buffer.from(text)
  return Buffer.concat([int32(bytes.length), bytes])
}

const SYNC = message('S')

/** Bind and Execute of a prepared statement, the portal unnamed, all values as text. */
const execution = (statement: string, values: readonly (string | null)[]): Buffer =>
  Buffer.concat([
    message(
      'B',
      cstring(''),
      cstring(statement),
      int16(0),
      int16(values.length),
      ...values.map(sizedValue),
      int16(0),
    ),
    message('E', cstring(''), int32(0)),
    SYNC,
  ])

/** A session. Errors that the server answers are no errors here; a connection that ends is one. */
export class DemoClient {
  readonly #socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #ready: { resolve: () => void; reject: (error: Error) => void } | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('error', (error) => this.#ended(error))
    socket.on('close', () => this.#ended(new Error('the server closed the connection')))
  }

  /** Logs in without a password. */
  static async logIn(port: number, user: string, application: string): Promise<DemoClient> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    const client = new DemoClient(socket)
    const parameters = ['user', user, 'database', 'postgres', 'application_name', application, '']
    const body = Buffer.concat([int32(PROTOCOL_3), ...parameters.map(cstring)])
    await client.#send(Buffer.concat([int32(body.length + 4), body]))
    return client
  }

  /** The text of one Query message; several statements of it run as one. */
  query(sql: string): Promise<void> {
    return this.#send(message('Q', cstring(sql)))
  }

  prepare(name: string, sql: string): Promise<void> {
    const parse = message('P', cstring(name), cstring(sql), int16(0))
    return this.#send(Buffer.concat([parse, message('D', Buffer.from('S'), cstring(name)), SYNC]))
  }

  execute(name: string, values: readonly (string | null)[]): Promise<void> {
    return this.#send(execution(name, values))
  }

  /** Says good-bye; resolves when the connection is closed. */
  async end(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve())
    })
    this.#socket.end(message('X'))
    await closed
  }

  #send(bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#ready = { resolve, reject }
      this.#socket.write(bytes)
    })
  }

  #ended(error: Error): void {
    this.#ready?.reject(error)
    this.#ready = undefined
  }

  #read(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk])
    while (this.#received.length >= 5) {
      const end = 1 + this.#received.readInt32BE(1)
      if (this.#received.length < end) return
      this.#message(this.#received.subarray(0, end))
      this.#received = this.#received.subarray(end)
    }
  }

  #message(bytes: Buffer): void {
    if (bytes[0] === AUTHENTICATION && bytes.readInt32BE(5) !== 0) {
      this.#ended(new Error('the server wants a password'))
    } else if (bytes[0] === READY_FOR_QUERY) {
      this.#ready?.resolve()
      this.#ready = undefined
    }
  }
}
