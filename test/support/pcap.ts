/** Recorded conversations of test/captures, through the program's own reader. */
import type { Bytes, Direction, Micros } from '../../src/flow.ts'
import { flowsOf } from './captured.ts'

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

/** The conversations with `serverPort`, in the order in which they began. Nothing may be missing in them. */
export const readConversations = (file: string, serverPort: number): readonly Conversation[] =>
  flowsOf(file, { targets: [{ port: serverPort }] }).map(({ facts, told }) => ({
    clientPort: Number(facts.src_addr?.split(':').at(-1)),
    pieces: told.map((one) => {
      if (one.kind === 'gap') throw new Error(`${file}: ${one.length} bytes are missing`)
      return { from: one.from, bytes: one.bytes, at: one.at }
    }),
  }))
