/** Texts of several statements, procedures, prepared statements, cursors, long data. */
import {
  CLIENT_DEPRECATE_EOF,
  CLIENT_MULTI_RESULTS,
  CLIENT_MULTI_STATEMENTS,
  CLIENT_PS_MULTI_RESULTS,
  COM,
} from '../../dumpers/mysql/capabilities.ts'
import type { Bytes } from '../../src/flow.ts'
import { type Scenario, type Step, WHO } from './my-scenario.ts'
import {
  CLIENT_DEFAULT,
  command,
  frontend as f,
  lenencString,
  longParam,
  stringParam,
  uint8,
  uint16,
  uint32,
} from './my-wire.ts'

const { concat } = Buffer
const q = f.query
const LAST = 0xffff_ffff
const MULTI = CLIENT_DEFAULT | CLIENT_MULTI_STATEMENTS | CLIENT_MULTI_RESULTS | CLIENT_PS_MULTI_RESULTS
const SHOP = { database: 'shop', flags: MULTI }
const TWO: Step = [f.prepare('DO CONCAT(?, ?)'), /^o\.\.f$/]
const ONE: Step = [f.prepare('DO ?'), /^o\.f$/]
const ROWS: Step = [f.prepare('SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3'), /^o\.f$/]

/** To the statement that was prepared first. */
const first =
  (make: (id: number) => readonly Bytes[]) =>
  ({ ids }: { readonly ids: readonly number[] }): Bytes =>
    concat(make(ids[0] as number))

/** An execution whose parameters are these bytes. */
const raw = (id: number, ...body: readonly Bytes[]): Bytes =>
  command(COM.STMT_EXECUTE, concat([uint32(id), uint8(0), uint32(1), ...body]))
const STRINGS = [uint8(1), uint16(253), uint16(253)]

export const STATEMENTS: readonly Scenario[] = [
  {
    name: 'case 32: an error amid several statements; the database is that of those before it',
    login: SHOP,
    steps: [
      [q('DO 1; SELECT 2; SELEC 3; DO 4'), /^o\.\.f\.fe$/],
      [concat([q('USE mysql; SELECT * FROM nowhere; USE shop'), q(WHO)]), /^oe.*f$/],
      [concat([q('USE nowhere; USE mysql'), q('USE shop'), q(WHO)]), /^eo.*f$/],
      [
        concat([q('CALL several(); USE mysql; CALL fails(); USE shop'), q('USE shop; CALL fails()')]),
        /e.*e$/,
      ],
      [concat([q('USE mysql; CALL shop.fails()'), q(WHO)]), /^o.*e.*f$/],
    ],
  },
  {
    name: 'case 32: several results without waiting, empty statements among them',
    login: SHOP,
    steps: [
      [concat([q('SELECT 1; SELECT 2'), q('CALL several()'), q('DO 1;DO 2;DO 3'), q(';;')]), /oooe$/],
      [concat([q('DO 4;;DO 5'), q('DO 6; ; '), q('DO 7')]), /^oeoo$/],
    ],
  },
  {
    name: 'case 32: CALL: rows, OUT parameters, errors amid results',
    login: SHOP,
    steps: [
      [f.prepare('CALL outs(?)'), /^o\.f$/],
      [
        first((id) => [f.execute(id, [longParam(1)]), q('DO 1'), q('CALL outs(@a)')]),
        /^..fof..fofoo..f\.fo$/,
      ],
      [concat([q('CALL fails()'), q('CALL several()'), q('DO 2')]), /e.*oo$/],
    ],
  },
  {
    name: "SQL's PREPARE: replaced, failed, by another spelling, from a variable",
    login: SHOP,
    steps: [
      [
        concat([q("PREPARE s FROM 'DO 1'"), q('EXECUTE s'), q("PREPARE s FROM 'SELEC'"), q('EXECUTE s')]),
        /^ooee$/,
      ],
      [q("PREPARE `S` FROM 'DO 2'; EXECUTE s; DEALLOCATE PREPARE s; EXECUTE s; DO 9"), /^oooe$/],
      [concat([q("SET @x = 'DO 3'"), q('PREPARE s FROM @x'), q('EXECUTE s')]), /^ooo$/],
      [
        concat([q("EXECUTE IMMEDIATE 'DO 4'"), q("PREPARE s FROM CONCAT('DO ', 5)"), q('EXECUTE s')]),
        /^..o$/,
      ],
    ],
  },
  {
    name: 'PREPAREs of what can be prepared and what cannot',
    login: SHOP,
    steps: [
      [
        concat([f.prepare('DO 1; DO 2'), f.prepare('USE shop'), f.prepare('PREPARE s FROM "DO 1"')]),
        /^e[eo]e$/,
      ],
      [concat([f.prepare('LOAD DATA LOCAL INFILE "x" INTO TABLE f'), f.prepare('KILL 99999')]), /^[eo]o$/],
      [concat([f.prepare('BEGIN'), f.prepare('SET NAMES latin1'), q('DO 1')]), /^[eo]oo$/],
    ],
  },
  {
    name: 'case 49: SET NAMES as a prepared statement',
    login: SHOP,
    steps: [
      [f.prepare('SET NAMES latin1'), /^o$/],
      [first((id) => [f.execute(id), q(Buffer.from("DO '\xe9'", 'latin1')), q(WHO)]), /^oo.*f$/],
    ],
  },
  {
    name: 'case 47: the statement prepared last, by the id -1',
    steps: [
      ONE,
      [concat([f.execute(LAST, [longParam(1)]), q('DO 2')]), /^[oe]o$/],
      [concat([f.prepare('SELEC'), f.execute(LAST, [longParam(2)]), q('DO 3')]), /^eeo$/],
      [first((id) => [f.execute(id, [longParam(7)]), f.execute(LAST, [longParam(8)]), q('DO 4')]), /^oeo$/],
      [
        concat([
          ...[f.prepare('DO ? + 1'), f.sendLongData(LAST, 0, '11'), f.execute(LAST, [stringParam(null)])],
          ...[f.close(LAST), f.execute(LAST, [longParam(9)]), q('DO 5')],
        ]),
        /^o\.f[oe]eo$/,
      ],
      [concat([f.prepare('DO 6'), f.resetConnection(), f.execute(LAST), q('DO 7')]), /^o[oe][oe]o$/],
    ],
  },
  {
    name: 'cases 34, 66, 69: types of before, and NULL typed VAR_STRING',
    steps: [
      ONE,
      [
        first((id) => [
          f.execute(id, [longParam(3)]),
          f.execute(id, [longParam(4)], { types: false }),
          f.execute(id, [stringParam('s')]),
          ...['t', null, '', 'u'].map((text) => f.execute(id, [stringParam(text)], { types: false })),
          f.execute(id, [stringParam(null)]),
          q('DO 9'),
        ]),
        /^o{9}$/,
      ],
    ],
  },
  {
    name: 'case 34: no types were ever sent',
    on: 'mariadb',
    steps: [ONE, [first((id) => [f.execute(id, [longParam(3)], { types: false }), q('DO 1')]), /^eo$/]],
  },
  {
    name: 'case 35: long data: in pieces, of no parameter, reset, empty, for another type, with a value too',
    steps: [
      TWO,
      [
        first((id) => [
          ...[f.sendLongData(id, 0, 'abc'), f.sendLongData(id, 0, 'def')],
          ...[
            f.execute(id, [stringParam(null), stringParam('x')]),
            f.execute(id, [stringParam('y'), stringParam('z')]),
          ],
          ...[
            f.sendLongData(id, 1, 'abc'),
            f.reset(id),
            f.execute(id, [stringParam('y3'), stringParam('z')]),
          ],
          ...[f.sendLongData(id, 1, ''), f.execute(id, [stringParam('y4'), stringParam(null)])],
          ...[f.sendLongData(id, 0, 'abc'), f.execute(id, [stringParam('value'), stringParam('x')])],
          q('DO 9'),
        ]),
        /^o{7}$/,
      ],
      [
        first((id) => [
          ...[f.sendLongData(id, 5, 'abc'), f.execute(id, [stringParam('y'), stringParam('z')])],
          f.execute(id, [stringParam('y2'), stringParam('z')]),
          ...[f.sendLongData(id, 1, 'lll'), f.execute(id, [longParam(4), longParam(null)]), q('DO 9')],
        ]),
        /^eeeo$/,
      ],
    ],
  },
  {
    name: 'case 63: executions whose parameters are cut anywhere',
    steps: [
      TWO,
      [
        first((id) => [
          ...[raw(id), raw(id, uint8(0)), raw(id, uint8(0), uint8(1)), raw(id, uint8(0), ...STRINGS)],
          ...[
            raw(id, uint8(0), ...STRINGS, uint8(5), Buffer.from('abc')),
            raw(id, uint8(3), ...STRINGS),
            q('DO 9'),
          ],
        ]),
        /^e{4}[oe]oo$/,
      ],
    ],
  },
  {
    name: 'case 34: types that do not exist, or are the servers’ own',
    steps: [
      TWO,
      [
        first((id) => [
          raw(id, uint8(0), uint8(1), uint16(99), uint16(253), lenencString('abc'), lenencString('x')),
          raw(id, uint8(0), uint8(1), uint16(6), uint16(253), lenencString('abc')),
          raw(id, uint8(0), uint8(0x21), uint16(253), uint16(253), lenencString('a'), lenencString('abc')),
          q('DO 9'),
        ]),
        /^[oe]{3}o$/,
      ],
    ],
  },
  {
    name: 'case 36: flags of cursors that do not exist',
    steps: [
      [f.prepare('SELECT ?'), /^o\.f\.f$/],
      [
        first((id) => [
          f.execute(id, [longParam(1)], { flags: 255 }),
          f.execute(id, [longParam(2)], { flags: 1, iterations: 99 }),
          ...[8, 2, 4].map((flags) => f.execute(id, [longParam(flags)], { flags })),
          q('DO 9'),
        ]),
        /^..f..f..fof..fof..fofo$/,
      ],
    ],
  },
  {
    name: 'case 36: rows of a cursor, and other commands between',
    steps: [
      ROWS,
      [
        first((id) => [
          ...[f.execute(id, [], { flags: 1 }), f.fetch(id, 1), q('DO 5'), f.fetch(id, 1), f.fetch(id, 10)],
          ...[f.fetch(id, 10), q('DO 6')],
        ]),
        /^..fofoofofeo$/,
      ],
      [
        first((id) => [
          ...[
            f.execute(id, [], { flags: 1 }),
            f.reset(id),
            f.fetch(id, 1),
            f.execute(id, [], { flags: 1 }),
          ],
          ...[f.execute(id, [], { flags: 1 }), f.fetch(id, 1), f.close(id), f.fetch(id, 1), q('DO 7')],
        ]),
        /^..foe..f..fofeo$/,
      ],
    ],
  },
  {
    name: 'case 36: FETCH of no rows, and of an execution without a cursor',
    steps: [
      ROWS,
      [
        first((id) => [
          ...[f.execute(id, [], { flags: 1 }), f.fetch(id, 0), f.fetch(id, 2), f.execute(id)],
          ...[f.fetch(id, 2), q('DO 6')],
        ]),
        /^..f{1,2}oof..fooofeo$/,
      ],
    ],
  },
  {
    name: 'case 43: all kinds of replies without EOF',
    on: 'mariadb',
    login: { flags: MULTI | CLIENT_DEPRECATE_EOF, database: 'shop' },
    steps: [
      [f.prepare('SELECT 1 UNION ALL SELECT ? UNION ALL SELECT 3'), /^o\.\.$/],
      [
        first((id) => [
          ...[
            f.execute(id, [longParam(1)], { flags: 1 }),
            f.fetch(id, 1),
            q('DO 5'),
            f.fetch(id, 10),
            q('SELECT 1'),
          ],
          ...[
            f.fieldList('t'),
            f.fieldList('nowhere'),
            f.processInfo(),
            f.debug(),
            f.setOption(0),
            q('DO 6'),
          ],
        ]),
        /fofooof.*fe.*fffo$/,
      ],
      [concat([q('CALL several()'), f.prepare('SHOW TABLES'), q('SELECT 1; SELECT 2'), q('DO 7')]), /o$/],
    ],
  },
  {
    name: 'cases 33, 43: a hundred statements, with EOF',
    login: SHOP,
    steps: [
      [
        concat(
          Array.from({ length: 100 }, (_, n) => (n % 2 ? f.prepare(`SELECT ${n}`) : q(`SELECT ${n}`))),
        ),
        /^(..f.fo.f){50}$/,
      ],
    ],
  },
  {
    name: 'cases 33, 43: a hundred statements, without EOF',
    on: 'mariadb',
    login: { ...SHOP, flags: MULTI | CLIENT_DEPRECATE_EOF },
    steps: [
      [
        concat(
          Array.from({ length: 100 }, (_, n) => (n % 2 ? f.prepare(`SELECT ${n}`) : q(`SELECT ${n}`))),
        ),
        /^(...fo.){50}$/,
      ],
    ],
  },
  {
    name: 'case 36: cursors over CALL, SHOW and a table without rows',
    on: 'mariadb',
    login: SHOP,
    steps: [
      [f.prepare('CALL several()'), /^o$/],
      [f.prepare('SHOW TABLES'), /^o(\.f)?$/],
      [f.prepare('SELECT * FROM t'), /^o\.\.f$/],
      [
        ({ ids: [call, show, none] }) =>
          concat([
            f.execute(call as number, [], { flags: 1 }),
            f.execute(show as number, [], { flags: 1 }),
            f.fetch(show as number, 1),
            f.execute(none as number, [], { flags: 1 }),
            f.fetch(none as number, 1),
            q('DO 6'),
          ]),
        /o$/,
      ],
    ],
  },
]
