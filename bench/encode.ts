/**
 * What one record costs to encode: ns per record, and the ratio to JSON.stringify of a plain object that
 * holds the same keys, taken in the same run. Run: `npm run build:bench && node
 * dist-bench/bench/encode.js`.
 */
import { createEncoder } from '../src/audit/encode.ts'
import type { BoundValues, FlowFacts, Statement, Who } from '../src/event.ts'

const TURNS = 5000
/** records written together, as in one turn of a busy proxy's event loop */
const TURN = 20

const flow: FlowFacts = {
  conn_id: '01HXYZABCDEFGHJKMNPQRSTVWX',
  listener: 'default',
  client_addr: '10.0.0.17:54321',
  proxy_listen_addr: '10.0.0.1:5432',
  proxy_client_addr: '10.0.0.1:43210',
  remote_addr: '10.0.0.2:5432',
}
const who: Who = {
  dialect: 'postgresql',
  username: 'app',
  database: 'shop',
  application_name: 'pgbench',
  server_version: '15.8',
  backend_pid: 4711,
}
const SQL = 'SELECT abalance FROM pgbench_accounts WHERE aid = '

const valuesOf = (text: string): BoundValues => ({
  count: 1,
  text: () => text,
  byteLength: () => text.length,
  type: () => 'int4',
  sha256: () => undefined,
  typesKnown: true,
})

let at = Date.now() * 1000
const settled = (seq: number) => ({
  stmt_seq: seq,
  outcome: 'success' as const,
  command_tag: 'SELECT 1',
  rows_returned: 1,
  bytes_returned: 14,
  first_response_us: 201,
  duration_us: 223,
  txn_status: 'I',
})

const simple = (seq: number, text: string): Statement => ({
  event: 'statement',
  at: at++,
  who,
  protocol: 'simple',
  text: { text, standardConformingStrings: true, dialect: 'postgresql' },
  ...settled(seq),
})

const prepared = { text: `${SQL}$1;`, standardConformingStrings: true, dialect: 'postgresql' } as const
const extended = (seq: number): Statement => ({
  event: 'statement',
  at: at++,
  who,
  protocol: 'extended',
  text: prepared,
  stmt_name: 'P_0',
  values: valuesOf(String(seq)),
  ...settled(seq),
})

const plain = (event: Statement): string => {
  const { at: time, who: known, text, values, ...rest } = event
  const query = text === undefined ? undefined : text.text
  const bind_values = values === undefined ? undefined : [values.text(0)]
  const ts = new Date(time / 1000).toISOString()
  return JSON.stringify({ ts, host: 'db1', ...flow, ...known, ...rest, query, bind_values })
}

const median = (samples: number[]): number =>
  samples.sort((a, b) => a - b)[samples.length >> 1] ?? Number.NaN

const cases: readonly [string, (seq: number) => Statement][] = [
  ['simple, one line', (seq) => simple(seq, `${SQL}${seq};`)],
  [
    'simple, many lines',
    (seq) => simple(seq, `SELECT abalance\n  FROM "pgbench_accounts"\n WHERE aid = ${seq};`),
  ],
  ['simple, 4 kB', (seq) => simple(seq, `SELECT ${seq}, '${'x'.repeat(4096)}'`)],
  ['simple, not ASCII', (seq) => simple(seq, `SELECT 'größer als π' WHERE aid = ${seq};`)],
  ['prepared, one value', extended],
]

const encoders: readonly [string, (event: Statement) => unknown][] = (['json', 'ltsv'] as const).map(
  (format) => {
    const encoder = createEncoder({ format, host: 'db1', timezone: 'utc', bindValues: 'full' })
    return [format, (event) => encoder.encode(flow, event)]
  },
)
const contestants: readonly [string, (event: Statement) => unknown][] = [['stringify', plain], ...encoders]

/** Joins and writes what one turn gave, as the file writer does, so that deferred joining is paid for. */
const block = Buffer.allocUnsafe(1 << 20)
const drain = (lines: readonly unknown[]): void => {
  let text = ''
  for (const line of lines) {
    if (typeof line === 'string') text += `${line}\n`
    else {
      const { head, tail } = line as { head: string; tail: string }
      text += `${head}${text.length}${tail}\n`
    }
  }
  block.write(text)
}

for (const [name, make] of cases) {
  const times = new Map<string, number[]>(contestants.map(([contestant]) => [contestant, []]))
  for (let turn = 0; turn < TURNS; turn++) {
    for (const [contestant, encode] of contestants) {
      const events = Array.from({ length: TURN }, (_, i) => make(turn * TURN + i))
      const start = process.hrtime.bigint()
      drain(events.map(encode))
      times.get(contestant)?.push(Number(process.hrtime.bigint() - start) / TURN)
    }
  }
  const baseline = median(times.get('stringify') ?? [])
  const cells = [...times].map(([contestant, samples]) => {
    const ns = median(samples)
    return `${contestant} ${ns.toFixed(0)} ns (${(ns / baseline).toFixed(2)})`
  })
  console.log(`${name.padEnd(20)} ${cells.join('  ')}`)
}
