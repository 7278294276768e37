/** Scripts a TCP connection as the packets that a capture has of it. */
import type { CaptureOptions } from '../../src/capture/engine.ts'
import type { Bytes } from '../../src/flow.ts'
import { type Watched, watching } from './captured.ts'
import { CLIENT_PORT, frame, SERVER_PORT, toBytes } from './packets.ts'

/** A frame and when it was captured; `captured` bytes of it, if it was cut. */
export interface Shot {
  readonly bytes: Bytes
  readonly at: number
  readonly captured?: number
  /** bytes of TCP data in it */
  readonly size: number
}

export interface SayOptions {
  readonly flags?: string
  /** added to the sequence number */
  readonly shift?: number
  readonly ack?: number
  /** captured bytes of the data */
  readonly captured?: number
  /** does not count: it is sent again later, or never was */
  readonly isRepeat?: boolean
}

export const BEGIN = 1_700_000_000_000_000
const STEP = 1000
const HEADERS = 54

/** Each call makes a packet, one millisecond after the one before, with the right numbers. */
export class Talk {
  readonly shots: Shot[] = []
  readonly clientPort: number
  sent: number
  answered: number
  at: number

  constructor(options: { clientPort?: number; sent?: number; answered?: number; at?: number } = {}) {
    this.clientPort = options.clientPort ?? CLIENT_PORT
    this.sent = options.sent ?? 1000
    this.answered = options.answered ?? 5000
    this.at = options.at ?? BEGIN
  }

  /** SYN, SYN-ACK, ACK */
  open(): this {
    this.client('', { flags: 'S', ack: 0 })
    this.server('', { flags: 'S.' })
    return this.client('')
  }

  client(text: Bytes | string, options: SayOptions = {}): this {
    return this.#say(true, toBytes(text), options)
  }

  server(text: Bytes | string, options: SayOptions = {}): this {
    return this.#say(false, toBytes(text), options)
  }

  /** FINs of both, the client's first */
  close(): this {
    return this.client('', { flags: 'F.' }).server('', { flags: 'F.' }).client('')
  }

  /** The packet made last was not captured. */
  lose(): this {
    this.shots.pop()
    return this
  }

  wait(micros: number): this {
    this.at += micros
    return this
  }

  #say(isClient: boolean, bytes: Bytes, options: SayOptions): this {
    const { flags = bytes.length > 0 ? 'P.' : '.', shift = 0 } = options
    const own = isClient ? this.sent : this.answered
    const packet = frame({
      ...(isClient
        ? { sourcePort: this.clientPort, destinationPort: SERVER_PORT }
        : { source: '192.0.2.2', destination: '192.0.2.1' }),
      ...(!isClient && { sourcePort: SERVER_PORT, destinationPort: this.clientPort }),
      sequence: own + shift,
      acknowledgement: options.ack ?? (isClient ? this.answered : this.sent),
      flags,
      bytes,
    })
    if (!options.isRepeat) {
      const next = own + bytes.length + (/[SF]/.test(flags) ? 1 : 0)
      if (isClient) this.sent = next
      else this.answered = next
    }
    const cut = options.captured === undefined ? {} : { captured: HEADERS + options.captured }
    this.shots.push({ bytes: packet, at: this.at, size: bytes.length, ...cut })
    this.at += STEP
    return this
  }
}

/** Gives the packets to the capture engine. */
export const play = (shots: readonly Shot[], options: Partial<CaptureOptions> = {}) => {
  const { flows, capture } = watching(options)
  for (const [index, { bytes, at, captured = bytes.length }] of shots.entries()) {
    capture.record({
      ...{ bytes, start: 0, end: captured, wireLength: bytes.length },
      ...{ at, linkType: 1, interface: undefined, number: index + 1 },
    })
  }
  return { flows, capture }
}

/** As {@link play}, to the end of the capture. */
export const playAll = (shots: readonly Shot[], options: Partial<CaptureOptions> = {}): Watched[] => {
  const { flows, capture } = play(shots, options)
  capture.end()
  if (capture.held !== 0 || capture.open !== 0) throw new Error('something is kept behind the end')
  return flows
}
