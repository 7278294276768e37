/**
 * The server is the oracle: for each type and hundreds of its values, the server's own binary form (the send
 * function that a binary result format calls) must decode to the server's own text.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PG_TYPES } from '../../dumpers/pg/types.ts'
import { decodeBinary } from '../../dumpers/pg/values.ts'
import { describeLive } from '../support/live.ts'
import { arraysOf, SAMPLES } from '../support/pg-samples.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'

const quote = (text: string) => `'${text.replaceAll("'", "''")}'`
const oidOf = new Map(Array.from(PG_TYPES, ([oid, { name }]) => [name, oid]))

await describeLive('values against the server', ['postgres'], () => {
  let postgres: Postgres
  beforeAll(async () => {
    postgres = await startPostgres({ settings: { datestyle: 'ISO', intervalstyle: 'postgres' } })
  })
  afterAll(() => postgres.stop())

  /** [binary form as hex, text form] of each value, as the server has them. */
  const both = async (oid: number, values: readonly string[]): Promise<[string, string][]> => {
    const [send, type] = (
      await postgres.psql(`SELECT typsend || '|' || format_type(oid, NULL) FROM pg_type WHERE oid = ${oid}`)
    )
      .trim()
      .split('|')
    const rows = values.map((value) => `(${quote(value)}::text)`).join(',')
    const typed = `(SELECT x::${type} AS v FROM (VALUES ${rows}) AS given(x)) AS typed`
    const sql = `SELECT json_build_array(encode(${send}(v), 'hex'), format('%s', v)) FROM ${typed}`
    const lines = (await postgres.psql(sql)).trim().split('\n')
    return lines.map((line) => JSON.parse(line) as [string, string])
  }

  const check = async (name: string, values: readonly string[]) => {
    const oid = oidOf.get(name)!
    const pairs = await both(oid, values)
    expect(pairs.length).toBe(values.length)
    const utf8 = (bytes: Buffer) => bytes.toString('utf8')
    const decoded = pairs.map(([binary]) => [binary, decodeBinary(oid, Buffer.from(binary, 'hex'), utf8)])
    expect(decoded).toEqual(pairs)
  }

  test.each(Object.entries(SAMPLES))('%s', check)

  const elements = Object.entries(SAMPLES).filter(([name]) => !name.endsWith('vector'))
  test.each(elements)('%s[]', (name, values) => check(`${name}[]`, arraysOf(values.slice(0, 200))))

  test('every built-in type has its name', async () => {
    const listed = await postgres.psql(`
      SELECT t.oid, COALESCE(e.typname || '[]', t.typname) FROM pg_type t
      LEFT JOIN pg_type e ON e.typarray = t.oid
      WHERE t.oid = ANY ('{${[...PG_TYPES.keys()].join(',')}}')`)
    const ofServer = new Map(
      listed
        .trim()
        .split('\n')
        .map((line) => line.split('|') as [string, string]),
    )
    expect(new Map(Array.from(PG_TYPES, ([oid, { name }]) => [String(oid), name]))).toEqual(ofServer)
  })
})
