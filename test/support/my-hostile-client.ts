/**
 * A client that sends what it is told to, byte for byte, and writes down both directions of what was said: drivers
 * would never send it. It knows of the answers no more than what kind of packet each is.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Bytes } from '../../src/flow.ts'
import { CompressedFramer } from '../../src/framing/compressed.ts'
import { MysqlFramer } from '../../src/framing/mysql.ts'
import type { Turn } from './canonical.ts'
import { compressed } from './my-wire.ts'

/** How long an answer may take, in milliseconds. */
const PATIENCE = 4000
/** An EOF, or the OK in its place, is shorter than any row that begins with its byte. */
const LONGEST_END = 0xff_ffff

/** How a packet of the server is heard: by its first byte. */
const KINDS: Readonly<Record<number, string>> = { 0: 'o', 251: 'l', 254: 'f', 255: 'e' }

/** A packet as the client heard it. */
export interface Heard {
  readonly seq: number
  readonly payload: Bytes
}

export class HostileClient {
  readonly #socket: Socket
  /** both directions, in the order in which this side saw them */
  readonly turns: Turn[] = []
  /**
   * kinds of the packets that came, in order: `o` OK, `e` ERR, `f` EOF, `l` a request for a file, `.` any other, `$` the
   * end
   */
  heard = ''
  /** the packets */
  readonly packets: Heard[] = []
  /** what is sent next is the last: this side is closed behind it */
  endsNext = false
  /** as a proxy sees it */
  address = ''
  #isCompressed = false
  #wake = () => {}
  readonly #framer: MysqlFramer = new MysqlFramer({
    header: (_seq, _first, length) => Math.min(length, 1024),
    beyond: () => {},
    frame: (seq, first, bytes, start, end, length) => {
      this.packets.push({ seq, payload: Buffer.from(bytes.subarray(start, end)) })
      this.#hear(length < LONGEST_END ? (KINDS[first] ?? '.') : '.')
    },
  })
  readonly #frames = new CompressedFramer(
    { plain: (bytes) => this.#framer.feed(bytes), gap: () => false, lost: () => this.#hear('!') },
    'zlib',
  )

  constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Bytes) => {
      this.turns.push({ from: 'backend', bytes: chunk })
      if (this.#isCompressed) this.#frames.feed(chunk)
      else this.#framer.feed(chunk)
    })
    socket.on('error', () => {})
    socket.on('end', () => socket.end())
    socket.on('close', () => this.#hear('$'))
  }

  /** Connects, and waits for nothing else. */
  static async connect(port: number): Promise<HostileClient> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const client = new HostileClient(socket)
    await once(socket, 'connect')
    client.address = `127.0.0.1:${socket.localPort}`
    return client
  }

  #hear(kind: string): void {
    this.heard += kind
    this.#wake()
  }

  /** Sends it as it is, whatever was agreed on. */
  send(bytes: Bytes): void {
    this.turns.push({ from: 'frontend', bytes })
    if (this.endsNext) this.#socket.end(bytes)
    else this.#socket.write(bytes)
  }

  /**
   * Sends it in one compressed frame (or more, where it is too long) once that was agreed on. Frames of a file that
   * the server asked for are numbered behind its own.
   */
  say(bytes: Bytes): void {
    const seq = this.heard.endsWith('l') ? this.#frames.lastSeq + 1 : 0
    this.send(this.#isCompressed ? compressed(seq, bytes) : bytes)
  }

  /** Waits until what is heard beyond `from` characters is as told, or the end; then gives it. */
  async hear(wanted: RegExp, from: number): Promise<string> {
    for (;;) {
      const heard = this.heard.slice(from)
      if (wanted.test(heard)) return heard
      if (heard.endsWith('$')) throw new Error(`wanted ${wanted}, heard ${heard}`)
      await new Promise<void>((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`wanted ${wanted}, heard ${heard}`)), PATIENCE)
        this.#wake = () => {
          clearTimeout(late)
          resolve()
        }
      })
    }
  }

  /** Sends, and waits for an answer of these kinds. */
  async ask(bytes: Bytes, wanted: RegExp, isFramed = false): Promise<string> {
    const from = this.heard.length
    if (isFramed) this.send(bytes)
    else this.say(bytes)
    return this.hear(wanted, from)
  }

  /** What follows is compressed. */
  compress(): void {
    this.#isCompressed = true
  }

  /** Ends the session, unless the server did, and waits until it has seen it. */
  async leave(quit: Bytes): Promise<void> {
    if (this.heard.endsWith('$')) return
    this.say(quit)
    await this.hear(/\$$/, this.heard.length)
  }

  destroy(): void {
    this.#socket.destroy()
  }
}
