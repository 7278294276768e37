/**
 * Does a transaction's record tell what became of it? Each statement runs amid transactions, between an
 * INSERT that is asked for afterwards and a ROLLBACK.
 */
import mysql from 'mysql2/promise'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeLive } from '../support/live.ts'
import { startMariaDb } from '../support/mariadb.ts'
import type { MyServer } from '../support/my-server.ts'
import { startMysql56 } from '../support/mysql56.ts'
import { type Querytap, startQuerytap } from '../support/querytap.ts'
import type { AuditRecord } from '../support/records.ts'
import type { ServerName } from '../support/servers.ts'

const SCHEMA = `CREATE DATABASE shop; USE shop; CREATE USER u2@127.0.0.1;
  GRANT SELECT ON shop.* TO u2@127.0.0.1;
  CREATE TABLE w (a INT PRIMARY KEY) ENGINE=InnoDB; CREATE TABLE t (n INT) ENGINE=InnoDB;
  CREATE TABLE u (n INT) ENGINE=InnoDB; CREATE TABLE v (n INT) ENGINE=InnoDB;
  CREATE PROCEDURE commits() COMMIT; CREATE PROCEDURE rolls() ROLLBACK; CREATE PROCEDURE shows() SELECT 1`

/** Every one runs in every way below; what a server does not know it refuses. */
const STATEMENTS: readonly string[] = [
  ...['create table u (a int)', 'create table if not exists u (a int)', 'create table c select 1'],
  ...['create temporary table p (a int)', 'alter table p add b int', 'drop temporary table if exists p'],
  ...['create or replace temporary table q (a int)', 'create temporary table r select 1'],
  ...['drop table if exists c', 'drop table nix', 'alter table nix add x int', 'alter table t add n int'],
  ...['alter table t drop nix', 'create index i on t (n)', 'create index i on t (n)', 'drop index i on t'],
  ...['drop index nix on t', 'create index j on t (nix)', 'rename table nix to nix2', 'truncate table nix'],
  ...['rename table u to u2, u2 to u', 'truncate table u', 'create view x as select 1 as a'],
  ...['create view x as select 1 as a', 'check view x', 'drop view if exists x', 'drop view nix'],
  ...[
    'create sequence s',
    'create sequence s',
    'select nextval(s)',
    'drop sequence s',
    'drop sequence nix',
  ],
  ...['create database shop', 'create database if not exists shop', 'drop database nix', 'create table a'],
  ...['create function f() returns int return 1', 'create function f() returns int return 1'],
  ...['create procedure commits() select 1', 'drop procedure nix', 'drop function if exists f'],
  ...['create trigger g before insert on t for each row set @a = 1', 'drop trigger if exists g'],
  ...['create trigger g before insert on nix for each row set @a = 1', 'drop trigger nix'],
  ...['create event e on schedule every 1 day do select 1', 'drop event if exists e', 'drop event nix'],
  ...["create server o foreign data wrapper mysql options (host 'x')", 'drop server if exists o'],
  ...['drop server nix', "install soname 'nix'", "install plugin nix soname 'nix.so'"],
  ...['create user u2@127.0.0.1', 'drop user nix', 'grant select on shop.* to u2@127.0.0.1'],
  ...[
    'grant nix to u2@127.0.0.1',
    'revoke insert on shop.w from u2@127.0.0.1',
    'create role if not exists r1',
  ],
  ...['drop role if exists r1', 'set role none', 'set default role none', "set password for nix = ''"],
  ...["set password for u2@127.0.0.1 = ''", 'lock tables u write', 'lock tables nix read', 'unlock tables'],
  ...['flush tables', 'flush privileges', 'flush logs', 'reset query cache', 'cache index t in default'],
  ...[
    'cache index t in nix',
    'load index into cache t',
    'analyze table t',
    'optimize table t',
    'repair table t',
  ],
  ...['check table t', 'check table nix', 'checksum table t', 'backup stage start', 'backup stage end'],
  ...['set autocommit = 1', 'set autocommit = 0', 'set autocommit = 5', 'set @@autocommit = 1, @a = 1'],
  ...['set global max_connections = 100', 'set names utf8mb4', 'set transaction read only'],
  ...[
    'set session transaction isolation level serializable',
    'set statement lock_wait_timeout = 1 for commit',
  ],
  ...['start transaction', 'begin work', 'start transaction read only, read write', 'savepoint s'],
  ...['rollback to s', 'release savepoint s', 'rollback work', 'rollback and chain', 'commit and chain'],
  ...['commit and no chain no release', '/*!50000 commit */', '/*M!100000 commit */', 'rollback /* to */'],
  ...[
    'call commits()',
    'call rolls()',
    'call shows()',
    'call nix()',
    'call shows(); insert into t values (1)',
  ],
  ...['call shows(); commit', 'select 1; rollback', 'call shows(); select 1; call shows(); rollback'],
  ...[
    'begin not atomic commit; end',
    'begin not atomic select 1; rollback; end',
    'if 1 then commit; end if',
  ],
  ...['begin not atomic commit; insert into t values (1); end'],
  ...["prepare ps from 'commit'; execute ps", "prepare ps from 'select 1'; execute ps; rollback"],
  ...["prepare ps from 'call commits()'; execute ps", 'execute nix', "execute immediate 'commit'"],
  ...["set @c = 'commit'; prepare ps from @c; execute ps", "prepare ps from 'drop table nix'; execute ps"],
  ...["execute immediate 'rollback'", "execute immediate concat('com', 'mit')", 'xa start "q"'],
  ...[
    'xa commit "q"',
    'xa rollback "q"',
    'purge binary logs before "2000-01-01"',
    'kill query 0',
    'help "x"',
  ],
  ...["change master to master_host = 'x'", 'stop slave', 'reset slave', 'use shop'],
  ...['show create table t', 'do sleep(0)', "select get_lock('a', 1)", 'insert into nix values (1)'],
  ...['insert into t values (1)', 'insert into w values (-1)', 'insert into w values (-1)', 'nonsense'],
  ...[
    "load data infile '/nix' into table t",
    "binlog ''",
    '(select 1)',
    'update t set n = 2',
    'delete from t',
  ],
]

/** Those that run others, unknown ones. */
const RUN_OTHERS = STATEMENTS.filter((text) =>
  /call|atomic|^if|@c|concat|execute nix|^\/\*|binlog '/.test(text),
)

/** How the transaction begins, and what follows the statement. */
const WAYS: readonly { readonly before: string; readonly after: readonly string[] }[] = [
  { before: 'begin', after: ['rollback'] },
  { before: 'begin', after: ['insert', 'rollback'] },
  { before: 'set autocommit = 0', after: ['insert', 'rollback'] },
]

/** Nothing of one try is left for the next. */
const AT_LAST = 'rollback; unlock tables; set autocommit = 1; backup stage end'

/** An INSERT, the statement behind it, and what the audit says of it. */
interface Tried {
  readonly statement: string
  readonly text: string
  readonly stayed: boolean
  readonly outcome: string
}

const outcomesByNumber = (records: readonly AuditRecord[]): Map<number, string> => {
  const keyOf = ({ conn_id, txn_seq }: AuditRecord) => `${conn_id} ${txn_seq}`
  const ends = new Map(
    records.filter(({ event }) => event === 'txn.end').map((end) => [keyOf(end), String(end.txn_outcome)]),
  )
  const inserts = records.flatMap((record): [number, string][] => {
    const number = /^INSERT INTO w VALUES \((\d+)\)$/.exec(String(record.query))?.[1]
    if (number === undefined || record.outcome !== 'success') return []
    // outside of a transaction an INSERT is one of its own
    return [[Number(number), ends.get(keyOf(record)) ?? 'committed']]
  })
  return new Map(inserts)
}

const tryAll = async (server: MyServer, tap: Querytap): Promise<Tried[]> => {
  const texts = new Map<number, string>()
  for (const [way, { before, after }] of WAYS.entries()) {
    const options = { host: '127.0.0.1', port: tap.port, user: 'root', database: 'shop' }
    const client = await mysql.createConnection({ ...options, multipleStatements: true })
    for (const [index, statement] of STATEMENTS.entries()) {
      const number = (index * WAYS.length + way) * 2
      const insert = (which: number) => `INSERT INTO w VALUES (${which})`
      const later = after.map((text) => (text === 'insert' ? insert(number + 1) : text))
      for (const text of [before, insert(number), statement, ...later, AT_LAST])
        await client.query(text).catch(() => {})
      texts.set(number, `${before}; INSERT; ${statement}; ${after.join('; ')}`)
      texts.set(number + 1, `${before}; ${statement}; ${after.join('; ')}`)
    }
    await client.end()
  }
  const records = await tap.waitFor(
    (found) => found.filter(({ event }) => event === 'session.end').length >= WAYS.length,
  )
  const stayed = new Set((await server.sql('SELECT a FROM shop.w')).split('\n').map(Number))
  return [...outcomesByNumber(records)].map(([number, outcome]) => ({
    statement: STATEMENTS[Math.floor(number / 2 / WAYS.length)] as string,
    text: texts.get(number) as string,
    stayed: stayed.has(number),
    outcome,
  }))
}

const describeOutcomes = (
  name: string,
  needs: readonly ServerName[],
  start: () => Promise<MyServer>,
  unknown: readonly string[],
): Promise<void> =>
  describeLive(`transactions of ${name}`, needs, () => {
    let server: MyServer | undefined
    let tap: Querytap | undefined
    let tried: readonly Tried[] = []

    beforeAll(async () => {
      server = await start()
      await server.sql(SCHEMA)
      tap = await startQuerytap({ remote: server.port, dumper: 'mysql' })
      tried = await tryAll(server, tap)
    })

    afterAll(async () => {
      await tap?.stop()
      await server?.stop()
      tap?.remove()
    })

    test('what is told of them is what the table says', () => {
      const told = (stayed: boolean) => (stayed ? 'committed' : 'rolled_back')
      const wrong = tried.filter(({ stayed, outcome }) => outcome !== 'unknown' && outcome !== told(stayed))
      expect(wrong).toEqual([])
      expect(tried.length).toBeGreaterThan(STATEMENTS.length * WAYS.length)
    })

    test('what is not known is what procedures did, and DDL that the server may not have come to', () => {
      const statements = tried
        .filter(({ outcome }) => outcome === 'unknown')
        .map(({ statement }) => statement)
      expect([...new Set(statements)].sort()).toEqual([...RUN_OTHERS, ...unknown].sort())
    })
  })

const BOTH = [
  ...["install plugin nix soname 'nix.so'", 'cache index t in nix', 'set autocommit = 5', 'stop slave'],
  "set password for nix = ''",
]
await describeOutcomes('MariaDB', ['mariadb'], startMariaDb, [...BOTH, "install soname 'nix'"])
await describeOutcomes('MySQL 5.6', ['mysql56', 'mariadb'], startMysql56, [
  ...BOTH,
  ...['rename table nix to nix2', 'reset slave', 'set statement lock_wait_timeout = 1 for commit'],
  "change master to master_host = 'x'",
])
