/** Holds the dialogue before a log-in, as src/proxy/dialogue.ts does. */
import type { Bytes, Direction } from '../../src/flow.ts'
import type { Handshake, HandshakeStep } from '../../src/session.ts'

/** What a dialogue came to: bytes each side was sent, and how it ended. Bytes are latin1 text. */
export interface DialogueOutcome {
  /** forwarded to the server */
  toServer: string
  /** forwarded or answered to the client */
  toClient: string
  /** shown to the observer as sent by the client */
  shown: string
  end: 'open' | 'done' | `refused: ${string}`
  refusable: boolean
  notes: string[]
}

export type Said = readonly [from: Direction, bytes: Bytes]

/** Feeds what is said as `split` has it; behind `done` all is forwarded untouched, behind a refusal nothing. */
export const holdDialogue = (
  handshake: Handshake,
  said: readonly Said[],
  split: (bytes: Bytes) => readonly Bytes[],
): DialogueOutcome => {
  const outcome: DialogueOutcome = {
    toServer: '',
    toClient: '',
    shown: '',
    end: 'open',
    refusable: false,
    notes: [],
  }
  const take = (step: HandshakeStep): void => {
    if (step.kind === 'done') outcome.end = 'done'
    else if (step.kind === 'note') outcome.notes.push(step.message)
    else if (step.kind === 'refuse') {
      outcome.end = `refused: ${step.reason}`
      outcome.toClient += step.bytes.toString('latin1')
      outcome.shown += step.shown.toString('latin1')
    } else if (step.kind === 'reply') {
      outcome.toClient += step.bytes.toString('latin1')
      outcome.shown += step.shown.toString('latin1')
    } else if (step.from === 'backend') outcome.toClient += step.bytes.toString('latin1')
    else forward(step.bytes)
  }
  const forward = (bytes: Bytes): void => {
    outcome.toServer += bytes.toString('latin1')
    outcome.shown += bytes.toString('latin1')
  }
  for (const [from, bytes] of said) {
    for (const chunk of split(bytes)) {
      if (outcome.end === 'open') for (const step of handshake.feed(from, chunk)) take(step)
      else if (outcome.end === 'done' && from === 'frontend') forward(chunk)
      else if (outcome.end === 'done') outcome.toClient += chunk.toString('latin1')
    }
  }
  outcome.refusable = handshake.refusable
  return outcome
}
