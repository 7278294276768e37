import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { UTF8 } from '../../../dumpers/common/text-decoding.ts'
import {
  decodeExecute,
  decodeExecuteHead,
  type Execute,
  LongExecute,
  type ValueOptions,
} from '../../../dumpers/mysql/bound-values.ts'
import { LAST_STATEMENT, StatementStore } from '../../../dumpers/mysql/statements.ts'
import type { BoundValues } from '../../../src/event.ts'
import type { Bytes } from '../../../src/flow.ts'
import { plainValues } from '../../support/canonical.ts'
import { lenenc, lenencString, uint8, uint32 } from '../../support/my-bytes.ts'
import { double, executeBody, type Param, paramsBody } from '../../support/my-params.ts'

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
const storeOf = (params: number, max = 10): StatementStore => {
  const store = new StatementStore(max, 1_000_000)
  store.set(1, undefined, params, 0, 1)
  return store
}

const execute = (store: StatementStore, body: Bytes, options = OPTIONS): Execute =>
  decodeExecute(body, 0, body.length, store, options)

const shown = ({ values }: Execute): (string | null)[] | undefined => values && plainValues(values)

const sendLong = (store: StatementStore, param: number, data: Bytes | string, max = 1000): void => {
  const value = store.openLong(1, param, max)
  const bytes = Buffer.from(data as string)
  if (value !== undefined) store.addLong(value, bytes, 0, bytes.length)
}

describe('case 34: COM_STMT_EXECUTE', () => {
  test('the NULL bitmap begins at the first parameter, and a ninth one is in its second byte', () => {
    const params = [text('a'), text(null), text('c'), long(4), text(null), text(''), text('g'), text('h')]
    const read = execute(storeOf(10), executeBody([...params, text(null), text('j')]))
    expect(shown(read)).toEqual(['a', null, 'c', '4', null, '', 'g', 'h', null, 'j'])
    expect(read.values?.byteLength(1)).toBe(-1)
    expect(read.values?.byteLength(5)).toBe(0)
    expect(read.malformed).toBe(false)
  })

  test('types are named, the unsigned flag too', () => {
    const params = [{ type: LONG | 0x8000, value: uint32(-1) }, text(null)]
    const { values } = execute(storeOf(2), executeBody(params))
    expect(values?.typesKnown).toBe(true)
    expect([values?.type(0), values?.type(1)]).toEqual(['long unsigned', 'var_string'])
  })

  test('a cursor flag does not shift what follows', () => {
    const read = execute(storeOf(1), executeBody([text('x')], { flags: 1 }))
    expect([read.flags, shown(read)]).toEqual([1, ['x']])
  })

  test('a statement without parameters has no values, whatever follows', () => {
    const read = execute(storeOf(0), Buffer.concat([executeBody([]), Buffer.from('\0\x01garbage')]))
    expect([read.values, read.malformed]).toEqual([undefined, false])
  })

  test('bytes behind the last value are not read', () => {
    const read = execute(storeOf(1), Buffer.concat([executeBody([text('x')]), Buffer.from('MORE')]))
    expect([shown(read), read.malformed]).toEqual([['x'], false])
  })
})

describe('case 66: types that are not sent again', () => {
  test('are those of the last execution that sent some', () => {
    const store = storeOf(2)
    const first = execute(store, executeBody([long(1), text('a')]))
    const again = execute(store, executeBody([long(2), text('b')], { types: false }))
    const changed = execute(store, executeBody([{ type: DOUBLE, value: double(2.5) }, text('c')]))
    const last = execute(
      store,
      executeBody([{ type: DOUBLE, value: double(-1) }, text(null)], { types: false }),
    )
    expect([first, again, changed, last].map(shown)).toEqual([
      ['1', 'a'],
      ['2', 'b'],
      ['2.5', 'c'],
      ['-1', null],
    ])
    expect([first, again].map(({ typesSent }) => typesSent)).toEqual([true, false])
    expect(again.values?.type(1)).toBe('var_string')
    // each keeps the types that it was read with
    expect(plainValues(first.values as BoundValues)).toEqual(['1', 'a'])
  })

  test('the same types sent again are not kept twice', () => {
    const store = storeOf(2)
    execute(store, executeBody([long(1), text('a')]))
    const types = store.get(1)?.types
    execute(store, executeBody([long(2), text('b')]))
    expect(store.get(1)?.types).toBe(types)
  })

  test('never sent: NULL is known, and no other value is guessed', () => {
    const store = storeOf(2)
    expect(shown(execute(store, executeBody([text(null), text(null)], { types: false })))).toEqual([
      null,
      null,
    ])
    const unknown = execute(store, executeBody([text(null), text('x')], { types: false }))
    expect([unknown.values, unknown.malformed]).toEqual([undefined, false])
  })

  test('a body cut within its types leaves them unknown', () => {
    const store = storeOf(2)
    execute(store, executeBody([long(1), text('a')]))
    const cut = execute(store, executeBody([long(1), text('a')]).subarray(0, 13))
    expect([cut.malformed, cut.values]).toEqual([true, undefined])
    expect(execute(store, executeBody([long(2), text('b')], { types: false })).values).toBeUndefined()
    expect(shown(execute(store, executeBody([long(3), text('c')])))).toEqual(['3', 'c'])
  })

  test('a body cut within its values leaves its types in force, as the server does', () => {
    const store = storeOf(2)
    const body = executeBody([long(1), text('abc')])
    expect(execute(store, body.subarray(0, body.length - 1)).malformed).toBe(true)
    expect(shown(execute(store, executeBody([long(2), text('b')], { types: false })))).toEqual(['2', 'b'])
  })
})

test('case 69: NULL typed VAR_STRING is NULL, and the empty string is not', () => {
  expect(shown(execute(storeOf(2), executeBody([text(null), text('')])))).toEqual([null, ''])
})

describe('statements that are not known', () => {
  test('have no values: none are guessed', () => {
    const read = execute(storeOf(1), executeBody([text('x')], { id: 7 }))
    expect(read).toMatchObject({ id: 7, prepared: undefined, values: undefined, malformed: false })
  })

  test('0xffffffff is the last one prepared', () => {
    const store = storeOf(1)
    store.set(9, undefined, 2, 0, 2)
    const read = execute(store, executeBody([text('x'), text('y')], { id: LAST_STATEMENT }))
    expect([read.prepared?.id, shown(read)]).toEqual([9, ['x', 'y']])
  })
})

describe('commands that were not read', () => {
  test('a head alone has no values, and what hangs on its types is not known', () => {
    const store = storeOf(2)
    execute(store, executeBody([long(1), text('a')]))
    const body = executeBody([long(2), text('b')])
    const head = decodeExecuteHead(body, 0, 9, store)
    expect(head).toMatchObject({ id: 1, prepared: { id: 1 }, values: undefined, malformed: false })
    expect(execute(store, executeBody([long(3), text('c')], { types: false })).values).toBeUndefined()
    expect(shown(execute(store, executeBody([long(4), text('d')])))).toEqual(['4', 'd'])
  })

  test('any may have sent types or long data: no value is guessed until they come anew', () => {
    const store = storeOf(2)
    execute(store, executeBody([long(1), text('a')]))
    sendLong(store, 1, 'ahead')
    store.forget()
    // long data may have been sent for either parameter
    expect(execute(store, executeBody([long(2), text('b')])).values).toBeUndefined()
    expect(shown(execute(store, executeBody([long(3), text('c')])))).toEqual(['3', 'c'])
    store.forget()
    store.forget()
    expect(execute(store, executeBody([long(4), text('d')], { types: false })).values).toBeUndefined()
  })
})

describe('case 63: lengths that lie', () => {
  // [name, what stands in the place of the first value's length]
  const LIES: [string, Bytes][] = [
    ['beyond the body', uint8(200)],
    ['of 2^64 - 1', Buffer.alloc(9, 0xff).fill(0xfe, 0, 1)],
    ['of 2^53', Buffer.concat([uint8(0xfe), Buffer.from('0000000000002000', 'hex')])],
    ['of NULL', uint8(0xfb)],
    ['of nothing', uint8(0xff)],
    ['cut', uint8(0xfe)],
  ]
  test.each(LIES)('a length %s', (_, lie) => {
    const store = storeOf(1)
    const body = executeBody([{ type: VAR_STRING, value: lie }])
    expect(execute(store, body)).toMatchObject({ id: 1, values: undefined, malformed: true })
    // and the next one is read
    expect(shown(execute(store, executeBody([text('x')])))).toEqual(['x'])
  })

  test('more parameters than the body can hold', () => {
    expect(execute(storeOf(65_535), executeBody([text('x')])).malformed).toBe(true)
  })

  test('less than a header is an error', () => {
    for (let length = 0; length < 9; length++)
      expect(() => execute(storeOf(1), executeBody([text('x')]).subarray(0, length))).toThrow('wanted')
  })

  test('MariaDB takes 0 or 1 for whether types follow, MySQL whatever is not 0', () => {
    const body = executeBody([text('x')])
    body[10] = 2
    expect(execute(storeOf(1), body).malformed).toBe(true)
    expect(shown(execute(storeOf(1), body, MYSQL))).toEqual(['x'])
  })

  test('every cut of a body is read, or told', () => {
    const body = executeBody([
      long(1),
      text('abc'),
      text(null),
      { type: 12, value: lenencString(uint32(1)) },
    ])
    for (let length = 9; length < body.length; length++) {
      const read = execute(storeOf(4), body.subarray(0, length))
      expect([read.values, read.malformed]).toEqual([undefined, true])
    }
  })
})

describe('case 35: long data', () => {
  const blob = (value: Bytes | undefined = undefined): Param => ({ type: BLOB, value })

  test('supplies the value, in chunks, empty ones among them', () => {
    const store = storeOf(2)
    for (const chunk of ['hello ', '', 'world']) sendLong(store, 0, chunk)
    expect(shown(execute(store, executeBody([blob(), text('b')])))).toEqual(['hello world', 'b'])
  })

  test('an empty chunk alone is an empty value', () => {
    const store = storeOf(1)
    sendLong(store, 0, '')
    expect(shown(execute(store, executeBody([blob()])))).toEqual([''])
  })

  test('is used up by the execution, also by one that fails', () => {
    const store = storeOf(2)
    const params = [blob(), text('b')]
    sendLong(store, 0, 'once')
    execute(store, executeBody(params))
    expect(shown(execute(store, executeBody([blob(lenencString('z')), text('b')])))).toEqual(['z', 'b'])
    sendLong(store, 0, 'once')
    expect(execute(store, executeBody(params).subarray(0, 11)).malformed).toBe(true)
    expect(shown(execute(store, executeBody([blob(lenencString('z')), text('b')])))).toEqual(['z', 'b'])
    expect(store.get(1)?.long).toBeUndefined()
  })

  test('is forgotten by COM_STMT_RESET; types are not', () => {
    const store = storeOf(1)
    execute(store, executeBody([blob(lenencString('a'))]))
    sendLong(store, 0, 'gone')
    store.reset(1)
    expect(shown(execute(store, executeBody([blob(lenencString('b'))], { types: false })))).toEqual(['b'])
  })

  test('wins over a NULL bit in MariaDB and in MySQL', () => {
    const body = executeBody([{ type: BLOB, value: null }])
    for (const [options, value] of [
      [OPTIONS, 'data'],
      [MYSQL, 'data'],
    ] as const) {
      const store = storeOf(1)
      sendLong(store, 0, 'data')
      expect(shown(execute(store, body, options))).toEqual([value])
    }
  })

  test('for an integer is refused by the server: the values are not known', () => {
    const store = storeOf(1)
    sendLong(store, 0, 'data')
    expect(execute(store, executeBody([{ type: LONG, value: undefined }])).malformed).toBe(true)
  })

  test('beyond maxValueBytes has a head, a length and a hash', () => {
    const data = Buffer.from('x'.repeat(2500))
    const store = storeOf(1)
    for (let at = 0; at < data.length; at += 500) sendLong(store, 0, data.subarray(at, at + 500))
    const { values } = execute(store, executeBody([blob()]))
    expect(values?.text(0)).toBe('x'.repeat(1000))
    expect(values?.byteLength(0)).toBe(2500)
    expect(values?.sha256(0)).toBe(sha256(data))
    expect(values?.sha256(0)).toBe(sha256(data))
  })

  test('is in the character set of the connection when its type is one of text', () => {
    const store = storeOf(1)
    sendLong(store, 0, Buffer.from([0xff]))
    expect(shown(execute(store, executeBody([{ type: VAR_STRING, value: undefined }])))).toEqual(['\\xff'])
  })

  test('for a parameter that the statement does not have is not kept', () => {
    const store = storeOf(1)
    sendLong(store, 1, 'data')
    expect(store.get(1)?.long).toBeUndefined()
  })

  test('that could not be kept leaves the values unknown, until the next execution', () => {
    const store = storeOf(2000)
    for (let param = 0; param < 2000; param++) sendLong(store, param, 'data')
    const params = Array.from({ length: 2000 }, () => text(null))
    expect(execute(store, executeBody(params)).values).toBeUndefined()
    expect(execute(store, executeBody(params)).values?.count).toBe(2000)
  })
})

describe('case 31: query attributes of an execution', () => {
  const WITH = { ...MYSQL, queryAttributes: true }

  test('stand behind the parameters, and are told by their names', () => {
    const params = [
      text('a'),
      { ...text('v'), name: 'k' },
      { ...long(7), name: 'n' },
      { ...text(null), name: 'z' },
    ]
    const read = execute(storeOf(1), executeBody(params, { flags: 8, counted: true }), WITH)
    expect([shown(read), read.attributes]).toEqual([['a'], '{"k":"v","n":"7","z":null}'])
  })

  test('of a statement without parameters: PARAMETER_COUNT_AVAILABLE says that they are there', () => {
    const body = executeBody([{ ...text('v'), name: 'k' }], { flags: 8, counted: true })
    const read = execute(storeOf(0), body, WITH)
    expect([read.values, read.attributes]).toEqual([undefined, '{"k":"v"}'])
    expect(execute(storeOf(0), executeBody([]), WITH).attributes).toBeUndefined()
  })

  test('a count comes without them too', () => {
    const store = storeOf(1)
    const read = execute(store, executeBody([text('a')], { counted: true }), WITH)
    expect([shown(read), read.attributes]).toEqual([['a'], undefined])
    const bare = Buffer.concat([uint32(1), uint8(0), uint32(1), lenenc(1), paramsBody([text('b')], false)])
    expect(shown(execute(store, bare, WITH))).toEqual(['b'])
  })

  test('fewer values than parameters make no sense', () => {
    expect(execute(storeOf(2), executeBody([text('a')], { counted: true }), WITH).malformed).toBe(true)
  })

  test('one too long to keep is told by its head, length and hash', () => {
    const value = 'y'.repeat(1001)
    const body = executeBody([{ ...text(value), name: 'k' }], { flags: 8, counted: true })
    const { attributes = '' } = execute(storeOf(0), body, WITH)
    expect(JSON.parse(attributes)).toEqual({
      k: { head: 'y'.repeat(1000), bytes: 1001, sha256: sha256(value) },
    })
  })
})

test('a value beyond maxValueBytes has a head, a length and a hash, without half a character', () => {
  const value = `${'x'.repeat(999)}ü${'y'.repeat(500)}`
  const { values } = execute(storeOf(2), executeBody([text(value), text('b')]))
  expect(values?.text(0)).toBe('x'.repeat(999))
  expect(values?.byteLength(0)).toBe(1501)
  expect(values?.sha256(0)).toBe(sha256(value))
  expect([values?.text(1), values?.sha256(1)]).toEqual(['b', undefined])
})

test('values that were asked for are the same when bytes of others have passed', () => {
  const store = storeOf(1)
  const one = execute(store, executeBody([text('one')]))
  const two = execute(store, executeBody([text('two')]))
  expect([shown(two), shown(one), shown(two)]).toEqual([['two'], ['one'], ['two']])
})

test('random bodies are read or told, and never throw behind the header', () => {
  let seed = 1
  const next = () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff
    return seed >> 16
  }
  const whole = executeBody([long(1), text('abc'), text(null), text('d'.repeat(300))])
  for (let i = 0; i < 3000; i++) {
    const body = Buffer.from(whole)
    for (let n = next() % 4; n >= 0; n--) body[4 + (next() % (body.length - 4))] = next() & 0xff
    const read = execute(storeOf(4), body, i % 2 === 0 ? OPTIONS : MYSQL)
    const cut = 9 + (next() % (body.length - 9))
    const long = new LongExecute(body, 0, cut, storeOf(4), i % 2 === 0 ? OPTIONS : MYSQL, 5000)
    long.add(body, cut, body.length)
    const followed = long.finish()
    if (read.values !== undefined) expect(plainValues(read.values)).toHaveLength(4)
    if (followed.values !== undefined && read.values !== undefined)
      expect(plainValues(followed.values)).toEqual(plainValues(read.values))
  }
})
