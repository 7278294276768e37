/**
 * The reading side of a socket. All sockets of the process read into one buffer: the read and its callback
 * happen at once, so an idle connection needs no buffer at all. A small chunk is then copied. A connection
 * that moves large ones is lent buffers of its own, which come back when the chunk has been written.
 */
import { createConnection, type NetConnectOpts, type OnReadOpts, Socket } from 'node:net'
import type { Bytes } from '../flow.ts'
import type { Remote } from './address.ts'

/** One read asks for so many bytes. */
const READ_BYTES = 64 * 1024
/** Copying less than this costs less than lending. */
const LEND_FROM = 16 * 1024
/** Buffers on loan in the whole process; past it chunks are copied. */
const MOST_LOANS = 128
/** Unwritten bytes at which a socket's sender is held back. */
export const HIGH_WATER = 2 * READ_BYTES

const SHARED = Buffer.allocUnsafeSlow(READ_BYTES)
const spare: Buffer[] = []
let loans = 0

const lend = (): Buffer | undefined => {
  if (loans >= MOST_LOANS) return undefined
  loans++
  return spare.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES)
}

/** A loan comes back: nothing refers to the buffer any more. */
export const giveBack = (buffer: Buffer): void => {
  loans--
  spare.push(buffer)
}

/** A loan is given up: something may refer to the buffer still, so it is not used again. */
export const writeOff = (count: number): void => {
  loans -= count
}

/**
 * Receives a chunk, which stays as it is until `loan`, the buffer it lies in, is given back; without a loan
 * it is the receiver's. Answers whether to go on reading.
 */
export type OnChunk = (chunk: Bytes, loan: Buffer | undefined) => boolean

export interface Inlet {
  readonly socket: Socket
  /** who receives from now on */
  onChunk: OnChunk
  /** reads again, after an answer of false, or at the start of an accepted one */
  resume(): void
}

class Reader implements Inlet, OnReadOpts {
  socket!: Socket
  onChunk: OnChunk
  /** what the next read fills: the shared buffer, or one that is on loan to this reader */
  #next: Buffer = SHARED

  constructor(onChunk: OnChunk) {
    this.onChunk = onChunk
  }

  readonly buffer = (): Buffer => this.#next

  readonly callback = (length: number, buffer: Uint8Array): boolean => {
    const filled = buffer as Buffer
    if (length >= LEND_FROM) return this.#large(filled, length)
    const chunk = Buffer.allocUnsafe(length)
    filled.copy(chunk, 0, 0, length)
    if (filled !== SHARED) this.#release()
    return this.onChunk(chunk, undefined)
  }

  #large(filled: Buffer, length: number): boolean {
    const loan = filled === SHARED ? lend() : filled
    const place = loan ?? Buffer.allocUnsafeSlow(length)
    if (filled === SHARED) filled.copy(place, 0, 0, length)
    this.#next = lend() ?? SHARED
    return this.onChunk(place.subarray(0, length), loan)
  }

  #release(): void {
    if (this.#next === SHARED) return
    giveBack(this.#next)
    this.#next = SHARED
  }

  attach(socket: Socket): this {
    this.socket = socket
    socket.once('close', () => this.#release())
    return this
  }

  resume(): void {
    this.socket.resume()
  }
}

/** For a runtime without the handle: ordinary events, ordinary allocation. */
const ordinary = (socket: Socket, onChunk: OnChunk): Inlet => {
  const inlet: Inlet = {
    socket,
    onChunk,
    resume: () => {
      socket.resume()
    },
  }
  socket.on('data', (chunk) => {
    if (!inlet.onChunk(chunk, undefined)) socket.pause()
  })
  socket.pause()
  return inlet
}

/** What {@link Socket}'s constructor takes beside its documented options, on every Node from 18 to 24. */
interface HandleOptions {
  readonly handle: object
  readonly pauseOnCreate: true
  readonly allowHalfOpen: true
  readonly writableHighWaterMark: number
  readonly onread: OnReadOpts
}
type HandleHolder = { _handle?: object | null }

/**
 * Takes over an accepted socket that was paused on connect; it is paused still. `onread` cannot be asked for
 * on an accepted socket, so its handle moves to a new one: the only undocumented thing done here, and left
 * undone where there is no handle.
 */
export const adopt = (accepted: Socket, onChunk: OnChunk): Inlet => {
  const holder = accepted as unknown as HandleHolder
  const handle = holder._handle
  if (!handle) return ordinary(accepted, onChunk)
  const reader = new Reader(onChunk)
  holder._handle = null
  // Tells the server that it no longer counts: this listener keeps its own books.
  accepted.destroy()
  const options: HandleOptions = {
    handle,
    pauseOnCreate: true,
    allowHalfOpen: true,
    writableHighWaterMark: HIGH_WATER,
    onread: reader,
  }
  return reader.attach(new Socket(options as object))
}

export interface DialOptions {
  readonly noDelay: boolean
  /** milliseconds of silence before the first probe; 0 is off */
  readonly keepAlive: number
}

/** Begins to connect: its socket emits `connect`, or `error` and `close`. It reads once connected. */
export const dial = (remote: Remote, options: DialOptions, onChunk: OnChunk): Inlet => {
  const reader = new Reader(onChunk)
  const settings: NetConnectOpts & { readonly writableHighWaterMark: number } = {
    ...remote,
    allowHalfOpen: true,
    noDelay: options.noDelay,
    keepAlive: options.keepAlive > 0,
    keepAliveInitialDelay: options.keepAlive,
    writableHighWaterMark: HIGH_WATER,
    onread: reader,
  }
  return reader.attach(createConnection(settings))
}
