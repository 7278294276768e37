/**
 * What sealing costs: a record through the pipeline into a file, with and without a hash chain, and how fast
 * `querytap verify` reads it back. Run: `npm run build:bench && node dist-bench/bench/chain.js [MB]`.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createChains } from '../src/audit/chain.ts'
import { createEncoder } from '../src/audit/encode.ts'
import { openPipeline } from '../src/audit/pipeline.ts'
import { readPieces } from '../src/audit/read-log.ts'
import { makeKeys, readSigner, readVerifier } from '../src/audit/seal.ts'
import { FileCheck } from '../src/audit/verify-file.ts'
import type { FlowFacts, Sink, Statement, Who } from '../src/event.ts'
import { type FileSink, openFileSink } from '../src/sinks/file.ts'
import { machine, median, table } from './measure.ts'

const ROUNDS = 40
const TURNS = 1000
/** records written together, as in one turn of a busy proxy's event loop */
const TURN = 20
const megabytes = Number(process.argv[2] ?? 256)

const flow: FlowFacts = {
  conn_id: '01HXYZABCDEFGHJKMNPQRSTVWX',
  listener: 'default',
  client_addr: '10.0.0.17:54321',
  proxy_listen_addr: '10.0.0.1:5432',
  proxy_client_addr: '10.0.0.1:43210',
  remote_addr: '10.0.0.2:5432',
}
const who: Who = { dialect: 'postgresql', username: 'app', database: 'shop', application_name: 'pgbench' }
let at = Date.now() * 1000
const statement = (seq: number): Statement => ({
  event: 'statement',
  at: at++,
  who,
  stmt_seq: seq,
  protocol: 'simple',
  text: {
    text: `SELECT abalance FROM pgbench_accounts WHERE aid = ${seq};`,
    standardConformingStrings: true,
    dialect: 'postgresql',
  },
  outcome: 'success',
  command_tag: 'SELECT 1',
  rows_returned: 1,
  bytes_returned: 14,
  first_response_us: 201,
  duration_us: 223,
  txn_status: 'I',
})

const keys = makeKeys()

interface Written {
  readonly file: FileSink
  readonly sink: Sink
}

const open = (dir: string, format: 'json' | 'ltsv', chain: 'none' | 'chain' | 'signed'): Written => {
  const encoder = createEncoder({ format, host: 'db1', timezone: 'utc', bindValues: 'full' })
  const encodeLife: Parameters<typeof createChains>[0]['encodeLife'] = (event) =>
    encoder.encode(undefined, event)
  const signer = chain === 'signed' ? readSigner(keys.privatePem) : undefined
  const file = openFileSink({
    ...{ dir, fileName: 'dump.log', rotateEnable: true, rotationTime: 'daily', rotationSize: 0 },
    ...{ timezone: 'utc', fileMode: 0o600, compress: 'none', rotationHook: '', hookTimeoutMs: 0 },
    retention: { count: 0, maxAgeMs: 0, maxTotal: 0 },
    bufferBytes: 1 << 26,
    encodeLife,
    ...(chain !== 'none' && { seal: { chains: createChains({ encodeLife, signer }), intervalMs: 1000 } }),
    onTrouble: (error) => {
      throw error
    },
    onRecovered: () => undefined,
  })
  const channels = [{ encoder, output: file }]
  return { file, sink: openPipeline({ filter: () => true, redact: (event) => event, channels }) }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Nanoseconds of this thread's CPU per record. */
const round = async ({ file, sink }: Written): Promise<number> => {
  await turn()
  const before = process.cpuUsage()
  for (let n = 0; n < TURNS; n++) {
    for (let i = 0; i < TURN; i++) sink.emit(flow, statement(n))
    file.flush()
  }
  const { user, system } = process.cpuUsage(before)
  return ((user + system) * 1000) / (TURNS * TURN)
}

const contestants = ['none', 'chain', 'signed'] as const
const directory = mkdtempSync(join(tmpdir(), 'querytap-bench-'))
try {
  const rows: string[][] = []
  for (const format of ['json', 'ltsv'] as const) {
    const sinks = contestants.map((chain) => open(join(directory, `${format}-${chain}`), format, chain))
    const samples: number[][] = contestants.map(() => [])
    for (let n = 0; n < ROUNDS + 5; n++) {
      for (const [i, sink] of sinks.entries()) {
        const ns = await round(sink)
        if (n >= 5) samples[i]?.push(ns)
      }
    }
    await Promise.all(sinks.map(({ file }) => file.close()))
    const base = median(samples[0] as number[])
    const cells = samples.map((ns) => `${median(ns).toFixed(0)} (+${(median(ns) - base).toFixed(0)})`)
    rows.push([format, ...cells])
  }
  console.log(`${machine()}\n`)
  console.log(table(['ns of CPU per record', 'no chain', 'chain', 'signed'], rows))

  const dir = join(directory, 'verify')
  const { file, sink } = open(dir, 'json', 'signed')
  const path = join(dir, readdirSync(dir).find((name) => /\d$/.test(name)) as string)
  for (let n = 0; statSync(path).size < megabytes * 1e6; n++) {
    for (let i = 0; i < 500; i++) sink.emit(flow, statement(n))
    await turn()
  }
  await file.close()
  const check = new FileCheck(path, { verifiers: [readVerifier(keys.publicPem)], expected: new Set() })
  const [start, cpu] = [performance.now(), process.cpuUsage()]
  for await (const piece of readPieces(path)) check.feed(piece)
  const { records, sealed, bytes, findings } = check.end()
  const seconds = (performance.now() - start) / 1000
  if (sealed !== records || findings.length > 0) throw new Error(`not as written: ${findings[0]?.text}`)
  const { user, system } = process.cpuUsage(cpu)
  const rate = (of: number): string => `${(bytes / of / 1e6).toFixed(0)} MB`
  console.log(`\nverify: ${rate(1)}, ${records} records: ${rate(seconds)}/s`)
  console.log(`${rate((user + system) / 1e6)} per second of CPU`)
} finally {
  rmSync(directory, { recursive: true, force: true })
}
