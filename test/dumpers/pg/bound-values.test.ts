import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { UTF8 } from '../../../dumpers/common/text-decoding.ts'
import { LongBind, PgValues } from '../../../dumpers/pg/bound-values.ts'
import { PgSession } from '../../../dumpers/pg/session.ts'
import { decodingOf } from '../../../dumpers/pg/text.ts'
import type { Bytes } from '../../../src/flow.ts'
import {
  answered,
  converse,
  LIMITS,
  ofKind,
  openContext,
  type Plain,
  plainValues,
  sent,
} from '../../support/canonical.ts'
import { splits } from '../../support/chunks.ts'
import {
  type BindOptions,
  backend,
  bindBody,
  fromHex,
  frontend,
  int16,
  int32,
  loggedIn,
} from '../../support/pg-wire.ts'

const sha256 = (bytes: Bytes | string) => createHash('sha256').update(bytes).digest('hex')
const INT4 = 23
const BOOL = 16
const TEXT = 25
const BYTEA = 17

type Value = string | Bytes | null

const wire = (values: readonly Value[]): string =>
  Buffer.concat(
    values.map((value) =>
      value === null ? int32(-1) : Buffer.concat([int32(Buffer.from(value).length), Buffer.from(value)]),
    ),
  ).toString('latin1')

const valuesOf = (values: readonly Value[], formats: number[] = [], oids: number[] = [], max = 65_536) => {
  const made = new PgValues(wire(values), values.length, formats, UTF8, max)
  made.oids = oids
  return made
}

// [name, formats, types, values, shown]
const TABLE: [string, number[], number[], Value[], (string | null)[]][] = [
  ['text without formats', [], [], ['a', 'ü'], ['a', 'ü']],
  ['NULL and empty keep their places (case 18)', [], [], ['x', null, '', 'z'], ['x', null, '', 'z']],
  ['one format for all (case 17)', [1], [INT4, INT4], [int32(1), int32(-2)], ['1', '-2']],
  ['a format for each', [0, 1], [0, BOOL], ['7', fromHex('01')], ['7', 't']],
  ['binary of a type that is not known', [1], [0], [fromHex('00ff')], ['\\x00ff']],
  ['binary of a type that is not built in', [1], [70_000], [fromHex('00ff')], ['\\x00ff']],
  ['binary that its type cannot have', [1], [INT4], [fromHex('00ff')], ['\\x00ff']],
  ['types for fewer values than there are', [1], [INT4], [int32(1), int32(2)], ['1', '\\x00000002']],
  ['fewer formats than values: the rest is text', [1, 0], [INT4], [int32(1), 'b', 'c'], ['1', 'b', 'c']],
  ['binary text', [1], [TEXT], ['ü'], ['ü']],
  ['text that is not of the encoding', [], [], [fromHex('61ff')], ['\\x61ff']],
  ['bytea', [1], [BYTEA], [fromHex('00ff')], ['\\x00ff']],
  ['a NUL in a text is a byte like any other', [], [], [fromHex('610062')], ['a\0b']],
]

describe('shows', () => {
  test.each(TABLE)('%s', (_, formats, oids, values, shown) => {
    const made = valuesOf(values, formats, oids)
    expect(plainValues(made)).toEqual(shown)
    expect(values.map((_value, index) => made.byteLength(index))).toEqual(
      values.map((value) => (value === null ? -1 : Buffer.from(value).length)),
    )
  })

  test('values in any order, and each the same again', () => {
    const made = valuesOf(['a', null, 'c'])
    expect([made.text(2), made.text(0), made.text(1), made.text(2)]).toEqual(['c', 'a', null, 'c'])
  })

  test('values in the encoding of the client', () => {
    const made = new PgValues(wire([fromHex('93fa')]), 1, [], decodingOf('SJIS'), 100)
    expect(made.text(0)).toBe('日')
  })

  test('names of types, as far as they are known', () => {
    const made = valuesOf(['1', '2', '3'], [], [INT4, 0, 70_000])
    expect([made.type(0), made.type(1), made.type(2), made.type(3)]).toEqual([
      'int4',
      undefined,
      '70000',
      undefined,
    ])
    expect(made.typesKnown).toBe(true)
    expect([valuesOf(['1']).typesKnown, valuesOf(['1'], [], [0]).typesKnown]).toEqual([false, false])
  })

  test('types that are learnt later', () => {
    const made = valuesOf([int32(5)], [1])
    made.oids = [INT4]
    expect(made.text(0)).toBe('5')
  })
})

describe('a value longer than what is kept', () => {
  test.each([
    [9, undefined],
    [10, undefined],
    [11, 10],
    [5000, 10],
  ])('of %i bytes', (length, kept) => {
    const value = 'abcdefghij'.repeat(500).slice(0, length)
    const made = valuesOf(['before', value, 'behind'], [], [], 10)
    expect(made.text(1)).toBe(value.slice(0, kept ?? length))
    expect(made.byteLength(1)).toBe(length)
    expect(made.sha256(1)).toBe(kept === undefined ? undefined : sha256(value))
    expect([made.text(0), made.text(2), made.sha256(0)]).toEqual(['before', 'behind', undefined])
  })

  test('is not cut within a character', () => {
    for (const character of ['é', '€', '😀']) {
      for (let max = 1; max <= 12; max++) {
        const shown = valuesOf([character.repeat(10)], [], [], max).text(0)!
        expect(character.repeat(10).startsWith(shown)).toBe(true)
        expect(Buffer.byteLength(shown)).toBeGreaterThan(max - Buffer.byteLength(character))
      }
    }
  })

  test('binary: its head as hex, since a part of it means nothing', () => {
    expect(valuesOf([Buffer.alloc(20, 1)], [1], [1700], 2).text(0)).toBe('\\x0101')
    expect(valuesOf(['abcdef'], [1], [TEXT], 2).text(0)).toBe('ab')
  })
})

describe('a Bind that is longer than what is kept, read as it passes', () => {
  const values: Value[] = ['short', null, 'x'.repeat(100_000), '', Buffer.alloc(300, 0xff), int32(7)]
  const body = bindBody({ portal: 'p', statement: 's', formats: [0, 0, 0, 0, 0, 1], values, results: [1] })

  test.each(splits(body, 8))('$name', ({ chunks }) => {
    const bind = new LongBind(50, 1000)
    for (const chunk of chunks) bind.add(chunk, 0, chunk.length)
    const made = bind.finish(UTF8)!
    made.oids = [TEXT, 0, 0, 0, 0, INT4]
    expect([bind.portal, bind.statement]).toEqual(['p', 's'])
    expect(plainValues(made)).toEqual(['short', null, 'x'.repeat(50), '', `\\x${'ff'.repeat(50)}`, '7'])
    expect(values.map((_, index) => made.byteLength(index))).toEqual([5, -1, 100_000, 0, 300, 4])
    expect([made.sha256(0), made.sha256(1), made.sha256(2)]).toEqual([
      undefined,
      undefined,
      sha256('x'.repeat(100_000)),
    ])
    expect(made.heldBytes).toBe(5 + 50 + 50 + 4)
  })

  test('holds at most what it may, and hashes the rest', () => {
    const bind = new LongBind(50, 120)
    const many = bindBody({
      values: Array.from({ length: 1000 }, (_, i) => `value ${i} ${'y'.repeat(60)}`),
    })
    bind.add(many, 0, many.length)
    const made = bind.finish(UTF8)!
    expect([made.count, made.heldBytes]).toEqual([1000, 120])
    expect([made.text(999), made.sha256(999)]).toEqual(['', sha256(`value 999 ${'y'.repeat(60)}`)])
  })

  test.each([
    ['that ends within a value', body.subarray(0, 5000)],
    ['that ends within its names', Buffer.from('portal')],
    ['that ends before its values', bindBody({}).subarray(0, 3)],
    ['with a negative length', Buffer.concat([fromHex('00 00'), int16(0), int16(1), int32(-2)])],
  ])('%s has no values', (_, bytes) => {
    const bind = new LongBind(50, 1000)
    bind.add(bytes, 0, bytes.length)
    expect(bind.finish(UTF8)).toBeUndefined()
  })

  test('of no values', () => {
    const bind = new LongBind(50, 1000)
    bind.add(bindBody({}), 0, bindBody({}).length)
    expect(bind.finish(UTF8)?.count).toBe(0)
  })
})

describe('in a session', () => {
  const run = (options: BindOptions, oids: number[]): Plain => {
    const session = new PgSession(
      openContext({ limits: { ...LIMITS, maxQueryBytes: 20_000, maxValueBytes: 50 } }),
    )
    const events = converse(session, [
      sent(frontend.startup({ user: 'u' })),
      answered(loggedIn()),
      sent(frontend.parse('select $1', 's', oids), frontend.bind({ ...options, statement: 's' })),
      sent(frontend.execute(options.portal), frontend.sync()),
      answered(backend.parseComplete(), backend.bindComplete(), backend.commandComplete('SELECT 1')),
      answered(backend.readyForQuery()),
    ])
    return ofKind(events, 'statement')[0]!
  }

  test.each([10, 900, 36_000, 37_000, 100_000])('a value of %i bytes, with its neighbours', (length) => {
    const value = 'v'.repeat(length)
    const record = run({ values: [int32(1), value, null, ''], formats: [1, 0, 0, 0] }, [
      INT4,
      TEXT,
      TEXT,
      TEXT,
    ])
    expect(record.values).toEqual(['1', value.slice(0, 50), null, ''])
    expect(record.types).toEqual(['int4', 'text', 'text', 'text'])
    if (length > 50) {
      expect(record.longValues).toEqual({
        hashes: [null, sha256(value), null, null],
        lengths: [4, length, -1, 0],
      })
    }
  })
})
