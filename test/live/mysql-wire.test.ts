/**
 * What the manuals leave open about ids and frames, asked of real servers with raw bytes: the framers and the
 * session rely on it.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { deflateSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CLIENT_COMPRESS } from '../../dumpers/mysql/capabilities.ts'
import type { Bytes } from '../../src/flow.ts'
import { CompressedFramer } from '../../src/framing/compressed.ts'
import { MysqlFramer } from '../../src/framing/mysql.ts'
import { describeLive } from '../support/live.ts'
import { startMariaDb } from '../support/mariadb.ts'
import type { MyServer } from '../support/my-server.ts'
import {
  CLIENT_DEFAULT,
  command,
  compressedFrame,
  frontend,
  packet,
  uint8,
  uint24,
} from '../support/my-wire.ts'
import { startMysql56 } from '../support/mysql56.ts'
import type { ServerName } from '../support/servers.ts'

type Reply = readonly [seq: number, payload: Bytes] | 'closed'

/** A logged-in connection on which bytes are sent as they are. */
class Raw {
  readonly socket: Socket
  readonly #replies: Reply[] = []
  #wake = () => {}
  #compressed = false
  readonly #packets: MysqlFramer = new MysqlFramer({
    header: (_seq, _first, length) => length,
    frame: (seq, _first, bytes, start, end) => {
      this.#replies.push([seq, Buffer.from(bytes.subarray(start, end))])
    },
    beyond: () => {},
  })
  readonly #frames = new CompressedFramer(
    { plain: (bytes) => this.#packets.feed(bytes), gap: () => false, lost: () => {} },
    'zlib',
  )

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk) => {
      if (this.#compressed) this.#frames.feed(chunk)
      else this.#packets.feed(chunk)
      this.#wake()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#replies.push('closed')
      this.#wake()
    })
  }

  static async open(server: MyServer, compressed: boolean): Promise<Raw> {
    const socket = connect(server.port, server.host)
    const raw = new Raw(socket)
    await once(socket, 'connect')
    await raw.reply()
    const flags = compressed ? CLIENT_DEFAULT | CLIENT_COMPRESS : CLIENT_DEFAULT
    const outcome = await raw.ask(frontend.response41({ user: 'root', secret: Buffer.alloc(0), flags }))
    expect(outcome).toBe('2 OK')
    raw.#compressed = compressed
    return raw
  }

  async reply(): Promise<Reply> {
    while (this.#replies.length === 0) {
      await new Promise<void>((wake) => {
        this.#wake = wake
      })
    }
    return this.#replies.shift() as Reply
  }

  /** Sends, and tells the next reply: its id and `OK`, or the error's number. */
  async ask(bytes: Bytes): Promise<string> {
    this.socket.write(bytes)
    return this.next()
  }

  async next(): Promise<string> {
    const reply = await this.reply()
    if (reply === 'closed') return reply
    const [seq, payload] = reply
    return `${seq} ${payload[0] === 0xff ? payload.readUInt16LE(1) : 'OK'}`
  }
}

const DO = 'do 1'
const query = (seq: number): Bytes => command(3, DO, seq)
const stored = (seq: number, plain: Bytes): Bytes => compressedFrame(seq, plain, true)
/** A deflated frame whose header claims what it likes. */
const lying = (claimed: number, behind = ''): Bytes => {
  const body = Buffer.concat([deflateSync(query(0)), Buffer.from(behind)])
  return Buffer.concat([uint24(body.length), uint8(0), uint24(claimed), body])
}
const OUT_OF_ORDER = '1156'
const BODY = Buffer.from(`\x03${DO}`.padEnd(0xff_ffff))

const asking = (name: string, kind: ServerName, start: () => Promise<MyServer>): Promise<void> =>
  describeLive(`the wire: ${name}`, [kind], () => {
    let server: MyServer
    beforeAll(async () => {
      server = await start()
    })
    afterAll(() => server?.stop())

    const told = async (compressed: boolean, bytes: Bytes, replies: number): Promise<string[]> => {
      const raw = await Raw.open(server, compressed)
      const all = [await raw.ask(bytes)]
      while (all.length < replies) all.push(await raw.next())
      raw.socket.destroy()
      return all
    }

    // [name, bytes, replies]
    test.each<[string, Bytes, string[]]>([
      ['a command has id 0', query(0), ['1 OK']],
      ['and no other', query(1), [`0 ${OUT_OF_ORDER}`, 'closed']],
      ['also behind another', Buffer.concat([query(0), query(1)]), ['1 OK', `0 ${OUT_OF_ORDER}`]],
      ['several in a pipeline', Buffer.concat([query(0), query(0)]), ['1 OK', '1 OK']],
      ['an empty packet is answered', Buffer.concat([packet(0, ''), query(0)]), ['1 1047', '1 OK']],
      ['the packets of a payload are numbered', packet(0, BODY), ['2 OK']],
      [
        'and checked',
        Buffer.concat([packet(0, BODY).subarray(0, -4), packet(0, '')]),
        [`1 ${OUT_OF_ORDER}`],
      ],
    ])('plain: %s', async (_, bytes, replies) => {
      expect(await told(false, bytes, replies.length)).toEqual(replies)
    })

    const half = query(0).subarray(0, 6)
    const rest = query(0).subarray(6)
    test.each<[string, Bytes, string[]]>([
      ['ids inside are not checked', stored(0, query(7)), ['1 OK']],
      ['those of frames are', stored(1, query(0)), [`0 ${OUT_OF_ORDER}`]],
      ['two commands in a frame', stored(0, Buffer.concat([query(0), query(9)])), ['1 OK', '0 OK']],
      ['a command in two frames', Buffer.concat([stored(0, half), stored(1, rest)]), ['2 OK']],
      ['numbered on', Buffer.concat([stored(0, half), stored(0, rest)]), [`1 ${OUT_OF_ORDER}`]],
      ['an empty frame counts', Buffer.concat([stored(0, Buffer.alloc(0)), stored(1, query(0))]), ['2 OK']],
      ['as long as is claimed', lying(query(0).length), ['1 OK']],
      ['shorter than is claimed', lying(0xff_ffff), ['1 OK']],
      ['longer than is claimed', lying(query(0).length - 1), ['closed']],
      ['bytes behind the stream', lying(query(0).length, 'garbage'), ['1 OK']],
    ])('compressed: %s', async (_, bytes, replies) => {
      expect(await told(true, bytes, replies.length)).toEqual(replies)
    })
  })

await asking('MariaDB', 'mariadb', startMariaDb)
await asking('MySQL 5.6', 'mysql56', startMysql56)
