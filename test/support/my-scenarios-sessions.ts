/** Log-ins, changes of user, resets, character sets, transactions. */
import {
  CLIENT_CONNECT_ATTRS,
  CLIENT_MULTI_RESULTS,
  CLIENT_MULTI_STATEMENTS,
  CLIENT_SESSION_TRACK,
  COM,
} from '../../dumpers/mysql/capabilities.ts'
import type { Bytes } from '../../src/flow.ts'
import { IN_TRANSACTION, type Scenario, type Step, WHO } from './my-scenario.ts'
import { CLIENT_DEFAULT, command, frontend as f, longParam, packet } from './my-wire.ts'

const { concat } = Buffer
const q = f.query
const MULTI = CLIENT_DEFAULT | CLIENT_MULTI_STATEMENTS | CLIENT_MULTI_RESULTS
const SHOP = { database: 'shop', flags: MULTI }
const NONE = Buffer.alloc(0)
const ONE: Step = [f.prepare('DO ?'), /^o\.f$/]
const LATIN1 = 8
const CP1251 = 51
const change = (options: Parameters<typeof f.changeUser>[0]): Bytes =>
  f.changeUser({ user: 'root', secret: NONE, ...options })
const who: Step = [q(WHO), /^.*f$/]
const stale: Step = [({ ids }) => concat([f.execute(ids[0] as number, [longParam(1)]), q(WHO)]), /^e.*f$/]

/** A text, and whether MariaDB then has a transaction. */
const transaction = (name: string, ...texts: readonly string[]): Scenario => ({
  name: `case 44: ${name}`,
  on: 'mariadb',
  login: SHOP,
  steps: texts.map((text) => [concat([q(text), q(IN_TRANSACTION)]), /^[^$]+f\.f$/]),
})

const login = (options: Parameters<typeof f.response41>[0]): Bytes =>
  f.response41({ user: 'root', secret: NONE, ...options })

export const SESSIONS: readonly Scenario[] = [
  {
    name: 'case 59: queries along with the log-in',
    opening: concat([login({ database: 'shop' }), q('DO 1'), q(WHO), f.ping(), q('DO 2')]),
    opened: /^oo.*foo$/,
    steps: [],
  },
  {
    name: 'case 64: queries along with a log-in that is refused',
    opening: concat([login({ user: 'nobody', secret: Buffer.alloc(20, 1) }), q('DO 1')]),
    opened: /^e|\$$/,
    steps: [],
  },
  {
    name: 'case 63: a log-in cut after a word, and a query',
    opening: concat([packet(1, login({}).subarray(4, 38)), q('DO 1')]),
    opened: /^e|\$$/,
    unlogged: 'nobody logs in',
    steps: [],
  },
  {
    name: 'case 28: attributes that make no sense inside',
    opening: packet(
      1,
      concat([
        login({ flags: CLIENT_DEFAULT | CLIENT_CONNECT_ATTRS }).subarray(4),
        Buffer.from([3, 0xfe, 0xff, 9]),
      ]),
    ),
    steps: [who],
  },
  ...[0, 2, LATIN1, CP1251, 255].map((collation) => ({
    name: `case 28: a log-in of collation ${collation}`,
    login: { ...SHOP, collation },
    steps: [who],
  })),
  {
    name: 'case 39: another user',
    login: SHOP,
    steps: [ONE, [change({ database: 'mysql', collation: LATIN1 }), /^f$/], [packet(2, ''), /^o$/], stale],
  },
  {
    name: 'case 39: a user who is refused',
    on: 'mariadb',
    login: { ...SHOP, collation: CP1251 },
    steps: [ONE, [change({ user: 'changed', collation: LATIN1 }), /^f$/], [packet(2, ''), /^e$/], stale],
  },
  {
    name: 'case 39: a user who is refused, by a server that closes',
    on: 'mysql56',
    login: SHOP,
    steps: [ONE, [change({ user: 'changed' }), /^f$/], [concat([packet(2, ''), q('DO 1')]), /^e\$?$/]],
  },
  {
    name: 'case 39: a database that is not there',
    on: 'mariadb',
    login: { ...SHOP, collation: CP1251 },
    steps: [
      ONE,
      [change({ database: 'nowhere', collation: LATIN1 }), /^f$/],
      [packet(2, ''), /^e$/],
      stale,
    ],
  },
  {
    name: 'case 39: a change of user rolls back, though it is refused',
    on: 'mariadb',
    login: SHOP,
    steps: [
      [concat([q('BEGIN'), q('INSERT INTO u VALUES (77)'), change({ user: 'changed' })]), /^oof$/],
      [packet(2, ''), /^e$/],
      [q(IN_TRANSACTION), /f$/],
    ],
  },
  {
    name: 'case 39: a broken COM_CHANGE_USER',
    on: 'mariadb',
    login: { ...SHOP, collation: CP1251 },
    steps: [
      ONE,
      [concat([q('BEGIN'), q('INSERT INTO u VALUES (78)'), command(COM.CHANGE_USER, 'root')]), /^ooe$/],
      stale,
    ],
  },
  {
    name: 'case 41: a reset gives the log-in’s character set back',
    on: 'mariadb',
    login: { ...SHOP, collation: CP1251 },
    steps: [
      ONE,
      [
        concat([q('SET NAMES utf8mb4'), q('USE mysql'), q('BEGIN'), q('INSERT INTO shop.u VALUES (79)')]),
        /^oooo$/,
      ],
      [f.resetConnection(), /^o$/],
      stale,
      [concat([q('SET NAMES DEFAULT'), q('SET NAMES latin2'), q(WHO)]), /f$/],
    ],
  },
  {
    name: 'case 41: a server that knows no reset keeps all',
    on: 'mysql56',
    login: SHOP,
    steps: [
      ONE,
      [
        ({ ids }) => concat([f.resetConnection(), f.execute(ids[0] as number, [longParam(1)]), q(WHO)]),
        /^eo.*f$/,
      ],
    ],
  },
  {
    name: 'case 49: gbk, and a character whose last byte is a backslash',
    login: SHOP,
    unlogged: 'it is in gbk',
    steps: [
      [
        concat([
          q('SET NAMES gbk'),
          q(concat([Buffer.from("DO '"), Buffer.from([0xd5, 0x5c]), Buffer.from("', 'x'")])),
        ]),
        /^oo$/,
      ],
      who,
    ],
  },
  {
    name: 'case 49: ways to set the character set, and ways that fail',
    login: SHOP,
    steps: [
      [concat([q('SET character_set_client = latin2'), q(WHO)]), /^o.*f$/],
      [concat([q('SET @@session.character_set_client = cp1251, @a = 1'), q(WHO)]), /^o.*f$/],
      [concat([q('SET NAMES ucs2'), q(WHO)]), /^e.*f$/],
      [concat([q('SET NAMES nothing'), q(WHO)]), /^e.*f$/],
      [concat([q('DO 1; SET NAMES latin1; SELEC'), q(WHO)]), /^ooe.*f$/],
      [concat([q('SET CHARACTER SET utf8'), q(WHO)]), /^o.*f$/],
      [concat([q("SET NAMES 'latin7' COLLATE 'latin7_general_ci'"), q(WHO)]), /^o.*f$/],
    ],
  },
  {
    name: 'case 40: ways to change the database',
    login: { flags: MULTI },
    steps: [
      who,
      [concat([q('/* c */ USE shop'), q(WHO)]), /^o.*f$/],
      [concat([q('USE `mysql` -- '), q(WHO)]), /^o.*f$/],
      [
        concat([q('CREATE DATABASE gone; USE gone'), q(WHO), q('DROP DATABASE gone'), q(WHO)]),
        /^oo.*fo.*f$/,
      ],
      [concat([f.initDb('shop'), q(WHO)]), /^o.*f$/],
    ],
  },
  {
    name: 'case 44: the session tracker tells',
    on: 'mariadb',
    login: { flags: MULTI | CLIENT_SESSION_TRACK, database: 'shop' },
    steps: [
      [
        concat([
          q("SET SESSION session_track_system_variables = '*', session_track_state_change = 1"),
          q('USE mysql'),
        ]),
        /^oo$/,
      ],
      [
        concat([
          q("SET SESSION session_track_transaction_info = 'CHARACTERISTICS'"),
          q('BEGIN'),
          q('COMMIT'),
        ]),
        /^ooo$/,
      ],
      [concat([q("SET @c = 'latin1'"), q('SET character_set_client = @c'), q(WHO)]), /^oo.*f$/],
      [concat([q("EXECUTE IMMEDIATE 'USE shop'"), q(WHO)]), /f$/],
    ],
  },
  transaction('BEGIN and COMMIT', 'BEGIN', 'INSERT INTO t VALUES (1, 1)', 'SELECT 1', 'COMMIT'),
  transaction(
    'ROLLBACK',
    'START TRANSACTION READ ONLY',
    'SELECT COUNT(*) FROM t',
    'INSERT INTO t VALUES (1, 1)',
    'ROLLBACK',
  ),
  transaction(
    'autocommit off',
    'SET autocommit = 0',
    'INSERT INTO t VALUES (2, 2)',
    'SELEC',
    'COMMIT',
    'DO 1',
    'INSERT INTO t VALUES (3, 3)',
    'SET autocommit = 1',
  ),
  transaction(
    'implicit commits',
    'BEGIN',
    'INSERT INTO t VALUES (4, 4)',
    'CREATE TABLE c (i INT)',
    'BEGIN',
    'BEGIN',
    'DROP TABLE c',
    'BEGIN',
    'DROP TABLE c',
  ),
  transaction(
    'savepoints',
    'BEGIN',
    'INSERT INTO t VALUES (5, 5)',
    'SAVEPOINT a',
    'ROLLBACK TO a',
    'RELEASE SAVEPOINT a',
    'ROLLBACK',
  ),
  transaction(
    'CHAIN',
    'BEGIN',
    'INSERT INTO t VALUES (6, 6)',
    'COMMIT AND CHAIN',
    'ROLLBACK AND CHAIN',
    'ROLLBACK',
  ),
  transaction(
    'XA',
    "XA START 'x'",
    'INSERT INTO t VALUES (7, 7)',
    "XA END 'x'",
    "XA PREPARE 'x'",
    "XA COMMIT 'x'",
    "XA START 'y'",
    "XA END 'y'",
    "XA ROLLBACK 'y'",
  ),
  transaction(
    'LOCK TABLES',
    'BEGIN',
    'INSERT INTO t VALUES (8, 8)',
    'LOCK TABLES t WRITE',
    'UNLOCK TABLES',
  ),
  transaction(
    'several statements',
    'BEGIN; INSERT INTO t VALUES (9, 9)',
    'COMMIT; BEGIN; INSERT INTO t VALUES (10, 10)',
    'ROLLBACK; DO 1',
    'BEGIN; INSERT INTO t VALUES (11, 11); SELEC',
    'ROLLBACK',
  ),
  transaction('the end of the session', 'BEGIN', 'INSERT INTO t VALUES (12, 12)'),
]
