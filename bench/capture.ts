/**
 * What packets cost from a capture's bytes to a flow's chunks: MB/s and packets/s of records alone, of records
 * with headers, and of the whole reassembly, beside a plain walk from record to record in the same run.
 *
 *   npm run build:bench && node dist-bench/bench/capture.js [--megabytes N] [--rounds N] [--write]
 */
import { parseArgs } from 'node:util'
import { openCapture } from '../src/capture/engine.ts'
import { decodePacket, newPacket } from '../src/capture/packet.ts'
import { openRecords } from '../src/capture/records.ts'
import { type Bytes, type FlowObserver, GO } from '../src/flow.ts'
import { silentLog } from '../src/log.ts'
import { median, medianRatio, report, table } from './measure.ts'

const { values: flags } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '3' },
    write: { type: 'boolean', default: false },
  },
})
const WANTED = Number(flags.megabytes) * 1e6
const CHUNK_BYTES = 1 << 20
const RECORD_HEADER = 16
const HEADERS = 14 + 20 + 20
const CLIENT_PORT = 50_000
const FLOWS = 8

/** One client's connection, as far as its numbers have come. */
interface Ends {
  readonly port: number
  sent: number
  answered: number
}

/** Sizes of a question, of its answer's segments, and whether each is acknowledged on its own. */
interface Traffic {
  readonly question: number
  readonly answer: number
  readonly answers: number
}

const TRAFFIC: Readonly<Record<string, Traffic>> = {
  'point queries (90 B, 120 B)': { question: 90, answer: 120, answers: 1 },
  'rows (40 segments of 1448 B)': { question: 90, answer: 1448, answers: 40 },
  'loopback rows (10 of 32 KiB)': { question: 90, answer: 32_768, answers: 10 },
}

/** Writes an Ethernet frame with its record; answers the offset behind it. */
const writeRecord = (
  bytes: Bytes,
  at: number,
  time: number,
  size: number,
  fields: readonly [source: number, destination: number, sequence: number, ack: number, flags: number],
): number => {
  const [source, destination, sequence, ack, tcpFlags] = fields
  bytes.writeUInt32LE(Math.floor(time / 1e6), at)
  bytes.writeUInt32LE(time % 1e6, at + 4)
  bytes.writeUInt32LE(HEADERS + size, at + 8)
  bytes.writeUInt32LE(HEADERS + size, at + 12)
  const ip = at + RECORD_HEADER + 14
  bytes.writeUInt16BE(0x0800, ip - 2)
  bytes.writeUInt16BE(0x4500, ip)
  bytes.writeUInt16BE(40 + size, ip + 2)
  bytes.writeUInt32BE(0, ip + 4)
  bytes.writeUInt32BE(0x4006_0000, ip + 8)
  bytes.writeUInt32BE(0x7f00_0001, ip + 12)
  bytes.writeUInt32BE(0x7f00_0001, ip + 16)
  const tcp = ip + 20
  bytes.writeUInt16BE(source, tcp)
  bytes.writeUInt16BE(destination, tcp + 2)
  bytes.writeUInt32BE(sequence >>> 0, tcp + 4)
  bytes.writeUInt32BE(ack >>> 0, tcp + 8)
  bytes.writeUInt32BE(0x5000_0040 | (tcpFlags << 16), tcp + 12)
  return tcp + 20 + size
}

const SYN = 2
const ACK = 16

/** Fills a buffer with as many records as fit; the connections go on where they were. */
class Generator {
  readonly #bytes = Buffer.alloc(CHUNK_BYTES)
  readonly #traffic: Traffic
  readonly #ends: Ends[]
  #time = 1_700_000_000_000_000
  #turn = 0
  #begun = 0
  packets = 0

  constructor(traffic: Traffic) {
    this.#traffic = traffic
    this.#ends = Array.from({ length: FLOWS }, (_, index) => ({
      port: CLIENT_PORT + index,
      sent: 0xffff_0000 + index,
      answered: 1000 * index,
    }))
  }

  next(): Bytes {
    const { question, answer, answers } = this.#traffic
    const turn = question + answers * (answer + HEADERS + RECORD_HEADER) + 3 * (HEADERS + RECORD_HEADER)
    let at = 0
    while (at + turn + 2 * (HEADERS + RECORD_HEADER) < CHUNK_BYTES) {
      const ends = this.#ends[this.#turn++ % FLOWS] as Ends
      if (this.#begun < FLOWS) at = this.#begin(ends, at)
      at = this.#fromClient(ends, at, question)
      for (let sent = 0; sent < answers; sent++) at = this.#fromServer(ends, at, answer)
      at = this.#fromClient(ends, at, 0)
    }
    return this.#bytes.subarray(0, at)
  }

  #begin(ends: Ends, at: number): number {
    this.#begun++
    const { port, sent, answered } = ends
    this.packets += 2
    const behind = writeRecord(this.#bytes, at, this.#time, 0, [port, 5432, sent - 1, 0, SYN])
    return writeRecord(this.#bytes, behind, this.#time, 0, [5432, port, answered - 1, sent, SYN | ACK])
  }

  #fromClient(ends: Ends, at: number, size: number): number {
    this.packets++
    const fields = [ends.port, 5432, ends.sent, ends.answered, ACK] as const
    ends.sent += size
    return writeRecord(this.#bytes, at, ++this.#time, size, fields)
  }

  #fromServer(ends: Ends, at: number, size: number): number {
    this.packets++
    const fields = [5432, ends.port, ends.answered, ends.sent, ACK] as const
    ends.answered += size
    return writeRecord(this.#bytes, at, ++this.#time, size, fields)
  }
}

interface Work {
  readonly feed: (chunk: Bytes) => void
  readonly end: () => void
}

let seen = 0
const observer: FlowObserver = {
  dialled: () => {},
  secured: () => {},
  chunk: (_from, chunk) => {
    seen += chunk.length
    return GO
  },
  gap: (_from, bytes) => {
    throw new Error(`a gap of ${bytes} bytes in traffic without one`)
  },
  closed: () => {},
}

/** From record header to record header, and what a count of bytes needs of them. */
const walk = (): Work => ({
  feed: (chunk) => {
    for (let at = 0; at < chunk.length; ) {
      const length = chunk.readUInt32LE(at + 8)
      seen += length
      at += RECORD_HEADER + length
    }
  },
  end: () => {},
})

const fileHeader = (): Bytes => {
  const bytes = Buffer.alloc(24)
  bytes.writeUInt32LE(0xa1b2c3d4, 0)
  bytes.writeUInt32LE(262_144, 16)
  bytes.writeUInt32LE(1, 20)
  return bytes
}

const records = (isDecoded: boolean): Work => {
  const reader = openRecords()
  const packet = newPacket()
  reader.feed(fileHeader(), () => {})
  return {
    feed: (chunk) =>
      reader.feed(chunk, ({ linkType, bytes, start, end, wireLength }) => {
        if (isDecoded) decodePacket(linkType, bytes, start, end, wireLength, packet)
        seen += packet.length
      }),
    end: () => reader.end(),
  }
}

const reassembled = (): Work => {
  const reader = openRecords()
  let flows = 0
  const capture = openCapture({
    targets: [{ port: 5432 }],
    openFlow: () => observer,
    connId: () => String(flows++),
    log: silentLog,
  })
  reader.feed(fileHeader(), () => {})
  return {
    feed: (chunk) => reader.feed(chunk, (record) => capture.record(record)),
    end: () => {
      capture.end()
      if (capture.counts.lost + capture.counts.strays > 0) throw new Error('not all was shown')
    },
  }
}

const WORK: Readonly<Record<string, () => Work>> = {
  'plain walk': walk,
  records: () => records(false),
  'records and headers': () => records(true),
  'flows (whole library)': reassembled,
}

interface Measured {
  readonly seconds: number
  readonly bytes: number
  readonly packets: number
}

/** CPU time of this process in seconds: what else runs on the machine does not count. */
const cpuTime = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** Only the work is timed, not the making of its input. */
const measure = (work: Work, traffic: Traffic, wanted: number): Measured => {
  const generator = new Generator(traffic)
  let seconds = 0
  let bytes = 0
  while (bytes < wanted) {
    const chunk = generator.next()
    const started = cpuTime()
    work.feed(chunk)
    seconds += cpuTime() - started
    bytes += chunk.length
  }
  work.end()
  return { seconds, bytes, packets: generator.packets }
}

const rowsFor = (label: string, traffic: Traffic): string[][] => {
  const speeds = new Map<string, number[]>(Object.keys(WORK).map((name) => [name, []]))
  const rates = new Map<string, number>()
  for (const open of Object.values(WORK)) measure(open(), traffic, WANTED / 20)
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const [name, open] of Object.entries(WORK)) {
      const { seconds, bytes, packets } = measure(open(), traffic, WANTED)
      speeds.get(name)?.push(bytes / 1e6 / seconds)
      rates.set(name, packets / seconds)
    }
  }
  const baseline = speeds.get('plain walk') ?? []
  return [...speeds].map(([name, speed]) => [
    `${label}: ${name}`,
    median(speed).toFixed(0),
    ((rates.get(name) ?? 0) / 1e6).toFixed(2),
    medianRatio(speed, baseline).toFixed(3),
  ])
}

const rows = Object.entries(TRAFFIC).flatMap(([label, traffic]) => rowsFor(label, traffic))
const memory = (process.memoryUsage().rss / 2 ** 20).toFixed(0)
report(
  'Captured packets',
  `${table(['traffic and work', 'MB per CPU second', 'million packets', 'to the walk'], rows)}

${flags.megabytes} MB of ${FLOWS} connections per round, ${flags.rounds} rounds; resident at the end: ${memory} MiB.`,
  flags.write,
)
if (seen === 0) throw new Error('nothing was seen')
