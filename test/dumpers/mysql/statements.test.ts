import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { LongValue } from '../../../dumpers/mysql/long-value.ts'
import { LAST_STATEMENT, StatementStore } from '../../../dumpers/mysql/statements.ts'
import type { QueryText } from '../../../src/event.ts'

const textOf = (text: string): QueryText => ({ text, dialect: 'mysql', standardConformingStrings: false })

const openStore = (max = 3, maxBytes = 1_000_000): StatementStore => new StatementStore(max, maxBytes)

const addLong = (store: StatementStore, id: number, param: number, data: string, max = 1000): boolean => {
  const value = store.openLong(id, param, max)
  if (value !== undefined) store.addLong(value, Buffer.from(data), 0, data.length)
  return value !== undefined
}

describe('statements by id', () => {
  test('are found until they are closed', () => {
    const store = openStore()
    store.set(1, textOf('select ?'), 1, 1, 10)
    expect(store.get(1)).toMatchObject({ text: { text: 'select ?' }, params: 1, columns: 1, seq: 10 })
    store.delete(1)
    expect([store.get(1), store.size, store.bytes]).toEqual([undefined, 0, 0])
  })

  test('an id that comes again is the new statement, without the old types', () => {
    const store = openStore()
    store.setTypes(store.set(1, textOf('select 1'), 1, 1, 1), [3])
    store.set(1, textOf('select 2'), 1, 1, 2)
    expect(store.get(1)).toMatchObject({ seq: 2, types: undefined })
    expect(store.size).toBe(1)
  })

  test('all are gone after COM_RESET_CONNECTION', () => {
    const store = openStore()
    store.set(1, textOf('select 1'), 1, 1, 1)
    addLong(store, 1, 0, 'data')
    store.clear()
    expect([store.get(1), store.get(LAST_STATEMENT), store.bytes]).toEqual([undefined, undefined, 0])
  })
})

describe('the last statement, 0xffffffff', () => {
  test('is the one that was prepared last', () => {
    const store = openStore()
    store.set(1, undefined, 0, 0, 1)
    store.set(2, undefined, 0, 0, 2)
    expect(store.get(LAST_STATEMENT)?.id).toBe(2)
    store.delete(1)
    expect(store.get(LAST_STATEMENT)?.id).toBe(2)
  })

  test('there is none once preparing failed, or it was closed by either id', () => {
    const store = openStore()
    store.set(1, undefined, 0, 0, 1)
    store.failed()
    expect([store.get(LAST_STATEMENT), store.get(1)?.id]).toEqual([undefined, 1])
    store.set(2, undefined, 0, 0, 2)
    store.delete(2)
    expect(store.get(LAST_STATEMENT)).toBeUndefined()
    store.set(3, undefined, 0, 0, 3)
    store.delete(LAST_STATEMENT)
    expect([store.get(3), store.get(LAST_STATEMENT)]).toEqual([undefined, undefined])
  })
})

/** A million of anything takes a second, and more where all tests run at once. */
const SLOW = 60_000

describe('what goes when it is full', () => {
  test('is the oldest text; its number, count and types stay', () => {
    const store = openStore(2)
    store.setTypes(store.set(1, textOf('select ?'), 1, 1, 10), [253])
    store.set(2, textOf('select 2'), 0, 1, 11)
    store.set(3, textOf('select 3'), 0, 1, 12)
    expect(store.get(1)).toMatchObject({ text: undefined, params: 1, seq: 10, types: [253] })
    expect(store.get(2)?.text?.text).toBe('select 2')
    store.delete(1)
    expect(store.get(1)).toBeUndefined()
  })

  test('is also decided by bytes, but for the newest', () => {
    const store = openStore(100, 10_000)
    store.set(1, textOf('x'.repeat(3000)), 0, 0, 1)
    store.set(2, textOf('y'.repeat(8000)), 0, 0, 2)
    expect([store.get(1)?.text, store.get(2)?.text?.text.length]).toEqual([undefined, 8000])
  })

  test(
    'a million ids: some are forgotten; nothing is left over',
    () => {
      const store = openStore(1024, 4_000_000)
      for (let id = 1; id <= 1_000_000; id++) store.set(id, textOf('select ?'), 1, 1, id)
      expect(store.size).toBe(1024 + 4096)
      expect(store.bytes).toBeLessThan(4_000_000)
      expect([store.get(1), store.get(1_000_000)?.seq]).toEqual([undefined, 1_000_000])
      for (let id = 1_000_000 - 6000; id <= 1_000_000; id++) store.delete(id)
      expect([store.size, store.bytes]).toEqual([0, 0])
    },
    SLOW,
  )
})

describe('long data (case 35)', () => {
  test('is held until it is taken', () => {
    const store = openStore()
    const prepared = store.set(1, undefined, 2, 0, 1)
    const before = store.bytes
    addLong(store, 1, 1, 'abc')
    addLong(store, 1, 1, 'def')
    expect(store.bytes).toBeGreaterThan(before)
    expect(store.takeLong(prepared)?.get(1)?.head.toString()).toBe('abcdef')
    expect(store.bytes).toBe(before)
    expect(store.takeLong(prepared)).toBeUndefined()
  })

  test('is forgotten with its statement', () => {
    const store = openStore()
    store.set(1, undefined, 1, 0, 1)
    addLong(store, 1, 0, 'abc')
    store.delete(1)
    expect(store.bytes).toBe(0)
  })

  test('of a statement or parameter that is not known is not held', () => {
    const store = openStore()
    store.set(1, undefined, 1, 0, 1)
    expect([addLong(store, 2, 0, 'x'), addLong(store, 1, 1, 'x')]).toEqual([false, false])
  })

  test(
    'for a million parameters holds no more than it may, and is told as lost',
    () => {
      const store = openStore(100, 100_000)
      for (let id = 1; id <= 20; id++) store.set(id, undefined, 50_000, 0, id)
      const data = 'x'.repeat(100)
      for (let id = 1; id <= 20; id++)
        for (let param = 0; param < 50_000; param++) addLong(store, id, param, data)
      expect(store.bytes).toBeLessThan(2_000_000)
      expect(store.get(20)?.longLost).toBe(true)
      for (let id = 1; id <= 20; id++) store.delete(id)
      expect(store.bytes).toBe(0)
    },
    SLOW,
  )

  test('without end is a length and a hash', () => {
    const store = openStore()
    const prepared = store.set(1, undefined, 1, 0, 1)
    const hash = createHash('sha256')
    const chunk = Buffer.alloc(8192, 0x61)
    for (let i = 0; i < 2000; i++) {
      const value = store.openLong(1, 0, 65_536) as LongValue
      store.addLong(value, chunk, 0, chunk.length)
      hash.update(chunk)
    }
    expect(store.bytes).toBeLessThan(100_000)
    const value = store.takeLong(prepared)?.get(0)
    expect(value).toMatchObject({ length: 2000 * 8192, sha256: hash.digest('hex') })
    expect(value?.head.length).toBe(65_536)
  })
})

test('a value that is followed has a hash only when it is longer than what is kept', () => {
  const value = new LongValue(4)
  expect(value.add(Buffer.from('xabcx'), 1, 4)).toBe(3)
  expect(value.sha256).toBeUndefined()
  expect(value.add(Buffer.from('de'), 0, 2)).toBe(1)
  expect([value.head.toString(), value.length]).toEqual(['abcd', 5])
  expect(value.sha256).toBe(createHash('sha256').update('abcde').digest('hex'))
})
