/**
 * Captures for benches: real traffic of pgbench and sysbench, recorded on the loopback interface, and files of
 * any size made of it by repetition.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { startMariaDb } from '../test/support/mariadb.ts'
import { startPostgres } from '../test/support/postgres.ts'
import { runOk } from '../test/support/programs.ts'
import { startTcpdump } from '../test/support/tcpdump.ts'

/** What is recorded of a workload. */
export interface Recorded {
  readonly file: string
  readonly port: number
}

/** A workload that can be recorded. */
export interface Recording {
  readonly label: string
  readonly dumper: 'pg' | 'mysql'
  record(file: string): Promise<Recorded>
}

const CLIENTS = 8
/** KiB that the kernel keeps for tcpdump, so that nothing is dropped */
const BUFFER = ['-B', String(256 * 1024)]
const LONG = { timeout: 300_000 }

const recordPgbench = async (file: string, args: readonly string[]): Promise<Recorded> => {
  const postgres = await startPostgres({ settings: { jit: false } })
  try {
    const { port } = postgres
    const where = ['-h', '127.0.0.1', '-p', String(port), '-U', postgres.user, '-n', postgres.database]
    await runOk(postgres.program('pgbench'), ['-i', '-q', '-s', '10', ...where], LONG)
    const tcpdump = await startTcpdump(file, port, BUFFER)
    await runOk(postgres.program('pgbench'), ['-c', String(CLIENTS), ...args, ...where], LONG)
    await tcpdump.stop()
    return { file, port }
  } finally {
    await postgres.stop()
  }
}

const recordSysbench = async (file: string, args: readonly string[]): Promise<Recorded> => {
  const mariadb = await startMariaDb({ settings: { 'general-log': 0 } })
  try {
    const { port } = mariadb
    await mariadb.sql('CREATE DATABASE sbtest')
    const where = [`--mysql-port=${port}`, '--mysql-host=127.0.0.1', '--mysql-user=root']
    const common = ['--db-driver=mysql', '--tables=4', '--table-size=10000', ...where]
    await runOk('sysbench', ['oltp_read_write', 'prepare', ...common], LONG)
    const tcpdump = await startTcpdump(file, port, BUFFER)
    const speed = [`--threads=${CLIENTS}`, '--time=0', ...args]
    await runOk('sysbench', ['oltp_read_write', 'run', ...common, ...speed], LONG)
    await tcpdump.stop()
    return { file, port }
  } finally {
    await mariadb.stop()
  }
}

/** Some 40 to 90 MB each. */
export const RECORDINGS: readonly Recording[] = [
  {
    label: 'pgbench -S',
    dumper: 'pg',
    record: (file) => recordPgbench(file, ['-S', '-t', '18000']),
  },
  {
    label: 'pgbench (TPC-B)',
    dumper: 'pg',
    record: (file) => recordPgbench(file, ['-t', '2500']),
  },
  {
    label: 'sysbench oltp_read_write',
    dumper: 'mysql',
    record: (file) => recordSysbench(file, ['--events=2000']),
  },
]

const FILE_HEADER = 24
const RECORD_HEADER = 16
const ETHERNET = 14
const IPV4 = 20
/** Numbers that one repetition differs in from the one before. */
const CLIENT_STEP = 0x0123_4567
const SERVER_STEP = 0x0765_4321
const PORT_STEP = 977
const FIRST_PORT = 10_000
const PORTS = 50_000
const ACK = 0x10

const add = (bytes: Buffer, at: number, step: number): void => {
  bytes.writeUInt32BE((bytes.readUInt32BE(at) + step) >>> 0, at)
}

/** The next repetition of a packet: later, from another port, at other sequence numbers. */
const shift = (bytes: Buffer, record: number, seconds: number, server: number): void => {
  bytes.writeUInt32LE(bytes.readUInt32LE(record) + seconds, record)
  const tcp = record + RECORD_HEADER + ETHERNET + IPV4
  const isFromClient = bytes.readUInt16BE(tcp + 2) === server
  const portAt = isFromClient ? tcp : tcp + 2
  const port = FIRST_PORT + ((bytes.readUInt16BE(portAt) + PORTS - FIRST_PORT + PORT_STEP) % PORTS)
  bytes.writeUInt16BE(port === server ? port + 1 : port, portAt)
  add(bytes, tcp + 4, isFromClient ? CLIENT_STEP : SERVER_STEP)
  if (((bytes[tcp + 13] as number) & ACK) !== 0)
    add(bytes, tcp + 8, isFromClient ? SERVER_STEP : CLIENT_STEP)
}

/** What a file that was made by repetition holds. */
export interface Repeated {
  readonly bytes: number
  readonly packets: number
  readonly times: number
}

/**
 * Writes a recording again and again, until the file has `wanted` bytes: each time later, from other ports and
 * with other sequence numbers, as if the clients had come once more. Takes what tcpdump writes of Ethernet and
 * IPv4 without options; checksums are left as they are, which loopback captures have wrong anyway.
 */
export const repeat = ({ file, port }: Recorded, target: string, wanted: number): Repeated => {
  const bytes = readFileSync(file)
  const records: number[] = []
  for (let at = FILE_HEADER; at < bytes.length; at += RECORD_HEADER + bytes.readUInt32LE(at + 8))
    records.push(at)
  const [first, last] = [records[0] ?? 0, records.at(-1) ?? 0]
  const seconds = bytes.readUInt32LE(last) - bytes.readUInt32LE(first) + 1
  const fd = openSync(target, 'w')
  let [size, times] = [writeSync(fd, bytes, 0, FILE_HEADER), 0]
  while (size < wanted) {
    size += writeSync(fd, bytes, FILE_HEADER)
    times++
    for (const record of records) shift(bytes, record, seconds, port)
  }
  closeSync(fd)
  return { bytes: size, packets: records.length * times, times }
}
