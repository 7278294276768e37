/** Commands, whole and broken, known and unknown, each among others that follow it at once. */
import { COM } from '../../dumpers/mysql/capabilities.ts'
import type { Bytes } from '../../src/flow.ts'
import type { Scenario } from './my-scenario.ts'
import { command, frontend as f, packet } from './my-wire.ts'

const { concat } = Buffer
const q = f.query
const AFTER = [q('DO 1'), q('DO 2')]

/** The command among others: two queries follow it in the same segment. */
const among = (name: string, bytes: Bytes, wanted: RegExp): Scenario => ({
  name,
  steps: [[concat([bytes, ...AFTER]), wanted]],
})

const FORGED = `DO 'a\nb\r\n\t\0\u2028\u0085"}\n{"event":"statement","query":"forged"}\n1\tforged:yes,"'`

const UNKNOWN = [0x7e, COM.MULTI, COM.SLEEP, 0xff, COM.CONNECT, COM.DELAYED_INSERT, 0x0f, 0x14, 0x1d, 0x20]

export const COMMANDS: readonly Scenario[] = [
  {
    name: 'case 59: PING and queries in one segment',
    steps: [[concat([f.ping(), q('DO 1'), f.statistics(), q('DO 2')]), /^oo.o$/]],
  },
  {
    name: 'commands that no server knows, and an empty packet',
    steps: [
      [
        concat([packet(0, ''), q('DO 1'), ...UNKNOWN.map((code) => command(code, 'x')), q('DO 2')]),
        /^eoe{10}o$/,
      ],
    ],
  },
  among('an empty COM_STMT_CLOSE', command(COM.STMT_CLOSE), /^e?oo$/),
  among('a short COM_STMT_CLOSE', command(COM.STMT_CLOSE, 'ab'), /^e?oo$/),
  among('COM_STMT_CLOSE of no statement', f.close(77), /^oo$/),
  among('a short COM_STMT_SEND_LONG_DATA', command(COM.STMT_SEND_LONG_DATA, 'abc'), /^oo$/),
  among('long data of no statement', f.sendLongData(77, 0, 'x'), /^oo$/),
  among('a short COM_STMT_RESET', command(COM.STMT_RESET, 'ab'), /^eoo$/),
  among('a short COM_STMT_FETCH', command(COM.STMT_FETCH, 'ab'), /^eoo$/),
  among('a COM_STMT_FETCH that names a statement alone', command(COM.STMT_FETCH, 'abcd'), /^eoo$/),
  among('an empty COM_STMT_EXECUTE', command(COM.STMT_EXECUTE), /^eoo$/),
  among('a short COM_STMT_EXECUTE', command(COM.STMT_EXECUTE, 'ab'), /^eoo$/),
  among('COM_STMT_EXECUTE of no statement', f.execute(9), /^eoo$/),
  among('a short COM_STMT_BULK_EXECUTE', command(COM.STMT_BULK_EXECUTE, 'ab'), /^eoo$/),
  among('case 46: an empty COM_PROCESS_KILL', command(COM.PROCESS_KILL), /^eoo$/),
  among('case 46: a short COM_PROCESS_KILL', command(COM.PROCESS_KILL, 'ab'), /^eoo$/),
  among('a short COM_SET_OPTION', command(COM.SET_OPTION, 'a'), /^eoo$/),
  among('an empty COM_REFRESH', command(COM.REFRESH), /^[eo]oo$/),
  among('COM_REFRESH of the grants', f.refresh(1), /^ooo$/),
  among('COM_TABLE_DUMP', f.tableDump('shop', 't'), /^eoo$/),
  among('COM_CREATE_DB', f.createDb('xx'), /^eoo$/),
  among('COM_DROP_DB', f.dropDb('xx'), /^eoo$/),
  among('COM_TIME', command(0x0f), /^eoo$/),
  among('COM_DEBUG', f.debug(), /^foo$/),
  among('case 45: COM_REGISTER_SLAVE', f.registerSlave(9), /^ooo$/),
  among('case 45: a short COM_REGISTER_SLAVE', command(COM.REGISTER_SLAVE, 'ab'), /^eoo$/),
  among('COM_PROCESS_INFO', f.processInfo(), /^\.+f\.+foo$/),
  {
    name: 'case 45: a dump of the binary log that is off, and a query behind it',
    steps: [[concat([f.binlogDump(4, 'x'), q('DO 1')]), /^e\$?$/]],
  },
  { name: 'case 45: a short COM_BINLOG_DUMP', steps: [[command(COM.BINLOG_DUMP, 'ab'), /^e\$?$/]] },
  {
    name: 'COM_SET_OPTION, there and back, and one that is not known',
    steps: [
      [concat([f.setOption(0), q('DO 1; DO 2'), f.setOption(1), q('DO 3; DO 4')]), /^foofe$/],
      [concat([f.setOption(7), q('DO 5')]), /^eo$/],
    ],
  },
  {
    name: 'case 40: COM_INIT_DB: empty, of no database, of one with a NUL',
    steps: [
      [concat([f.initDb(''), q('DO 1'), f.initDb('nowhere'), q('DO 2')]), /^eoeo$/],
      [concat([f.initDb('shop'), q('DO 3'), f.initDb('mysql\0x'), q('DO 4')]), /^oo[eo]o$/],
    ],
  },
  {
    name: 'queries of nothing, of NUL, of semicolons',
    steps: [
      [concat([q(''), q(';'), q('/* */'), q('\0'), q('DO 1\0'), q('DO 2;;'), q('DO 3')]), /^eeoeooo$/],
    ],
  },
  {
    name: 'a PREPARE of nothing, and of a text with a semicolon',
    steps: [[concat([f.prepare(''), q('DO 1'), f.prepare('DO 5;'), q('DO 2')]), /^eooo$/]],
  },
  {
    name: 'COM_FIELD_LIST of a table, of none, without its NUL, empty',
    login: { database: 'shop' },
    steps: [
      [concat([f.fieldList('t'), q('DO 1'), f.fieldList('nowhere')]), /^\.\.foe$/],
      [concat([command(COM.FIELD_LIST, 't'), command(COM.FIELD_LIST), q('DO 2')]), /^(\.\.f|f|e)eo$/],
    ],
  },
  {
    name: 'case 60: a query in pieces of one byte, and a second in the last of them',
    steps: [
      ...[...q('DO 1').subarray(0, -1)].map((byte) => [Buffer.from([byte]), /^$/] as const),
      [concat([q('DO 1').subarray(-1), q('DO 2')]), /^oo$/],
    ],
  },
  {
    name: 'case 67: a client that closes its side and waits for the answer',
    isHalfClosed: true,
    steps: [[concat([q('DO 1'), q("SELECT 'last'")]), /^o..f.f\$$/]],
  },
  {
    name: 'case 51: newlines, NUL, U+2028, tabs and what looks like a record',
    steps: [[concat([q(FORGED), f.prepare(FORGED)]), /^oo$/]],
  },
  {
    name: 'case 48: an id out of order ends the session',
    steps: [[concat([q('DO 1'), command(COM.QUERY, 'DO 2', 1), q('DO 3')]), /^oe\$?$/]],
  },
  {
    name: 'case 48: an id out of order in the first command',
    steps: [[concat([command(COM.QUERY, 'DO 2', 9), q('DO 3')]), /^e\$?$/]],
  },
  {
    name: 'case 46: COM_PROCESS_KILL of itself',
    steps: [[({ thread }) => concat([f.processKill(thread), q('DO 1')]), /^e\$?$/]],
  },
  {
    name: 'case 46: KILL of itself',
    steps: [[({ thread }) => concat([q(`KILL ${thread}`), q('DO 1')]), /^e\$?$/]],
  },
  {
    name: 'case 46: KILL QUERY of itself',
    steps: [[({ thread }) => concat([q(`KILL QUERY ${thread}`), ...AFTER]), /^eoo$/]],
  },
  { name: 'COM_QUIT, and a query behind it', steps: [[concat([q('DO 1'), f.quit(), q('DO 2')]), /^o\$$/]] },
  {
    name: 'a statement that takes too long',
    on: 'mariadb',
    steps: [[concat([q('SET STATEMENT max_statement_time = 0.05 FOR SELECT SLEEP(9)'), ...AFTER]), /eoo$/]],
  },
]
