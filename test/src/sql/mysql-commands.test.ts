import { describe, expect, it } from 'vitest'
import {
  mysqlTransactionVerb,
  parseExecuteImmediate,
  parseKill,
  parseMysqlDeallocate,
  parseMysqlExecute,
  parseMysqlPrepare,
  parseSetNames,
  parseUse,
  type ScanOptions,
  splitStatements,
} from '../../../src/sql/scan.ts'

const cases = <T>(parser: (text: string) => T, table: readonly [text: string, expected: T][]) => {
  for (const [text, expected] of table)
    it(text, () => {
      expect(parser(text)).toEqual(expected)
    })
}

describe('parseUse', () => {
  cases(parseUse, [
    ['use shop', 'shop'],
    ['/* x */ USE `My ``Shop`;', 'My `Shop'],
    ['/*!40000 USE */ Shop', 'Shop'],
    ['use', undefined],
    ['use shop, b', undefined],
    ['select use', undefined],
  ])
  it('reads the statement that is asked for', () => {
    const text = 'use a; select 1; use b'
    const options: ScanOptions = { dialect: 'mysql' }
    const found = splitStatements(text, options).map((one) => parseUse(text, options, one))
    expect(found).toEqual(['a', undefined, 'b'])
  })
})

describe('parseSetNames', () => {
  cases(parseSetNames, [
    ['SET NAMES utf8mb4', { charset: 'utf8mb4' }],
    ["set names 'Latin1' collate 'latin1_bin'", { charset: 'latin1' }],
    ['set names default', {}],
    ['set character_set_client = 33', { collation: 33 }],
    ["set character_set_client = concat('lat', 'in1')", {}],
    ['set @@character_set_client = default, autocommit = 1', {}],
    ["set character_set_client = _utf8'latin1'", {}],
    ['set character set gbk', { charset: 'gbk' }],
    ['set charset binary', { charset: 'binary' }],
    ['set character_set_client = sjis', { charset: 'sjis' }],
    ['SET @@session.Character_Set_Client := "big5"', { charset: 'big5' }],
    ['set session character_set_client=cp1251', { charset: 'cp1251' }],
    ['set @@character_set_client = utf8mb3', { charset: 'utf8mb3' }],
    ['set @x = f(1, 2), autocommit = 1, names greek', { charset: 'greek' }],
    ['set @@global.character_set_client = gbk', undefined],
    ['set global character_set_client = gbk', undefined],
    ['set @character_set_client = gbk', undefined],
    ['set character_set_client = @@character_set_server', {}],
    ['set character_set_results = utf8', undefined],
    ['select names', undefined],
  ])
})

describe('parseMysqlPrepare', () => {
  cases(parseMysqlPrepare, [
    ["PREPARE S FROM 'select ?'", { name: 's', from: { text: 'select ?' } }],
    ['prepare `S` from \'a\' "b"', { name: 's', from: { text: 'ab' } }],
    ["prepare s from _utf8'a\\'b'", { name: 's', from: { text: "a'b" } }],
    ['prepare s from @Text;', { name: 's', from: { variable: 'text' } }],
    ["prepare s from concat('a', 'b')", { name: 's' }],
    ["prepare s from 'a' || 'b'", { name: 's' }],
    ['prepare s', undefined],
  ])
})

describe('parseMysqlExecute', () => {
  cases(parseMysqlExecute, [
    ['execute S', { name: 's' }],
    ['execute s using @A, @`b c`, @"D"', { name: 's' }],
    ["execute s using 'a', concat('b', ',') ;", { name: 's' }],
    ["execute immediate 'select 1'", undefined],
    ['select execute', undefined],
  ])
})

describe('parseExecuteImmediate', () => {
  cases(parseExecuteImmediate, [
    ["execute immediate 'select ?' using @a", { from: { text: 'select ?' } }],
    ['execute immediate @a', { from: { variable: 'a' } }],
    ["execute immediate concat('a', @b) using 5, @c", {}],
    ['execute s', undefined],
  ])
})

describe('parseMysqlDeallocate', () => {
  cases(parseMysqlDeallocate, [
    ['deallocate prepare S', { name: 's' }],
    ['DROP PREPARE `s`', { name: 's' }],
    ['drop table prepare', undefined],
  ])
})

describe('parseKill', () => {
  cases(parseKill, [
    ['KILL 5', { scope: 'connection', threadId: 5 }],
    ['kill connection 5;', { scope: 'connection', threadId: 5 }],
    ['kill query 7', { scope: 'query', threadId: 7 }],
    ['kill soft query id 9', { scope: 'query', queryId: 9 }],
    ['kill hard connection user bob', { scope: 'connection', user: 'bob' }],
    ["kill query user 'bob'@'%'", { scope: 'query', user: 'bob' }],
    ['kill connection_id()', { scope: 'connection', self: true }],
    ['kill query CONNECTION_ID( ) ;', { scope: 'query', self: true }],
    ['kill connection_id() + 1', { scope: 'connection' }],
    ['kill query 1 + 1', { scope: 'query' }],
    ['select kill', undefined],
  ])
})

describe('mysqlTransactionVerb', () => {
  cases(mysqlTransactionVerb, [
    ['begin', 'begin'],
    ['begin work', 'begin'],
    ['begin not atomic select 1; end', 'opaque'],
    ['start transaction read only', 'begin'],
    ['start slave', 'implicit_commit'],
    ['commit and chain', 'commit'],
    ['rollback', 'rollback'],
    ['rollback work to savepoint a', 'rollback_to'],
    ['ROLLBACK TO a', 'rollback_to'],
    ['create table t (a int)', 'implicit_commit'],
    ['create temporary table t (a int)', undefined],
    ['create or replace temporary table t (a int)', undefined],
    ['drop temporary table t', undefined],
    ['drop prepare s', undefined],
    ['set autocommit = 1', 'implicit_commit'],
    ['set @a = 1, @@session.autocommit=ON', 'implicit_commit'],
    ['set autocommit = 0', undefined],
    ["set password = 'x'", 'implicit_commit'],
    ['lock tables t read', 'begin'],
    ['lock instance for backup', undefined],
    ['unlock tables', 'implicit_commit'],
    ['check view v', 'implicit_commit'],
    ['backup stage start', 'implicit_commit'],
    ['set default role none', 'implicit_commit'],
    ['set role none', undefined],
    ['set autocommit = @a', 'implicit_commit'],
    ['set statement lock_wait_timeout = (1) for commit', 'commit'],
    ['set statement lock_wait_timeout = 1 for select 1', undefined],
    ['xa prepare "a"', 'prepare'],
    ['xa commit "a" one phase', 'commit'],
    ['xa rollback "a"', 'rollback'],
    ['call p()', 'opaque'],
    ['execute s', 'opaque'],
    ['if 1 then commit; end if', 'opaque'],
    ['nonsense', 'other'],
    ['(select 1)', undefined],
    ['/*!50000 commit */', 'opaque'],
    ['/*M!100000 rollback */', 'opaque'],
    ['rollback /*!99999 to s */', 'opaque'],
    ['start transaction /*!40100 with consistent snapshot */', 'begin'],
    ['/*!50003 create trigger g before insert on t for each row set @a = 1 */', 'implicit_commit'],
    ['analyze local table t', 'implicit_commit'],
    ['analyze select 1', undefined],
    ['xa start "a"', undefined],
    ['savepoint a', undefined],
    ['insert into t values (1)', undefined],
  ])
})
