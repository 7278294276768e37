/** Packets of 16 MiB and more, compressed frames, ids inside them. */
import { CLIENT_COMPRESS, COM } from '../../dumpers/mysql/capabilities.ts'
import type { Bytes } from '../../src/flow.ts'
import type { Scenario } from './my-scenario.ts'
import { CLIENT_DEFAULT, command, compressed, compressedFrame, frontend as f, packet } from './my-wire.ts'

const { concat } = Buffer
const q = f.query
const WHOLE = 0xff_ffff
const COMPRESSED = { flags: CLIENT_DEFAULT | CLIENT_COMPRESS, database: 'shop' }
const DROP = '\x03DROP TABLE t'

/** A query of so many bytes whose last ones are told. */
const long = (bytes: number, end: string): Bytes => {
  const head = "DO '"
  return q(
    concat([Buffer.from(head), Buffer.alloc(bytes - 1 - head.length - end.length, 'x'), Buffer.from(end)]),
  )
}

const HIDDEN = q("INSERT INTO t VALUES (4711, 'hidden')".padEnd(251))
const data = Buffer.alloc(9 + 0x100 + 0x20000, ' ')
data[0] = COM.STMT_SEND_LONG_DATA
data[1] = 77
HIDDEN.copy(data, 0x20000 + 9)

/** A part of a query, in a frame of its own. */
const frame = (seq: number, from: number, to?: number): Bytes =>
  compressedFrame(seq, q("SELECT 'in pieces'").subarray(from, to), seq % 2 === 0)

export const FRAMES: readonly Scenario[] = [
  {
    name: 'case 61: the second packet of 16 MiB looks like a command',
    steps: [
      [long(WHOLE + 30, `${DROP}'`), /^o$/],
      [q('DO 1'), /^o$/],
    ],
  },
  {
    name: 'case 37: exactly 16 MiB - 1, its second packet is empty',
    steps: [
      [long(WHOLE, "'"), /^o$/],
      [q('DO 1'), /^o$/],
    ],
  },
  {
    name: 'case 37: a byte less',
    steps: [
      [long(WHOLE - 1, "'"), /^o$/],
      [q('DO 1'), /^o$/],
    ],
  },
  {
    name: 'case 37: three packets',
    steps: [
      [long(2 * WHOLE + 20, `${DROP}'`), /^o$/],
      [q('DO 1'), /^o$/],
    ],
  },
  {
    name: 'case 37: rows of 16 MiB, more and less',
    steps: [
      ...[5, 4, 3].map((less) => [q(`SELECT REPEAT('r', ${WHOLE - less})`), /^..f.f$/] as const),
      [q(`SELECT REPEAT('r', ${2 * WHOLE})`), /^..f.f$/],
      [q('DO 1'), /^o$/],
    ],
  },
  {
    name: 'case 38: a command for each frame, ids inside are not looked at',
    login: COMPRESSED,
    isCompressed: true,
    steps: [
      [command(COM.QUERY, 'DO 1', 7), /^o$/],
      [command(COM.PING, '', 200), /^o$/],
      [q('SELECT 1'), /^..f.f$/],
    ],
  },
  {
    name: 'case 38: a query in stored, deflated and empty frames',
    login: COMPRESSED,
    isCompressed: true,
    isFramed: true,
    steps: [
      [
        concat([
          frame(0, 0, 3),
          frame(1, 3, 9),
          compressedFrame(2, Buffer.alloc(0), true),
          frame(3, 9, 10),
          frame(4, 10),
        ]),
        /^..f.f$/,
      ],
      [compressed(0, q('DO 2')), /^o$/],
    ],
  },
  {
    name: 'case 38: a frame out of order',
    unlogged: 'refused before it is read',
    login: COMPRESSED,
    isCompressed: true,
    isFramed: true,
    steps: [[concat([compressed(3, q('DO 1')), compressed(0, q('DO 2'))]), /^e\$?$/]],
  },
  {
    name: 'case 38: a body that does not inflate',
    login: COMPRESSED,
    isCompressed: true,
    isFramed: true,
    steps: [[concat([Buffer.from('0300000009000058595a', 'hex'), compressed(0, q('DO 2'))]), /\$$/]],
  },
  {
    name: 'case 59: a query that hides behind a PING in one frame',
    login: COMPRESSED,
    isCompressed: true,
    unlogged: 'nobody can see it; that something is wrong is told',
    steps: [
      [concat([f.ping(), packet(0, data)]), /^oeo$/],
      [q('DO 1'), /^o$/],
    ],
  },
]
