/**
 * The server is the oracle: what it puts into its general log for the parameters of an execution must be what
 * we show for the same bytes; and what it refuses must not be shown as if it had been run.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { UTF8 } from '../../dumpers/common/text-decoding.ts'
import { decodeExecute, type ValueOptions } from '../../dumpers/mysql/bound-values.ts'
import { COM } from '../../dumpers/mysql/capabilities.ts'
import { StatementStore } from '../../dumpers/mysql/statements.ts'
import type { Bytes } from '../../src/flow.ts'
import { seededRandom } from '../support/chunks.ts'
import { describeLive } from '../support/live.ts'
import { startMariaDb } from '../support/mariadb.ts'
import { lenencString, uint8, uint16, uint32, uint64 } from '../support/my-bytes.ts'
import { isSameValue, literalsOf } from '../support/my-literals.ts'
import { double, executeBody, float, type Param } from '../support/my-params.ts'
import { RawClient, type Reply } from '../support/my-raw-client.ts'
import type { MyServer } from '../support/my-server.ts'
import { startMysql56 } from '../support/mysql56.ts'

const UNSIGNED = 0x8000
const BLOB = 252
const VAR_STRING = 253
const END: Param = { type: VAR_STRING, value: lenencString('END') }

const temporal = (...parts: readonly Bytes[]): Bytes => lenencString(Buffer.concat(parts))
const day = Buffer.concat([uint16(2020), uint8(2), uint8(29)])
const clock = Buffer.concat([uint8(1), uint8(2), uint8(3)])

const INTEGERS: Param[] = [0n, 1n, -1n, 127n, -128n, 2n ** 31n, 2n ** 53n + 1n, 2n ** 63n - 1n].flatMap(
  (n) =>
    [1, 2, 3, 8].flatMap((type) => {
      const value = uint64(n).subarray(0, type === 8 ? 8 : type === 3 ? 4 : type)
      return [
        { type, value },
        { type: type | UNSIGNED, value },
      ]
    }),
)

const random = seededRandom(1)
const DOUBLES = [
  0,
  -0,
  1.5,
  1e14,
  1e15,
  123456789012345,
  1e-14,
  1e-15,
  1e-16,
  5e-324,
  1 / 3,
  0.1 + 0.2,
].concat(Array.from({ length: 150 }, () => (random() - 0.5) * 10 ** Math.floor(random() * 40 - 20)))
const NUMBERS: Param[] = [
  ...DOUBLES.map((value) => ({ type: 5, value: double(value) })),
  ...DOUBLES.map((value) => ({ type: 4, value: float(value) })),
  ...['5.500', '-0.5', '12345678901234.56789'].map((value) => ({ type: 246, value: lenencString(value) })),
]

const TIMES: Param[] = [
  ...[10, 12, 7].flatMap((type) =>
    [
      temporal(),
      temporal(day),
      temporal(day, clock),
      temporal(day, clock, uint32(123456)),
      temporal(day, clock, uint32(0)),
    ].map((value) => ({ type, value })),
  ),
  ...[
    temporal(),
    temporal(uint8(0), uint32(0), clock),
    temporal(uint8(1), uint32(5), clock),
    temporal(uint8(1), uint32(5), clock, uint32(700_000)),
    temporal(uint8(0), uint32(0), clock, uint32(1)),
  ].map((value) => ({ type: 11, value })),
]

const BYTES: Param[] = [15, 249, 250, 251, BLOB, VAR_STRING, 254].flatMap((type) =>
  ['', 'text', 'qu\'ote \\ "', 'ü☃🙂', 'x'.repeat(300), '\\x00', Buffer.from([0, 1, 0xfe, 0xff])].map(
    (value) => ({
      type,
      value: lenencString(value),
    }),
  ),
)

const NULLS: Param[] = [3, 5, 6, 12, BLOB, VAR_STRING].map((type) => ({ type, value: null }))

/** What reads other bytes than a date's: tried with their own above. */
const OTHER_FORM = new Set([0, 1, 2, 3, 4, 5, 8, 11, 246])
/** Every other type code, with a length and so many bytes: who reads them, and as what? */
const CODES: Param[] = Array.from({ length: 256 }, (_, type) => ({ type, value: temporal(day) })).filter(
  ({ type }) => !OTHER_FORM.has(type),
)

/** Sends the executions, and gives each one's answer and what we read of it. */
const runAll = async (server: MyServer, sent: readonly Param[], options: ValueOptions) => {
  const client = await RawClient.open(server.port)
  const read: {
    text: string
    reply: Reply
    shown: (string | null)[] | undefined
    types: (string | undefined)[]
  }[] = []
  for (const [index, param] of sent.entries()) {
    const text = `select ${index}, ?, ?`
    const { id, params } = await client.prepare(text)
    const store = new StatementStore(1, 1_000_000)
    store.set(id, undefined, params, 3, 1)
    const body = executeBody([param, END], { id })
    const { values } = decodeExecute(body, 0, body.length, store, options)
    const reply = await client.command(COM.STMT_EXECUTE, body)
    read.push({
      text,
      reply,
      shown: values && [values.text(0), values.text(1)],
      types: [values?.type(0), values?.type(1)],
    })
    client.tell(COM.STMT_CLOSE, uint32(id))
  }
  await client.close()
  return read
}

/** Compares what we show with the log; gives how many executions were compared. */
const compare = async (
  server: MyServer,
  sent: readonly Param[],
  options: ValueOptions,
): Promise<number> => {
  const before = (await server.readLog()).length
  const read = await runAll(server, sent, options)
  const logged = (await server.readLog()).slice(before).filter(({ command }) => command === 'Execute')
  const found = new Map(
    logged.map(({ bytes }) => {
      const text = bytes.toString('latin1')
      return [/^select (\d+),/.exec(text)?.[1], text]
    }),
  )
  const wrong: unknown[] = []
  let compared = 0
  for (const [index, { text, reply, shown, types }] of read.entries()) {
    const line = found.get(String(index))
    const literals = line === undefined ? undefined : literalsOf(text, line)
    if (reply === undefined && literals !== undefined) compared++
    const same =
      reply === undefined
        ? shown?.length === 2 &&
          literals?.every((literal, i) => isSameValue(shown[i] as string | null, literal, types[i]))
        : shown === undefined
    if (!same)
      wrong.push({
        type: sent[index]?.type,
        bytes: sent[index]?.value?.toString('hex'),
        reply,
        shown,
        line,
      })
  }
  expect(wrong).toEqual([])
  return compared
}

const SCRIPT_TEXT = "select 'script', ?, ?"
const blob = (value: Bytes | undefined): Param => ({ type: BLOB, value })
const text = (value: string): Param => ({ type: VAR_STRING, value: lenencString(value) })

/** One statement, executed again and again: pieces of long data by parameter, then the parameters. */
interface Step {
  readonly name: string
  readonly long?: readonly (readonly [param: number, data: string])[]
  readonly reset?: boolean
  readonly params: readonly Param[]
  readonly types?: boolean
  /** bytes of the body that are not sent */
  readonly cut?: number
}

const SCRIPT: Step[] = [
  {
    name: 'never typed, NULL',
    params: [
      { type: 3, value: null },
      { type: 3, value: null },
    ],
    types: false,
  },
  // no integers: what MariaDB 10.11 makes of long data behind one is a number at random
  { name: 'typed', params: [text('a'), blob(lenencString('b'))] },
  { name: 'types used again', params: [text('c'), blob(lenencString('d'))], types: false },
  {
    name: 'long',
    long: [
      [0, 'hello '],
      [0, ''],
      [0, 'world'],
    ],
    params: [blob(undefined), END],
  },
  { name: 'used up', params: [blob(lenencString('zz')), END], types: false },
  { name: 'an empty piece', long: [[1, '']], params: [blob(lenencString('')), blob(undefined)] },
  {
    name: 'both long',
    long: [
      [1, 'b'],
      [0, 'a'],
    ],
    params: [blob(undefined), blob(undefined)],
    types: false,
  },
  { name: 'cut', long: [[0, 'gone']], params: [blob(undefined), END], cut: 4 },
  { name: 'after the cut', params: [blob(lenencString('y')), END] },
  { name: 'reset', long: [[0, 'gone']], reset: true, params: [blob(lenencString('x')), END], types: false },
  { name: 'for an integer', long: [[0, 'gone']], params: [{ type: 3, value: undefined }, END] },
  { name: 'after that', params: [blob(lenencString('w')), END] },
  { name: 'for a text', long: [[0, 'ü']], params: [{ type: VAR_STRING, value: undefined }, END] },
  { name: 'long, not text', long: [[0, 'a\0b']], params: [blob(undefined), END] },
  { name: 'beyond its end', params: [text('v'), END, text('more')] },
]

/** Runs the script at the server and in a store of ours. */
const runScript = async (server: MyServer, options: ValueOptions) => {
  const client = await RawClient.open(server.port)
  const { id, params } = await client.prepare(SCRIPT_TEXT)
  const store = new StatementStore(1, 1_000_000)
  store.set(id, undefined, params, 3, 1)
  const read = []
  for (const { name, long = [], reset, params: sent, types = true, cut = 0 } of SCRIPT) {
    for (const [param, data] of long) {
      const bytes = Buffer.from(data)
      client.sendLongData(id, param, bytes)
      const value = store.openLong(id, param, 1000)
      if (value !== undefined) store.addLong(value, bytes, 0, bytes.length)
    }
    if (reset) {
      expect(await client.command(COM.STMT_RESET, uint32(id))).toBeUndefined()
      store.reset(id)
    }
    const body = bodyOf(sent, id, types)
    const whole = body.subarray(0, body.length - cut)
    const { values } = decodeExecute(whole, 0, whole.length, store, options)
    const reply = await client.command(COM.STMT_EXECUTE, whole)
    const shown = values && [values.text(0), values.text(1)]
    read.push({ name, reply, shown, types: [values?.type(0), values?.type(1)] })
  }
  await client.close()
  return read
}

/** Of two parameters; a third one is bytes behind the end. */
const bodyOf = (sent: readonly Param[], id: number, types: boolean): Bytes => {
  const [first = END, second = END, more] = sent
  return Buffer.concat([executeBody([first, second], { id, types }), more?.value ?? Buffer.alloc(0)])
}

const SERVERS = [
  ['mariadb', startMariaDb, true],
  ['mysql56', startMysql56, false],
] as const

for (const [name, start, mariadb] of SERVERS) {
  await describeLive(`values against ${name}`, [name], () => {
    const options: ValueOptions = { decoding: UTF8, mariadb, maxValueBytes: 65_536, queryAttributes: false }
    let server: MyServer
    beforeAll(async () => {
      server = await start()
    })
    afterAll(() => server?.stop())

    const GROUPS: [string, Param[]][] = [
      ['integers', INTEGERS],
      ['doubles, floats and decimals', NUMBERS],
      ['dates and times', TIMES],
      ['texts and blobs', BYTES],
      ['NULL of any type', NULLS],
    ]
    test.each(GROUPS)('%s are what the general log shows', async (_, sent) => {
      expect(await compare(server, sent, options)).toBe(sent.length)
    })

    test('each type code is read as the server reads it, or refused as it is there', async () => {
      expect(await compare(server, CODES, options)).toBeGreaterThan(15)
    })

    test('long data, RESET and types not sent again are what the general log shows', async () => {
      const before = (await server.readLog()).length
      const read = await runScript(server, options)
      const logged = (await server.readLog()).slice(before).filter(({ command }) => command === 'Execute')
      const ran = read.filter(({ reply }) => reply === undefined)
      expect(logged.length).toBe(ran.length)
      expect(ran.length).toBeGreaterThan(10)
      for (const [index, { name, shown, types }] of ran.entries()) {
        const literals = literalsOf(SCRIPT_TEXT, logged[index]?.bytes.toString('latin1') ?? '')
        expect([name, literals?.length, shown?.length]).toEqual([name, 2, 2])
        const same = literals?.every((literal, i) => isSameValue(shown?.[i] ?? null, literal, types[i]))
        expect(same, JSON.stringify({ name, shown, literals })).toBe(true)
      }
      for (const { name, reply, shown } of read) {
        if (reply !== undefined) expect([name, shown]).toEqual([name, undefined])
      }
    })
  })
}
