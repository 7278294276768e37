/**
 * Reads the recorded conversations of test/captures: classic pcap, Ethernet, IPv4, TCP whose segments are in
 * order. A test's reader, no capture engine.
 */
import { readFileSync } from 'node:fs'
import type { Bytes, Direction, Micros } from '../../src/flow.ts'

export interface Piece {
  readonly from: Direction
  readonly bytes: Bytes
  readonly at: Micros
}

/** One TCP connection: its client's port, and what was said on it. */
export interface Conversation {
  readonly clientPort: number
  readonly pieces: Piece[]
}

type Flow = Conversation & { readonly next: Map<Direction, number> }

const ETHERNET = 1

/** The conversations with `serverPort`, in the order of their first bytes. */
export const readConversations = (file: string, serverPort: number): readonly Conversation[] => {
  const pcap = readFileSync(file)
  const nanos = pcap.readUInt32LE(0) === 0xa1b23c4d
  if (pcap.readUInt32LE(20) !== ETHERNET) throw new Error(`${file}: Ethernet wanted`)
  const flows = new Map<number, Flow>()
  for (let at = 24; at + 16 <= pcap.length; ) {
    const length = pcap.readUInt32LE(at + 8)
    const fraction = pcap.readUInt32LE(at + 4)
    const time = pcap.readUInt32LE(at) * 1e6 + (nanos ? Math.floor(fraction / 1000) : fraction)
    const segment = readSegment(pcap.subarray(at + 16, at + 16 + length))
    at += 16 + length
    if (segment === undefined) continue
    const from: Direction = segment.destination === serverPort ? 'frontend' : 'backend'
    const clientPort = from === 'frontend' ? segment.source : segment.destination
    const flow: Flow = flows.get(clientPort) ?? { clientPort, pieces: [], next: new Map() }
    flows.set(clientPort, flow)
    if (segment.syn) flow.next.set(from, (segment.sequence + 1) >>> 0)
    if (segment.bytes.length === 0) continue
    if (flow.next.get(from) !== segment.sequence) throw new Error(`${file}: segment out of order`)
    flow.next.set(from, (segment.sequence + segment.bytes.length) >>> 0)
    flow.pieces.push({ from, bytes: segment.bytes, at: time })
  }
  return [...flows.values()]
}

const readSegment = (frame: Bytes) => {
  if (frame.readUInt16BE(12) !== 0x0800 || frame[23] !== 6) return undefined
  const ip = frame.subarray(14, 14 + frame.readUInt16BE(16))
  const tcp = ip.subarray(((ip[0] as number) & 15) * 4)
  const head = ((tcp[12] as number) >> 4) * 4
  return {
    source: tcp.readUInt16BE(0),
    destination: tcp.readUInt16BE(2),
    sequence: tcp.readUInt32BE(4),
    syn: ((tcp[13] as number) & 2) !== 0,
    bytes: tcp.subarray(head),
  }
}
