/**
 * Sessions of a hostile client on a real server: commands whole, broken and unknown, sent without waiting, in
 * random pieces, the first of them together with the log-in. A seed repeats one.
 */
import { connect } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import {
  CLIENT_DEPRECATE_EOF,
  CLIENT_LOCAL_FILES,
  CLIENT_MULTI_RESULTS,
  CLIENT_MULTI_STATEMENTS,
  CLIENT_SESSION_TRACK,
  COM,
  MARIADB_CLIENT_CACHE_METADATA,
  MARIADB_CLIENT_STMT_BULK_OPERATIONS,
} from '../../dumpers/mysql/capabilities.ts'
import type { Bytes } from '../../src/flow.ts'
import { randomBytes, randomInteger, seededRandom, splitRandomly } from './chunks.ts'
import { packet } from './my-bytes.ts'
import { CLIENT_DEFAULT, command, frontend, longParam, stringParam } from './my-frontend.ts'

type Random = () => number

/** The user that it logs in as: no password, and rights on `shop` alone. */
export const HOSTILE_USER = 'hostile'

const pick = <T>(random: Random, items: readonly T[]): T =>
  items[randomInteger(random, 0, items.length - 1)] as T

const TEXTS: readonly ((n: number) => string)[] = [
  (n) => `SELECT ${n}`,
  (n) => `SELECT 'a\n${n}' /* ${n} */ # end`,
  (n) => `SELEC ${n}`,
  (n) => `SELECT * FROM nowhere WHERE n = ${n}`,
  (n) => `INSERT INTO kept VALUES (${n})`,
  (n) => `SELECT ${n}; SELECT ${n + 1}; INSERT INTO kept VALUES (${n})`,
  (n) => `SELECT ${n}; SELEC ${n}`,
  (n) => `LOAD DATA LOCAL INFILE 'file ${n}' INTO TABLE kept`,
  (n) => `SET @v${n} = 1`,
  () => 'BEGIN',
  () => 'COMMIT',
  () => 'USE shop',
  () => '',
]
const PREPARED: readonly ((n: number) => string)[] = [
  (n) => `SELECT ?, ${n}`,
  (n) => `INSERT INTO kept VALUES (? + ${n})`,
  (n) => `SELECT seq FROM seq_1_to_50 WHERE seq > ? + 0 * ${n}`,
  (n) => `SELEC ? ${n}`,
]

const id = (random: Random): number => pick(random, [1, 1, 2, 3, 4, 0xffff_ffff, 77])

const execution = (random: Random, n: number): Bytes =>
  frontend.execute(id(random), [pick(random, [longParam(n), stringParam(`s${n}`), longParam(null)])], {
    flags: pick(random, [0, 0, 1]),
    types: random() < 0.8,
  })

const COMMANDS: readonly ((random: Random, n: number) => Bytes)[] = [
  (random, n) => frontend.query(pick(random, TEXTS)(n)),
  (random, n) => frontend.query(pick(random, TEXTS)(n)),
  (random, n) => frontend.prepare(pick(random, PREPARED)(n)),
  execution,
  execution,
  (random, n) =>
    frontend.bulkExecute(id(random), [COM.STMT_BULK_EXECUTE & 0xfe], [[Buffer.from([n & 0xff])]]),
  (random) => frontend.sendLongData(id(random), pick(random, [0, 1]), 'long'),
  (random) => pick(random, [frontend.close, frontend.reset])(id(random)),
  (random) => frontend.fetch(id(random), 7),
  (random) => frontend.initDb(pick(random, ['shop', 'nowhere', 'shop\0', ''])),
  (random) => frontend.fieldList(pick(random, ['kept', 'nowhere', ''])),
  (random) => pick(random, [frontend.ping, frontend.statistics, frontend.debug, frontend.processInfo])(),
  (random) => pick(random, [frontend.resetConnection(), frontend.setOption(0), frontend.setOption(1)]),
  (random) => command(randomInteger(random, 0, 255), randomBytes(random, randomInteger(random, 0, 40))),
  (random, n) => command(pick(random, [COM.QUERY, COM.STMT_PREPARE]), `SELECT ${n}\0; trailing`),
]

/** A byte of its payload is another one. */
const mutated = (random: Random, bytes: Bytes): Bytes => {
  const copy = Buffer.from(bytes)
  const at = randomInteger(random, 4, copy.length - 1)
  if (copy.length > 4) copy[at] = randomInteger(random, 0, 255)
  return copy
}

const rare = (random: Random): Bytes | undefined => {
  const chance = random()
  if (chance < 0.01) return packet(pick(random, [1, 2, 255]), Buffer.from('\x03SELECT 1'))
  if (chance < 0.03) return packet(0, Buffer.alloc(0))
  return undefined
}

const commandsOf = (random: Random, seed: number): Bytes[] =>
  Array.from({ length: randomInteger(random, 5, 60) }, (_, index) => {
    const sent = pick(random, COMMANDS)(random, seed * 1000 + index)
    return rare(random) ?? (random() < 0.1 ? mutated(random, sent) : sent)
  })

const logIn = (random: Random): Bytes =>
  frontend.response41({
    user: HOSTILE_USER,
    secret: Buffer.alloc(0),
    database: 'shop',
    flags:
      CLIENT_DEFAULT |
      pick(random, [0, CLIENT_MULTI_STATEMENTS | CLIENT_MULTI_RESULTS]) |
      pick(random, [0, CLIENT_DEPRECATE_EOF]) |
      pick(random, [0, CLIENT_SESSION_TRACK]) |
      pick(random, [0, CLIENT_LOCAL_FILES]),
    ...(random() < 0.5 && {
      mariadb: MARIADB_CLIENT_STMT_BULK_OPERATIONS | pick(random, [0, MARIADB_CLIENT_CACHE_METADATA]),
    }),
  })

/** How long a server may wait for what the client does not send: for the rest of a file. */
const PATIENCE = 300

/** Plays the session of this seed; settles when either side has ended it. */
export const hostileSession = (port: number, seed: number): Promise<void> => {
  const random = seededRandom(seed)
  const bytes = Buffer.concat([logIn(random), ...commandsOf(random, seed), frontend.quit()])
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    socket.setTimeout(PATIENCE, () => socket.end())
    socket.on('error', () => {})
    socket.on('close', () => resolve())
    socket.once('data', async () => {
      socket.resume()
      for (const chunk of splitRandomly(bytes, random)) {
        if (socket.destroyed) return
        socket.write(chunk)
        await turn()
      }
    })
  })
}
