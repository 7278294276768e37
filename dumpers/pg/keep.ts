/**
 * Decides at each header how much of the body is kept. Rows and copied data are counted here, and kept
 * never.
 */
import { SKIP } from '../../src/framing/framer.ts'
import { STARTUP } from '../../src/framing/pg.ts'
import { B, F } from './messages.ts'
import { onCopyData, onDataRow } from './replies.ts'
import { pushCopyData } from './requests.ts'
import type { PgState } from './state.ts'

/**
 * Kept of bodies that are small by nature; the server's own limit for them is 10,000 bytes
 * (PQ_SMALL_MESSAGE_LIMIT).
 */
const SMALL = 16_384
const MAX_ERROR = 65_536
/** 65,535 parameter types and their count */
const MAX_PARAMETER_DESCRIPTION = 262_142
const READY_OR_VERSION = 8

/** Of a frontend body; the secrets of a log-in are stepped over. */
export const keepOfRequest = (state: PgState, type: number, length: number): number => {
  switch (type) {
    case STARTUP:
      return length
    case F.Query:
    case F.Parse:
    case F.Bind:
    case F.FunctionCall:
      return Math.min(state.limits.maxQueryBytes, state.textLimit) + SMALL
    case F.CopyData:
      pushCopyData(state, length)
      return SKIP
    case F.Password:
      return SKIP
    case F.Execute:
    case F.Describe:
    case F.Close:
      return SMALL
    default:
      return 0
  }
}

/** Of a backend body. */
export const keepOfReply = (state: PgState, type: number, length: number): number => {
  switch (type) {
    case B.DataRow:
    case B.FunctionCallResponse:
      onDataRow(state, length)
      return SKIP
    case B.CopyData:
      onCopyData(state, length)
      return SKIP
    case B.NoticeResponse:
    case B.NotificationResponse:
      return SKIP
    case B.CommandComplete:
    case B.ParameterStatus:
    case B.BackendKeyData:
    case B.Authentication:
      return SMALL
    case B.ErrorResponse:
      return MAX_ERROR
    case B.ParameterDescription:
      return MAX_PARAMETER_DESCRIPTION
    case B.ReadyForQuery:
    case B.NegotiateProtocolVersion:
      return READY_OR_VERSION
    default:
      return 0
  }
}

/** `count` bodies in a row of a type that is stepped over: rows, or copied data. */
export const countReplies = (state: PgState, type: number, count: number, bytes: number): void => {
  if (type === B.DataRow) onDataRow(state, bytes, count)
  else onCopyData(state, bytes, count)
}
