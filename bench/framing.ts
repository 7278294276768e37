/**
 * What splitting MySQL's rows costs, from memory: µs per 64 KiB chunk and ns per row of the framer, plain and
 * inside a compressed connection, beside a walk from header to header in the same run.
 *
 *   npm run build:bench && node dist-bench/bench/framing.js [--rounds N] [--write]
 */
import { parseArgs } from 'node:util'
import { deflateSync } from 'node:zlib'
import type { Bytes } from '../src/flow.ts'
import { CompressedFramer } from '../src/framing/compressed.ts'
import { SKIP } from '../src/framing/framer.ts'
import { MysqlFramer, type PayloadHandler } from '../src/framing/mysql.ts'
import { median, medianRatio, report, table } from './measure.ts'

const { values: flags } = parseArgs({
  options: { rounds: { type: 'string', default: '15' }, write: { type: 'boolean', default: false } },
})
const rounds = Number(flags.rounds)
const WARM_UP = 3
const CHUNK = 65_536
const HEADER = 4
const COMPRESSED_HEADER = 7

/** Rows' packets of `size` payload bytes each, `total` bytes of them. */
const rowsOf = (size: number, total: number): Bytes => {
  const count = Math.floor(total / (size + HEADER))
  const bytes = Buffer.alloc(count * (size + HEADER), 'some text of a row, ')
  for (let row = 0; row < count; row++) {
    const at = row * (size + HEADER)
    bytes.writeUIntLE(size, at, 3)
    bytes[at + 3] = row & 0xff
    bytes[at + HEADER] = size - 1 < 0xfb ? size - 1 : 0xfc
  }
  return bytes
}

const chunksOf = (bytes: Bytes): Bytes[] => {
  const chunks: Bytes[] = []
  for (let at = 0; at < bytes.length; at += CHUNK) chunks.push(bytes.subarray(at, at + CHUNK))
  return chunks
}

/** One frame per chunk of plain bytes. */
const compressedOf = (chunks: readonly Bytes[]): Bytes[] =>
  chunks.map((chunk) => {
    const body = deflateSync(chunk)
    const header = Buffer.alloc(COMPRESSED_HEADER)
    header.writeUIntLE(body.length, 0, 3)
    header.writeUIntLE(chunk.length, 4, 3)
    return Buffer.concat([header, body])
  })

let rows = 0

const handlerOf = (runs: boolean): PayloadHandler => ({
  header: () => {
    rows++
    return SKIP
  },
  frame: () => {},
  beyond: () => {},
  ...(runs && {
    run: (count: number) => {
      rows += count
    },
  }),
})

/** From header to header of the whole stream, and nothing else. */
const walk = (bytes: Bytes): void => {
  for (let at = 0; at < bytes.length; rows++) {
    const [low = 0, middle = 0, high = 0] = [bytes[at], bytes[at + 1], bytes[at + 2]]
    at += HEADER + (low | (middle << 8) | (high << 16))
  }
}

const frame = (chunks: readonly Bytes[], runs: boolean): void => {
  const framer = new MysqlFramer(handlerOf(runs))
  framer.rows = true
  for (const chunk of chunks) framer.feed(chunk)
}

const unpack = (chunks: readonly Bytes[]): void => {
  const inner = new MysqlFramer(handlerOf(true))
  inner.rows = true
  const outer = new CompressedFramer(
    { plain: (bytes) => inner.feed(bytes), gap: () => false, lost: () => {} },
    'zlib',
  )
  for (const chunk of chunks) outer.feed(chunk)
}

const nanosecondsOf = (work: () => void): number => {
  const started = process.hrtime.bigint()
  work()
  return Number(process.hrtime.bigint() - started)
}

const linesFor = (size: number, total: number): string[][] => {
  const bytes = rowsOf(size, total)
  const chunks = chunksOf(bytes)
  const compressed = compressedOf(chunks)
  const work: Readonly<Record<string, () => void>> = {
    'plain walk': () => walk(bytes),
    'rows in a row': () => frame(chunks, true),
    'one by one': () => frame(chunks, false),
    compressed: () => unpack(compressed),
  }
  const took = new Map<string, number[]>(Object.keys(work).map((name) => [name, []]))
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const [name, run] of Object.entries(work)) {
      const nanoseconds = nanosecondsOf(run)
      if (round >= 0) took.get(name)?.push(nanoseconds)
    }
  }
  const baseline = took.get('plain walk') as number[]
  return [...took].map(([name, own]) => {
    const each = median(own)
    const perChunk = (each / chunks.length / 1000).toFixed(1)
    const perRow = ((each * (size + HEADER)) / bytes.length).toFixed(1)
    return [`rows of ${size} bytes`, name, perChunk, perRow, medianRatio(own, baseline).toFixed(1)]
  })
}

const TOTAL = 32 << 20
const lines = [7, 100, 1000].flatMap((size) => linesFor(size, TOTAL))
const head = ['traffic', 'what', 'µs/64 KiB', 'ns/row', 'time ÷ plain walk']
const body = `Medians of ${rounds} rounds, from memory, ${rows} rows.`
report('Framing of MySQL rows', `${body}\n\n${table(head, lines)}`, flags.write)
