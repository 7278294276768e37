/** What the frontend sent and the backend has yet to answer. */

import type { Micros } from '../../src/flow.ts'
import type { Batch } from './batch.ts'
import type { Execution } from './execution.ts'
import type { Prepared } from './statements.ts'

/** A frontend message that has a reply, or that changes what a reply means; a Flush that is an error. */
export type CommandKind =
  | 'Query'
  | 'Parse'
  | 'Bind'
  | 'DescribeStatement'
  | 'DescribePortal'
  | 'Execute'
  | 'CloseStatement'
  | 'ClosePortal'
  | 'Describe'
  | 'Close'
  | 'Sync'
  | 'Flush'
  | 'FunctionCall'
  | 'CopyData'
  | 'CopyEnd'

/** Order in which kinds are numbered for the queue's placeholders. */
const KINDS: readonly CommandKind[] = [
  'Query',
  'Parse',
  'Bind',
  'DescribeStatement',
  'DescribePortal',
  'Execute',
  'CloseStatement',
  'ClosePortal',
  'Describe',
  'Close',
  'Sync',
  'Flush',
  'FunctionCall',
  'CopyData',
  'CopyEnd',
]

/** One command. One shape for all kinds, so that the queue's code sees a single hidden class. */
export class Command {
  readonly kind: CommandKind
  readonly at: Micros
  next: Command | undefined = undefined
  /** name of the statement (Parse, Bind, Describe, Close) */
  statement = ''
  /** name of the portal (Bind, Describe, Execute, Close) */
  portal = ''
  /** Query, Bind, FunctionCall: the record in the making */
  execution: Execution | undefined = undefined
  /** Execute that has an intent of its own: the record that it gives, unless it belongs to another's */
  reserved: Execution | undefined = undefined
  /** with intents: what it is sent on with; undefined where that was long ago */
  batch: Batch | undefined = undefined
  /** Parse: what it will define when it succeeds */
  prepared: Prepared | undefined = undefined
  /** CopyData: bytes of the bodies, and messages */
  bytes = 0
  messages = 0
  /** its body could not be decoded, so the names above may be missing */
  malformed = false
  bodyHex: string | undefined = undefined
  /** bytes of memory it holds, roughly */
  cost = 0
  /** what it names is not known: its contents were not kept, or could not be read */
  nameless = false

  constructor(kind: CommandKind, at: Micros) {
    this.kind = kind
    this.at = at
  }
}

/** Added to the code of a placeholder that has a number already. */
export const NUMBERED = 0x40

/** The code of a kind, for its placeholder in a full queue. */
export const codeOfKind = (kind: CommandKind): number => KINDS.indexOf(kind)

/** Was it, when the session ended, not sent on? */
export const isUnsent = ({ batch }: Command): boolean => batch !== undefined && batch.at === 0

/** The command that a placeholder stood for. */
export const commandOfCode = (code: number, at: Micros): Command => {
  const command = new Command(KINDS[code & ~NUMBERED] as CommandKind, at)
  command.nameless = true
  return command
}
