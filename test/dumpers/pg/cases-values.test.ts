/** Bound values: formats, types, NULL, and more than is kept. */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Plain } from '../../support/canonical.ts'
import {
  answered,
  b,
  briefs,
  done,
  f,
  failure,
  ran,
  repeat,
  sent,
  statementsOf,
} from '../../support/conversation.ts'
import { cstring, int16, int32, message } from '../../support/pg-wire.ts'

const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex')
const ready = b.readyForQuery()

describe('values', () => {
  const valuesOf = (bind: Buffer, oids: readonly number[] = [], limits = {}): Plain | undefined =>
    statementsOf(
      [sent(f.parse('SELECT 1', '', oids), bind, f.execute(), f.sync()), answered(ran('SELECT 0'), ready)],
      limits,
    )[0]

  test('case 17: no format code, one for all, one for each', () => {
    const values = [int32(1), int32(2)]
    const oids = [23, 23]
    const text = ['\0\0\0\x01', '\0\0\0\x02']
    expect(valuesOf(f.bind({ values }), oids)?.values).toEqual(text)
    expect(valuesOf(f.bind({ values, formats: [0] }), oids)?.values).toEqual(text)
    expect(valuesOf(f.bind({ values, formats: [1] }), oids)?.values).toEqual(['1', '2'])
    expect(valuesOf(f.bind({ values, formats: [1, 0] }), oids)?.values).toEqual(['1', text[1]])
    expect(valuesOf(f.bind({ values, formats: [0, 1] }), oids)?.values).toEqual([text[0], '2'])
  })

  test('case 18: NULL and empty keep their places', () => {
    expect(valuesOf(f.bind({ values: [null, '', 'x', null] }))?.values).toEqual([null, '', 'x', null])
  })

  test('case 19: an unknown type is hex, never a guess', () => {
    const bind = f.bind({ formats: [1], values: [int32(258), Buffer.from('abc')] })
    expect(valuesOf(bind)?.values).toEqual(['\\x00000102', '\\x616263'])
    expect(valuesOf(bind, [0, 25])).toMatchObject({ values: ['\\x00000102', 'abc'], types: [null, 'text'] })
  })

  test('case 19: learnt from ParameterDescription', () => {
    const events = statementsOf([
      sent(f.parse('SELECT $1', 's'), f.describeStatement('s'), f.sync()),
      answered(b.parseComplete(), b.parameterDescription([16]), b.noData(), ready),
      sent(f.bind({ statement: 's', formats: [1], values: [Buffer.from([1])] }), f.execute(), f.sync()),
      answered(b.bindComplete(), done('SELECT 0')),
    ])
    expect(events).toMatchObject([{ values: ['t'], types: ['bool'] }])
  })

  test('case 20: rows in binary are counted, not read', () => {
    const events = statementsOf([
      sent(f.parse('SELECT 1'), f.bind({ results: [1] }), f.describePortal(), f.execute(), f.sync()),
      answered(b.parseComplete(), b.bindComplete(), b.rowDescription(['a', 'b'], 23)),
      answered(
        repeat(3, () => b.dataRow([int32(0x43000000), null])),
        b.commandComplete('SELECT 3'),
        ready,
      ),
    ])
    expect(events).toMatchObject([{ rows_returned: 3, bytes_returned: 42, outcome: 'success' }])
  })

  test('a value longer than is kept: its head, length and hash', () => {
    const long = 'é'.repeat(100)
    const record = valuesOf(f.bind({ values: ['x', long, null] }), [], { maxValueBytes: 65 })
    expect(record?.values).toEqual(['x', 'é'.repeat(32), null])
    expect(record?.longValues).toEqual({
      hashes: [null, sha256(long), null],
      lengths: [1, 200, -1],
    })
  })

  test('case 27: a Bind longer than is kept has every value, with its place', () => {
    const long = Buffer.alloc(30_000, 'abc')
    const values = ['first', null, long, '', int32(7), null]
    const bind = f.bind({ portal: 'p', statement: 's', formats: [0, 0, 0, 0, 1, 1], values })
    const [record] = statementsOf(
      [
        sent(f.parse('INSERT', 's', [25, 25, 25, 25, 23, 23]), bind, f.execute('p'), f.sync()),
        answered(ran('INSERT 0 1'), ready),
      ],
      { maxQueryBytes: 1024, maxValueBytes: 100 },
    )
    expect(record).toMatchObject({
      ...{ text: 'INSERT', stmt_name: 's', portal_name: 'p', outcome: 'success' },
      values: ['first', null, long.toString('latin1', 0, 100), '', '7', null],
      longValues: {
        lengths: [5, -1, 30_000, 0, 4, -1],
        hashes: [null, null, sha256(long), null, null, null],
      },
    })
  })

  test('case 27: one that breaks off is malformed and still takes its place', () => {
    const body = Buffer.concat([
      ...[cstring('p'), cstring('s'), int16(0), int16(3)],
      ...[int32(20_000), Buffer.alloc(20_000), int32(9), Buffer.alloc(2)],
    ])
    const events = statementsOf(
      [
        sent(
          f.parse('INSERT', 's'),
          f.parse('SELECT 1'),
          message('B', body),
          f.sync(),
          f.query('SELECT 2'),
        ),
        answered(b.parseComplete(), b.parseComplete(), failure('08P01'), ready, done('SELECT 0')),
      ],
      { maxQueryBytes: 1024 },
    )
    expect(briefs(events)).toEqual(['error ? [s] malformed', 'success SELECT 2'])
  })
})

describe('case 27', () => {
  test('case 27: a flood of rows is counted', () => {
    const row = b.dataRow(['x'.repeat(1000)])
    const [record] = statementsOf([
      sent(f.query('SELECT 1')),
      answered(
        b.rowDescription(['?']),
        repeat(20_000, () => row),
        done('SELECT 20000'),
      ),
    ])
    expect(record).toMatchObject({ rows_returned: 20_000, bytes_returned: 20_000 * (row.length - 5) })
  })
})
