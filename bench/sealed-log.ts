/** A sealed audit log made without a database: records as a busy application's, by the sink that the proxy has. */
import { createChains } from '../src/audit/chain.ts'
import { createEncoder } from '../src/audit/encode.ts'
import { openPipeline } from '../src/audit/pipeline.ts'
import { makeKeys, readSigner } from '../src/audit/seal.ts'
import type { AuditEvent, BoundValues, FlowFacts, QueryText, Sink, Statement, Who } from '../src/event.ts'
import { type FileSink, openFileSink } from '../src/sinks/file.ts'

export const flow: FlowFacts = {
  conn_id: '01HXYZABCDEFGHJKMNPQRSTVWX',
  listener: 'default',
  client_addr: '10.0.0.17:54321',
  proxy_listen_addr: '10.0.0.1:5432',
  proxy_client_addr: '10.0.0.1:43210',
  remote_addr: '10.0.0.2:5432',
}
const who: Who = { dialect: 'postgresql', username: 'app', database: 'shop', application_name: 'pgbench' }
let at = Date.now() * 1000

const textOf = (text: string): QueryText => ({
  text,
  standardConformingStrings: true,
  dialect: 'postgresql',
})

/** A point query, its text sent each time. */
export const statement = (seq: number): Statement => ({
  event: 'statement',
  at: at++,
  who,
  stmt_seq: seq,
  protocol: 'simple',
  text: textOf(`SELECT abalance FROM pgbench_accounts WHERE aid = ${seq};`),
  outcome: 'success',
  command_tag: 'SELECT 1',
  rows_returned: 1,
  bytes_returned: 14,
  first_response_us: 201,
  duration_us: 223,
  txn_status: 'I',
})

const ORDERS = textOf(
  `SELECT o.id, o.placed_at, o.total, c.name, c.email FROM orders o JOIN customers c ON c.id = o.customer_id
 WHERE c.tenant_id = $1 AND o.placed_at >= $2 AND o.state IN ('open', 'paid') ORDER BY o.placed_at DESC LIMIT 50`,
)

const valuesOf = (...values: readonly string[]): BoundValues => ({
  count: values.length,
  text: (index) => values[index] as string,
  byteLength: (index) => (values[index] as string).length,
  type: () => 'text',
  sha256: () => undefined,
  typesKnown: true,
})

/** A prepared query of some length with its values. */
const prepared = (seq: number): Statement => ({
  ...statement(seq),
  protocol: 'extended',
  text: ORDERS,
  stmt_name: 'S_17',
  values: valuesOf(String(seq), '2024-05-01 09:30:00+00'),
  fetches: 1,
  rows_returned: 50,
  command_tag: 'SELECT 50',
})

const failed = (seq: number): Statement => ({
  ...statement(seq),
  text: textOf(`INSERT INTO orders (id, note) VALUES (${seq}, 'näher am "Rand"\\n')`),
  outcome: 'error',
  error_code: '23505',
  error_severity: 'ERROR',
  error_message: 'duplicate key value violates unique constraint "orders_pkey"',
  error_detail: `Key (id)=(${seq}) already exists.`,
})

/** What a busy application leaves: of twenty records eleven point queries, eight long ones, one error. */
export const recordOf = (seq: number): AuditEvent => {
  if (seq % 20 === 19) return failed(seq)
  return seq % 5 < 2 ? prepared(seq) : statement(seq)
}

export const keys = makeKeys()

export interface LogOptions {
  readonly dir: string
  readonly format: 'json' | 'ltsv'
  readonly chain: 'none' | 'chain' | 'signed'
  /** milliseconds between seals */
  readonly intervalMs?: number
  /** bytes; one file unless told */
  readonly rotationSize?: number
}

export interface Written {
  readonly file: FileSink
  readonly sink: Sink
}

export const openLog = ({
  dir,
  format,
  chain,
  intervalMs = 1000,
  rotationSize = 0,
}: LogOptions): Written => {
  const encoder = createEncoder({ format, host: 'db1', timezone: 'utc', bindValues: 'full' })
  const encodeLife: Parameters<typeof createChains>[0]['encodeLife'] = (event) =>
    encoder.encode(undefined, event)
  const signer = chain === 'signed' ? readSigner(keys.privatePem) : undefined
  const file = openFileSink({
    ...{ dir, fileName: 'dump.log', rotateEnable: true, rotationTime: 'daily', rotationSize },
    ...{ timezone: 'utc', fileMode: 0o600, compress: 'none', rotationHook: '', hookTimeoutMs: 0 },
    retention: { count: 0, maxAgeMs: 0, maxTotal: 0 },
    bufferBytes: 1 << 26,
    encodeLife,
    ...(chain !== 'none' && { seal: { chains: createChains({ encodeLife, signer }), intervalMs } }),
    onTrouble: (error) => {
      throw error
    },
    onRecovered: () => undefined,
  })
  const channels = [{ encoder, output: file }]
  return { file, sink: openPipeline({ filter: () => true, redact: (event) => event, channels }) }
}

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
