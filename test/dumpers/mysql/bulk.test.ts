import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { UTF8 } from '../../../dumpers/common/text-decoding.ts'
import type { ValueOptions } from '../../../dumpers/mysql/bound-values.ts'
import { type BulkExecute, decodeBulk, decodeBulkHead, LongBulk } from '../../../dumpers/mysql/bulk.ts'
import { StatementStore } from '../../../dumpers/mysql/statements.ts'
import type { Bytes } from '../../../src/flow.ts'
import { plainValues } from '../../support/canonical.ts'
import { lenencString, uint32 } from '../../support/my-bytes.ts'
import { bulkBody, INDICATOR_DEFAULT, INDICATOR_IGNORE, INDICATOR_NULL } from '../../support/my-params.ts'

const OPTIONS: ValueOptions = { decoding: UTF8, mariadb: true, maxValueBytes: 100, queryAttributes: false }
const LONG = 3
const VAR_STRING = 253
const TYPES = [LONG, VAR_STRING]

const storeOf = (params: number): StatementStore => {
  const store = new StatementStore(10, 1_000_000)
  store.set(1, undefined, params, 0, 1)
  return store
}

const bulk = (store: StatementStore, body: Bytes): BulkExecute =>
  decodeBulk(body, 0, body.length, store, OPTIONS)

const shown = ({ rows }: BulkExecute) => rows?.rows().map(plainValues)

const ROWS = [
  [uint32(1), lenencString('a')],
  [INDICATOR_NULL, lenencString('ü')],
  [INDICATOR_DEFAULT, INDICATOR_IGNORE],
]
const SHOWN = [
  ['1', 'a'],
  [null, 'ü'],
  ['\\DEFAULT', '\\IGNORE'],
]

describe('case 47: COM_STMT_BULK_EXECUTE', () => {
  test('has each row, with NULL, DEFAULT and IGNORE', () => {
    const read = bulk(storeOf(2), bulkBody(TYPES, ROWS))
    expect(read).toMatchObject({ id: 1, flags: 128, typesSent: true, malformed: false })
    expect(shown(read)).toEqual(SHOWN)
    expect(read.rows?.count).toBe(3)
  })

  test('the strings DEFAULT and \\DEFAULT are told from the default', () => {
    const rows = [
      [uint32(1), lenencString('DEFAULT')],
      [uint32(2), lenencString('\\DEFAULT')],
      [uint32(3), INDICATOR_DEFAULT],
    ]
    expect(shown(bulk(storeOf(2), bulkBody(TYPES, rows)))?.map(([, value]) => value)).toEqual([
      'DEFAULT',
      '\\x5c44454641554c54',
      '\\DEFAULT',
    ])
  })

  test('uses the types of the execution before when none are sent', () => {
    const store = storeOf(2)
    bulk(store, bulkBody(TYPES, ROWS))
    const again = bulk(store, bulkBody(undefined, [[uint32(7), lenencString('x')]]))
    expect([shown(again), again.typesSent]).toEqual([[['7', 'x']], false])
  })

  test('has no rows when statement or types are not known', () => {
    expect(bulk(storeOf(2), bulkBody(undefined, ROWS)).rows).toBeUndefined()
    const unknown = bulk(storeOf(2), bulkBody(TYPES, ROWS, 9))
    expect([unknown.id, unknown.rows, unknown.malformed]).toEqual([9, undefined, false])
  })

  test('every cut of it is told, but for those between two rows', () => {
    const body = bulkBody(TYPES, ROWS)
    const whole = [10, 18, 23, 25]
    for (let length = 6; length <= body.length; length++) {
      const read = bulk(storeOf(2), body.subarray(0, length))
      expect(read.malformed).toBe(!whole.includes(length))
      expect(read.rows === undefined).toBe(read.malformed)
    }
    expect(() => bulk(storeOf(2), body.subarray(0, 5))).toThrow('wanted')
  })

  test('an unknown indicator makes no sense', () => {
    expect(bulk(storeOf(2), bulkBody(TYPES, [[4, lenencString('a')]])).malformed).toBe(true)
  })

  test('of a value that is too long the head, length and hash', () => {
    const value = 'v'.repeat(150)
    const [row] = bulk(storeOf(2), bulkBody(TYPES, [[uint32(1), lenencString(value)]])).rows?.rows() ?? []
    expect([row?.text(1), row?.byteLength(1)]).toEqual(['v'.repeat(100), 150])
    expect(row?.sha256(1)).toBe(createHash('sha256').update(value).digest('hex'))
  })

  test('one too long to be kept: its first rows, and the rest by length and hash', () => {
    const rows = Array.from({ length: 50 }, (_, i) => [uint32(i), lenencString('v'.repeat(20))])
    const body = bulkBody(TYPES, rows)
    for (const piece of [1, 7, 5000]) {
      const long = new LongBulk(body.subarray(0, 100), 0, 100, storeOf(2), OPTIONS)
      for (let at = 100; at < body.length; at += piece)
        long.add(body, at, Math.min(body.length, at + piece))
      const read = long.finish()
      const told = read.rows?.rows() ?? []
      // 10 bytes before the rows, 27 of each row
      const rest = body.subarray(10 + 3 * 27)
      expect(told.map(plainValues)).toEqual([
        ['0', 'v'.repeat(20)],
        ['1', 'v'.repeat(20)],
        ['2', 'v'.repeat(20)],
        ['\\REST'],
      ])
      expect(told[3]?.byteLength(0)).toBe(rest.length)
      expect(told[3]?.sha256(0)).toBe(createHash('sha256').update(rest).digest('hex'))
      expect(read.rows?.heldBytes).toBe(3 * 27)
    }
  })

  test('of which only the head is there has no rows, and its types are not known', () => {
    const store = storeOf(2)
    bulk(store, bulkBody(TYPES, ROWS))
    const head = decodeBulkHead(bulkBody(TYPES, ROWS), 0, 6, store)
    expect([head.prepared?.id, head.rows, store.get(1)?.types]).toEqual([1, undefined, undefined])
  })

  test('of a million rows of NULL the first are held, a byte each', () => {
    const body = bulkBody([LONG], [])
    const nulls = Buffer.alloc(1_000_000, INDICATOR_NULL)
    const { rows } = bulk(storeOf(1), Buffer.concat([body, nulls]))
    expect([rows?.count, rows?.heldBytes]).toEqual([65_536, 65_536])
  })
})
