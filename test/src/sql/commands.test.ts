import { describe, expect, it } from 'vitest'
import {
  isTransactionControl,
  parseClose,
  parseDeallocate,
  parseDeclare,
  parseExecute,
  parsePrepare,
  parseSetRole,
  type ScanOptions,
  type SqlStatement,
  splitStatements,
} from '../../../src/sql/scan.ts'

type Parser<T> = (text: string, statement: SqlStatement, options?: ScanOptions) => T

const parsed = <T>(parser: Parser<T>, text: string): T => parser(text, splitStatements(text)[0]!)

const cases = <T>(parser: Parser<T>, table: readonly [text: string, expected: T][]) => {
  for (const [text, expected] of table)
    it(text, () => {
      expect(parsed(parser, text)).toEqual(expected)
    })
}

describe('parsePrepare', () => {
  cases(parsePrepare, [
    ['PREPARE P AS SELECT 1; x', { name: 'p', body: 'SELECT 1' }],
    ['prepare "P" (int, numeric(3,2)) as /**/ select $1 ', { name: 'P', body: 'select $1' }],
    ['prepare transaction as select 1', { name: 'transaction', body: 'select 1' }],
    ["prepare transaction 'x'", undefined],
    ['prepare p', undefined],
    ['select prepare as', undefined],
    [`prepare ${'n'.repeat(70)} as x`, { name: 'n'.repeat(63), body: 'x' }],
  ])
})

describe('parseExecute', () => {
  cases(parseExecute, [
    ['execute P', { name: 'p' }],
    ["EXECUTE p (1, 'a')", { name: 'p' }],
    ['explain execute "P q"', { name: 'P q' }],
    ['explain analyze verbose execute p', { name: 'p' }],
    ['explain (analyze, costs off) execute p(1)', { name: 'p' }],
    ['create table t as execute p', { name: 'p' }],
    [
      'create temp table if not exists s.as (a, b) using heap with (x=1) as execute p(1) with no data',
      { name: 'p' },
    ],
    ['explain create unlogged table t as execute p', { name: 'p' }],
    ['create table t as select 1 as execute', undefined],
    ['create table t (a int)', undefined],
    ['create view v as execute p', undefined],
    ['explain select 1', undefined],
    ['grant execute on x', undefined],
  ])
})

describe('parseDeallocate', () => {
  cases(parseDeallocate, [
    ['deallocate p', { name: 'p' }],
    ['deallocate prepare P', { name: 'p' }],
    ['deallocate prepare', { name: 'prepare' }],
    ['DEALLOCATE ALL', { all: true }],
    ['deallocate prepare all', { all: true }],
    ['deallocate "all"', { name: 'all' }],
    ['deallocate', undefined],
  ])
})

describe('parseClose', () => {
  cases(parseClose, [
    ['close c', { name: 'c' }],
    ['close all', { all: true }],
    ['close "All"', { name: 'All' }],
    ['select', undefined],
  ])
})

describe('parseDeclare', () => {
  cases(parseDeclare, [
    ['declare c cursor for select 1', { name: 'c', hold: false, body: 'select 1' }],
    [
      'declare C binary insensitive no scroll cursor with hold for select 1;',
      { name: 'c', hold: true, body: 'select 1' },
    ],
    [
      'declare cursor cursor without hold for values (1)',
      { name: 'cursor', hold: false, body: 'values (1)' },
    ],
    ['declare c', undefined],
  ])
})

describe('parseSetRole', () => {
  const to = (role: string | null, local = false) => ({ role, local })
  cases(parseSetRole, [
    ['set role Bob', to('bob')],
    ['set role "Bob"', to('Bob')],
    ["set session role 'Bob'", to('Bob')],
    ['set local role bob', to('bob', true)],
    ['set role none', to(null)],
    ["set role to 'none'", to(null)],
    ['set role = bob', to('bob')],
    ['set "ROLE" to bob', to('bob')],
    ['set local role to default', to(null, true)],
    ['reset role', to(null)],
    ['reset all', undefined],
    ['reset x', undefined],
    ['reset session authorization', to(null)],
    ['set session authorization bob', to(null)],
    ['set local session authorization bob', to(null, true)],
    ['set session_authorization to bob', to(null)],
    ['discard all', to(null)],
    ['discard plans', undefined],
    ['set search_path to role', undefined],
    ['set session characteristics as transaction read only', undefined],
    ['alter role bob', undefined],
  ])
})

describe('isTransactionControl', () => {
  const table: [text: string, expected: string | undefined][] = [
    ['begin', 'begin'],
    ['start transaction read only', 'begin'],
    ['start', undefined],
    ['commit', 'commit'],
    ['end work', 'commit'],
    ['commit and chain', 'commit, chain'],
    ['commit transaction and no chain', 'commit'],
    ["commit prepared 'x'", undefined],
    ['abort', 'rollback'],
    ['rollback work and chain', 'rollback, chain'],
    ['rollback to a', 'rollback-to'],
    ['rollback transaction to savepoint a', 'rollback-to'],
    ["rollback prepared 'x'", undefined],
    ["prepare transaction 'x'", 'prepare-transaction'],
    ['prepare transaction as select 1', undefined],
    ['savepoint a', 'savepoint'],
    ['release savepoint a', 'release'],
    ['select 1', undefined],
  ]
  for (const [text, expected] of table)
    it(text, () => {
      const control = isTransactionControl(splitStatements(text)[0]!.words)
      expect(control && `${control.verb}${control.chain ? ', chain' : ''}`).toBe(expected)
    })
})
