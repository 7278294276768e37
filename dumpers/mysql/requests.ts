/**
 * Frontend commands → the queue. What a command means is worked out when the server comes to it, that is
 * when it is the queue's head: by then the replies before it have said which statements, database and
 * character set there are. One that must wait is kept as its bytes.
 */
import type { Bytes } from '../../src/flow.ts'
import { begin, LONG_DATA_HEAD } from './begin.ts'
import { LongExecute } from './bound-values.ts'
import { LongBulk } from './bulk.ts'
import { COM } from './capabilities.ts'
import { Command, EMPTY_PACKET, isDump, isUnanswered, type LongBody, SEMI_SYNC_ACK } from './commands.ts'
import { abandon } from './ending.ts'
import { LongData, LongQuery } from './long-body.ts'
import { textStart } from './request-text.ts'
import type { MysqlState } from './state.ts'
import { expectReply, type ReplyState } from './turn.ts'

/** What one command costs in memory beside its bytes, roughly. */
const COMMAND_COST = 400
/** Kept of payloads that are small by nature, and of what stands before a text. */
const SMALL = 16_384
/** A user's log-in anew: names, a database, connection attributes of at most 64 KiB. */
const CHANGE_USER = 131_072

/** One command as the framer hands it on. */
export interface Body {
  /** its first byte; -1 when it is empty */
  readonly first: number
  readonly bytes: Bytes
  readonly start: number
  readonly end: number
  /** of the whole payload */
  readonly length: number
  readonly long: LongBody | undefined
  /** bytes of it are lost, behind those that are here */
  readonly holed: boolean
}

/** How much of a command is kept. */
export const keepOfCommand = (state: MysqlState, first: number): number => {
  switch (first) {
    case COM.QUERY:
    case COM.STMT_PREPARE:
    case COM.STMT_EXECUTE:
    case COM.STMT_BULK_EXECUTE:
      return state.maxText + SMALL
    case COM.STMT_SEND_LONG_DATA:
      // the server has come to it if nothing is before it: what follows is followed as it passes
      return state.queue.head === undefined ? LONG_DATA_HEAD : state.limits.maxValueBytes + LONG_DATA_HEAD
    case COM.CHANGE_USER:
      return CHANGE_USER
    default:
      return SMALL
  }
}

/** Begins to follow a command that is longer than what is kept; `head` are its kept bytes. */
export const openLong = (state: MysqlState, head: Bytes): LongBody | undefined => {
  const code = head[0] as number
  switch (code) {
    case COM.QUERY:
    case COM.STMT_PREPARE:
      try {
        const start = textStart(state, code, head, 0, head.length).textStart
        return new LongQuery(head, start, state.maxText)
      } catch {
        return undefined
      }
    case COM.STMT_SEND_LONG_DATA: {
      if (state.queue.head !== undefined || head.length < LONG_DATA_HEAD) return undefined
      const id = head.readUInt32LE(1)
      const value = state.prepared.openLong(id, head.readUInt16LE(5), state.limits.maxValueBytes)
      return value && new LongData(state.prepared, value)
    }
    case COM.STMT_EXECUTE:
    case COM.STMT_BULK_EXECUTE:
      // what is before it may send other types, or use its long data up
      if (state.queue.head !== undefined || state.unknown?.areValuesKnown === false) return undefined
      try {
        const { prepared, valueOptions } = state
        if (code === COM.STMT_BULK_EXECUTE)
          return new LongBulk(head, 1, head.length, prepared, valueOptions)
        return new LongExecute(head, 1, head.length, prepared, valueOptions, state.maxText)
      } catch {
        return undefined
      }
    default:
      return undefined
  }
}

/** Bytes that COM_STMT_CLOSE and COM_STMT_SEND_LONG_DATA have at least, their code among them. */
const SHORTEST_CLOSE = 5

/**
 * What a command counts as. One that nothing answers is answered by MySQL when it is broken (5.6, which was
 * asked, and later ones; of long data those from 5.7 on): such a one does nothing, its place is a PING's.
 */
export const codeOf = ({ mariadb, identity }: MysqlState, { first, length }: Body): number => {
  if (first < 0) return COM.SLEEP
  if (mariadb) return first
  if (first === COM.STMT_CLOSE && length < SHORTEST_CLOSE) return COM.PING
  const isBroken = first === COM.STMT_SEND_LONG_DATA && length < LONG_DATA_HEAD
  return isBroken && !/^5\.[0-6]\./.test(identity.who.server_version ?? '') ? COM.PING : first
}

/** A command has come: it is begun at once when nothing is before it. */
export const onCommand = (state: MysqlState, reply: ReplyState, body: Body): void => {
  const { queue } = state
  const code = codeOf(state, body)
  if (code === SEMI_SYNC_ACK && queue.tail !== undefined && isDump(queue.tail.code)) return
  const command = new Command(code, state.now)
  command.long = body.long
  command.length = body.length
  command.holed = body.holed
  if (queue.head !== undefined) {
    enqueue(state, command, body)
    return
  }
  const before = state.seq
  begin(state, command, body)
  state.intents?.begun(command, before, body)
  if (state.uncertain !== undefined) abandon(state, command, 'unknown', state.uncertain)
  else if (!isUnanswered(code)) {
    command.cost = COMMAND_COST + body.end - body.start
    queue.push(command)
    expectReply(reply, command)
  }
}

const placeholderOf = ({ code, length }: Command): number => {
  if (length === 0) return EMPTY_PACKET
  return code === EMPTY_PACKET ? COM.SLEEP : code
}

const enqueue = (state: MysqlState, command: Command, body: Body): void => {
  const { queue, intents } = state
  const { bytes, start, end } = body
  command.cost = COMMAND_COST + end - start
  if (queue.full || queue.cost + command.cost > state.queueLimit) {
    const code = placeholderOf(command)
    if (queue.pushPlaceholder(code)) intents?.waitsBare(command, code, body)
    else if (!isUnanswered(command.code)) state.overflowed = true
    return
  }
  intents?.waits(command, body)
  command.body = Buffer.from(bytes.subarray(start, end))
  queue.push(command)
}
