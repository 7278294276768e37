/** Who ended a connection, and why: the first cause counts, whatever follows from it. */
import type { Socket } from 'node:net'
import type { Direction, FlowEnd } from '../flow.ts'

export type Cause = Pick<FlowEnd, 'by' | 'reason' | 'detail'>

const OWNERS = { frontend: 'client', backend: 'server' } as const
const RESETS: readonly (string | undefined)[] = ['ECONNRESET', 'EPIPE']

/** The system's word for what went wrong. */
export const wordOf = (error: Error): string => (error as NodeJS.ErrnoException).code ?? error.message

/** `FlowEnd.reason` of a dial that failed. */
export const dialReason = (error: Error): string => {
  const word = wordOf(error)
  if (word === 'ECONNREFUSED') return 'dial_refused'
  return word === 'ETIMEDOUT' ? 'dial_timeout' : 'dial_failed'
}

const causeOf = (by: Cause['by'], reason: string, detail?: string): Cause =>
  detail === undefined ? { by, reason } : { by, reason, detail }

export class Ending {
  #cause: Cause | undefined

  /** what the end is put down to */
  get cause(): Cause {
    return this.#cause ?? { by: 'proxy', reason: 'closed' }
  }

  note(by: Cause['by'], reason: string, detail?: string): void {
    this.#cause ??= causeOf(by, reason, detail)
  }

  /** Counts even behind what was noted: a dial that fails after its client has sent all it has to send. */
  insist(by: Cause['by'], reason: string, detail?: string): void {
    this.#cause = causeOf(by, reason, detail)
  }

  /** It does not end after all. */
  withdraw(): void {
    this.#cause = undefined
  }

  noteEnd(side: Direction): void {
    this.note(OWNERS[side], 'closed')
  }

  noteError(side: Direction, error: Error): void {
    const word = wordOf(error)
    if (RESETS.includes(word)) this.note(OWNERS[side], 'reset')
    else this.note(OWNERS[side], 'lost', word)
  }
}

/** Hands a reset on, behind what was not written yet. Is the socket still to be waited for? */
export const passReset = (socket: Socket): boolean => {
  if (socket.writableLength > 0) {
    socket.destroySoon()
    return true
  }
  // Only TCP knows resets. While a side's end is being sent one is refused: EINVAL, and never a 'close'.
  const isShuttingDown = socket.writableEnded && !socket.writableFinished
  if (socket.remoteAddress !== undefined && !isShuttingDown) socket.resetAndDestroy()
  else socket.destroy()
  return false
}
