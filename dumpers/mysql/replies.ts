/**
 * Backend payloads settle the head of the queue. Never the first byte alone: what a payload means is what
 * the command at the head asked for, and how far its reply is.
 *
 *   FIRST ──OK, EOF, ERR──▶ the next command, or with SERVER_MORE_RESULTS_EXISTS again FIRST
 *         ──0xFB──▶ FIRST, behind the client's file
 *         ──count──▶ COLUMNS ──the last──▶ COLUMNS_END ──EOF──▶ ROWS ──EOF, OK, ERR──▶ as above
 *         ──COM_STMT_PREPARE_OK──▶ DEFINITIONS ──the last──▶ the next command
 *
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html}
 */
import type { ServerError } from '../../src/event.ts'
import type { Bytes } from '../../src/flow.ts'
import { SKIP } from '../../src/framing/framer.ts'
import {
  CLIENT_DEPRECATE_EOF,
  CLIENT_OPTIONAL_RESULTSET_METADATA,
  COM,
  has,
  SERVER_MORE_RESULTS_EXISTS,
  SERVER_PS_OUT_PARAMS,
  SERVER_STATUS_CURSOR_EXISTS,
  SERVER_STATUS_LAST_ROW_SENT,
} from './capabilities.ts'
import { type Command, isDump, isStreamed } from './commands.ts'
import { decodeEof, decodeErr, decodeOk, decodeResultSetHeader } from './decode.ts'
import { outcomeOf } from './execution.ts'
import { askForFile, tellFiles } from './files.ts'
import { HEAD, MAX_EOF, type SessionChange } from './packets.ts'
import { onPrepared, settlePrepare } from './reply-prepare.ts'
import { UnitResults } from './reply-units.ts'
import { onAuthentication } from './reply-user.ts'
import type { MysqlState } from './state.ts'
import { onChanges, onDone, onReset, onStatus, tellChangeUser } from './track.ts'
import { COLUMNS, COLUMNS_END, DEFINITIONS, FIRST, nextTurn, type ReplyState, ROWS } from './turn.ts'

/** A packet of this length is continued by the next. */
const WHOLE = 0xff_ffff
/** MySQL tells these before the row of OUT parameters, and not behind it. */
const OUT_PARAMS = SERVER_PS_OUT_PARAMS | SERVER_MORE_RESULTS_EXISTS
/** Kept of an OK packet with its session changes, of a file's name, of an error. */
const MAX_REPLY = 65_536
/** Length of a row of {@link UnitResults}. */
const UNIT_ROW = 18
/** Shortest OK packet of 4.1; what begins with 0 and is shorter is a result without metadata. */
const MIN_OK = 7

/** Of a payload of the backend, once logged in. */
export const keepOfReply = (
  state: MysqlState,
  reply: ReplyState,
  first: number,
  length: number,
): number => {
  const { target } = reply
  if (target !== undefined && target.first === 0) target.first = state.now
  switch (reply.phase) {
    case ROWS:
      if (first !== HEAD.ERR && !isRowsEnd(state, first, length)) {
        if (reply.units !== undefined) return UNIT_ROW
        if (length === WHOLE) return 0
        addRows(state, reply, 1, length)
        return SKIP
      }
      return MAX_REPLY
    case COLUMNS:
      if (first === HEAD.ERR || reply.units !== undefined) return MAX_REPLY
      if (--reply.left <= 0) columnsEnded(state, reply)
      return SKIP
    case DEFINITIONS:
      if (--reply.left > 0) return SKIP
      return 0
    default:
      return MAX_REPLY
  }
}

/** EOF, or the OK in its place; a row that begins with this byte has a value of 16 MiB or more. */
const isRowsEnd = (state: MysqlState, first: number, length: number): boolean =>
  first === HEAD.EOF && (has(state.capabilities, CLIENT_DEPRECATE_EOF) ? length < WHOLE : length <= MAX_EOF)

/** `count` rows of `bytes` together. */
export const addRows = (state: MysqlState, reply: ReplyState, count: number, bytes: number): void => {
  const { target } = reply
  if (target === undefined) return
  if (target.first === 0) target.first = state.now
  const { head } = state.queue
  if (head !== undefined && !head.answered) {
    head.answered = true
    if (isDump(head.code)) tellReplication(state, head)
  }
  target.rows += count
  target.bytes += bytes
}

const columnsEnded = (state: MysqlState, reply: ReplyState): void => {
  reply.enter(has(state.capabilities, CLIENT_DEPRECATE_EOF) ? ROWS : COLUMNS_END)
}

/** A payload that {@link keepOfReply} wanted is there. Answers the error that it is, if it is one. */
export const onReply = (
  state: MysqlState,
  reply: ReplyState,
  first: number,
  bytes: Bytes,
  start: number,
  end: number,
  length: number,
): ServerError | undefined => {
  const head = state.queue.head
  if (head === undefined) return undefined
  if (first === HEAD.ERR && reply.phase !== DEFINITIONS)
    return onError(state, reply, head, bytes, start, end)
  head.answered = true
  try {
    switch (reply.phase) {
      case ROWS:
        if (isRowsEnd(state, first, length)) onRowsEnd(state, reply, head, bytes, start, end)
        else if (reply.units !== undefined) reply.units.row(bytes, start, end)
        else addRows(state, reply, 1, length)
        break
      case COLUMNS:
        onUnitColumn(state, reply, bytes, start, end)
        break
      case COLUMNS_END:
        onColumnsEnd(state, reply, head, bytes, start, end)
        break
      case DEFINITIONS:
        settlePrepare(state, reply, head)
        break
      default:
        onFirst(state, reply, head, first, bytes, start, end)
    }
  } catch {
    // an answer that cannot be read is one all the same
    if (head.code === COM.STMT_PREPARE) state.writePrepare(head, undefined, 'unknown')
    else if (head.code === COM.CHANGE_USER) tellChangeUser(state, head, 'unknown')
    settle(state, reply, head, undefined)
  }
  return undefined
}

const onFirst = (
  state: MysqlState,
  reply: ReplyState,
  head: Command,
  first: number,
  bytes: Bytes,
  start: number,
  end: number,
): void => {
  switch (head.code) {
    case COM.QUERY:
    case COM.STMT_EXECUTE:
    case COM.STMT_BULK_EXECUTE:
    case COM.PROCESS_INFO:
      onResult(state, reply, head, first, bytes, start, end)
      return
    case COM.STMT_PREPARE:
      onPrepared(state, reply, head, bytes, start, end)
      return
    case COM.CHANGE_USER:
      onAuthentication(state, reply, head, first, bytes, start, end)
      return
    case COM.STATISTICS:
      settle(state, reply, head, undefined)
      return
    default:
      if (first === HEAD.EOF && end - start <= MAX_EOF) {
        onEnd(
          state,
          reply,
          head,
          decodeEof(state.cursor.reset(bytes, start, end), state.capabilities).status,
        )
      } else onOk(state, reply, head, bytes, start, end)
  }
}

const onResult = (
  state: MysqlState,
  reply: ReplyState,
  head: Command,
  first: number,
  bytes: Bytes,
  start: number,
  end: number,
): void => {
  const optional = has(state.capabilities, CLIENT_OPTIONAL_RESULTSET_METADATA)
  if (first === HEAD.OK && !(optional && end - start < MIN_OK)) onOk(state, reply, head, bytes, start, end)
  else if (first === HEAD.LOCAL_INFILE) askForFile(state, head, bytes, start + 1, end)
  else if (first === HEAD.EOF && end - start <= MAX_EOF) {
    onEnd(state, reply, head, decodeEof(state.cursor.reset(bytes, start, end), state.capabilities).status)
  } else {
    const { columns, metadataFollows } = decodeResultSetHeader(
      state.cursor.reset(bytes, start, end),
      state.capabilities,
    )
    reply.left = columns
    const { unitsOf } = head
    if (unitsOf !== undefined && UnitResults.mayBe(columns, metadataFollows, unitsOf))
      reply.units = new UnitResults(unitsOf)
    if (metadataFollows && columns > 0) reply.enter(COLUMNS)
    else columnsEnded(state, reply)
  }
}

const onOk = (
  state: MysqlState,
  reply: ReplyState,
  head: Command,
  bytes: Bytes,
  start: number,
  end: number,
): void => {
  const ok = decodeOk(state.cursor.reset(bytes, start, end), state.capabilities)
  const { execution } = head
  // what is open then is rolled back, and the flags are those behind it
  if (head.code === COM.RESET_CONNECTION) onReset(state)
  onStatus(state, head, ok.status)
  if (head.code !== COM.INIT_DB)
    execution?.addAffected(Number(ok.affectedRows), ok.lastInsertId, ok.warnings ?? 0)
  onEnd(state, reply, head, ok.status, ok.changes)
}

/** A result has ended: another follows, or the command is done. */
const onEnd = (
  state: MysqlState,
  reply: ReplyState,
  head: Command,
  status: number,
  changes: readonly SessionChange[] = [],
): void => {
  if (head.files !== undefined) tellFiles(state, head)
  if ((status & SERVER_MORE_RESULTS_EXISTS) !== 0) {
    onChanges(state, changes)
    reply.enter(FIRST)
    return
  }
  settle(state, reply, head, undefined, changes)
}

/** Other definitions than those of {@link UnitResults} are of no interest, nor are the rows. */
const onUnitColumn = (
  state: MysqlState,
  reply: ReplyState,
  bytes: Bytes,
  start: number,
  end: number,
): void => {
  if (!reply.units?.column(bytes, start, end, state.capabilities)) reply.units = undefined
  if (--reply.left <= 0) columnsEnded(state, reply)
}

/** EOF behind the definitions of columns: rows follow, unless they wait in a cursor. */
const onColumnsEnd = (
  state: MysqlState,
  reply: ReplyState,
  head: Command,
  bytes: Bytes,
  start: number,
  end: number,
): void => {
  const eof = decodeEof(state.cursor.reset(bytes, start, end), state.capabilities)
  if ((eof.status & SERVER_STATUS_CURSOR_EXISTS) !== 0 && head.code === COM.STMT_EXECUTE)
    suspend(state, reply, head, eof.status)
  else {
    reply.enter(ROWS)
    reply.outParams = (eof.status & SERVER_PS_OUT_PARAMS) === 0 ? 0 : eof.status & OUT_PARAMS
  }
}

/** The end of rows: EOF, or OK in its place. */
const onRowsEnd = (
  state: MysqlState,
  reply: ReplyState,
  head: Command,
  bytes: Bytes,
  start: number,
  end: number,
): void => {
  const { capabilities, cursor } = state
  const deprecated = has(capabilities, CLIENT_DEPRECATE_EOF)
  cursor.reset(bytes, start, end)
  const told = deprecated ? decodeOk(cursor, capabilities) : decodeEof(cursor, capabilities)
  const { warnings } = told
  const status = told.status | reply.outParams
  const { code, execution } = head
  if (execution === undefined) settle(state, reply, head, undefined)
  else if (code === COM.STMT_FETCH && state.cursors.get(head.stmtId) === execution) {
    onStatus(state, head, status)
    execution.ended = state.now
    if ((status & SERVER_STATUS_LAST_ROW_SENT) !== 0) {
      execution.addRows(warnings ?? 0, false)
      state.closeCursor(head.stmtId, undefined)
      // servers forget long data with the cursor
      state.prepared.reset(head.stmtId)
    }
    nextTurn(state, reply)
  } else if (deprecated && code === COM.STMT_EXECUTE && (status & SERVER_STATUS_CURSOR_EXISTS) !== 0) {
    suspend(state, reply, head, status)
  } else {
    onStatus(state, head, status)
    const { units } = reply
    if (units !== undefined) execution.addAffected(units.affected, units.insertId, warnings ?? 0)
    else execution.addRows(warnings ?? 0, (status & SERVER_PS_OUT_PARAMS) !== 0)
    onEnd(state, reply, head, status)
  }
}

/** The rows wait in a cursor, to be fetched. */
const suspend = (state: MysqlState, reply: ReplyState, head: Command, status: number): void => {
  const { execution } = head
  if (execution !== undefined) {
    onStatus(state, head, status)
    execution.hasRows = true
    execution.fetches = 0
    execution.ended = state.now
    state.cursors.set(head.stmtId, execution)
    state.limitCursors()
    state.writeOpen(execution)
  }
  nextTurn(state, reply)
}

/** ERR, unless it is a report of progress. */
const onError = (
  state: MysqlState,
  reply: ReplyState,
  head: Command,
  bytes: Bytes,
  start: number,
  end: number,
): ServerError | undefined => {
  const error = readError(state, bytes, start, end)
  if (error === undefined) {
    head.answered = true
    return undefined
  }
  head.answered = true
  const { code } = head
  if (head.files !== undefined) tellFiles(state, head)
  if (code === COM.STMT_PREPARE) {
    state.prepared.failed()
    state.writePrepare(head, undefined, outcomeOf(error), error)
    nextTurn(state, reply)
  } else if (code === COM.CHANGE_USER) {
    head.method ??= head.user?.method
    tellChangeUser(state, head, 'error', error)
    nextTurn(state, reply)
  } else settle(state, reply, head, error)
  return error
}

/** The error of an ERR packet; undefined for MariaDB's report of progress. */
export const readError = (
  state: MysqlState,
  bytes: Bytes,
  start: number,
  end: number,
): ServerError | undefined => {
  try {
    const { number, sqlstate, message, progress } = decodeErr(state.cursor.reset(bytes, start, end))
    if (progress) return undefined
    return { error_number: number, error_code: sqlstate, error_message: state.text(message) } as ServerError
  } catch {
    return {}
  }
}

/** The command is done. */
const settle = (
  state: MysqlState,
  reply: ReplyState,
  head: Command,
  error: ServerError | undefined,
  changes: readonly SessionChange[] = [],
): void => {
  const { execution, code, files } = head
  if (files?.some(({ name }) => name === undefined)) state.doubt('frontend', 'packet out of order')
  if (execution !== undefined) {
    execution.error = error
    execution.ended = state.now
    if (code === COM.STMT_FETCH) state.cursors.delete(head.stmtId)
  }
  onDone(state, head, error)
  onChanges(state, changes)
  if (execution !== undefined) state.write(execution, execution.settled, state.now)
  else state.flush()
  nextTurn(state, reply)
}

/** The server sends its data to a replica, or to whoever claims to be one. */
const tellReplication = (state: MysqlState, head: Command): void => {
  const { execution } = head
  if (execution === undefined) return
  const { at, who, seq, command, text } = execution
  state.emit({
    event: 'replication',
    at,
    who,
    stmt_seq: seq,
    ...(text === undefined ? {} : { text }),
    ...(command === undefined ? {} : { command }),
  })
  if (isStreamed(head.code)) state.writeOpen(execution)
}
