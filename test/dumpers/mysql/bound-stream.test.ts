import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { UTF8 } from '../../../dumpers/common/text-decoding.ts'
import {
  decodeExecute,
  type Execute,
  LongExecute,
  type ValueOptions,
} from '../../../dumpers/mysql/bound-values.ts'
import { StatementStore } from '../../../dumpers/mysql/statements.ts'
import type { Bytes } from '../../../src/flow.ts'
import { lenenc, lenencString, uint8, uint16, uint32 } from '../../support/my-bytes.ts'
import { double, executeBody, type Param } from '../../support/my-params.ts'

const OPTIONS: ValueOptions = { decoding: UTF8, mariadb: true, maxValueBytes: 1000, queryAttributes: false }
const MYSQL: ValueOptions = { ...OPTIONS, mariadb: false }
const LONG = 3
const DOUBLE = 5
const BLOB = 252
const VAR_STRING = 253

const sha256 = (bytes: Bytes | string): string => createHash('sha256').update(bytes).digest('hex')
const text = (value: string | null): Param => ({
  type: VAR_STRING,
  value: value === null ? null : lenencString(value),
})
const long = (value: number): Param => ({ type: LONG, value: uint32(value) })

/** A store with statement 1, of so many parameters. */
const storeOf = (params: number): StatementStore => {
  const store = new StatementStore(10, 1_000_000)
  store.set(1, undefined, params, 0, 1)
  return store
}

const execute = (store: StatementStore, body: Bytes): Execute =>
  decodeExecute(body, 0, body.length, store, OPTIONS)

const sendLong = (store: StatementStore, param: number, data: string): void => {
  const value = store.openLong(1, param, 1000)
  if (value !== undefined) store.addLong(value, Buffer.from(data), 0, data.length)
}

describe('an execution that is too long to be kept', () => {
  const PARAMS = [
    long(-5),
    text('short'),
    text('m'.repeat(300)),
    text(null),
    { type: BLOB, value: lenencString('z'.repeat(70_000)) },
    text(''),
    { type: 12, value: lenencString(Buffer.concat([uint16(2020), uint8(2), uint8(29)])) },
    { type: DOUBLE, value: double(1.5) },
    text('last'),
  ]
  const HEAD = 60

  /** The body's first bytes at once, what follows in pieces. */
  const follow = (
    body: Bytes,
    options: ValueOptions,
    cut: readonly number[],
    store = storeOf(9),
  ): Execute => {
    const long = new LongExecute(body.subarray(0, HEAD), 0, HEAD, store, options, 5000)
    let at = HEAD
    for (const size of cut) {
      long.add(body, at, Math.min(body.length, at + size))
      at += size
    }
    long.add(body, Math.min(at, body.length), body.length)
    return long.finish()
  }

  const told = ({ values }: Execute) =>
    values &&
    Array.from({ length: values.count }, (_, i) => [
      values.text(i),
      values.byteLength(i),
      values.type(i),
      values.sha256(i),
    ])

  const body = executeBody(PARAMS)
  const expected = [
    ['-5', 4, 'long', undefined],
    ['short', 5, 'var_string', undefined],
    ['m'.repeat(300), 300, 'var_string', undefined],
    [null, -1, 'var_string', undefined],
    ['z'.repeat(1000), 70_000, 'blob', sha256('z'.repeat(70_000))],
    ['', 0, 'var_string', undefined],
    ['2020-02-29 00:00:00', 4, 'datetime', undefined],
    ['1.5', 8, 'double', undefined],
    ['last', 4, 'var_string', undefined],
  ]

  test('has each value, its length and its hash, however it is cut', () => {
    expect(told(follow(body, OPTIONS, []))).toEqual(expected)
    expect(told(follow(body, OPTIONS, new Array(400).fill(1)))).toEqual(expected)
    for (const sizes of [
      [7, 1, 1, 65_536, 3],
      [330, 1, 2, 3, 4],
      [1000, 69_000],
    ])
      expect(told(follow(body, OPTIONS, sizes))).toEqual(expected)
  })

  test('is what it would be if it were kept', () => {
    expect(told(execute(storeOf(9), body))).toEqual(expected)
  })

  test('holds no more than it may', () => {
    const many = Array.from({ length: 9 }, () => text('v'.repeat(900)))
    const { values } = follow(executeBody(many), OPTIONS, [])
    expect(values?.heldBytes).toBeLessThanOrEqual(5000)
    expect(values?.byteLength(8)).toBe(900)
    expect(values?.sha256(8)).toBe(sha256('v'.repeat(900)))
  })

  test('cut short, it has no values', () => {
    const store = storeOf(9)
    const read = follow(body.subarray(0, body.length - 1), OPTIONS, [], store)
    expect([read.values, read.malformed]).toEqual([undefined, true])
    expect(store.get(1)?.types?.length).toBe(9)
  })

  test('takes long data in its place, and query attributes behind', () => {
    const store = storeOf(9)
    sendLong(store, 1, 'ahead')
    const params = PARAMS.map((param, i) => (i === 1 ? { ...param, value: undefined } : param))
    expect(follow(executeBody(params), OPTIONS, [100], store).values?.text(1)).toBe('ahead')
    const counted = executeBody([...PARAMS, { ...text('v'), name: 'k' }], { flags: 8, counted: true })
    const read = follow(counted, { ...MYSQL, queryAttributes: true }, [100])
    expect([told(read), read.attributes]).toEqual([expected, '{"k":"v"}'])
  })

  test('of a statement that is not known has no values', () => {
    const read = follow(executeBody(PARAMS, { id: 5 }), OPTIONS, [])
    expect(read).toMatchObject({ id: 5, values: undefined, malformed: false })
  })

  test('64 MB are followed and not kept', () => {
    const chunk = Buffer.alloc(65_536, 0x61)
    const head = executeBody([{ type: BLOB, value: lenenc(1024 * chunk.length) }])
    const read = new LongExecute(head, 0, head.length, storeOf(1), OPTIONS, 1_048_576)
    const hash = createHash('sha256')
    for (let i = 0; i < 1024; i++) {
      read.add(chunk, 0, chunk.length)
      hash.update(chunk)
    }
    const { values } = read.finish()
    expect(values?.heldBytes).toBe(1000)
    expect(values?.byteLength(0)).toBe(67_108_864)
    expect(values?.sha256(0)).toBe(hash.digest('hex'))
  })
})
