/**
 * Commands: what the frontend sends and the backend has yet to answer.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html}
 * {@link https://mariadb.com/kb/en/2-text-protocol/}
 */
import type { QueryText } from '../../src/event.ts'
import type { Bytes, Micros } from '../../src/flow.ts'
import { COM } from './capabilities.ts'
import type { Execution } from './execution.ts'
import type { LocalFile } from './infile.ts'
import type { Meaning } from './meaning.ts'
import type { Prepared } from './statements.ts'
import type { NewUser } from './user.ts'

/** A packet of a replica that tells its semi-synchronous source how far it is; no command. */
export const SEMI_SYNC_ACK = 0xef

/**
 * The placeholder of an empty packet: where ids say nothing it may end a file. No server knows this command.
 */
export const EMPTY_PACKET = 0xff

/** Commands that nothing answers. */
export const isUnanswered = (code: number): boolean =>
  code === COM.STMT_CLOSE || code === COM.STMT_SEND_LONG_DATA || code === COM.QUIT

/** Commands whose reply is rows (or events, or definitions of columns) from its first payload on. */
export const isStreamed = (code: number): boolean =>
  code === COM.STMT_FETCH || code === COM.FIELD_LIST || isDump(code)

/** Commands that turn the connection into a stream of the server's data. */
export const isDump = (code: number): boolean =>
  code === COM.BINLOG_DUMP || code === COM.BINLOG_DUMP_GTID || code === COM.TABLE_DUMP

/** A packet of this length is continued by the next. */
export const WHOLE = 0xff_ffff

/** Body of a command: its bytes from the code on, borrowed. */
export interface CommandBody {
  readonly bytes: Bytes
  readonly start: number
  readonly end: number
}

/** Follows the bytes of a payload beyond those that are kept. */
export interface LongBody {
  add(bytes: Bytes, start: number, end: number): void
}

/** What a PREPARE will define when it succeeds. */
export interface Preparing {
  readonly seq: number
  readonly text: QueryText | undefined
  readonly malformed: boolean
  readonly bodyHex: string | undefined
}

/** One command. One shape for all kinds, so that the queue's code sees a single hidden class. */
export class Command {
  readonly code: number
  readonly at: Micros
  next: Command | undefined = undefined
  /** with intents: number of its record, given when it came; 0: it gets one when it is begun */
  seq = 0
  /** with intents: below 0, what its intent named it by, until its record has a number */
  token = 0
  /** with intents: when it was sent on; 0 is not yet */
  sent: Micros = 0
  /** with intents: bytes that the client had sent, with the chunk in which it ended */
  fed = 0
  /** bytes of memory it holds, roughly */
  cost = 0
  /** its kept bytes while it waits for its turn, a copy; the whole payload's length */
  body: Bytes | undefined = undefined
  length = 0
  /** follows what was not kept of it */
  long: LongBody | undefined = undefined
  /** the server has come to it: it is at the head, and what it does is known */
  begun = false
  /** a reply to it has come */
  answered = false
  /** the record in the making */
  execution: Execution | undefined = undefined
  preparing: Preparing | undefined = undefined
  /** id of the statement that it names */
  stmtId = 0
  /** INIT_DB: the database */
  name: string | undefined = undefined
  /** what the statements of its text do */
  meanings: readonly Meaning[] | undefined = undefined
  /** CHANGE_USER: whom the client would become */
  user: NewUser | undefined = undefined
  /** CHANGE_USER: the method by which the client proves it */
  method: string | undefined = undefined
  /** CHANGE_USER: packets that the server asked for and that have yet to come */
  owed = 0
  /** a bulk execute that asks for the counts of each row: its statement */
  unitsOf: Prepared | undefined = undefined
  /** files that the client sent for it */
  files: LocalFile[] | undefined = undefined
  /** how many of them the server has asked for */
  filesAsked = 0
  /** bytes of it are lost: its body ends before them */
  holed = false
  /** it stands for one of which only the kind was kept */
  placeholder = false

  constructor(code: number, at: Micros) {
    this.code = code
    this.at = at
  }
}

/** How many packets a command took, which is the id of its reply's first. */
export const firstIdOf = ({ length }: Command): number => (Math.floor(length / WHOLE) + 1) & 0xff
